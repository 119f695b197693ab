//! A scan with random access: everything read at the start, and the parts that threads may take.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bolt::bucket::{self, BUCKET_HEADER, BucketLocation};
use crate::bolt::freelist;
use crate::bolt::meta::{MetaChoice, MetaFault, Metas, NO_FREELIST};
use crate::bolt::page::{Header, PageKind};
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::Geometry;
use crate::crc::{CrcCombiner, CrcRun};
use crate::error::Error;
use crate::etcd::bucket_rules::{Facts, REQUIRED};
use crate::etcd::completeness::{self, IMPOSSIBLE};
use crate::finding::{Finding, Findings, excerpt};
use crate::finding_code::Code;
use crate::limits::{FINDINGS_PER_CODE, MAX_PARTS, MIN_SUBTREES};
use crate::progress::{Unwatched, Watch};
use crate::report::Report;
use crate::scan::affected_answers::Losses;
use crate::scan::key_bucket::{KeyBucketTotals, KeyContext, KeyFold};
use crate::scan::leaf_prefetch::{PrefetchedDigests, ScatteredLeaves};
use crate::scan::leaf_visitor::{LeafPage, LeafVisitor};
use crate::scan::schema_buckets::{ListedBucket, RootFold, SmallFold};
use crate::scan::subtree::Subtree;
use crate::scan::sweep_cache::SweepCache;
use crate::scan::walk::{LostKeys, Walk};
use crate::scan::{file_summary, lost_ranges, trailer_hash};
use crate::source::Source;

/// Offset of the transaction id in a meta page, in bytes.
const META_TXID: u64 = 64;

/// Result of opening a file.
pub enum Opened<'s, S: Source + ?Sized> {
    /// A bbolt database, whose parts can be run.
    Scan(Box<Scan<'s, S>>),
    /// The report about a file that is not a bbolt database, or has no valid meta page.
    Refused(Box<Report>),
}

/// Totals of a top-level bucket.
#[derive(Debug, Clone)]
pub(crate) struct BucketTotals {
    pub name: Arc<[u8]>,
    pub run: CrcRun,
    pub entries: u64,
    pub pages: u64,
}

/// One scan of one file, split into parts that threads may run in any order.
pub struct Scan<'s, S: Source + ?Sized> {
    pub(crate) source: &'s S,
    pub(crate) geometry: Geometry,
    pub(crate) meta: MetaChoice,
    /// The meta page that the file is read by, and its transaction id.
    pub(crate) meta_page: PageId,
    pub(crate) txid: u64,
    pub(crate) logical: u64,
    /// Length of the database according to its newest meta page, whichever page it is read by, in bytes.
    pub(crate) written: u64,
    pub(crate) synced_freelist: bool,
    pub(crate) facts: Facts,
    pub(crate) context: KeyContext,
    pub(crate) buckets: Vec<BucketTotals>,
    /// Index of bucket `key` in `buckets`.
    pub(crate) key_bucket: Option<usize>,
    pub(crate) key_place: Option<ListedBucket>,
    /// All top-level buckets.
    pub(crate) listed: Vec<ListedBucket>,
    pub(crate) groups: Vec<Vec<Subtree>>,
    /// Totals of an inline bucket `key`.
    pub(crate) inline_key: KeyBucketTotals,
    pub(crate) findings: Findings,
    /// Answers affected by the findings.
    pub(crate) losses: Losses,
    pub(crate) incomplete: bool,
    /// Key ranges lost to unreadable branch pages of bucket `key` among those read at the start.
    pub(crate) lost_keys: Vec<LostKeys>,
    pub(crate) free: PageSet,
    pub(crate) used: PageSet,
    /// Copy of `used` before the first part ran.
    pub(crate) used_before: PageSet,
    /// Number of findings of each code that each finished part keeps.
    kept: Mutex<Vec<BTreeMap<Code, u64>>>,
}

/// Results of one part.
#[derive(Debug, Default)]
pub struct ScanPart {
    pub(crate) tally: KeyBucketTotals,
    pub(crate) findings: Findings,
    pub(crate) pages: u64,
    pub(crate) incomplete: bool,
    pub(crate) conflict: bool,
    pub(crate) lost: Vec<LostKeys>,
}

