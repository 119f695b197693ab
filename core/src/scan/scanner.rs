//! A scan over random access: what is read at once, and the parts that threads may take.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bolt::bucket::{self, BUCKET_HEADER, Place};
use crate::bolt::freelist;
use crate::bolt::meta::{MetaChoice, MetaFault, Metas, NO_FREELIST};
use crate::bolt::page::{Header, Kind};
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::Geometry;
use crate::crc::{Combiner, Run};
use crate::error::Error;
use crate::etcd::bucket_rules::{Facts, REQUIRED};
use crate::etcd::completeness::{self, IMPOSSIBLE};
use crate::finding::{Finding, Findings, excerpt};
use crate::finding_code::Code;
use crate::limits::{FINDINGS_PER_CODE, MAX_PARTS, MIN_SUBTREES};
use crate::progress::{Unwatched, Watch};
use crate::report::Report;
use crate::scan::affected_answers::Losses;
use crate::scan::key_bucket::{KeyContext, KeyFold, Tally};
use crate::scan::leaf_prefetch::{Ahead, Leaves};
use crate::scan::leaf_visitor::{Fold, LeafPage};
use crate::scan::schema_buckets::{Listed, RootFold, SmallFold};
use crate::scan::subtree::Subtree;
use crate::scan::sweep_cache::Memory;
use crate::scan::walk::{LostKeys, Walk};
use crate::scan::{file_summary, lost_ranges, trailer_hash};
use crate::source::Source;

/// Where the number of a transaction stands in a meta page, in bytes.
const META_TXID: u64 = 64;

/// What became of opening a file.
pub enum Opened<'s, S: Source + ?Sized> {
    /// A bolt database: its parts can be run.
    Scan(Box<Scan<'s, S>>),
    /// No bolt database, or one whose metas are gone; the report says so.
    Refused(Box<Report>),
}

/// A top-level bucket, summed up.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub name: Arc<[u8]>,
    pub run: Run,
    pub entries: u64,
    pub pages: u64,
}

/// One scan of one file, cut into parts which threads may run in any order.
pub struct Scan<'s, S: Source + ?Sized> {
    pub(crate) source: &'s S,
    pub(crate) geometry: Geometry,
    pub(crate) meta: MetaChoice,
    /// The meta page by which the file is read, and its transaction.
    pub(crate) meta_page: PageId,
    pub(crate) txid: u64,
    pub(crate) logical: u64,
    /// Bytes of the database by its newest meta page, whichever it is read by.
    pub(crate) written: u64,
    pub(crate) synced_freelist: bool,
    pub(crate) facts: Facts,
    pub(crate) context: KeyContext,
    pub(crate) buckets: Vec<Bucket>,
    /// Position of bucket `key` in `buckets`.
    pub(crate) key_bucket: Option<usize>,
    pub(crate) key_place: Option<Listed>,
    /// All top-level buckets.
    pub(crate) listed: Vec<Listed>,
    pub(crate) groups: Vec<Vec<Subtree>>,
    /// What an inline bucket `key` holds.
    pub(crate) inline_key: Tally,
    pub(crate) findings: Findings,
    /// Which answers the findings touch.
    pub(crate) losses: Losses,
    pub(crate) incomplete: bool,
    /// Where the branch pages of bucket `key` that were read at once cannot be read.
    pub(crate) lost_keys: Vec<LostKeys>,
    pub(crate) free: PageSet,
    pub(crate) used: PageSet,
    /// `used` before the first part ran.
    pub(crate) used_before: PageSet,
    /// How many findings of each code each finished part keeps.
    kept: Mutex<Vec<BTreeMap<Code, u64>>>,
}

/// What one part found.
#[derive(Debug, Default)]
pub struct Part {
    pub(crate) tally: Tally,
    pub(crate) findings: Findings,
    pub(crate) pages: u64,
    pub(crate) incomplete: bool,
    pub(crate) conflict: bool,
    pub(crate) lost: Vec<LostKeys>,
}

