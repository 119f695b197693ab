//! Decides whether a stray leaf belongs to the same history as the trees, and which of its entries the trees lack.
//!
//! The trees lack an entry if no readable tree covers its place, or if the revisions around it show that something is missing. A leaf with an entry that differs in the tree, or that the tree
//! should have but does not have, belongs to another history, such as the one before a restore; nothing is taken from it. Two kinds of entries prove nothing: those at or below the last compaction,
//! which may have been removed from the tree, and those after its last revision, because the page may be newer than the tree.

use crate::bolt::leaf::{BUCKET, Leaf};
use crate::bolt::page_id::PageId;
use crate::error::Error;
use crate::etcd::completeness;
use crate::etcd::gap::complete_from;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::CompactionRevisions;
use crate::fingerprint::fingerprint;
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::key_leaves::{KeyLeaves, LeafPages};
use crate::scan::digest::{DecodedEntry, decode_entry};
use crate::source::Source;

/// How many times the file's size may be read from the trees for comparisons. A real stray leaf overlaps a few leaves of the tree, but in a forged file each entry of a page may need another leaf.
/// Entries beyond this limit count as contradictions.
const STRAY_WORK: u64 = 8;

/// A stray leaf with entries that the trees lack.
#[derive(Debug, Clone, Copy)]
pub(super) struct StrayLeaf {
    pub page: PageId,
    pub first: FullRevision,
    pub last: FullRevision,
    /// Whether it also has entries that are identical in a tree.
    pub is_anchored: bool,
}

/// How an entry of a stray leaf compares with the trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// A tree has the same entry.
    Known,
    /// A tree has another entry in its place, or should have the entry and does not.
    Contradicts,
    /// No readable tree covers its place.
    Unread,
    /// A tree shows that something is missing in its place.
    Missing,
    /// The trees prove nothing.
    Unproven,
}

/// Compares entries with those of the trees.
pub(super) struct TreeComparer<'l, 'b, 's, S: Source + ?Sized> {
    leaves: &'l KeyLeaves,
    pages: LeafPages<'s, 'b, S>,
    /// `None` if they cannot be read. Entries that a compaction removed are then taken for missing.
    marks: Option<CompactionRevisions>,
    /// The index of the slice that was read last, and its entries.
    last_read: Option<(usize, Vec<(RevisionKey, u128)>)>,
    /// Number of bytes that may still be read.
    left: u64,
}

impl<'l, 'b, 's, S: Source + ?Sized> TreeComparer<'l, 'b, 's, S> {
    pub fn new(leaves: &'l KeyLeaves, buckets: &'b DamagedBuckets<'s, S>, marks: Option<CompactionRevisions>) -> Self {
        let left = buckets.source.len().saturating_mul(STRAY_WORK);
        Self { leaves, pages: LeafPages::new(buckets), marks, last_read: None, left }
    }

    /// Whether the trees lack anything.
    pub fn lacks_something(&self) -> bool {
        let slices = self.leaves.slices();
        let Some(complete_above) = self.marks.map(|marks| marks.complete_above()) else {
            return !self.leaves.unread().is_empty();
        };
        let before = std::iter::once(None).chain(slices.iter().map(|slice| Some(slice.last.revision)));
        let mut between = before.zip(slices).map(|(before, slice)| complete_from(before, slice.first.revision));
        !self.leaves.unread().is_empty()
            || slices.iter().any(|slice| slice.complete_from > complete_above)
            || between.any(|from| from > complete_above)
    }

