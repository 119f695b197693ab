//! A scan with random access: reads all buckets except `key` first, and splits that one into parts for threads.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bolt::bucket::{self, BUCKET_HEADER, BucketLocation};
use crate::bolt::freelist;
use crate::bolt::meta::{MetaChoice, MetaDefect, MetaPages, NO_FREELIST};
use crate::bolt::page::{Header, PageKind};
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::Geometry;
use crate::crc::{CrcCombiner, PartialCrc};
use crate::error::Error;
use crate::etcd::bucket_rules::{REQUIRED, SchemaFacts};
use crate::etcd::completeness::{self, IMPOSSIBLE_COUNTER};
use crate::finding::{Finding, Findings, excerpt};
use crate::finding_code::Code;
use crate::limits::{FINDINGS_PER_CODE, MAX_PARTS, MIN_SUBTREES};
use crate::progress::{IgnoreProgress, ScanProgress};
use crate::report::Report;
use crate::scan::damage_by_bucket::DamageByBucket;
use crate::scan::key_bucket::{KeyBucketTotals, KeyBucketVisitor, KeyContext};
use crate::scan::leaf_prefetch::{PrefetchedDigests, ScatteredLeaves};
use crate::scan::leaf_visitor::{LeafPage, LeafVisitor};
use crate::scan::schema_buckets::{BucketListVisitor, ListedBucket, SmallBucketVisitor};
use crate::scan::subtree::Subtree;
use crate::scan::sweep_cache::SweepCache;
use crate::scan::walk::{LostKeyRange, Walk};
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
    pub run: PartialCrc,
    pub entries: u64,
    pub pages: u64,
}

/// One scan of one file, split into parts that threads may run in any order.
pub struct Scan<'s, S: Source + ?Sized> {
    pub(crate) source: &'s S,
    pub(crate) geometry: Geometry,
    pub(crate) meta: MetaChoice,
    /// The meta page that determines the tree, and its transaction id.
    pub(crate) meta_page: PageId,
    pub(crate) txid: u64,
    pub(crate) logical_size: u64,
    /// Length of the database according to its newest meta page, in bytes, even if the older meta page is read.
    pub(crate) newest_len: u64,
    pub(crate) synced_freelist: bool,
    pub(crate) facts: SchemaFacts,
    pub(crate) context: KeyContext,
    pub(crate) buckets: Vec<BucketTotals>,
    /// Index of bucket `key` in `buckets`.
    pub(crate) key_bucket: Option<usize>,
    pub(crate) key_entry: Option<ListedBucket>,
    /// All top-level buckets.
    pub(crate) listed: Vec<ListedBucket>,
    pub(crate) part_subtrees: Vec<Vec<Subtree>>,
    /// Totals of an inline bucket `key`.
    pub(crate) inline_key: KeyBucketTotals,
    pub(crate) findings: Findings,
    /// The damage among the findings, by bucket.
    pub(crate) damage: DamageByBucket,
    pub(crate) incomplete: bool,
    /// Key ranges of unreadable pages of bucket `key`, among the branch pages that were read first.
    pub(crate) lost_keys: Vec<LostKeyRange>,
    pub(crate) free: PageSet,
    pub(crate) used: PageSet,
    /// Copy of `used` before the first part ran.
    pub(crate) used_before: PageSet,
    /// Number of findings that each finished part keeps, by code.
    kept_counts: Mutex<Vec<BTreeMap<Code, u64>>>,
}

/// Results of one part.
#[derive(Debug, Default)]
pub struct ScanPart {
    pub(crate) totals: KeyBucketTotals,
    pub(crate) findings: Findings,
    pub(crate) pages: u64,
    pub(crate) incomplete: bool,
    pub(crate) met_used_page: bool,
    pub(crate) lost: Vec<LostKeyRange>,
}

