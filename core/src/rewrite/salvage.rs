//! Recovers what a damaged snapshot still holds, as a new file from which etcd starts.
//!
//! ```text
//! newest tree: intact leaves ──────────┐
//! leaves in a wrong place that fit ────┼─▶ entries in order ──▶ history of each key ──▶ marks, what is left out ──▶ new file
//! older tree, for lost ranges ─────────┤
//! stray pages, for what the trees lack ┘
//! ```
//! Stray pages, which are in no tree, also hold entries that must not come back: those that a compaction removed, parts of transactions, another history, and pages that a client forged inside a
//! value. Four modules decide what is taken from them: `stray_pages` (is it a page?), `stray_leaves` (does it belong to this history?), `stray_merge` (which version of a page counts?) and
//! `stray_chains` (does the history of each key agree?).
//!
//! If revisions are missing, the mark of the requested compaction is raised to the first revision after the gap. If the history of a key has a gap, its entries before the gap are left out. So the
//! history is complete above the mark, as after a compaction, and the store is one that etcd could have written.

use std::collections::BTreeSet;

use crate::bolt::meta::{MetaChoice, MetaPages};
use crate::bolt::page_id::PageId;
use crate::bolt::write::file_builder::{BuiltFile, FileBuilder, FileParams, PageSink};
use crate::error::Error;
use crate::etcd::bucket_rules::SchemaFacts;
use crate::etcd::completeness::IMPOSSIBLE_COUNTER;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::int_readers::u64_le;
use crate::progress::ScanProgress;
use crate::rewrite::bucket_changes::SCHEDULED;
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::key_leaves::KeyLeaves;
use crate::rewrite::leaf_slice::LeafEntry;
use crate::rewrite::left_out::LeftOutEntries;
use crate::rewrite::lost_metas;
use crate::rewrite::new_file::RewriteError;
use crate::rewrite::salvage_report::SalvageReport;
use crate::rewrite::small_buckets::SmallBuckets;
use crate::rewrite::stray_leaves::TreeComparer;
use crate::rewrite::stray_pages::{StrayPages, whole_file_geometry};
use crate::rewrite::{stray_chains, stray_merge};
use crate::scan::trailer_hash::head;
use crate::source::Source;

/// The parts of the file from which entries are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Only the leaves in their place in the newest tree.
    pub only_tree: bool,
    /// No entries that may have been deleted later.
    pub proven_only: bool,
    /// The meta page by which the file is read.
    pub meta: MetaChoice,
}

/// The buckets of a file, and the problems of its root pages.
type FoundBuckets<'s, S> = (DamagedBuckets<'s, S>, Vec<Finding>);

/// What the new file gets of users and roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthPolicy {
    /// All of them.
    AsRead,
    /// None: everybody may read and write.
    Reset,
}

/// A damaged file whose pages were examined.
pub struct Salvage<'s, S: Source + ?Sized> {
    buckets: DamagedBuckets<'s, S>,
    small: SmallBuckets,
    leaves: KeyLeaves,
    left: LeftOutEntries,
    report: SalvageReport,
}

impl<'s, S: Source + ?Sized> Salvage<'s, S> {
    /// Examines the file; `None` if it holds no page. Memory: 80 bytes a leaf and at most 112 a key; if entries of stray pages are taken, 40 more for each revision of their keys.
    ///
    /// # Errors
    /// When bytes cannot be read, `progress` requests a stop, or the caller wants the older meta page and it leads to no other tree.
    pub fn open(source: &'s S, limits: Limits, progress: &dyn ScanProgress) -> Result<Option<Self>, Error> {
        let mut report = SalvageReport::default();
        let metas = MetaPages::find(&head(source)?);
        let mut found = metas.map(|metas| Self::by_metas(source, metas, limits)).transpose()?;
        if found.as_ref().is_none_or(|(buckets, _)| buckets.is_empty()) && !limits.only_tree {
            found = Self::by_search(source, found, progress)?;
            report.root_was_searched = true;
        }
        let Some((mut buckets, damage)) = found else { return Ok(None) };
        damage.into_iter().for_each(|finding| report.add_damage(finding));
        let mut small = SmallBuckets::find(&mut buckets, &mut report)?;
        let mut leaves = KeyLeaves::find(&mut buckets, limits.only_tree, &mut report)?;
        small.auth_is_damaged |= report.root_was_searched;
        report.end_is_lost |= report.root_was_searched;
        small.mend_marks(leaves.last_revision(), &mut report);
        if !limits.only_tree {
            add_strays(&mut leaves, &buckets, &small, &mut report, progress)?;
        }
        let marks = small.marks;
        let compacted_up_to = if small.knows_marks() { marks.last_compaction() } else { Revision::MAX };
        let left =
            LeftOutEntries::find(&leaves, &buckets, marks, compacted_up_to, limits.proven_only, &mut report, progress)?;
        Ok(Some(Self { buckets, small, leaves, left, report }))
    }

