//! Damage to pages, and to the links between them.

use super::Damage;
use super::Location::{self, Pages};
use crate::read::{BRANCH, File, LEAF, META, Visit, meta};

/// Codes that may be found if a page is read as a page of another type.
const MISREAD: &[&str] =
    &["page-type", "page-layout", "element-range", "element-overlap", "page-out-of-range", "page-count", "key-bounds"];
const RANGE: &[&str] = &["page-out-of-range"];
const NOT_A_TREE_PAGE: &[&str] = &["page-type", "page-out-of-range", "page-shared", "page-id-mismatch"];

pub const ALL: &[Damage] = &[
    Damage::pages("child_behind_the_end", RANGE, |file| child(file, |file, _| file.meta().pages + 5)),
    Damage::pages("child_at_the_high_water_mark", RANGE, |file| child(file, |file, _| file.meta().pages)),
    Damage::pages("child_is_the_largest_number", RANGE, |file| child(file, |_, _| u64::MAX)),
    Damage::pages("child_overflows_when_multiplied", RANGE, |file| child(file, |_, _| 1 << 60)),
    Damage::pages("child_is_a_meta_page", NOT_A_TREE_PAGE, |file| child(file, |_, _| 1)).and_bbolt(),
    Damage::pages("child_is_the_freelist", &["page-type", "page-shared"], child_is_the_freelist).and_bbolt(),
    Damage::pages("child_is_its_parent", &["page-cycle"], |file| child(file, |_, parent| parent)),
    Damage::pages("child_is_the_root_of_its_bucket", &["page-cycle"], child_is_the_top),
    Damage::pages("child_is_the_root_of_all", &["page-cycle", "page-shared"], |f| child(f, |file, _| file.meta().root)),
    Damage::pages("bucket_is_the_root_of_all", &["page-cycle", "page-shared"], bucket_is_the_root),
    Damage::pages("child_is_its_sibling", &["page-shared"], child_is_its_sibling).and_bbolt(),
    Damage::pages("children_swapped", &["key-bounds"], children_swapped).and_bbolt(),
    Damage::pages("two_buckets_share_a_root", &["page-shared"], buckets_share).and_bbolt(),
    Damage::pages("page_id_field_one_off", &["page-id-mismatch"], page_id_one_off),
    Damage::pages("page_id_field_of_a_branch_wrong", &["page-id-mismatch"], branch_id_wrong),
    Damage::pages("page_overwritten_by_another", &["page-id-mismatch"], page_overwritten),
    Damage::pages("page_zeroed", &["page-id-mismatch", "page-type"], page_zeroed).and_bbolt(),
    Damage::pages("page_filled_with_ff", &["page-id-mismatch", "page-type", "page-overflow"], page_filled_with_ff),
    Damage::pages("leaf_without_a_type", &["page-type"], |file| leaf_type(file, 0)).and_bbolt(),
    Damage::pages("leaf_says_it_is_a_meta_page", &["page-type"], |file| leaf_type(file, META)).and_bbolt(),
    Damage::pages("leaf_says_it_is_a_freelist", &["page-type"], |file| leaf_type(file, 0x10)).and_bbolt(),
    Damage::pages("leaf_has_every_type", &["page-type"], |file| leaf_type(file, 0xFFFF)),
    Damage::pages("leaf_says_it_is_a_branch", MISREAD, |file| leaf_type(file, BRANCH)),
    Damage::pages("branch_says_it_is_a_leaf", MISREAD, branch_says_it_is_a_leaf),
    Damage::pages("overflow_past_the_end", &["page-overflow"], overflow_past_the_end),
    Damage::pages("overflow_is_the_largest_number", &["page-overflow"], |file| overflow(file, |_| u32::MAX)),
    Damage::pages("overflow_takes_the_next_page", &["page-overflow", "page-shared", "page-free-in-use"], |file| {
        overflow(file, |before| before + 1)
    }),
    Damage::pages("overflow_lost", &["element-range", "page-overflow"], overflow_lost),
    Damage::pages("leaf_lost_with_its_element", &["page-unreachable"], leaf_lost).and_bbolt(),
    Damage::pages("tree_of_a_hundred_levels", &["tree-depth"], hundred_levels),
    Damage::pages("tree_of_ten_thousand_levels", &["tree-depth"], ten_thousand_levels),
];