impl<'s, S: Source + ?Sized> Scan<'s, S> {
    /// Reads the meta pages, the freelist and every bucket except `key`, and splits that one into parts.
    ///
    /// # Errors
    /// A read fails.
    pub fn open(source: &'s S) -> Result<Opened<'s, S>, Error> {
        Self::open_by(source, MetaChoice::Newest)
    }

    /// Does the same as [`Scan::open`] with the chosen meta page.
    ///
    /// # Errors
    /// The same errors as [`Scan::open`], and [`Error::NoOlderMeta`].
    pub fn open_by(source: &'s S, meta: MetaChoice) -> Result<Opened<'s, S>, Error> {
        Self::open_with(source, meta, &mut SweepCache::default(), &IgnoreProgress)
    }

    pub(crate) fn open_with(
        source: &'s S,
        meta: MetaChoice,
        cache: &mut SweepCache,
        progress: &dyn ScanProgress,
    ) -> Result<Opened<'s, S>, Error> {
        let head = trailer_hash::head(source)?;
        let Some(metas) = MetaPages::find(&head) else {
            return Ok(Opened::Refused(Box::new(file_summary::refusal_report(&head, source.len()))));
        };
        let Some((live_id, live)) = metas.chosen(meta) else {
            return Err(Error::NoOlderMeta(match metas.slots {
                [Ok(_), Ok(_)] => "both meta pages lead to the same tree",
                _ => "one of the two meta pages is not valid",
            }));
        };
        let mut findings = Findings::default();
        check_meta_pages(&metas, &head, &mut findings);
        if live.txid == 0 || live.txid >= IMPOSSIBLE_COUNTER {
            let text = format!("meta page {live_id} has the transaction id {}", live.txid);
            let at = live_id.offset(live.page_size).plus(META_TXID);
            findings.push(Finding::new(Code::TransactionImpossible, text).page(live_id).offset(at));
        }
        let page_size = u64::from(live.page_size);
        let pages_in_file = source.len().checked_div(page_size).unwrap_or(0);
        let geometry = Geometry {
            page_size: live.page_size,
            high_water: live.high_water,
            present: PageId::new(pages_in_file).min(live.high_water),
        };
        let used = PageSet::new(geometry.present.get())?;
        let free = PageSet::new(geometry.present.get())?;
        let mut walk = Walk::new(source, geometry, &used, cache, progress);
        if live.freelist != NO_FREELIST {
            freelist::read(walk.reader(), live.freelist, &used, &free, &mut findings)?;
        }
        let mut damage = DamageByBucket::default();
        damage.add_without_entries(&findings);
        let root_at = geometry.offset(live_id).plus(32);
        let mut list_findings = Findings::default();
        let mut root = BucketListVisitor { listed: Vec::new(), findings: &mut list_findings };
        if live.root < PageId::FIRST || live.root >= geometry.high_water {
            let text = format!("the root is page {}, but the database has {} pages", live.root, geometry.high_water);
            walk.findings.push(Finding::new(Code::RootInvalid, text).page(live_id).offset(root_at));
            walk.incomplete = true;
        } else {
            walk.visit(&Subtree::root(live.root, (live_id, root_at)), &mut root)?;
        }
        let listed = root.listed;
        damage.add_root(&walk.findings);
        damage.add_root(&list_findings);
        let root_damage =
            walk.findings.list().iter().find(|finding| finding.code.loses_pages()).map(|found| found.code);
        findings.append(std::mem::take(&mut walk.findings));
        let combiner = CrcCombiner::default();
        let mut facts = SchemaFacts::default();
        let mut buckets: Vec<BucketTotals> = listed
            .iter()
            .map(|entry| BucketTotals {
                name: Arc::clone(&entry.name),
                run: PartialCrc::default(),
                entries: 0,
                pages: 0,
            })
            .collect();
        for index in small_bucket_order(&listed) {
            let (Some(entry), Some(bucket)) = (listed.get(index), buckets.get_mut(index)) else { continue };
            read_small_bucket(&mut walk, entry, bucket, &mut facts, &combiner)?;
            damage.add_bucket(&entry.name, &walk.findings);
            findings.append(std::mem::take(&mut walk.findings));
        }
        walk.report()?;
        let key_bucket = listed.iter().position(|entry| *entry.name == *b"key");
        let key_entry = key_bucket.and_then(|index| listed.get(index)).cloned();
        let context =
            KeyContext { compactions: facts.compactions(), leases: std::mem::take(&mut facts.leases), combiner };
        let mut inline_key = KeyBucketVisitor::new(&context);
        let before = walk.pages;
        walk.lost.clear();
        let part_subtrees = match &key_entry {
            Some(entry) => split_key_bucket(&mut walk, entry, &mut inline_key)?,
            None => Vec::new(),
        };
        let mut inline_key = inline_key.totals;
        inline_key.records.partition_by_key()?;
        if let Some(bucket) = key_bucket.and_then(|index| buckets.get_mut(index)) {
            bucket.pages = walk.pages.saturating_sub(before);
        }
        let mut lost_keys = std::mem::take(&mut walk.lost);
        let incomplete = walk.incomplete || list_findings.verdict() == crate::severity::Verdict::Damaged;
        if incomplete && key_entry.as_ref().is_none_or(|entry| bucket::parse(&entry.value).is_err()) {
            lost_keys.push(lost_ranges::whole_bucket());
        }
        damage.add_bucket(b"key", &walk.findings);
        findings.append(walk.findings);
        findings.append(list_findings);
        check_buckets(&buckets, &facts, root_damage, &mut damage, &mut findings);
        if !incomplete {
            let has = |name: &str| buckets.iter().any(|bucket| *bucket.name == *name.as_bytes());
            completeness::judge_schema(&facts, has).into_iter().for_each(|finding| findings.push(finding));
        }
        let used_before = used.copy()?;
        Ok(Opened::Scan(Box::new(Scan {
            source,
            geometry,
            meta,
            meta_page: live_id,
            txid: live.txid,
            logical_size: live.logical_size().unwrap_or(u64::MAX),
            newest_len: metas.live().1.logical_size().unwrap_or(u64::MAX),
            synced_freelist: live.freelist != NO_FREELIST,
            facts,
            context,
            buckets,
            key_bucket,
            key_entry,
            listed,
            part_subtrees,
            inline_key,
            findings,
            damage,
            incomplete,
            lost_keys,
            free,
            used,
            used_before,
            kept_counts: Mutex::default(),
        })))
    }

    /// Returns the leaves of bucket `key` if they are scattered in the file; otherwise an empty list.
    pub(crate) fn scattered_leaves(&self) -> Result<ScatteredLeaves, Error> {
        let roots = self.part_subtrees.iter().flatten().map(|subtree| subtree.page);
        ScatteredLeaves::below(self.source, self.geometry, roots, self.context.compactions.complete_above())
    }

    /// Walks bucket `key` again. Begins with the same used pages as the first walk, so that both visit the same pages.
    pub(crate) fn walk_keys_again(
        &self,
        visitor: &mut dyn LeafVisitor,
        ahead: &PrefetchedDigests,
        progress: &dyn ScanProgress,
    ) -> Result<(), Error> {
        let used = self.used_before.copy()?;
        let mut cache = SweepCache::default();
        let mut walk = Walk::new(self.source, self.geometry, &used, &mut cache, progress).with_ahead(ahead);
        for subtree in self.part_subtrees.iter().flatten() {
            walk.visit(subtree, visitor)?;
        }
        if let Some(entry) = &self.key_entry
            && let Ok(BucketLocation::Inline(header, bytes)) = bucket::parse(&entry.value)
        {
            walk.visit_inline(&inline_page(entry, header, bytes), 1, visitor)?;
        }
        Ok(())
    }

    /// The number of parts: at least one, at most a few hundred.
    pub(crate) fn parts(&self) -> usize {
        self.part_subtrees.len().max(1)
    }

    /// Runs one part, using the leaves that were read ahead. Any thread may run any part, in any order, each once.
    ///
    /// # Errors
    /// A read fails, or `progress` requests a stop.
    pub(crate) fn run(
        &self,
        part: usize,
        ahead: &PrefetchedDigests,
        progress: &dyn ScanProgress,
    ) -> Result<ScanPart, Error> {
        let mut cache = SweepCache::default();
        let walk = Walk::new(self.source, self.geometry, &self.used, &mut cache, progress).with_ahead(ahead);
        self.run_walk(part, walk)
    }

    pub(crate) fn run_with(
        &self,
        part: usize,
        used: &PageSet,
        cache: &mut SweepCache,
        progress: &dyn ScanProgress,
    ) -> Result<ScanPart, Error> {
        self.run_walk(part, Walk::new(self.source, self.geometry, used, cache, progress))
    }

    fn run_walk(&self, part: usize, mut walk: Walk<'_, '_, S>) -> Result<ScanPart, Error> {
        let Some(group) = self.part_subtrees.get(part) else { return Ok(ScanPart::default()) };
        let mut visitor = KeyBucketVisitor::new(&self.context);
        for subtree in group {
            walk.visit(subtree, &mut visitor)?;
        }
        walk.report()?;
        visitor.totals.records.partition_by_key()?;
        let (mut findings, pages, lost) = (walk.findings, walk.pages, walk.lost);
        self.limit_findings(part, &mut findings);
        Ok(ScanPart {
            totals: visitor.totals,
            findings,
            pages,
            incomplete: walk.incomplete,
            met_used_page: walk.met_used_page,
            lost,
        })
    }
}

impl<S: Source + ?Sized> Scan<'_, S> {
    /// Drops the findings of a part that the report will leave out, because earlier parts have enough of their code.
    /// Otherwise hundreds of parts would hold hundreds of times the findings of the report. Only finished parts count:
    /// this may keep too many findings, but never too few, so the report does not depend on timing.
    fn limit_findings(&self, part: usize, findings: &mut Findings) {
        let mut kept_counts = self.kept_counts.lock().unwrap_or_else(PoisonError::into_inner);
        let len = kept_counts.len().max(part.saturating_add(1));
        kept_counts.resize_with(len, BTreeMap::new);
        let before = kept_counts.get(..part).unwrap_or_default();
        let limit = |code: Code| {
            let taken = before.iter().filter_map(|part| part.get(&code).copied()).fold(0, u64::saturating_add);
            FINDINGS_PER_CODE.saturating_sub(taken)
        };
        findings.drop_beyond(limit);
        let mut own: BTreeMap<Code, u64> = BTreeMap::new();
        for finding in findings.list() {
            let count = own.entry(finding.code).or_default();
            *count = count.saturating_add(1);
        }
        if let Some(slot) = kept_counts.get_mut(part) {
            *slot = own;
        }
    }
}

