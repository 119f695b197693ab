//! What a damaged snapshot still holds, as a new file from which etcd starts.
//!
//! ```text
//! live tree ── intact leaves ──┐
//! displaced leaves that fit a gap ─┼─▶ entries in order ──▶ chains of each key ──▶ marks, what is left out ──▶ new file
//! older tree, for what is lost ┘
//! ```
//! Nothing is taken that does not hang in a tree, so no page that a client forged inside a value comes in. Where revisions are missing, the mark of the compaction that was
//! requested is raised to the first revision behind the gap, and of a key whose history has a hole the entries before it are left out: history is complete above the mark, as
//! behind a compaction, and the store is one that etcd could have written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::bolt::bucket::{self, BUCKET_HEADER, Place};
use crate::bolt::leaf::{BUCKET, Leaf};
use crate::bolt::meta::{Meta, Metas};
use crate::bolt::page::Header;
use crate::bolt::reader::Geometry;
use crate::bolt::write::file_builder::{Built, FileBuilder, Form, MAX_KEY, PageSink};
use crate::code::Code;
use crate::error::Error;
use crate::etcd::completeness::{self, IMPOSSIBLE};
use crate::etcd::gap::{Gap, complete_from};
use crate::etcd::history::contradiction;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::record::{KeyHash, Marks, Record};
use crate::etcd::revision::{Revision, RevisionKey};
use crate::etcd::schema::{Facts, REQUIRED};
use crate::etcd::version;
use crate::fields::u64_le;
use crate::finding::{Finding, excerpt};
use crate::limits::MAX_BUCKETS;
use crate::rewrite::intact_tree::{IntactTrees, Interval, Met};
use crate::rewrite::new_file::RewriteError;
use crate::rewrite::salvage_report::{BucketOrigin, Origin, SalvageReport};
use crate::scan::digest::inspect;
use crate::scan::trailer::head;
use crate::severity::Severity;
use crate::source::Source;
use crate::watch::Watch;

/// From where entries are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nothing but the live tree, each leaf in its place.
    pub only_tree: bool,
    /// Nothing of which it cannot be told whether it was deleted since.
    pub proven_only: bool,
}

/// What becomes of users and roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthPolicy {
    /// They are as they are read.
    AsRead,
    /// There are none, and everybody may read and write.
    Reset,
}

/// A bucket as the root page has it.
struct Bucket {
    value: Vec<u8>,
    /// Whether the older root names it, and not the live one.
    older: bool,
}

/// The buckets that a root page lists, by name.
type Listed = BTreeMap<Vec<u8>, Bucket>;

/// The element of a bucket, and the meta page of the tree that it belongs to.
type Element = (Meta, Vec<u8>);

/// Takes the flags, key and value of an element.
type TakePair<'t> = dyn FnMut(u32, &[u8], &[u8]) + 't;

/// Takes an entry of bucket `key`: its key, value and record, and whether it comes from the older tree; says whether to go on.
type TakeEntry<'t> = dyn FnMut(RevisionKey, &[u8], Option<Record>, bool) -> bool + 't;

/// Where a run of entries of bucket `key` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    Page(u64),
    /// In the value of the bucket's own element.
    Inline,
}

impl Spot {
    fn page(self) -> Option<u64> {
        match self {
            Self::Page(page) => Some(page),
            Self::Inline => None,
        }
    }
}

/// A leaf of bucket `key`.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: RevisionKey,
    last: RevisionKey,
    spot: Spot,
    older: bool,
}

/// What is to be left out of the entries.
#[derive(Debug, Default)]
struct Left {
    /// Keys with a hole in their history: entries before this revision.
    broken: HashMap<KeyHash, Revision>,
    /// Empty values of which the key is lost, and a tombstone under the revision of a put.
    unusable: BTreeSet<RevisionKey>,
    /// At or below this revision nothing is taken from the older tree.
    unproven: i64,
}