    fn by_metas(source: &'s S, metas: MetaPages, limits: Limits) -> Result<FoundBuckets<'s, S>, Error> {
        let (live, older) = match limits.meta {
            MetaChoice::Newest => {
                let older = metas.chosen(MetaChoice::Older).filter(|_| !limits.only_tree);
                (metas.live().1, older.map(|(_, meta)| meta))
            }
            MetaChoice::Older => {
                let chosen = metas.chosen(MetaChoice::Older);
                let lack = Error::NoOlderMeta("it is not valid, or leads to the same tree as the newest");
                (chosen.ok_or(lack)?.1, None)
            }
        };
        DamagedBuckets::find(source, live, older)
    }

    /// Reads the buckets from a root page that is found by search, because the meta pages lead to none.
    fn by_search(
        source: &'s S,
        found: Option<FoundBuckets<'s, S>>,
        progress: &dyn ScanProgress,
    ) -> Result<Option<FoundBuckets<'s, S>>, Error> {
        let finding = || Finding::new(Code::NoValidMeta, "neither meta 0 nor meta 1 is valid");
        let (page_size, mut damage) = match found {
            Some((buckets, damage)) => (Some(buckets.live.page_size), damage),
            None => (lost_metas::page_size(source, progress)?, vec![finding()]),
        };
        let Some(page_size) = page_size else { return Ok(None) };
        let mut roots = lost_metas::roots(source, page_size, progress)?.into_iter();
        let live = roots.next().unwrap_or_else(|| lost_metas::without_root(source, page_size));
        let (buckets, more) = DamagedBuckets::find(source, live, roots.next())?;
        damage.extend(more);
        Ok(Some((buckets, damage)))
    }

    /// Returns the report.
    #[must_use]
    pub fn report(&self) -> &SalvageReport {
        &self.report
    }

    /// Whether users and roles cannot be read completely.
    #[must_use]
    pub fn auth_is_damaged(&self) -> bool {
        self.small.auth_is_damaged
    }

    /// Whether bucket `key` is damaged and none of its entries can be read.
    #[must_use]
    pub fn has_nothing(&self) -> bool {
        self.leaves.is_empty() && !self.report.damage.is_empty()
    }

    /// Returns the page size in bytes.
    #[must_use]
    pub fn page_size(&self) -> u32 {
        self.buckets.live.page_size
    }

    /// Writes the pages of the new file to `sink`; returns its meta pages.
    ///
    /// # Errors
    /// When bytes cannot be read, or the sink fails; then the pages written so far are useless.
    pub fn write<K: PageSink>(
        &self,
        auth: AuthPolicy,
        sink: K,
        progress: &dyn ScanProgress,
    ) -> Result<(BuiltFile, K), RewriteError<K::Error>> {
        let live = self.buckets.live;
        // A transaction id that bolt never reaches is damaged.
        let txid = if live.txid < IMPOSSIBLE_COUNTER >> 1 { live.txid.saturating_add(1) } else { 2 };
        let form = FileParams { page_size: live.page_size, txid, sequence: 0 };
        let mut builder = FileBuilder::new(form, sink);
        let mut facts = SchemaFacts::default();
        for name in self.buckets.names() {
            let sequence = self.buckets.get(&name).and_then(|bucket| u64_le(&bucket.value, 8)).unwrap_or(0);
            builder.begin_bucket(&name, sequence)?;
            if name == b"key" {
                self.write_key(&mut builder, progress)?;
            } else if !(auth == AuthPolicy::Reset && SmallBuckets::is_auth(&name)) {
                self.write_small(&name, &mut facts, &mut builder)?;
            }
            builder.end_bucket()?;
        }
        Ok(builder.finish()?)
    }