/// Returns the order in which the buckets except `key` are read: `meta` and `lease` first, because the checks of the
/// others need them.
fn small_bucket_order(listed: &[ListedBucket]) -> Vec<usize> {
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

/// Reads a bucket other than `key`: adds its entries to `facts`, and its totals to `bucket`.
fn read_small_bucket<S: Source + ?Sized>(
    walk: &mut Walk<'_, '_, S>,
    entry: &ListedBucket,
    bucket: &mut BucketTotals,
    facts: &mut SchemaFacts,
    combiner: &CrcCombiner,
) -> Result<(), Error> {
    let before = walk.pages;
    let mut visitor =
        SmallBucketVisitor { bucket: &entry.name, facts, combiner, run: PartialCrc::default(), entries: 0 };
    match bucket::parse(&entry.value) {
        Err(defect) => report_invalid_bucket(walk, entry, defect.at, &defect.message),
        Ok(BucketLocation::Tree(root)) => walk.visit(&Subtree::root(root, entry.at), &mut visitor)?,
        Ok(BucketLocation::Inline(header, bytes)) => {
            walk.visit_inline(&inline_page(entry, header, bytes), 1, &mut visitor)?
        }
    }
    bucket.run = visitor.run;
    bucket.entries = visitor.entries;
    bucket.pages = walk.pages.saturating_sub(before);
    Ok(())
}

/// Splits bucket `key` into groups of subtrees, one per part. Visits its entries at once if the bucket is inline.
fn split_key_bucket<S: Source + ?Sized>(
    walk: &mut Walk<'_, '_, S>,
    entry: &ListedBucket,
    inline: &mut KeyBucketVisitor<'_>,
) -> Result<Vec<Vec<Subtree>>, Error> {
    match bucket::parse(&entry.value) {
        Err(defect) => report_invalid_bucket(walk, entry, defect.at, &defect.message),
        Ok(BucketLocation::Inline(header, bytes)) => {
            walk.visit_inline(&inline_page(entry, header, bytes), 1, inline)?
        }
        Ok(BucketLocation::Tree(root)) => {
            let subtrees = walk.expand(Subtree::root(root, entry.at), MIN_SUBTREES)?;
            let size = subtrees.len().div_ceil(MAX_PARTS).max(1);
            let mut subtrees = subtrees.into_iter();
            let part_subtrees = std::iter::from_fn(|| {
                let group: Vec<Subtree> = subtrees.by_ref().take(size).collect();
                (!group.is_empty()).then_some(group)
            });
            return Ok(part_subtrees.collect());
        }
    }
    Ok(Vec::new())
}

pub(crate) fn inline_page<'a>(entry: &ListedBucket, header: Header, bytes: &'a [u8]) -> LeafPage<'a> {
    let (page, at) = entry.at;
    LeafPage { page, offset: at.plus(BUCKET_HEADER as u64), header, bytes, page_size: None }
}