    /// Compares a leaf with the trees; `None` if nothing can be taken from it.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn judge(&mut self, page: PageId, leaf: Leaf<'_>) -> Result<Option<StrayLeaf>, Error> {
        let mut ends: Option<(FullRevision, FullRevision)> = None;
        let (mut is_anchored, mut is_wanted) = (false, false);
        for element in leaf.pairs() {
            let Some((key, _)) = entry(element.flags, element.key, element.value) else { return Ok(None) };
            if ends.is_some_and(|(_, last)| last >= key.revision) {
                return Ok(None);
            }
            ends = Some((ends.map_or(key.revision, |(first, _)| first), key.revision));
            match self.comparison(key, element.value)? {
                Comparison::Contradicts => return Ok(None),
                Comparison::Known => is_anchored = true,
                Comparison::Unread | Comparison::Missing => is_wanted = true,
                Comparison::Unproven => {}
            }
        }
        Ok(ends.filter(|_| is_wanted).map(|(first, last)| StrayLeaf { page, first, last, is_anchored }))
    }

    /// Compares an entry with the trees.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn comparison(&mut self, key: RevisionKey, value: &[u8]) -> Result<Comparison, Error> {
        let (leaves, here) = (self.leaves, key.revision);
        let slices = leaves.slices();
        let behind = slices.partition_point(|slice| slice.first.revision <= here);
        let index = behind.checked_sub(1);
        let before = index.and_then(|index| slices.get(index));
        if let (Some(index), Some(slice)) = (index, before)
            && here <= slice.last.revision
        {
            if self.left == 0 {
                return Ok(Comparison::Contradicts);
            }
            let entries = self.entries(index)?;
            let place = entries.partition_point(|(other, _)| other.revision < here);
            return Ok(match entries.get(place) {
                Some((other, print)) if other.revision == here => {
                    let is_same = *other == key && *print == fingerprint(value);
                    if is_same { Comparison::Known } else { Comparison::Contradicts }
                }
                next => {
                    let before = place.checked_sub(1).and_then(|place| entries.get(place));
                    let around = (before.map(|(key, _)| key.revision), next.map(|(key, _)| key.revision));
                    self.within(around, here)
                }
            });
        }
        let bytes = key.to_vec();
        if leaves.unread().holds(&bytes, &bytes) {
            return Ok(Comparison::Unread);
        }
        let around = (before.map(|slice| slice.last.revision), slices.get(behind).map(|slice| slice.first.revision));
        Ok(self.within(around, here))
    }

    /// Decides about an entry that a readable tree does not have, by its neighbours there.
    fn within(&self, (before, behind): (Option<FullRevision>, Option<FullRevision>), here: FullRevision) -> Comparison {
        let (Some(behind), Some(marks)) = (behind, self.marks) else { return Comparison::Unproven };
        if here.main <= marks.last_compaction() {
            Comparison::Unproven
        } else if complete_from(before, behind) > marks.complete_above() {
            Comparison::Missing
        } else {
            Comparison::Contradicts
        }
    }

    /// Returns the keys and fingerprints of the entries of a slice that etcd could have written.
    fn entries(&mut self, index: usize) -> Result<&[(RevisionKey, u128)], Error> {
        if self.last_read.as_ref().is_none_or(|(at, _)| *at != index) {
            let slice = self.leaves.slices().get(index);
            let leaf = slice.map(|slice| self.pages.leaf(slice)).transpose()?.flatten();
            self.left = self.left.saturating_sub(leaf.map_or(0, |leaf| leaf.len()));
            let pairs = leaf.into_iter().flat_map(Leaf::pairs);
            let entries = pairs.filter_map(|element| {
                let (key, _) = entry(element.flags, element.key, element.value)?;
                Some((key, fingerprint(element.value)))
            });
            self.last_read = Some((index, entries.collect()));
        }
        Ok(self.last_read.as_ref().map_or(&[], |(_, entries)| entries))
    }
}

/// Decodes an entry of bucket `key`; the inner `None` is the empty value of a revision bump. `None` if the entry is malformed.
pub(super) fn entry(flags: u32, key: &[u8], value: &[u8]) -> Option<(RevisionKey, Option<DecodedEntry>)> {
    let key = RevisionKey::parse(key)
        .filter(|key| flags & BUCKET == 0 && completeness::leaves_revisions(key.revision.main))?;
    Some((key, decode_entry(key, value).ok()?))
}
