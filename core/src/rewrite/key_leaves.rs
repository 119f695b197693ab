//! Collects the leaves of bucket `key` that can be used in a damaged file, and reads their entries.

use std::collections::BTreeSet;

use crate::bolt::bucket::{self, BUCKET_HEADER, BucketLocation};
use crate::bolt::leaf::{BUCKET, Leaf};
use crate::bolt::page::Header;
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::error::Error;
use crate::etcd::completeness;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::progress::ScanProgress;
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::intact_tree::{IntactTrees, Visited};
use crate::rewrite::key_intervals::{KeyInterval, KeyIntervals};
use crate::rewrite::leaf_reader::LeafReader;
use crate::rewrite::leaf_slice::{LeafEntry, LeafLocation, LeafOrigin, LeafSlice};
use crate::rewrite::salvage_report::SalvageReport;
use crate::scan::digest::decode_entry;
use crate::source::Source;

/// Takes an entry of bucket `key`; returns whether to go on.
pub(super) type TakeEntry<'t> = dyn FnMut(LeafEntry<'_>) -> bool + 't;

/// Takes the key and value of an entry; returns whether to go on.
pub(super) type TakeKnown<'t> = dyn FnMut(RevisionKey, &[u8]) -> bool + 't;

/// The usable leaves of bucket `key`, in the order of keys; no two overlap.
#[derive(Debug, Default)]
pub(super) struct KeyLeaves {
    slices: Vec<LeafSlice>,
    /// Ranges of keys that no readable tree covers.
    unread: KeyIntervals,
    /// Overflow pages in the trees.
    overflow: Vec<PageSet>,
    rejected: Rejected,
}

/// Entries of stray pages that contradict other entries.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    /// All entries of these transactions.
    pub mains: BTreeSet<Revision>,
    /// Single entries.
    pub revisions: BTreeSet<FullRevision>,
}

impl Rejected {
    pub fn contains(&self, revision: FullRevision) -> bool {
        self.mains.contains(&revision.main) || self.revisions.contains(&revision)
    }
}

impl KeyLeaves {
    /// Whether there are no leaves.
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// Returns the last main revision in them; 0 if there is none.
    pub fn last_revision(&self) -> Revision {
        self.slices.last().map_or(Revision::ZERO, |slice| slice.last.revision.main)
    }

    /// Returns the leaves and parts of leaves, in the order of keys.
    pub fn slices(&self) -> &[LeafSlice] {
        &self.slices
    }

    /// Returns the ranges of keys that no readable tree covers.
    pub fn unread(&self) -> &KeyIntervals {
        &self.unread
    }