    fn write_key<K: PageSink>(
        &self,
        builder: &mut FileBuilder<K>,
        progress: &dyn ScanProgress,
    ) -> Result<(), RewriteError<K::Error>> {
        let mut outcome = Ok(());
        let mut put = |key: RevisionKey, value: &[u8]| {
            let (key, len) = key.to_bytes();
            outcome = builder.put(key.get(..len).unwrap_or_default(), value);
            outcome.is_ok()
        };
        if self.report.malformed == 0 && self.left.is_nothing() {
            self.leaves.known_entries(&self.buckets, progress, &mut put)?;
        } else {
            let mut put_kept = |entry: LeafEntry<'_>| !self.left.keeps(&entry) || put(entry.key, entry.value);
            self.leaves.entries(&self.buckets, progress, &mut put_kept)?;
        }
        Ok(outcome?)
    }

    fn write_small<K: PageSink>(
        &self,
        name: &[u8],
        facts: &mut SchemaFacts,
        builder: &mut FileBuilder<K>,
    ) -> Result<(), RewriteError<K::Error>> {
        let scheduled = self.small.marks.scheduled.max(self.report.raised_to.unwrap_or(Revision::NONE));
        let mark = (name == b"meta" && scheduled >= Revision::ZERO).then_some(scheduled);
        let mut mark = mark.map(|main| RevisionKey::first_put(main).to_vec());
        let mut outcome = Ok(());
        if let Some((meta, value)) = self.buckets.element(name, self.small.origin(name)) {
            self.buckets.pairs(meta, value, &mut |flags, key, value| {
                if outcome.is_err() || !self.small.keeps(facts, name, flags, key, value) {
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

/// Adds entries of stray pages that the trees lack.
fn add_strays<S: Source + ?Sized>(
    leaves: &mut KeyLeaves,
    buckets: &DamagedBuckets<'_, S>,
    small: &SmallBuckets,
    report: &mut SalvageReport,
    progress: &dyn ScanProgress,
) -> Result<(), Error> {
    let marks = small.knows_marks().then_some(small.marks);
    let merged = {
        let mut tree = TreeComparer::new(leaves, buckets, marks);
        if !tree.lacks_something() {
            return Ok(());
        }
        let page_size = buckets.live.page_size;
        let is_used = leaves.used_pages(whole_file_geometry(buckets.source, page_size).present.get())?;
        let pages = StrayPages::find(buckets.source, page_size, &is_used, progress)?;
        let (mut strays, mut found) = (buckets.strays(), Vec::new());
        for page in pages.leaves() {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            if let Some(leaf) = strays.intact_leaf(page)? {
                found.extend(tree.judge(page, leaf)?);
            }
        }
        let compacted_up_to = marks.map_or(Revision::MAX, |marks| marks.last_compaction());
        stray_merge::merge(found, &mut tree, &mut strays, compacted_up_to, progress)?
    };
    report.conflicting = merged.conflicting.saturating_add(merged.left_out);
    if merged.slices.is_empty() {
        return Ok(());
    }
    let pages: BTreeSet<PageId> = merged.slices.iter().filter_map(|slice| slice.location.page()).collect();
    report.stray_leaves = pages.len() as u64;
    leaves.add_strays(merged.slices);
    let rejected = stray_chains::contradictions(leaves, &merged.keys, buckets, small.marks, progress)?;
    let count = rejected.mains.len().saturating_add(rejected.revisions.len()) as u64;
    report.conflicting = report.conflicting.saturating_add(count);
    leaves.reject(rejected);
    Ok(())
}