impl<'s, S: Source + ?Sized> Scan<'s, S> {
    /// Reads the metas, the freelist and every bucket but `key`, and cuts that one into parts.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn open(source: &'s S) -> Result<Opened<'s, S>, Error> {
        Self::open_by(source, MetaChoice::Newest)
    }

    /// The same by the meta page that is chosen.
    ///
    /// # Errors
    /// As [`Scan::open`]; and [`Error::NoOlderMeta`].
    pub fn open_by(source: &'s S, meta: MetaChoice) -> Result<Opened<'s, S>, Error> {
        Self::open_with(source, meta, &mut Memory::default(), &Unwatched)
    }

    pub(crate) fn open_with(
        source: &'s S,
        meta: MetaChoice,
        memory: &mut Memory,
        watch: &dyn Watch,
    ) -> Result<Opened<'s, S>, Error> {
        let head = trailer_hash::head(source)?;
        let Some(metas) = Metas::find(&head) else {
            return Ok(Opened::Refused(Box::new(file_summary::refuse(&head, source.len()))));
        };
        let Some((live_id, live)) = metas.chosen(meta) else {
            return Err(Error::NoOlderMeta(match metas.slots {
                [Ok(_), Ok(_)] => "both meta pages lead to the same one",
                _ => "one of the two meta pages is not valid",
            }));
        };
        let mut findings = Findings::default();
        judge_metas(&metas, &head, &mut findings);
        if live.txid == 0 || live.txid >= IMPOSSIBLE {
            let text = format!("meta {live_id} is of transaction {}", live.txid);
            let at = live_id.offset(live.page_size).plus(META_TXID);
            findings.push(Finding::new(Code::TransactionImpossible, text).page(live_id).offset(at));
        }
        let page_size = u64::from(live.page_size);
        let in_file = source.len().checked_div(page_size).unwrap_or(0);
        let geometry = Geometry {
            page_size: live.page_size,
            high_water: live.high_water,
            present: PageId::new(in_file).min(live.high_water),
        };
        let used = PageSet::new(geometry.present.get())?;
        let free = PageSet::new(geometry.present.get())?;
        let mut walk = Walk::new(source, geometry, &used, memory, watch);
        if live.freelist != NO_FREELIST {
            freelist::read(walk.reader(), live.freelist, &used, &free, &mut findings)?;
        }
        let mut losses = Losses::default();
        losses.of_no_entries(&findings);
        let root_at = geometry.offset(live_id).plus(32);
        let mut other = Findings::default();
        let mut root = RootFold { listed: Vec::new(), other: &mut other };
        if live.root < PageId::FIRST || live.root >= geometry.high_water {
            let text = format!("the root is page {}, the database has {} pages", live.root, geometry.high_water);
            walk.findings.push(Finding::new(Code::RootInvalid, text).page(live_id).offset(root_at));
            walk.incomplete = true;
        } else {
            walk.visit(&Subtree::root(live.root, (live_id, root_at)), &mut root)?;
        }
        let listed = root.listed;
        losses.of_root(&walk.findings);
        losses.of_root(&other);
        let root_lost = walk.findings.list().iter().find(|finding| finding.code.loses_pages()).map(|found| found.code);
        findings.append(std::mem::take(&mut walk.findings));
        let combiner = Combiner::default();
        let mut facts = Facts::default();
        let mut buckets: Vec<Bucket> = listed
            .iter()
            .map(|entry| Bucket { name: Arc::clone(&entry.name), run: Run::default(), entries: 0, pages: 0 })
            .collect();
        for index in reading_order(&listed) {
            let (Some(entry), Some(bucket)) = (listed.get(index), buckets.get_mut(index)) else { continue };
            small_bucket(&mut walk, entry, bucket, &mut facts, &combiner)?;
            losses.of_bucket(&entry.name, &walk.findings);
            findings.append(std::mem::take(&mut walk.findings));
        }
        walk.report()?;
        let key_bucket = listed.iter().position(|entry| *entry.name == *b"key");
        let key_place = key_bucket.and_then(|index| listed.get(index)).cloned();
        let context = KeyContext { marks: facts.marks(), leases: std::mem::take(&mut facts.leases), combiner };
        let mut inline_key = KeyFold::new(&context);
        let before = walk.pages;
        walk.lost.clear();
        let groups = match &key_place {
            Some(entry) => key_groups(&mut walk, entry, &mut inline_key)?,
            None => Vec::new(),
        };
        let mut inline_key = inline_key.tally;
        inline_key.records.deal()?;
        if let Some(bucket) = key_bucket.and_then(|index| buckets.get_mut(index)) {
            bucket.pages = walk.pages.saturating_sub(before);
        }
        let mut lost_keys = std::mem::take(&mut walk.lost);
        let incomplete = walk.incomplete || other.verdict() == crate::severity::Verdict::Damaged;
        if incomplete && key_place.as_ref().is_none_or(|entry| bucket::parse(&entry.value).is_err()) {
            lost_keys.push(lost_ranges::all());
        }
        losses.of_bucket(b"key", &walk.findings);
        findings.append(walk.findings);
        findings.append(other);
        judge_buckets(&buckets, &facts, root_lost, &mut losses, &mut findings);
        if !incomplete {
            let has = |name: &str| buckets.iter().any(|bucket| *bucket.name == *name.as_bytes());
            completeness::judge(&facts, has).into_iter().for_each(|finding| findings.push(finding));
        }
        let used_before = used.copy()?;
        Ok(Opened::Scan(Box::new(Scan {
            source,
            geometry,
            meta,
            meta_page: live_id,
            txid: live.txid,
            logical: live.logical_size().unwrap_or(u64::MAX),
            written: metas.live().1.logical_size().unwrap_or(u64::MAX),
            synced_freelist: live.freelist != NO_FREELIST,
            facts,
            context,
            buckets,
            key_bucket,
            key_place,
            listed,
            groups,
            inline_key,
            findings,
            losses,
            incomplete,
            lost_keys,
            free,
            used,
            used_before,
            kept: Mutex::default(),
        })))
    }

    /// The leaves of bucket `key` when they lie in no order; none otherwise.
    pub(crate) fn scattered_leaves(&self) -> Result<Leaves, Error> {
        let roots = self.groups.iter().flatten().map(|subtree| subtree.page);
        Leaves::below(self.source, self.geometry, roots, self.context.marks.complete_above())
    }

    /// Walks all of bucket `key` once more, from where the first walk began, so that this one meets the same pages.
    pub(crate) fn walk_keys_again(&self, fold: &mut dyn Fold, ahead: &Ahead, watch: &dyn Watch) -> Result<(), Error> {
        let met = self.used_before.copy()?;
        let mut memory = Memory::default();
        let mut walk = Walk::new(self.source, self.geometry, &met, &mut memory, watch).with_ahead(ahead);
        for subtree in self.groups.iter().flatten() {
            walk.visit(subtree, fold)?;
        }
        if let Some(entry) = &self.key_place
            && let Ok(Place::Inline(header, bytes)) = bucket::parse(&entry.value)
        {
            walk.inline(&inline_page(entry, header, bytes), 1, fold)?;
        }
        Ok(())
    }

    /// How many parts there are: at least one, at most a few hundred.
    pub(crate) fn parts(&self) -> usize {
        self.groups.len().max(1)
    }

    /// Runs one part, with what was read ahead. Any thread may run any part, in any order, each once.
    ///
    /// # Errors
    /// When bytes cannot be read, or the watch asks to stop.
    pub(crate) fn run(&self, part: usize, ahead: &Ahead, watch: &dyn Watch) -> Result<Part, Error> {
        let mut memory = Memory::default();
        let walk = Walk::new(self.source, self.geometry, &self.used, &mut memory, watch).with_ahead(ahead);
        self.run_walk(part, walk)
    }

    pub(crate) fn run_with(
        &self,
        part: usize,
        used: &PageSet,
        memory: &mut Memory,
        watch: &dyn Watch,
    ) -> Result<Part, Error> {
        self.run_walk(part, Walk::new(self.source, self.geometry, used, memory, watch))
    }

    fn run_walk(&self, part: usize, mut walk: Walk<'_, '_, S>) -> Result<Part, Error> {
        let Some(group) = self.groups.get(part) else { return Ok(Part::default()) };
        let mut fold = KeyFold::new(&self.context);
        for subtree in group {
            walk.visit(subtree, &mut fold)?;
        }
        walk.report()?;
        fold.tally.records.deal()?;
        let (mut findings, pages, lost) = (walk.findings, walk.pages, walk.lost);
        self.keep(part, &mut findings);
        Ok(Part { tally: fold.tally, findings, pages, incomplete: walk.incomplete, conflict: walk.conflict, lost })
    }
}