    /// Returns a function that tells whether a tree uses a page for bucket `key`, as a page or as part of one.
    pub fn used_pages(&self, pages: u64) -> Result<impl Fn(PageId) -> bool + '_, Error> {
        let leaves = PageSet::new(pages)?;
        self.slices.iter().filter_map(|slice| slice.location.page()).for_each(|page| {
            leaves.insert(page);
        });
        Ok(move |page| leaves.contains(page) || self.overflow.iter().any(|overflow| overflow.contains(page)))
    }

    /// Finds the leaves in the newest tree; those in a wrong place there, if they fit a gap; and for what is missing then, those in the older tree.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn find<S: Source + ?Sized>(
        buckets: &mut DamagedBuckets<'_, S>,
        only_tree: bool,
        report: &mut SalvageReport,
    ) -> Result<Self, Error> {
        let mut found = Self::default();
        let (mut missing, mut displaced, mut damage) = (Vec::new(), Vec::new(), Vec::new());
        let bucket = buckets.get(b"key").cloned();
        let older = bucket.as_ref().is_some_and(|bucket| bucket.older);
        let meta = if older { buckets.older.unwrap_or(buckets.live) } else { buckets.live };
        let origin = if older { LeafOrigin::OlderTree } else { LeafOrigin::Tree };
        let mut trees = buckets.trees(meta)?;
        let slices = &mut found.slices;
        match bucket.as_ref().map(|bucket| bucket::parse(&bucket.value)) {
            Some(Ok(BucketLocation::Inline(header, bytes))) => {
                let leaf = Leaf::new(header, bytes);
                damage.extend(leaf.inline_end_defect().map(|defect| Finding::new(defect.code, defect.message)));
                slices.extend(LeafSlice::whole(leaf, LeafLocation::Inline, origin));
            }
            Some(Ok(BucketLocation::Tree(root))) => trees.walk(root, &mut |visited| match visited {
                Visited::Leaf(page, leaf) => slices.extend(LeafSlice::whole(leaf, LeafLocation::Page(page), origin)),
                Visited::Displaced(page) => displaced.push(page),
                Visited::Missing(interval, finding) => {
                    missing.push(interval);
                    damage.push(finding);
                }
            })?,
            Some(Err(defect)) => {
                missing.push(KeyInterval::all());
                damage.push(Finding::new(defect.code, defect.message));
            }
            None => {
                missing.push(KeyInterval::all());
                damage.push(Finding::new(Code::BucketMissing, "there is no bucket `key`"));
            }
        }
        // A page in the overflow of another one is part of a value, whatever it looks like.
        slices.retain(|slice| {
            let stays = !slice.location.page().is_some_and(|page| trees.is_overflow(page));
            if !stays {
                missing.push(KeyInterval { low: slice.first.to_vec(), high: Some(behind(slice.last)) });
                damage.push(Finding::new(Code::PageShared, "a leaf lies in a value of another one"));
            }
            stays
        });
        report.leaves = slices.len() as u64;
        let missing = KeyIntervals::of(missing);
        displaced.retain(|page| !trees.is_overflow(*page));
        let mut fitting = Vec::new();
        for page in displaced.into_iter().filter(|_| !only_tree) {
            let leaf = trees.leaf(page)?.and_then(|leaf| LeafSlice::whole(leaf, LeafLocation::Page(page), origin));
            fitting.extend(leaf.filter(|slice| fits(slice, &missing)));
        }
        report.displaced_leaves = add(&mut found.slices, fitting);
        found.unread.clone_from(&missing);
        if !missing.is_empty() && !older {
            found.take_older(buckets, &trees, &missing, report)?;
        }
        found.overflow.push(trees.into_overflow());
        // If the lost part follows the last leaf, no gap in the revisions shows it.
        let end = found.slices.last().map(|slice| slice.last.to_vec());
        report.end_is_lost = missing
            .iter()
            .any(|interval| end.as_deref().is_none_or(|end| interval.high.as_deref().is_none_or(|high| high > end)));
        for interval in missing.iter() {
            let main = |key: &[u8]| RevisionKey::parse(key).map(|key| key.revision.main);
            report.add_unread(main(&interval.low).unwrap_or_default(), interval.high.as_deref().and_then(main));
        }
        damage.into_iter().for_each(|finding| report.add_damage(finding));
        Ok(found)
    }

    /// Adds leaves of the older tree that lie in the `missing` ranges.
    fn take_older<S: Source + ?Sized>(
        &mut self,
        buckets: &mut DamagedBuckets<'_, S>,
        trees: &IntactTrees<'_, S>,
        missing: &KeyIntervals,
        report: &mut SalvageReport,
    ) -> Result<(), Error> {
        let Some((meta, value)) = buckets.in_older_tree(b"key")? else { return Ok(()) };
        let Ok(BucketLocation::Tree(root)) = bucket::parse(value) else { return Ok(()) };
        let (mut found, mut lost, mut end) = (Vec::new(), Vec::new(), Vec::new());
        let mut older = buckets.trees(meta)?;
        older.walk(root, &mut |visited| match visited {
            Visited::Leaf(page, leaf) => {
                let slice = LeafSlice::whole(leaf, LeafLocation::Page(page), LeafOrigin::OlderTree);
                end = slice.as_ref().map_or_else(Vec::new, |slice| slice.last.to_vec());
                found.extend(slice.filter(|slice| fits(slice, missing)));
            }
            Visited::Missing(interval, _) => lost.push(interval),
            Visited::Displaced(_) => {}
        })?;
        // The older tree does not cover later revisions.
        lost.push(KeyInterval { low: end, high: None });
        found.retain(|slice| {
            !slice.location.page().is_some_and(|page| trees.was_visited(page) || older.is_overflow(page))
        });
        report.older_leaves = add(&mut self.slices, found);
        self.unread = missing.intersection(&KeyIntervals::of(lost));
        self.overflow.push(older.into_overflow());
        Ok(())
    }

    /// Adds parts of stray pages, in the order of keys. Each lies between two leaves, or between two entries of a leaf, which is then split.
    pub fn add_strays(&mut self, strays: Vec<LeafSlice>) {
        let mut all = Vec::with_capacity(self.slices.len().saturating_add(strays.len()));
        let mut strays = strays.into_iter().peekable();
        for slice in std::mem::take(&mut self.slices) {
            let mut rest = slice;
            while let Some(stray) = strays.next_if(|stray| stray.first <= rest.last) {
                if stray.first > rest.first {
                    let (before, behind) = rest.around(stray.first.revision, stray.last.revision);
                    all.push(before);
                    rest = behind;
                }
                all.push(stray);
            }
            all.push(rest);
        }
        all.extend(strays);
        self.slices = all;
    }

    /// Leaves out entries that contradict others.
    pub fn reject(&mut self, rejected: Rejected) {
        self.rejected = rejected;
    }

    /// Passes the entries that etcd could have written to `take`, in order. Returns how many others there are.
    ///
    /// # Errors
    /// When bytes cannot be read, or `progress` requests a stop.
    pub fn entries<S: Source + ?Sized>(
        &self,
        buckets: &DamagedBuckets<'_, S>,
        progress: &dyn ScanProgress,
        take: &mut TakeEntry<'_>,
    ) -> Result<u64, Error> {
        let mut malformed = 0_u64;
        self.each_leaf(buckets, progress, &mut |slice, leaf| {
            let mut elements = leaf.pairs().peekable();
            let mut begins_slice = true;
            while let Some(element) = elements.next() {
                let key = RevisionKey::parse(element.key).filter(|_| element.flags & BUCKET == 0);
                let Some(key) = key else {
                    malformed = malformed.saturating_add(u64::from(slice.counts_malformed));
                    continue;
                };
                if !self.takes(slice, key) {
                    continue;
                }
                let leaves_revisions = completeness::leaves_revisions(key.revision.main);
                let Some(inspected) = leaves_revisions.then(|| decode_entry(key, element.value).ok()).flatten() else {
                    malformed = malformed.saturating_add(1);
                    continue;
                };
                let next = elements.peek().and_then(|next| RevisionKey::parse(next.key));
                let entry = LeafEntry {
                    key,
                    value: element.value,
                    record: inspected.map(|inspected| inspected.record),
                    origin: slice.origin,
                    begins_slice: std::mem::take(&mut begins_slice),
                    next_in_page: next.map(|next| next.revision.main),
                };
                if !take(entry) {
                    return false;
                }
            }
            true
        })?;
        Ok(malformed)
    }

    /// Passes all keys and values to `take` without decoding the values, for leaves of which [`KeyLeaves::entries`] found each entry to be one that etcd could have written.
    ///
    /// # Errors
    /// When bytes cannot be read, or `progress` requests a stop.
    pub fn known_entries<S: Source + ?Sized>(
        &self,
        buckets: &DamagedBuckets<'_, S>,
        progress: &dyn ScanProgress,
        take: &mut TakeKnown<'_>,
    ) -> Result<(), Error> {
        self.each_leaf(buckets, progress, &mut |slice, leaf| {
            leaf.pairs().all(|element| match RevisionKey::parse(element.key) {
                Some(key) if element.flags & BUCKET == 0 && self.takes(slice, key) => take(key, element.value),
                _ => true,
            })
        })
    }

    /// Whether an entry with this key belongs to the slice and contradicts nothing.
    fn takes(&self, slice: &LeafSlice, key: RevisionKey) -> bool {
        slice.spans(key) && !(slice.origin.is_stray() && self.rejected.contains(key.revision))
    }

    /// Reads the leaf of each slice, in order, until `visit` returns false.
    fn each_leaf<S: Source + ?Sized>(
        &self,
        buckets: &DamagedBuckets<'_, S>,
        progress: &dyn ScanProgress,
        visit: &mut dyn FnMut(&LeafSlice, Leaf<'_>) -> bool,
    ) -> Result<(), Error> {
        let mut pages = LeafPages::new(buckets);
        for slice in &self.slices {
            if let Some(leaf) = pages.leaf(slice)?
                && !visit(slice, leaf)
            {
                return Ok(());
            }
            progress.advance(u64::from(buckets.live.page_size));
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }
}

/// Reads the leaves of slices. Each origin has its own reader, because their pages lie in different parts of the file.
pub(super) struct LeafPages<'s, 'b, S: Source + ?Sized> {
    tree: LeafReader<'s, S>,
    older: LeafReader<'s, S>,
    strays: LeafReader<'s, S>,
    inline: Option<&'b [u8]>,
}

impl<'s, 'b, S: Source + ?Sized> LeafPages<'s, 'b, S> {
    pub fn new(buckets: &'b DamagedBuckets<'s, S>) -> Self {
        let inline = buckets.get(b"key").and_then(|bucket| bucket.value.get(BUCKET_HEADER..));
        let tree = buckets.tree_leaves(buckets.live);
        let older = buckets.tree_leaves(buckets.older.unwrap_or(buckets.live));
        Self { tree, older, strays: buckets.strays(), inline }
    }

    /// Reads the leaf of a slice; `None` if it can no longer be read, because the file changed.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn leaf(&mut self, slice: &LeafSlice) -> Result<Option<Leaf<'_>>, Error> {
        let page = match slice.location {
            LeafLocation::Inline => {
                return Ok(self.inline.and_then(|bytes| Some(Leaf::new(Header::parse(bytes)?, bytes))));
            }
            LeafLocation::Page(page) => page,
        };
        let pages = match slice.origin {
            LeafOrigin::Tree => &mut self.tree,
            LeafOrigin::OlderTree => &mut self.older,
            LeafOrigin::StrayPages { .. } => &mut self.strays,
        };
        pages.leaf(page)
    }
}