/// A damaged file, looked through.
pub struct Salvage<'s, S: Source + ?Sized> {
    source: &'s S,
    live: Meta,
    older: Option<Meta>,
    buckets: BTreeMap<Vec<u8>, Bucket>,
    runs: Vec<Run>,
    left: Left,
    marks: Marks,
    auth_is_damaged: bool,
    /// Settings that contradict others, or that no etcd writes, and are left out.
    impossible: Vec<String>,
    report: SalvageReport,
}

/// Buckets that say who may read and write.
const AUTH: [&[u8]; 3] = [b"auth", b"authRoles", b"authUsers"];

impl<'s, S: Source + ?Sized> Salvage<'s, S> {
    /// Looks through the file; none when no meta page is valid. Memory: 64 bytes a leaf, and as much a key.
    ///
    /// # Errors
    /// When bytes cannot be read, or the watch asks to stop.
    pub fn open(source: &'s S, limits: Limits, watch: &dyn Watch) -> Result<Option<Self>, Error> {
        let Some(metas) = Metas::find(&head(source)?) else { return Ok(None) };
        let (id, live) = metas.live();
        let [first, second] = metas.slots;
        let other = if id == 0 { second } else { first };
        let older = other.ok().map(|meta| Meta { page_size: live.page_size, ..meta });
        let older = older.filter(|meta| meta.root != live.root && !limits.only_tree);
        let mut salvage = Self {
            source,
            live,
            older,
            buckets: BTreeMap::new(),
            runs: Vec::new(),
            left: Left { unproven: -1, ..Left::default() },
            marks: Marks { finished: -1, scheduled: -1 },
            auth_is_damaged: false,
            impossible: Vec::new(),
            report: SalvageReport::default(),
        };
        salvage.list_buckets()?;
        salvage.look_at_small_buckets()?;
        salvage.find_runs(limits)?;
        salvage.mend_marks();
        if limits.proven_only {
            salvage.left.unproven = salvage.marks.last_compaction();
        }
        salvage.follow_chains(watch)?;
        Ok(Some(salvage))
    }

    /// What was found.
    #[must_use]
    pub fn report(&self) -> &SalvageReport {
        &self.report
    }

    /// Whether users and roles cannot be read whole.
    #[must_use]
    pub fn auth_is_damaged(&self) -> bool {
        self.auth_is_damaged
    }

    /// Whether nothing of bucket `key` can be read although there is something.
    #[must_use]
    pub fn has_nothing(&self) -> bool {
        self.runs.is_empty() && !self.report.damage.is_empty()
    }

    /// Bytes of a page.
    #[must_use]
    pub fn page_size(&self) -> u32 {
        self.live.page_size
    }

    fn geometry(&self, meta: Meta) -> Geometry {
        let whole = self.source.len().checked_div(u64::from(meta.page_size)).unwrap_or(0);
        Geometry { page_size: meta.page_size, high_water: meta.high_water, present: whole.min(meta.high_water) }
    }