fn report_invalid_bucket<S: Source + ?Sized>(
    walk: &mut Walk<'_, '_, S>,
    entry: &ListedBucket,
    at: usize,
    message: &str,
) {
    let (page, offset) = entry.at;
    let text = format!("bucket {}: {message}", excerpt(&entry.name));
    let finding = Finding::new(Code::BucketInvalid, text).page(page).offset(offset.plus(at as u64));
    walk.findings.push(finding.key(&entry.name));
    walk.incomplete = true;
}

fn check_meta_pages(metas: &MetaPages, head: &[u8], findings: &mut Findings) {
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
            Err(MetaDefect::PageSize(size)) if id == PageId::ZERO => {
                let text = format!("meta page 0 claims a page size of {size}, and its checksum is right");
                findings.push(Finding::new(Code::PageSizeMismatch, text).page(PageId::ZERO).offset(Offset::new(24)));
            }
            Err(defect) => {
                let text = format!("meta page {id} is not valid: {defect}");
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
                    let text = format!("meta page {id} is labelled {}", header.id);
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

/// Checks which buckets exist. `root_damage` is the damage that makes part of the root tree, which lists the buckets,
/// unreadable.
fn check_buckets(
    buckets: &[BucketTotals],
    facts: &SchemaFacts,
    root_damage: Option<Code>,
    damage: &mut DamageByBucket,
    findings: &mut Findings,
) {
    for name in REQUIRED {
        if !buckets.iter().any(|bucket| *bucket.name == *name.as_bytes()) {
            let finding = Finding::new(Code::BucketMissing, format!("bucket `{name}` is missing"));
            let finding = Finding { because: root_damage, ..finding.key(name.as_bytes()) };
            damage.add_finding(name, finding.clone());
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
