//! Whether a leaf that hangs in no tree belongs to the history that the trees show, and which of its entries they lack.
//!
//! An entry counts as lacking where no readable tree covers its place, or where the revisions around it show that something is missing. Of all others the tree must know: a leaf with an entry that
//! the tree has otherwise, or ought to have and has not, is of another history, such as one before a restore, and nothing of it is taken. At or below the last compaction the tree may have lost
//! any entry, and behind its last revision a page may be newer than the tree: such entries say nothing.

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

/// Times the bytes of the file that leaves of the tree are compared with stray ones at most: a stray leaf overlaps a few of the tree, and free pages are a part of the file. A forged file can have
/// each entry of its pages compared with another leaf; what comes after is taken for contradicting.
const STRAY_WORK: u64 = 8;

/// A leaf that hangs in no tree and has entries that the trees lack.
#[derive(Debug, Clone, Copy)]
pub(super) struct StrayLeaf {
    pub page: PageId,
    pub first: FullRevision,
    pub last: FullRevision,
    /// Whether it also has entries that a tree has just so.
    pub is_anchored: bool,
}

/// How an entry of a stray leaf stands to the trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The tree has it.
    Known,
    /// The tree has something else, or would have it.
    Contradicts,
    /// No readable tree covers its place.
    Unread,
    /// The tree shows that something is missing there.
    Missing,
    /// Nothing can be told.
    Open,
}

/// Compares entries with those of the trees.
pub(super) struct TreeView<'l, 'b, 's, S: Source + ?Sized> {
    leaves: &'l KeyLeaves,
    pages: LeafPages<'s, 'b, S>,
    /// None when they cannot be read: what a compaction removed then looks as if it was missing.
    marks: Option<CompactionRevisions>,
    /// The entries of a leaf, and which it is.
    at_hand: Option<(usize, Vec<(RevisionKey, u128)>)>,
    /// Bytes of leaves that may still be compared.
    left: u64,
}

impl<'l, 'b, 's, S: Source + ?Sized> TreeView<'l, 'b, 's, S> {
    pub fn new(leaves: &'l KeyLeaves, buckets: &'b DamagedBuckets<'s, S>, marks: Option<CompactionRevisions>) -> Self {
        let left = buckets.source.len().saturating_mul(STRAY_WORK);
        Self { leaves, pages: LeafPages::new(buckets), marks, at_hand: None, left }
    }

    /// Whether anything may be missing at all.
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

    /// What a leaf is for the trees; none when it has nothing to give.
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
            match self.standing(key, element.value)? {
                Standing::Contradicts => return Ok(None),
                Standing::Known => is_anchored = true,
                Standing::Unread | Standing::Missing => is_wanted = true,
                Standing::Open => {}
            }
        }
        Ok(ends.filter(|_| is_wanted).map(|(first, last)| StrayLeaf { page, first, last, is_anchored }))
    }

    /// How an entry stands to the trees.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn standing(&mut self, key: RevisionKey, value: &[u8]) -> Result<Standing, Error> {
        let (leaves, here) = (self.leaves, key.revision);
        let slices = leaves.slices();
        let behind = slices.partition_point(|slice| slice.first.revision <= here);
        let index = behind.checked_sub(1);
        let before = index.and_then(|index| slices.get(index));
        if let (Some(index), Some(slice)) = (index, before)
            && here <= slice.last.revision
        {
            if self.left == 0 {
                return Ok(Standing::Contradicts);
            }
            let entries = self.entries(index)?;
            let place = entries.partition_point(|(other, _)| other.revision < here);
            return Ok(match entries.get(place) {
                Some((other, print)) if other.revision == here => {
                    let is_same = *other == key && *print == fingerprint(value);
                    if is_same { Standing::Known } else { Standing::Contradicts }
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
            return Ok(Standing::Unread);
        }
        let around = (before.map(|slice| slice.last.revision), slices.get(behind).map(|slice| slice.first.revision));
        Ok(self.within(around, here))
    }

    /// How an entry stands that a readable tree does not have, by its neighbours there.
    fn within(&self, (before, behind): (Option<FullRevision>, Option<FullRevision>), here: FullRevision) -> Standing {
        let (Some(behind), Some(marks)) = (behind, self.marks) else { return Standing::Open };
        if here.main <= marks.last_compaction() {
            Standing::Open
        } else if complete_from(before, behind) > marks.complete_above() {
            Standing::Missing
        } else {
            Standing::Contradicts
        }
    }

    /// The entries of a leaf of the trees that etcd could have written.
    fn entries(&mut self, index: usize) -> Result<&[(RevisionKey, u128)], Error> {
        if self.at_hand.as_ref().is_none_or(|(at, _)| *at != index) {
            let slice = self.leaves.slices().get(index);
            let leaf = slice.map(|slice| self.pages.leaf(slice)).transpose()?.flatten();
            self.left = self.left.saturating_sub(leaf.map_or(0, |leaf| leaf.len()));
            let pairs = leaf.into_iter().flat_map(Leaf::pairs);
            let entries = pairs.filter_map(|element| {
                let (key, _) = entry(element.flags, element.key, element.value)?;
                Some((key, fingerprint(element.value)))
            });
            self.at_hand = Some((index, entries.collect()));
        }
        Ok(self.at_hand.as_ref().map_or(&[], |(_, entries)| entries))
    }
}

/// An entry of bucket `key` and what is to be known of it, none for the empty value of a bump; nothing when etcd does not write such.
pub(super) fn entry(flags: u32, key: &[u8], value: &[u8]) -> Option<(RevisionKey, Option<DecodedEntry>)> {
    let key = RevisionKey::parse(key)
        .filter(|key| flags & BUCKET == 0 && completeness::leaves_revisions(key.revision.main))?;
    Some((key, decode_entry(key, value).ok()?))
}