impl<S: Source + ?Sized> Scan<'_, S> {
    /// Lets go of those findings of a part that the report has no room for, because the parts before it fill it: hundreds of parts would otherwise hold hundreds of times
    /// what is printed. Parts that are not finished yet count for nothing, so the report does not depend on timing.
    fn keep(&self, part: usize, findings: &mut Findings) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let len = kept.len().max(part.saturating_add(1));
        kept.resize_with(len, BTreeMap::new);
        let before = kept.get(..part).unwrap_or_default();
        let room = |code: Code| {
            let taken = before.iter().filter_map(|part| part.get(&code).copied()).fold(0, u64::saturating_add);
            FINDINGS_PER_CODE.saturating_sub(taken)
        };
        findings.keep(room);
        let mut own: BTreeMap<Code, u64> = BTreeMap::new();
        for finding in findings.list() {
            let count = own.entry(finding.code).or_default();
            *count = count.saturating_add(1);
        }
        if let Some(slot) = kept.get_mut(part) {
            *slot = own;
        }
    }
}

/// `meta` and `lease` come first, because what they say is needed to judge the others; `key` comes last, in parts.
fn reading_order(listed: &[Listed]) -> Vec<usize> {
    let rank = |name: &[u8]| match name {
        b"meta" => 0,
        b"lease" => 1,
        _ => 2,
    };
    let mut order: Vec<usize> =
        listed.iter().enumerate().filter(|(_, entry)| *entry.name != *b"key").map(|(index, _)| index).collect();
    order.sort_by_key(|index| listed.get(*index).map(|entry| rank(&entry.name)));
    order
}

