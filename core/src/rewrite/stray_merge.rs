//! Of several stray leaves that hold the same revisions, what each of them gives.
//!
//! Above the last compaction an entry never changes and never goes, so everything counts that one of them has. At or below it a leaf only ever loses entries, so of several versions of a range the
//! subset is the newest: an entry counts when every leaf has it whose ends lie around it. Where two have other content under the same revision, it is taken from none.

use std::collections::{BTreeMap, HashSet};

use crate::bolt::page_id::PageId;
use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::KeyHash;
use crate::fingerprint::fingerprint;
use crate::limits::{STRAY_REVISIONS, STRAY_VERSIONS};
use crate::progress::Watch;
use crate::rewrite::leaf_reader::LeafReader;
use crate::rewrite::leaf_slice::{Basis, LeafSlice, Spot};
use crate::rewrite::stray_leaves::{Standing, StrayLeaf, TreeView, entry};
use crate::source::Source;

/// What the stray leaves give.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// Parts of leaves, in the order of keys.
    pub slices: Vec<LeafSlice>,
    /// The keys that they are about.
    pub keys: HashSet<KeyHash>,
    /// Revisions of which two leaves have other content.
    pub conflicting: u64,
    /// Leaves that were left out because too many hold the same revisions.
    pub left_out: u64,
}

/// A revision as the leaves so far have it.
struct Seen {
    key: RevisionKey,
    print: u128,
    page: PageId,
    /// Which entry of the page it is.
    index: usize,
    leaves: usize,
    is_anchored: bool,
    is_unread: bool,
    conflicts: bool,
}

/// Puts leaves together. At or below revision `losing` entries of a leaf may have been lost.
///
/// # Errors
/// When bytes cannot be read, or the watch asks to stop.
pub(super) fn merge<S: Source + ?Sized>(
    mut leaves: Vec<StrayLeaf>,
    tree: &mut TreeView<'_, '_, '_, S>,
    pages: &mut LeafReader<'_, S>,
    losing: Revision,
    watch: &dyn Watch,
) -> Result<Merged, Error> {
    leaves.sort_unstable_by_key(|leaf| (leaf.first, leaf.page));
    let mut merging = Merging { losing, ..Merging::default() };
    for leaf in leaves {
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
        merging.flush(Some(leaf.first));
        if merging.around.len() >= STRAY_VERSIONS || merging.pending.len() >= STRAY_REVISIONS {
            merging.merged.left_out = merging.merged.left_out.saturating_add(1);
            continue;
        }
        let Some(page) = pages.intact_leaf(leaf.page)? else { continue };
        merging.around.push((leaf.first, leaf.last));
        for (index, element) in page.pairs().enumerate() {
            let Some((key, inspected)) = entry(element.flags, element.key, element.value) else { continue };
            let standing = tree.standing(key, element.value)?;
            if !matches!(standing, Standing::Unread | Standing::Missing) {
                continue;
            }
            merging.merged.keys.extend(inspected.map(|inspected| inspected.record.key()));
            merging.see(Seen {
                key,
                print: fingerprint(element.value),
                page: leaf.page,
                index,
                leaves: 1,
                is_anchored: leaf.is_anchored,
                is_unread: standing == Standing::Unread,
                conflicts: false,
            });
        }
    }
    merging.flush(None);
    Ok(merging.merged)
}

#[derive(Default)]
struct Merging {
    losing: Revision,
    merged: Merged,
    /// Revisions that leaves to come may have, too.
    pending: BTreeMap<FullRevision, Seen>,
    /// The ends of the leaves around them.
    around: Vec<(FullRevision, FullRevision)>,
    /// Which entry the last slice ends with.
    end: Option<(PageId, usize)>,
}

impl Merging {
    fn see(&mut self, seen: Seen) {
        match self.pending.get_mut(&seen.key.revision) {
            Some(before) => {
                before.conflicts |= before.key != seen.key || before.print != seen.print;
                before.leaves = before.leaves.saturating_add(1);
                before.is_anchored |= seen.is_anchored;
            }
            None => {
                self.pending.insert(seen.key.revision, seen);
            }
        }
    }

    /// Decides on all revisions before `limit`: no leaf to come begins before it.
    fn flush(&mut self, limit: Option<FullRevision>) {
        let rest = limit.map(|limit| self.pending.split_off(&limit)).unwrap_or_default();
        for (revision, seen) in std::mem::replace(&mut self.pending, rest) {
            if seen.conflicts {
                self.merged.conflicting = self.merged.conflicting.saturating_add(1);
                continue;
            }
            let around = || self.around.iter().filter(|(first, last)| *first <= revision && revision <= *last).count();
            if revision.main <= self.losing && seen.leaves < around() {
                continue;
            }
            self.add(&seen);
        }
        self.around.retain(|(_, last)| limit.is_some_and(|limit| *last >= limit));
    }

    fn add(&mut self, seen: &Seen) {
        let proven = seen.leaves > 1 || (seen.is_anchored && !seen.is_unread);
        let basis = Basis::StrayPages { unread: seen.is_unread, proven };
        let follows = self.end == seen.index.checked_sub(1).map(|before| (seen.page, before));
        self.end = Some((seen.page, seen.index));
        match self.merged.slices.last_mut().filter(|slice| follows && slice.basis == basis) {
            Some(slice) => slice.last = seen.key,
            None => self.merged.slices.push(LeafSlice {
                first: seen.key,
                last: seen.key,
                spot: Spot::Page(seen.page),
                basis,
                complete_from: Revision::ZERO,
                counts_malformed: false,
            }),
        }
    }
}