/// Returns pages of bucket `key` that have a parent and are not its first child, as many as there are.
pub(super) fn inner(file: &File, flags: u16) -> Vec<Visit> {
    file.visits_of("key").into_iter().filter(|v| v.flags == flags && v.parent.is_some() && v.index > 0).collect()
}

/// Returns a leaf in the middle of bucket `key`.
pub(super) fn some_leaf(file: &File) -> Option<Visit> {
    let leaves = inner(file, LEAF);
    leaves.get(leaves.len() / 2).cloned()
}

/// Returns the offset at which the parent stores a page's number.
fn pointer(file: &File, visit: &Visit) -> Option<usize> {
    Some(file.branches(visit.parent?)[visit.index].0 + 8)
}

/// Makes the parent of a leaf point to another page.
fn child(file: &mut File, target: impl Fn(&File, u64) -> u64) -> Option<Location> {
    let leaf = some_leaf(file)?;
    let at = pointer(file, &leaf)?;
    let target = target(file, leaf.parent?);
    file.put_u64(at, target);
    Some(Pages(vec![leaf.parent?, target]))
}

fn child_is_the_freelist(file: &mut File) -> Option<Location> {
    file.has_freelist().then_some(())?;
    child(file, |file, _| file.meta().freelist)
}

fn child_is_the_top(file: &mut File) -> Option<Location> {
    let deep = inner(file, LEAF).into_iter().find(|v| v.depth >= 2)?;
    let top = file.visits_of("key").first()?.page;
    file.put_u64(pointer(file, &deep)?, top);
    Some(Pages(vec![deep.parent?, top]))
}

fn bucket_is_the_root(file: &mut File) -> Option<Location> {
    let bucket = file.bucket("key").filter(|bucket| !file.is_inline(bucket))?;
    let root = file.meta().root;
    file.put_u64(bucket.value.start, root);
    Some(Pages(vec![bucket.page, root]))
}

fn child_is_its_sibling(file: &mut File) -> Option<Location> {
    let leaf = some_leaf(file)?;
    let sibling = file.branches(leaf.parent?)[leaf.index - 1].2;
    file.put_u64(pointer(file, &leaf)?, sibling);
    Some(Pages(vec![leaf.parent?, sibling]))
}

fn children_swapped(file: &mut File) -> Option<Location> {
    let leaf = some_leaf(file)?;
    let (at, before) = (pointer(file, &leaf)?, file.branches(leaf.parent?)[leaf.index - 1].clone());
    file.put_u64(at, before.2);
    file.put_u64(before.0 + 8, leaf.page);
    Some(Pages(vec![leaf.page, before.2]))
}

fn buckets_share(file: &mut File) -> Option<Location> {
    let mut rooted = ["lease", "members", "meta", "key"].iter().filter_map(|name| file.bucket(name));
    let mut rooted = rooted.by_ref().filter(|bucket| !file.is_inline(bucket));
    let (one, two) = (rooted.next()?, rooted.next()?);
    let root = file.u64(one.value.start);
    file.put_u64(two.value.start, root);
    Some(Pages(vec![root, one.page]))
}

fn page_id_one_off(file: &mut File) -> Option<Location> {
    let page = some_leaf(file)?.page;
    file.put_u64(file.at(page), page + 1);
    Some(Pages(vec![page]))
}

fn branch_id_wrong(file: &mut File) -> Option<Location> {
    let page = file.visits_of("key").into_iter().find(|v| v.flags == BRANCH)?.page;
    file.put_u64(file.at(page), u64::MAX);
    Some(Pages(vec![page]))
}

