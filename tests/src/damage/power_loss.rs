//! Damage that power losses left in databases, as public reports describe it.
//!
//! | report | what was found in the file | here |
//! |---|---|---|
//! | etcd-io/bbolt#701 | both meta pages valid; a page below a branch page of bucket `key` was, by its contents, a branch page above it: a cycle | `bbolt_701_page_cycle` |
//! | etcd-io/bbolt#778 | the newest meta page and root page had been written, a page below them had not; the older meta page led to a whole tree | `bbolt_778_page_not_synced` |
//! | etcd-io/bbolt#1033 | a small, sound tree of what was written since the restart; the pages of all older keys free, and still holding them | `bbolt_1033_tree_of_the_newest_alone` |

use super::Damage;
use super::Location::{self, Nowhere, Pages};
use super::page_tree::some_leaf;
use crate::read::{File, LEAF, meta};

pub const ALL: &[Damage] = &[
    Damage::pages("bbolt_701_page_cycle", &["page-cycle", "page-shared"], page_cycle),
    Damage::pages("bbolt_778_page_not_synced", &["older-meta-sound", "page-id-mismatch", "page-type"], page_not_synced),
    Damage::pages(
        "bbolt_1033_tree_of_the_newest_alone",
        &["revisions-missing", "page-unreachable", "revisions-unreachable"],
        tree_of_the_newest_alone,
    ),
];

/// Loses the new contents of a leaf: on the disk the page still is an earlier branch page, which points to pages above it.
fn page_cycle(file: &mut File) -> Option<Location> {
    let leaf = some_leaf(file)?;
    let parent = leaf.parent?;
    let (from, to) = (file.at(parent), file.at(leaf.page));
    file.bytes.copy_within(from..from + file.page_size, to);
    file.put_u64(to, leaf.page);
    Some(Pages(vec![leaf.page, parent]))
}

/// Loses pages of the newest transaction: the root page and the meta page were written, but the pages below are zeros. The older meta page still leads to the earlier tree.
fn page_not_synced(file: &mut File) -> Option<Location> {
    let bucket = file.bucket("key").filter(|bucket| !file.is_inline(bucket))?;
    let (live, root, new) = (file.live_meta(), file.meta().root, file.meta().pages);
    (bucket.page == root).then_some(())?;
    let extent = file.extent(root);
    let pages = (extent.len() / file.page_size) as u64;
    file.bytes.resize(file.at(new + pages + 1), 0);
    let at = file.at(new);
    file.bytes.copy_within(extent.clone(), at);
    file.put_u64(at, new);
    let lost = new + pages;
    file.put_u64(at + bucket.value.start - extent.start, lost);
    let meta_page = file.at(live);
    file.put_u64(meta_page + meta::ROOT, new);
    file.put_u64(meta_page + meta::PAGES, lost + 1);
    file.update_meta_checksum(live);
    Some(Pages(vec![lost, 1 - live]))
}

/// Makes the last leaf the whole tree of bucket `key`, so that no page points to the other leaves.
fn tree_of_the_newest_alone(file: &mut File) -> Option<Location> {
    let bucket = file.bucket("key").filter(|bucket| !file.is_inline(bucket))?;
    let last = file.visits_of("key").into_iter().rfind(|visit| visit.flags == LEAF && visit.parent.is_some())?;
    file.put_u64(bucket.value.start, last.page);
    Some(Nowhere)
}
