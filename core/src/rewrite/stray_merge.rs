//! Merges stray leaves that hold the same revisions.
//!
//! Above the last compaction an entry never changes and is never removed, so an entry is taken if any leaf has it. At or below it, newer versions of a leaf have fewer entries, so an entry is taken
//! only if every leaf has it whose range covers it. If two leaves have different contents under the same revision, the entry is taken from neither.

use std::collections::{BTreeMap, HashSet};

use crate::bolt::page_id::PageId;
use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::KeyHash;
use crate::fingerprint::fingerprint;
use crate::limits::{STRAY_REVISIONS, STRAY_VERSIONS};
use crate::progress::ScanProgress;
use crate::rewrite::leaf_reader::LeafReader;
use crate::rewrite::leaf_slice::{LeafLocation, LeafOrigin, LeafSlice};
use crate::rewrite::stray_leaves::{Comparison, StrayLeaf, TreeComparer, entry};
use crate::source::Source;

/// The result of merging stray leaves.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// Parts of leaves, in the order of keys.
    pub slices: Vec<LeafSlice>,
    /// The keys of their entries.
    pub keys: HashSet<KeyHash>,
    /// Number of revisions with different contents in two leaves.
    pub conflicting: u64,
    /// Number of leaves that were left out because too many hold the same revisions.
    pub left_out: u64,
}

/// A revision in the leaves so far.
struct Seen {
    key: RevisionKey,
    print: u128,
    page: PageId,
    /// The index of the entry in the page.
    index: usize,
    leaves: usize,
    is_anchored: bool,
    is_unread: bool,
    conflicts: bool,
}

/// Merges the leaves. A compaction may have removed entries at or below revision `compacted_up_to`.
///
/// # Errors
/// When bytes cannot be read, or `progress` requests a stop.
pub(super) fn merge<S: Source + ?Sized>(
    mut leaves: Vec<StrayLeaf>,
    tree: &mut TreeComparer<'_, '_, '_, S>,
    pages: &mut LeafReader<'_, S>,
    compacted_up_to: Revision,
    progress: &dyn ScanProgress,
) -> Result<Merged, Error> {
    leaves.sort_unstable_by_key(|leaf| (leaf.first, leaf.page));
    let mut merging = Merging { compacted_up_to, ..Merging::default() };
    for leaf in leaves {
        if progress.cancelled() {
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
            let comparison = tree.comparison(key, element.value)?;
            if !matches!(comparison, Comparison::Unread | Comparison::Missing) {
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
                is_unread: comparison == Comparison::Unread,
                conflicts: false,
            });
        }
    }
    merging.flush(None);
    Ok(merging.merged)
}

#[derive(Default)]
struct Merging {
    compacted_up_to: Revision,
    merged: Merged,
    /// Revisions that later leaves may have, too.
    pending: BTreeMap<FullRevision, Seen>,
    /// The first and last revisions of the leaves that cover them.
    around: Vec<(FullRevision, FullRevision)>,
    /// The page and index of the entry with which the last slice ends.
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

    /// Decides about all revisions before `limit`; no later leaf begins before it.
    fn flush(&mut self, limit: Option<FullRevision>) {
        let rest = limit.map(|limit| self.pending.split_off(&limit)).unwrap_or_default();
        for (revision, seen) in std::mem::replace(&mut self.pending, rest) {
            if seen.conflicts {
                self.merged.conflicting = self.merged.conflicting.saturating_add(1);
                continue;
            }
            let around = || self.around.iter().filter(|(first, last)| *first <= revision && revision <= *last).count();
            if revision.main <= self.compacted_up_to && seen.leaves < around() {
                continue;
            }
            self.add(&seen);
        }
        self.around.retain(|(_, last)| limit.is_some_and(|limit| *last >= limit));
    }

    fn add(&mut self, seen: &Seen) {
        let proven = seen.leaves > 1 || (seen.is_anchored && !seen.is_unread);
        let origin = LeafOrigin::StrayPages { unread: seen.is_unread, proven };
        let follows = self.end == seen.index.checked_sub(1).map(|before| (seen.page, before));
        self.end = Some((seen.page, seen.index));
        match self.merged.slices.last_mut().filter(|slice| follows && slice.origin == origin) {
            Some(slice) => slice.last = seen.key,
            None => self.merged.slices.push(LeafSlice {
                first: seen.key,
                last: seen.key,
                location: LeafLocation::Page(seen.page),
                origin,
                complete_from: Revision::ZERO,
                counts_malformed: false,
            }),
        }
    }
}