impl<'s, S: Source + ?Sized> Scan<'s, S> {
    /// Reads the meta pages, the freelist and every bucket except `key`, and splits that one into parts.
    ///
    /// # Errors
    /// A read fails.
    pub fn open(source: &'s S) -> Result<Opened<'s, S>, Error> {
        Self::open_by(source, MetaChoice::Newest)
    }

    /// Does the same with the chosen meta page.
    ///
    /// # Errors
    /// The same errors as [`Scan::open`], and [`Error::NoOlderMeta`].
    pub fn open_by(source: &'s S, meta: MetaChoice) -> Result<Opened<'s, S>, Error> {
        Self::open_with(source, meta, &mut SweepCache::default(), &Unwatched)
    }

    pub(crate) fn open_with(
        source: &'s S,
        meta: MetaChoice,
        memory: &mut SweepCache,
        watch: &dyn Watch,
    ) -> Result<Opened<'s, S>, Error> {
        let head = trailer_hash::head(source)?;
        let Some(metas) = Metas::find(&head) else {
            return Ok(Opened::Refused(Box::new(file_summary::refuse(&head, source.len()))));
        };
        let Some((live_id, live)) = metas.chosen(meta) else {
            return Err(Error::NoOlderMeta(match metas.slots {
                [Ok(_), Ok(_)] => "both meta pages lead to the same tree",
                _ => "one of the two meta pages is not valid",
            }));
        };
        let mut findings = Findings::default();
        judge_metas(&metas, &head, &mut findings);
        if live.txid == 0 || live.txid >= IMPOSSIBLE {
            let text = format!("meta page {live_id} has the transaction id {}", live.txid);
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
            let text = format!("the root is page {}, but the database has {} pages", live.root, geometry.high_water);
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
        let combiner = CrcCombiner::default();
        let mut facts = Facts::default();
        let mut buckets: Vec<BucketTotals> = listed
            .iter()
            .map(|entry| BucketTotals { name: Arc::clone(&entry.name), run: CrcRun::default(), entries: 0, pages: 0 })
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

    /// Returns the leaves of bucket `key` if they are scattered in the file; otherwise none.
    pub(crate) fn scattered_leaves(&self) -> Result<ScatteredLeaves, Error> {
        let roots = self.groups.iter().flatten().map(|subtree| subtree.page);
        ScatteredLeaves::below(self.source, self.geometry, roots, self.context.marks.complete_above())
    }

    /// Walks bucket `key` again, from the starting point of the first walk, so that both visit the same pages.
    pub(crate) fn walk_keys_again(
        &self,
        fold: &mut dyn LeafVisitor,
        ahead: &PrefetchedDigests,
        watch: &dyn Watch,
    ) -> Result<(), Error> {
        let met = self.used_before.copy()?;
        let mut memory = SweepCache::default();
        let mut walk = Walk::new(self.source, self.geometry, &met, &mut memory, watch).with_ahead(ahead);
        for subtree in self.groups.iter().flatten() {
            walk.visit(subtree, fold)?;
        }
        if let Some(entry) = &self.key_place
            && let Ok(BucketLocation::Inline(header, bytes)) = bucket::parse(&entry.value)
        {
            walk.inline(&inline_page(entry, header, bytes), 1, fold)?;
        }
        Ok(())
    }

    /// The number of parts: at least one, at most a few hundred.
    pub(crate) fn parts(&self) -> usize {
        self.groups.len().max(1)
    }

    /// Runs one part, using the leaves that were read ahead. Any thread may run any part, in any order, each once.
    ///
    /// # Errors
    /// A read fails, or `watch` requests a stop.
    pub(crate) fn run(&self, part: usize, ahead: &PrefetchedDigests, watch: &dyn Watch) -> Result<ScanPart, Error> {
        let mut memory = SweepCache::default();
        let walk = Walk::new(self.source, self.geometry, &self.used, &mut memory, watch).with_ahead(ahead);
        self.run_walk(part, walk)
    }

    pub(crate) fn run_with(
        &self,
        part: usize,
        used: &PageSet,
        memory: &mut SweepCache,
        watch: &dyn Watch,
    ) -> Result<ScanPart, Error> {
        self.run_walk(part, Walk::new(self.source, self.geometry, used, memory, watch))
    }

    fn run_walk(&self, part: usize, mut walk: Walk<'_, '_, S>) -> Result<ScanPart, Error> {
        let Some(group) = self.groups.get(part) else { return Ok(ScanPart::default()) };
        let mut fold = KeyFold::new(&self.context);
        for subtree in group {
            walk.visit(subtree, &mut fold)?;
        }
        walk.report()?;
        fold.tally.records.deal()?;
        let (mut findings, pages, lost) = (walk.findings, walk.pages, walk.lost);
        self.keep(part, &mut findings);
        Ok(ScanPart { tally: fold.tally, findings, pages, incomplete: walk.incomplete, conflict: walk.conflict, lost })
    }
}

impl<S: Source + ?Sized> Scan<'_, S> {
    /// Drops the findings of a part that do not fit the report, because earlier parts fill it: otherwise hundreds of
    /// parts would hold hundreds of times what is printed. Unfinished parts do not count, so the report does not depend
    /// on timing.
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

/// Returns the order in which buckets are read: `meta` and `lease` first, because the others are judged by them; `key`
/// last, in parts.
fn reading_order(listed: &[ListedBucket]) -> Vec<usize> {
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
    entry: &ListedBucket,
    bucket: &mut BucketTotals,
    facts: &mut Facts,
    combiner: &CrcCombiner,
) -> Result<(), Error> {
    let before = walk.pages;
    let mut fold = SmallFold { bucket: &entry.name, facts, combiner, run: CrcRun::default(), entries: 0 };
    match bucket::parse(&entry.value) {
        Err(fault) => invalid_bucket(walk, entry, fault.at, &fault.message),
        Ok(BucketLocation::Tree(root)) => walk.visit(&Subtree::root(root, entry.at), &mut fold)?,
        Ok(BucketLocation::Inline(header, bytes)) => walk.inline(&inline_page(entry, header, bytes), 1, &mut fold)?,
    }
    bucket.run = fold.run;
    bucket.entries = fold.entries;
    bucket.pages = walk.pages.saturating_sub(before);
    Ok(())
}

fn key_groups<S: Source + ?Sized>(
    walk: &mut Walk<'_, '_, S>,
    entry: &ListedBucket,
    inline: &mut KeyFold<'_>,
) -> Result<Vec<Vec<Subtree>>, Error> {
    match bucket::parse(&entry.value) {
        Err(fault) => invalid_bucket(walk, entry, fault.at, &fault.message),
        Ok(BucketLocation::Inline(header, bytes)) => walk.inline(&inline_page(entry, header, bytes), 1, inline)?,
        Ok(BucketLocation::Tree(root)) => {
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

pub(crate) fn inline_page<'a>(entry: &ListedBucket, header: Header, bytes: &'a [u8]) -> LeafPage<'a> {
    let (page, at) = entry.at;
    LeafPage { page, offset: at.plus(BUCKET_HEADER as u64), header, bytes, page_size: None }
}

fn invalid_bucket<S: Source + ?Sized>(walk: &mut Walk<'_, '_, S>, entry: &ListedBucket, at: usize, message: &str) {
    let (page, offset) = entry.at;
    let text = format!("bucket {}: {message}", excerpt(&entry.name));
    let finding = Finding::new(Code::BucketInvalid, text).page(page).offset(offset.plus(at as u64));
    walk.findings.push(finding.key(&entry.name));
    walk.incomplete = true;
}

fn judge_metas(metas: &Metas, head: &[u8], findings: &mut Findings) {
    if let Some(claimed) = metas.claimed_page_size {
        let text = format!(
            "the meta page claims a page size of {claimed}, but meta page 1 is where pages of {} bytes put it",
            metas.page_size
        );
        findings.push(Finding::new(Code::PageSizeMismatch, text).page(PageId::ZERO).offset(Offset::new(24)));
    }
    for (id, slot) in [PageId::ZERO, PageId::new(1)].into_iter().zip(metas.slots) {
        let offset = id.offset(metas.page_size);
        match slot {
            // bbolt takes the page size from meta page 0 alone if its checksum is right.
            Err(MetaFault::PageSize(size)) if id == PageId::ZERO => {
                let text = format!("meta page 0 claims a page size of {size}, and its checksum is right");
                findings.push(Finding::new(Code::PageSizeMismatch, text).page(PageId::ZERO).offset(Offset::new(24)));
            }
            Err(fault) => {
                let text = format!("meta page {id} is not valid: {fault}");
                findings.push(Finding::new(Code::MetaInvalid, text).page(id).offset(offset.plus(16)));
            }
            Ok(meta) => {
                if id != PageId::ZERO && meta.page_size != metas.page_size && metas.claimed_page_size.is_none() {
                    let text = format!(
                        "meta page 1 claims a page size of {}, but meta page 0 claims {}",
                        meta.page_size, metas.page_size
                    );
                    findings.push(Finding::new(Code::MetaInvalid, text).page(id).offset(offset.plus(24)));
                }
                let header = usize::try_from(offset.get()).ok().and_then(|at| head.get(at..)).and_then(Header::parse);
                let Some(header) = header else { continue };
                if header.id != id {
                    let text = format!("meta page {id} is labelled page {}", header.id);
                    findings.push(Finding::new(Code::MetaInvalid, text).page(id).offset(offset));
                }
                if header.kind() != Some(PageKind::Meta) {
                    let text = format!("page {id} holds a meta, but its header says that it is {}", header.describe());
                    findings.push(Finding::new(Code::PageType, text).page(id).offset(offset.plus(8)));
                }
            }
        }
    }
}

/// Checks which buckets exist. `root_lost` is the damage that makes part of the root tree, which lists the buckets,
/// unreadable.
fn judge_buckets(
    buckets: &[BucketTotals],
    facts: &Facts,
    root_lost: Option<Code>,
    losses: &mut Losses,
    findings: &mut Findings,
) {
    for name in REQUIRED {
        if !buckets.iter().any(|bucket| *bucket.name == *name.as_bytes()) {
            let finding = Finding::new(Code::BucketMissing, format!("bucket `{name}` is missing"));
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
            "the compaction at revision {finished} is marked as finished, but the last one requested is {scheduled}"
        );
        findings.push(Finding::new(Code::CompactionMarks, text).key(b"finishedCompactRev"));
    }
}