fn small_bucket<S: Source + ?Sized>(
    walk: &mut Walk<'_, '_, S>,
    entry: &Listed,
    bucket: &mut Bucket,
    facts: &mut Facts,
    combiner: &Combiner,
) -> Result<(), Error> {
    let before = walk.pages;
    let mut fold = SmallFold { bucket: &entry.name, facts, combiner, run: Run::default(), entries: 0 };
    match bucket::parse(&entry.value) {
        Err(fault) => invalid_bucket(walk, entry, fault.at, &fault.message),
        Ok(Place::Tree(root)) => walk.visit(&Subtree::root(root, entry.at), &mut fold)?,
        Ok(Place::Inline(header, bytes)) => walk.inline(&inline_page(entry, header, bytes), 1, &mut fold)?,
    }
    bucket.run = fold.run;
    bucket.entries = fold.entries;
    bucket.pages = walk.pages.saturating_sub(before);
    Ok(())
}

fn key_groups<S: Source + ?Sized>(
    walk: &mut Walk<'_, '_, S>,
    entry: &Listed,
    inline: &mut KeyFold<'_>,
) -> Result<Vec<Vec<Subtree>>, Error> {
    match bucket::parse(&entry.value) {
        Err(fault) => invalid_bucket(walk, entry, fault.at, &fault.message),
        Ok(Place::Inline(header, bytes)) => walk.inline(&inline_page(entry, header, bytes), 1, inline)?,
        Ok(Place::Tree(root)) => {
            let subtrees = walk.expand(Subtree::root(root, entry.at), MIN_SUBTREES)?;
            let size = subtrees.len().div_ceil(MAX_PARTS).max(1);
            let mut subtrees = subtrees.into_iter();
            let groups = std::iter::from_fn(|| {
                let group: Vec<Subtree> = subtrees.by_ref().take(size).collect();
                (!group.is_empty()).then_some(group)
            });
            return Ok(groups.collect());
        }
    }
    Ok(Vec::new())
}