fn page_overwritten(file: &mut File) -> Option<Location> {
    let single: Vec<u64> =
        inner(file, LEAF).into_iter().map(|v| v.page).filter(|page| file.header(*page).overflow == 0).collect();
    let (from, to) = (*single.first()?, *single.last()?);
    (from != to).then_some(())?;
    let (extent, at) = (file.extent(from), file.at(to));
    file.bytes.copy_within(extent, at);
    Some(Pages(vec![to]))
}

fn page_zeroed(file: &mut File) -> Option<Location> {
    let page = some_leaf(file)?.page;
    let extent = file.extent(page);
    file.bytes[extent].fill(0);
    Some(Pages(vec![page]))
}

fn page_filled_with_ff(file: &mut File) -> Option<Location> {
    let page = some_leaf(file)?.page;
    let extent = file.at(page)..file.at(page + 1);
    file.bytes[extent].fill(0xFF);
    Some(Pages(vec![page]))
}

fn leaf_type(file: &mut File, flags: u16) -> Option<Location> {
    let page = some_leaf(file)?.page;
    file.put_u16(file.at(page) + 8, flags);
    Some(Pages(vec![page]))
}

/// Makes a branch page claim to be a leaf; any page below it may reveal that.
fn branch_says_it_is_a_leaf(file: &mut File) -> Option<Location> {
    let page = inner(file, BRANCH).first()?.page;
    file.put_u16(file.at(page) + 8, LEAF);
    Some(Pages(vec![page]))
}

fn overflow_past_the_end(file: &mut File) -> Option<Location> {
    let pages = file.meta().pages as u32;
    overflow(file, |_| pages)
}

fn overflow(file: &mut File, change: impl Fn(u32) -> u32) -> Option<Location> {
    let page = some_leaf(file)?.page;
    let before = file.header(page).overflow;
    file.put_u32(file.at(page) + 12, change(before));
    let next = page + u64::from(before) + 1;
    Some(Pages(vec![page, next]))
}

fn overflow_lost(file: &mut File) -> Option<Location> {
    let big = file.visits_of("key").into_iter().find(|v| file.header(v.page).overflow > 0)?.page;
    file.put_u32(file.at(big) + 12, 0);
    Some(Pages(vec![big]))
}

/// Rewrites the parent page without the leaf, well-formed: only the missing page itself reveals it.
fn leaf_lost(file: &mut File) -> Option<Location> {
    file.has_freelist().then_some(())?;
    let leaf = some_leaf(file)?;
    let parent = leaf.parent?;
    let mut children: Vec<(Vec<u8>, u64)> =
        file.branches(parent).into_iter().map(|(_, key, page)| (file.bytes[key].to_vec(), page)).collect();
    children.remove(leaf.index);
    file.rewrite_branch(parent, &children);
    Some(Pages(vec![leaf.page]))
}

fn hundred_levels(file: &mut File) -> Option<Location> {
    levels(file, 100)
}

fn ten_thousand_levels(file: &mut File) -> Option<Location> {
    levels(file, 10_000)
}

/// Moves bucket `key` below a chain of new branch pages with one child each.
fn levels(file: &mut File, count: u64) -> Option<Location> {
    let bucket = file.bucket("key").filter(|bucket| !file.is_inline(bucket))?;
    let below = file.u64(bucket.value.start);
    let top = file.visits_of("key").first()?.clone();
    let key = match top.flags {
        BRANCH => file.branches(top.page).first()?.1.clone(),
        _ => file.leaves(top.page).first()?.key.clone(),
    };
    let key = file.bytes[key].to_vec();
    let first = file.meta().pages;
    for page in first..first + count {
        file.bytes.resize(file.at(page + 1), 0);
        file.put_u64(file.at(page), page);
        let child = if page + 1 == first + count { below } else { page + 1 };
        file.rewrite_branch(page, &[(key.clone(), child)]);
    }
    file.put_u64(bucket.value.start, first);
    file.set_metas(meta::PAGES, first + count);
    Some(Location::Nowhere)
}