/// Returns the first key after another one.
fn behind(key: RevisionKey) -> Vec<u8> {
    let mut bytes = key.to_vec();
    bytes.push(0);
    bytes
}

/// Whether all keys of a leaf lie in one of the missing ranges.
fn fits(slice: &LeafSlice, missing: &KeyIntervals) -> bool {
    missing.holds(&slice.first.to_vec(), &slice.last.to_vec())
}

/// Adds the leaves that overlap no other leaf, neither among `slices` nor among `found`. Returns how many were added.
fn add(slices: &mut Vec<LeafSlice>, mut found: Vec<LeafSlice>) -> u64 {
    found.sort_unstable_by_key(|slice| slice.first);
    let overlaps = |a: &LeafSlice, b: &LeafSlice| a.first <= b.last && b.first <= a.last;
    let alone: Vec<LeafSlice> = found
        .iter()
        .enumerate()
        .filter(|(at, slice)| {
            let neighbours = [at.checked_sub(1), at.checked_add(1)];
            let beside = neighbours.into_iter().flatten().filter_map(|at| found.get(at));
            let place = slices.partition_point(|other| other.first < slice.first);
            let around = [place.checked_sub(1), Some(place)].into_iter().flatten().filter_map(|at| slices.get(at));
            !beside.chain(around).any(|other| overlaps(slice, other))
        })
        .map(|(_, slice)| *slice)
        .collect();
    let count = alone.len() as u64;
    slices.extend(alone);
    slices.sort_unstable_by_key(|slice| slice.first);
    count
}