pub(crate) fn inline_page<'a>(entry: &Listed, header: Header, bytes: &'a [u8]) -> LeafPage<'a> {
    let (page, at) = entry.at;
    LeafPage { page, offset: at.plus(BUCKET_HEADER as u64), header, bytes, page_size: None }
}

fn invalid_bucket<S: Source + ?Sized>(walk: &mut Walk<'_, '_, S>, entry: &Listed, at: usize, message: &str) {
    let (page, offset) = entry.at;
    let text = format!("bucket {}: {message}", excerpt(&entry.name));
    let finding = Finding::new(Code::BucketInvalid, text).page(page).offset(offset.plus(at as u64));
    walk.findings.push(finding.key(&entry.name));
    walk.incomplete = true;
}

fn judge_metas(metas: &Metas, head: &[u8], findings: &mut Findings) {
    if let Some(claimed) = metas.claimed_page_size {
        let text = format!(
            "the meta page names a page size of {claimed}, but meta 1 lies where pages of {} end",
            metas.page_size
        );
        findings.push(Finding::new(Code::PageSizeMismatch, text).page(PageId::ZERO).offset(Offset::new(24)));
    }
    for (id, slot) in [PageId::ZERO, PageId::new(1)].into_iter().zip(metas.slots) {
        let offset = id.offset(metas.page_size);
        match slot {
            // bolt takes the page size from meta 0 alone when its checksum is right.
            Err(MetaFault::PageSize(size)) if id == PageId::ZERO => {
                let text = format!("meta 0 names a page size of {size}, and its checksum is right");
                findings.push(Finding::new(Code::PageSizeMismatch, text).page(PageId::ZERO).offset(Offset::new(24)));
            }
            Err(fault) => {
                let text = format!("meta {id} is not valid: {fault}");
                findings.push(Finding::new(Code::MetaInvalid, text).page(id).offset(offset.plus(16)));
            }
            Ok(meta) => {
                if id != PageId::ZERO && meta.page_size != metas.page_size && metas.claimed_page_size.is_none() {
                    let text = format!("meta 1 names a page size of {}, meta 0 of {}", meta.page_size, metas.page_size);
                    findings.push(Finding::new(Code::MetaInvalid, text).page(id).offset(offset.plus(24)));
                }
                let header = usize::try_from(offset.get()).ok().and_then(|at| head.get(at..)).and_then(Header::parse);
                let Some(header) = header else { continue };
                if header.id != id {
                    let text = format!("meta {id} carries the page number {}", header.id);
                    findings.push(Finding::new(Code::MetaInvalid, text).page(id).offset(offset));
                }
                if header.kind() != Some(Kind::Meta) {
                    let text = format!("page {id} holds a meta, but says it is {}", header.describe());
                    findings.push(Finding::new(Code::PageType, text).page(id).offset(offset.plus(8)));
                }
            }
        }
    }
}

/// `root_lost` is the damage that keeps part of the tree in which the buckets stand from being read.
fn judge_buckets(
    buckets: &[Bucket],
    facts: &Facts,
    root_lost: Option<Code>,
    losses: &mut Losses,
    findings: &mut Findings,
) {
    for name in REQUIRED {
        if !buckets.iter().any(|bucket| *bucket.name == *name.as_bytes()) {
            let finding = Finding::new(Code::BucketMissing, format!("there is no bucket `{name}`"));
            let finding = Finding { because: root_lost, ..finding.key(name.as_bytes()) };
            losses.add_to(name, finding.clone());
            findings.push(finding);
        }
    }
    if let Some(finished) = facts.finished_compact
        && facts.scheduled_compact.is_none_or(|scheduled| scheduled < finished)
    {
        let scheduled = facts.scheduled_compact.map_or("none".to_owned(), |revision| revision.to_string());
        let text = format!(
            "the compaction at revision {finished} is marked as finished, but the last one ordered is {scheduled}"
        );
        findings.push(Finding::new(Code::CompactionMarks, text).key(b"finishedCompactRev"));
    }
}