    fn trees(&self, meta: Meta) -> Result<IntactTrees<'s, S>, Error> {
        IntactTrees::new(self.source, self.geometry(meta))
    }

    /// The buckets of the live root, and those of the older one where that is damaged.
    fn list_buckets(&mut self) -> Result<(), Error> {
        let (mut found, damage) = self.roots(self.live)?;
        if let Some(older) = self.older.filter(|_| !damage.is_empty()) {
            for (name, value) in self.roots(older)?.0 {
                found.entry(name).or_insert(Bucket { older: true, ..value });
            }
        }
        damage.into_iter().for_each(|finding| self.report.add_damage(finding));
        self.buckets = found;
        Ok(())
    }

    fn roots(&self, meta: Meta) -> Result<(Listed, Vec<Finding>), Error> {
        let (mut found, mut damage) = (BTreeMap::new(), Vec::new());
        self.trees(meta)?.walk(meta.root, &mut |met| match met {
            Met::Leaf(_, leaf) => {
                let buckets = leaf.pairs().filter(|element| element.flags & BUCKET != 0);
                let room = MAX_BUCKETS.saturating_sub(found.len());
                let named = buckets
                    .take(room)
                    .map(|element| (element.key.to_vec(), Bucket { value: element.value.to_vec(), older: false }));
                found.extend(named);
            }
            Met::Missing(_, finding) => damage.push(finding),
            Met::Displaced(_) => {}
        })?;
        Ok((found, damage))
    }

    /// Goes through the entries of a bucket as its element has it: what is wrong.
    fn pairs(&self, meta: Meta, value: &[u8], take: &mut TakePair<'_>) -> Result<Vec<Finding>, Error> {
        let mut damage = Vec::new();
        match bucket::parse(value) {
            Ok(Place::Tree(root)) => self.trees(meta)?.walk(root, &mut |met| match met {
                Met::Leaf(_, leaf) => leaf.pairs().for_each(|element| take(element.flags, element.key, element.value)),
                Met::Missing(_, finding) => damage.push(finding),
                Met::Displaced(_) => {}
            })?,
            Ok(Place::Inline(header, bytes)) => {
                let leaf = Leaf::new(header, bytes);
                damage.extend(leaf.hidden().map(|fault| Finding::new(fault.code, fault.message)));
                leaf.pairs().for_each(|element| take(element.flags, element.key, element.value));
            }
            Err(fault) => damage.push(Finding::new(fault.code, fault.message)),
        }
        Ok(damage)
    }

    /// From where the entries of a small bucket come: its element, and the meta page of its tree.
    fn best(&self, name: &[u8]) -> Result<(Origin, Option<Element>, Vec<Finding>), Error> {
        let mut damage = Vec::new();
        let live = self.buckets.get(name).filter(|bucket| !bucket.older);
        if let Some(bucket) = live {
            damage = self.pairs(self.live, &bucket.value, &mut |_, _, _| {})?;
            if damage.is_empty() {
                return Ok((Origin::Tree, Some((self.live, bucket.value.clone())), damage));
            }
        }
        if let Some(older) = self.older
            && let Some(bucket) = self.roots(older)?.0.remove(name)
            && self.pairs(older, &bucket.value, &mut |_, _, _| {})?.is_empty()
        {
            return Ok((Origin::OlderTree, Some((older, bucket.value)), damage));
        }
        Ok(match live {
            Some(bucket) => (Origin::Parts, Some((self.live, bucket.value.clone())), damage),
            None => (Origin::Nowhere, None, damage),
        })
    }

    /// Every bucket but `key`, with all that etcd needs.
    fn names(&self) -> Vec<Vec<u8>> {
        let required = REQUIRED.iter().map(|name| name.as_bytes().to_vec());
        let mut names: Vec<Vec<u8>> = self.buckets.keys().cloned().chain(required).collect();
        names.retain(|name| (1..=MAX_KEY).contains(&name.len()));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What the small buckets say, and whether they can be read.
    fn look_at_small_buckets(&mut self) -> Result<(), Error> {
        let mut facts = Facts::default();
        for name in self.names().iter().filter(|name| *name != b"key") {
            let (origin, from, damage) = self.best(name)?;
            let mut malformed = 0_u64;
            if let Some((meta, value)) = &from {
                self.pairs(*meta, value, &mut |flags, key, value| {
                    malformed = malformed.saturating_add(u64::from(!is_good(&mut facts, name, flags, key, value)));
                })?;
            }
            if AUTH.contains(&name.as_slice()) && (origin != Origin::Tree || malformed > 0) {
                self.auth_is_damaged = true;
            }
            damage.into_iter().for_each(|finding| self.report.add_damage(finding));
            self.report.buckets.push(BucketOrigin { name: excerpt(name), origin, malformed });
        }
        self.marks = facts.marks();
        let versions = version::contradiction(facts.cluster_version.as_deref(), facts.storage_version.as_deref());
        let versions = versions.map(|(code, name, text)| Finding::new(code, text).key(name.as_bytes()));
        let settings = completeness::judge(&facts, |_| true).into_iter().chain(versions);
        let wrong = settings.filter(|finding| finding.severity == Severity::Damage && !finding.code.is_about_auth());
        self.impossible = wrong.filter_map(|finding| finding.key).collect();
        for name in &self.impossible {
            let is_cluster = ["clusterVersion", "downgrade"].contains(&name.as_str());
            self.report.add_malformed(if is_cluster { "cluster" } else { "meta" });
        }
        Ok(())
    }

    /// Makes marks of compaction that contradict each other or the history such as etcd could have written: what is finished was requested, and nobody requests a compaction
    /// above the last revision.
    fn mend_marks(&mut self) {
        for mark in [&mut self.marks.finished, &mut self.marks.scheduled] {
            if !completeness::leaves_revisions(*mark) {
                *mark = -1;
            }
        }
        let Marks { finished, scheduled } = self.marks;
        let last = self.runs.last().map_or(0, |run| run.last.revision.main);
        let possible = if scheduled > finished && scheduled > last { last.max(finished) } else { scheduled };
        let mended = possible.max(finished);
        if mended != scheduled {
            self.marks.scheduled = mended;
            self.report.add_malformed("meta");
        }
    }

    /// The leaves of bucket `key`.
    fn find_runs(&mut self, limits: Limits) -> Result<(), Error> {
        let Some(bucket) = self.buckets.get(&b"key"[..]) else {
            self.report.add_damage(Finding::new(Code::BucketMissing, "there is no bucket `key`"));
            return Ok(());
        };
        let meta = if bucket.older { self.older.unwrap_or(self.live) } else { self.live };
        let older = bucket.older;
        let (mut runs, mut missing, mut displaced, mut damage) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut trees = self.trees(meta)?;
        match bucket::parse(&bucket.value) {
            Ok(Place::Inline(header, bytes)) => {
                let leaf = Leaf::new(header, bytes);
                damage.extend(leaf.hidden().map(|fault| Finding::new(fault.code, fault.message)));
                runs.extend(run(leaf, Spot::Inline, older));
            }
            Ok(Place::Tree(root)) => trees.walk(root, &mut |met| match met {
                Met::Leaf(page, leaf) => runs.extend(run(leaf, Spot::Page(page), older)),
                Met::Displaced(page) => displaced.push(page),
                Met::Missing(interval, finding) => {
                    missing.push(interval);
                    damage.push(finding);
                }
            })?,
            Err(fault) => {
                missing.push(Interval::all());
                damage.push(Finding::new(fault.code, fault.message));
            }
        }
        // A page within the overflow of another one is part of a value, whatever it looks like.
        runs.retain(|run| {
            let stays = !run.spot.page().is_some_and(|page| trees.is_overflow(page));
            if !stays {
                damage.push(Finding::new(Code::PageShared, "a leaf lies in a value of another one"));
            }
            stays
        });
        self.report.leaves = runs.len() as u64;
        displaced.retain(|page| !trees.is_overflow(*page));
        let mut fitting = Vec::new();
        for page in displaced.into_iter().filter(|_| !limits.only_tree) {
            let found = trees.leaf(page)?.and_then(|leaf| run(leaf, Spot::Page(page), older));
            fitting.extend(found.filter(|run| fits(run, &missing)));
        }
        let displaced = add(&mut runs, fitting);
        self.report.displaced_leaves = displaced;
        if let Some(meta) = self.older.filter(|_| !missing.is_empty() && !older)
            && let Some(bucket) = self.roots(meta)?.0.remove(&b"key"[..])
            && let Ok(Place::Tree(root)) = bucket::parse(&bucket.value)
        {
            let mut found = Vec::new();
            let mut older = self.trees(meta)?;
            older.walk(root, &mut |met| {
                if let Met::Leaf(page, leaf) = met {
                    found.extend(run(leaf, Spot::Page(page), true).filter(|run| fits(run, &missing)));
                }
            })?;
            found.retain(|run| !run.spot.page().is_some_and(|page| trees.was_met(page) || older.is_overflow(page)));
            self.report.older_leaves = add(&mut runs, found);
        }
        // What was lost behind the last leaf shows in no revision that is there.
        let end = runs.last().map(|run| bytes(run.last));
        self.report.end_is_lost = missing
            .iter()
            .any(|interval| end.as_deref().is_none_or(|end| interval.high.as_deref().is_none_or(|high| high > end)));
        for interval in &missing {
            let main = |key: &[u8]| RevisionKey::parse(key).map(|key| key.revision.main);
            self.report.add_unread(main(&interval.low).unwrap_or(0), interval.high.as_deref().and_then(main));
        }
        self.runs = runs;
        damage.into_iter().for_each(|finding| self.report.add_damage(finding));
        Ok(())
    }

    /// Hands out the entries that etcd could have written, in order, with whether they come from the older tree; `take` says whether to go on. How many it could not have written.
    fn entries(&self, watch: &dyn Watch, take: &mut TakeEntry<'_>) -> Result<u64, Error> {
        let mut malformed = 0_u64;
        let (mut live, mut older) = (self.trees(self.live)?, self.trees(self.older.unwrap_or(self.live))?);
        let inline = self.buckets.get(&b"key"[..]).map(|bucket| bucket.value.get(BUCKET_HEADER..).unwrap_or_default());
        for run in &self.runs {
            let leaf = match run.spot {
                Spot::Inline => inline.and_then(|bytes| Some(Leaf::new(Header::parse(bytes)?, bytes))),
                Spot::Page(page) => if run.older { &mut older } else { &mut live }.leaf(page)?,
            };
            for element in leaf.into_iter().flat_map(Leaf::pairs) {
                let key = RevisionKey::parse(element.key).filter(|_| element.flags & BUCKET == 0);
                let key = key.filter(|key| completeness::leaves_revisions(key.revision.main));
                let inspected = key.map(|key| (key, inspect(key, element.value)));
                match inspected {
                    Some((key, Ok(record))) => {
                        if !take(key, element.value, record.map(|(record, _)| record), run.older) {
                            return Ok(malformed);
                        }
                    }
                    _ => malformed = malformed.saturating_add(1),
                }
            }
            watch.advance(u64::from(self.live.page_size));
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        Ok(malformed)
    }

    /// Follows the history of each key, and finds out what is missing and what has to be left out.
    fn follow_chains(&mut self, watch: &dyn Watch) -> Result<(), Error> {
        let marks = self.marks;
        let complete_above = marks.complete_above();
        let mut chains: HashMap<KeyHash, (Record, i64)> = HashMap::new();
        let mut left = std::mem::take(&mut self.left);
        let mut report = std::mem::take(&mut self.report);
        let mut raised = 0_i64;
        let mut gap_end = 0_i64;
        let mut may_be_migrated = true;
        let mut last: Option<Revision> = None;
        let mut emptied: Option<(Revision, Option<Revision>)> = None;
        let unproven_below = marks.last_compaction();
        let mut unproven = 0_u64;
        let malformed = self.entries(watch, &mut |key, value, record, older| {
            let here = key.revision;
            let is_unproven = older && here.main <= unproven_below;
            if is_unproven && here.main <= left.unproven {
                return true;
            }
            if last.is_some_and(|last| last >= here) {
                left.unusable.insert(key);
                return true;
            }
            unproven = unproven.saturating_add(u64::from(is_unproven));
            // The empty value of a bump stands alone in its transaction: among other operations it has lost its key.
            if let Some((phantom, before)) = emptied.take().filter(|(phantom, _)| phantom.main == here.main) {
                left.unusable.insert(RevisionKey { revision: phantom, tombstone: false });
                last = before;
            }
            let Some(mut record) = record else {
                if last.is_some_and(|last| last.main == here.main) {
                    left.unusable.insert(key);
                } else {
                    emptied = Some((here, last));
                    see_gap(last, here, complete_above, &mut report, &mut raised, &mut gap_end);
                    last = Some(here);
                }
                return true;
            };
            // What `etcdctl migrate` wrote begins the history, if anywhere.
            if record.is_migrated(here.main) && !may_be_migrated {
                left.unusable.insert(key);
                return true;
            }
            may_be_migrated &= record.is_creation() && here.sub == 0;
            see_gap(last, here, complete_above, &mut report, &mut raised, &mut gap_end);
            last = Some(here);
            record.set_era(marks.era(here.main));
            let before = chains.get(&record.key()).map(|(record, _)| *record);
            if contradiction(before.as_ref(), &record).is_some() {
                raised = raised.max(here.main);
                if before.is_some() {
                    left.broken.insert(record.key(), here);
                }
                report.add_broken(KeyValue::parse(value).map(|message| message.key).unwrap_or_default());
            }
            chains.insert(record.key(), (record, here.main));
            true
        })?;
        report.malformed = malformed.saturating_add(left.unusable.len() as u64);
        report.unproven = unproven;
        report.revision = last.map_or(0, |last| last.main);
        let in_doubt = if report.end_is_lost { i64::MAX } else { gap_end };
        let doubtful = chains.values().filter(|(record, main)| !record.is_tombstone() && *main < in_doubt);
        report.doubtful_keys = doubtful.count() as u64;
        report.raised_to = (raised > marks.last_compaction()).then_some(raised);
        self.left = left;
        self.report = report;
        let (kept, all) = self.count(watch)?;
        self.report.entries = kept;
        self.report.superseded = all.saturating_sub(kept);
        Ok(())
    }

    /// Entries that are kept, and those that etcd could have written.
    fn count(&self, watch: &dyn Watch) -> Result<(u64, u64), Error> {
        let (mut kept, mut all) = (0_u64, 0_u64);
        if self.left.broken.is_empty() {
            // Nothing but what was counted already.
            self.entries(watch, &mut |key, _, _, older| {
                kept = kept.saturating_add(u64::from(self.keeps(key, None, older)));
                true
            })?;
            return Ok((kept, kept));
        }
        self.entries(watch, &mut |key, _, record, older| {
            all = all.saturating_add(u64::from(self.keeps(key, None, older)));
            kept = kept.saturating_add(u64::from(self.keeps(key, record.as_ref(), older)));
            true
        })?;
        Ok((kept, all))
    }

    fn keeps(&self, key: RevisionKey, record: Option<&Record>, older: bool) -> bool {
        let broken = record.and_then(|record| self.left.broken.get(&record.key()));
        !(self.left.unusable.contains(&key)
            || (older && key.revision.main <= self.left.unproven)
            || broken.is_some_and(|from| key.revision < *from))
    }

    /// Writes the pages of the new file; the meta pages are in the answer.
    ///
    /// # Errors
    /// When bytes cannot be read, or the sink fails: what was written by then is no file.
    pub fn write<K: PageSink>(
        &self,
        auth: AuthPolicy,
        sink: K,
        watch: &dyn Watch,
    ) -> Result<(Built, K), RewriteError<K::Error>> {
        // A number that bolt never reaches is damage, too.
        let txid = if self.live.txid < IMPOSSIBLE >> 1 { self.live.txid.saturating_add(1) } else { 2 };
        let form = Form { page_size: self.live.page_size, txid, sequence: 0 };
        let mut builder = FileBuilder::new(form, sink);
        let mut facts = Facts::default();
        for name in self.names() {
            let sequence = self.buckets.get(&name).and_then(|bucket| u64_le(&bucket.value, 8)).unwrap_or(0);
            builder.begin_bucket(&name, sequence)?;
            if name == b"key" {
                self.write_key(&mut builder, watch)?;
            } else if !(auth == AuthPolicy::Reset && AUTH.contains(&name.as_slice())) {
                self.write_small(&name, &mut facts, &mut builder)?;
            }
            builder.end_bucket()?;
        }
        Ok(builder.finish()?)
    }

    fn write_key<K: PageSink>(
        &self,
        builder: &mut FileBuilder<K>,
        watch: &dyn Watch,
    ) -> Result<(), RewriteError<K::Error>> {
        let mut outcome = Ok(());
        self.entries(watch, &mut |key, value, record, older| {
            if self.keeps(key, record.as_ref(), older) {
                outcome = builder.put(&bytes(key), value);
            }
            outcome.is_ok()
        })?;
        Ok(outcome?)
    }

    fn write_small<K: PageSink>(
        &self,
        name: &[u8],
        facts: &mut Facts,
        builder: &mut FileBuilder<K>,
    ) -> Result<(), RewriteError<K::Error>> {
        let scheduled = self.marks.scheduled.max(self.report.raised_to.unwrap_or(-1));
        let mark = (name == b"meta" && scheduled >= 0).then_some(scheduled);
        let mut mark = mark.map(|main| bytes(RevisionKey { revision: Revision { main, sub: 0 }, tombstone: false }));
        let mut outcome = Ok(());
        if let (_, Some((meta, value)), _) = self.best(name)? {
            self.pairs(meta, &value, &mut |flags, key, value| {
                let impossible = self.impossible.iter().any(|name| name.as_bytes() == key);
                if outcome.is_err() || !is_good(facts, name, flags, key, value) || impossible {
                    return;
                }
                if key >= SCHEDULED
                    && let Some(mark) = mark.take()
                {
                    outcome = builder.put(SCHEDULED, &mark);
                    if key == SCHEDULED || outcome.is_err() {
                        return;
                    }
                }
                outcome = builder.put(key, value);
            })?;
        }
        outcome?;
        if let Some(mark) = mark {
            builder.put(SCHEDULED, &mark)?;
        }
        Ok(())
    }
}

/// The mark of a compaction that was requested: etcd carries it out when it starts.
const SCHEDULED: &[u8] = b"scheduledCompactRev";

/// Takes in that `here` follows `last`.
fn see_gap(
    last: Option<Revision>,
    here: Revision,
    complete_above: i64,
    report: &mut SalvageReport,
    raised: &mut i64,
    gap_end: &mut i64,
) {
    if complete_from(last, here) > complete_above {
        // An entry stands at that revision, as one does at the revision of each compaction.
        *raised = (*raised).max(here.main);
        *gap_end = (*gap_end).max(here.main);
        if let Some(gap) = Gap::between(last, here, complete_above) {
            report.add_gap(gap);
        }
    }
}

/// Whether an entry of a small bucket is one that etcd could have written.
fn is_good(facts: &mut Facts, name: &[u8], flags: u32, key: &[u8], value: &[u8]) -> bool {
    let wrong = facts.take(name, key, value).err();
    let harmless = wrong.is_none_or(|(code, _)| code.severity() != Severity::Damage);
    flags & BUCKET == 0 && (1..=MAX_KEY).contains(&key.len()) && harmless
}

/// The run of a leaf; none when it holds no revision.
fn run(leaf: Leaf<'_>, spot: Spot, older: bool) -> Option<Run> {
    let mut keys = leaf.pairs().filter_map(|element| RevisionKey::parse(element.key));
    let first = keys.next()?;
    Some(Run { first, last: keys.last().unwrap_or(first), spot, older })
}

/// Whether a run lies in one of the intervals that are missing.
fn fits(run: &Run, missing: &[Interval]) -> bool {
    let (first, last) = (bytes(run.first), bytes(run.last));
    missing.iter().any(|interval| interval.holds(&first, &last))
}

/// Adds runs where they overlap nothing: what conflicts is taken from none. How many were added.
fn add(runs: &mut Vec<Run>, mut found: Vec<Run>) -> u64 {
    found.sort_unstable_by_key(|run| run.first);
    let overlaps = |a: &Run, b: &Run| a.first <= b.last && b.first <= a.last;
    let alone: Vec<Run> = found
        .iter()
        .enumerate()
        .filter(|(at, run)| {
            let neighbours = [at.checked_sub(1), at.checked_add(1)];
            let beside = neighbours.into_iter().flatten().filter_map(|at| found.get(at));
            let place = runs.partition_point(|other| other.first < run.first);
            let around = [place.checked_sub(1), Some(place)].into_iter().flatten().filter_map(|at| runs.get(at));
            !beside.chain(around).any(|other| overlaps(run, other))
        })
        .map(|(_, run)| *run)
        .collect();
    let count = alone.len() as u64;
    runs.extend(alone);
    runs.sort_unstable_by_key(|run| run.first);
    count
}

fn bytes(key: RevisionKey) -> Vec<u8> {
    let (bytes, len) = key.to_bytes();
    bytes.get(..len).unwrap_or_default().to_vec()
}
