//! Damage to counts, positions, sizes, flags and keys within pages.

use super::Damage;
use super::Location::{self, Pages};
use super::page_tree::{inner, some_leaf};
use crate::read::{BRANCH, File, LEAF};

const LAYOUT: &[&str] = &["page-layout", "element-range"];
const RANGE: &[&str] = &["element-range", "page-layout"];
const COUNT: &[&str] = &["page-count", "element-range", "page-layout"];
const OVERLAP: &[&str] = &["element-overlap"];
const ORDER: &[&str] = &["key-order"];
const BOUNDS: &[&str] = &["key-bounds"];

/// Offsets of the fields of a leaf element.
const FLAGS: usize = 0;
const POSITION: usize = 4;
const KEY_SIZE: usize = 8;
const VALUE_SIZE: usize = 12;

pub const ALL: &[Damage] = &[
    Damage::pages("leaf_count_one_too_high", COUNT, |file| leaf_count(file, |count| count + 1)),
    Damage::pages("leaf_count_one_too_low", LAYOUT, |file| leaf_count(file, |count| count - 1)),
    Damage::pages("leaf_count_doubled", COUNT, |file| leaf_count(file, |count| count * 2)),
    Damage::pages("leaf_count_far_too_high", &["page-count"], |file| leaf_count(file, |_| 0xFFFF)),
    Damage::pages("leaf_count_is_0", &["page-count"], |file| leaf_count(file, |_| 0)),
    Damage::pages("branch_count_one_too_high", COUNT, |file| branch_count(file, |count| count + 1)),
    Damage::pages("branch_count_one_too_low", LAYOUT, |file| branch_count(file, |count| count - 1)),
    Damage::pages("branch_count_far_too_high", &["page-count"], |file| branch_count(file, |_| 0xFFFF)),
    Damage::pages("branch_count_is_0", &["page-count"], |file| branch_count(file, |_| 0)),
    Damage::pages("position_one_too_high", LAYOUT, |file| element(file, POSITION, |position| position + 1)),
    Damage::pages("position_one_too_low", LAYOUT, |file| element(file, POSITION, |position| position - 1)),
    Damage::pages("position_is_0", LAYOUT, |file| element(file, POSITION, |_| 0)),
    Damage::pages("position_behind_the_page", RANGE, |file| element(file, POSITION, |_| 1 << 20)),
    Damage::pages("position_is_the_largest_number", RANGE, |file| element(file, POSITION, |_| u32::MAX)),
    Damage::pages("key_size_one_too_high", LAYOUT, |file| element(file, KEY_SIZE, |size| size + 1)),
    Damage::pages("key_size_is_0", LAYOUT, |file| element(file, KEY_SIZE, |_| 0)),
    Damage::pages("key_size_behind_the_page", RANGE, |file| element(file, KEY_SIZE, |_| 1 << 24)),
    Damage::pages("key_size_is_the_largest_number", RANGE, |file| element(file, KEY_SIZE, |_| u32::MAX)),
    Damage::pages("value_size_one_too_high", LAYOUT, |file| element(file, VALUE_SIZE, |size| size + 1)),
    Damage::pages("value_size_one_too_low", LAYOUT, |file| element(file, VALUE_SIZE, |size| size - 1)),
    Damage::pages("value_size_behind_the_page", RANGE, |file| element(file, VALUE_SIZE, |_| 1 << 24)),
    Damage::pages("value_size_is_the_largest_number", RANGE, |file| element(file, VALUE_SIZE, |_| u32::MAX)),
    Damage::pages("branch_position_one_too_high", LAYOUT, |file| branch_element(file, 0, |position| position + 1)),
    Damage::pages("branch_position_behind_the_page", RANGE, |file| branch_element(file, 0, |_| 1 << 20)),
    Damage::pages("branch_key_size_one_too_high", LAYOUT, |file| branch_element(file, 4, |size| size + 1)),
    Damage::pages("branch_key_size_behind_the_page", RANGE, |file| branch_element(file, 4, |_| u32::MAX)),
    Damage::pages("values_reach_to_the_end_of_the_page", OVERLAP, values_reach_to_the_end),
    Damage::pages("separators_reach_to_the_end_of_the_page", OVERLAP, separators_reach_to_the_end),
    Damage::pages("value_takes_the_values_behind_it", OVERLAP, value_takes_those_behind),
    Damage::pages("element_flag_unknown", &["element-flags"], |file| element(file, FLAGS, |_| 2)),
    Damage::pages("element_flag_of_the_highest_bit", &["element-flags"], |file| element(file, FLAGS, |_| 1 << 31)),
    Damage::pages("revision_says_it_is_a_bucket", BUCKET_IN_KEY, |file| element(file, FLAGS, |_| 1)),
    Damage::pages("keys_swapped_in_a_leaf", ORDER, keys_swapped).and_bbolt(),
    Damage::pages("key_twice_in_a_leaf", ORDER, key_twice).and_bbolt(),
    Damage::pages("keys_swapped_in_a_branch", ORDER, branch_keys_swapped).and_bbolt(),
    Damage::pages("separator_twice_in_a_branch", ORDER, separator_twice).and_bbolt(),
    Damage::pages("last_key_above_the_next_page", BOUNDS, last_key_too_high).and_bbolt(),
    Damage::pages("first_key_below_the_separator", BOUNDS, first_key_too_low).and_bbolt(),
    Damage::pages("separator_above_the_first_key", BOUNDS, separator_too_high).and_bbolt(),
    Damage::pages("separator_a_little_below_the_first_key", &["separator-mismatch"], separator_a_little_too_low),
    Damage::pages("separator_of_a_branch_below_its_first", &["separator-mismatch"], separator_of_a_branch_too_low),
    Damage::pages("branch_of_one_child", &["branch-of-one"], branch_of_one),
    Damage::pages("separator_empty", &["key-size"], separator_empty),
    Damage::pages("separator_within_the_page_before", BOUNDS, separator_too_low).and_bbolt(),
];

const BUCKET_IN_KEY: &[&str] =
    &["bucket-invalid", "page-out-of-range", "revision-malformed", "keyvalue-malformed", "element-flags"];

fn leaf_count(file: &mut File, change: impl Fn(u16) -> u16) -> Option<Location> {
    let leaf = inner(file, LEAF).into_iter().find(|v| file.header(v.page).count > 2)?;
    count(file, leaf.page, change)
}

fn branch_count(file: &mut File, change: impl Fn(u16) -> u16) -> Option<Location> {
    let branch = file.visits_of("key").into_iter().rfind(|v| v.flags == BRANCH && file.header(v.page).count > 2)?;
    count(file, branch.page, change)
}

fn count(file: &mut File, page: u64, change: impl Fn(u16) -> u16) -> Option<Location> {
    let before = file.header(page).count;
    file.put_u16(file.at(page) + 10, change(before));
    Some(Pages(vec![page]))
}

/// Changes a field of an element that is neither first nor last on its page.
fn element(file: &mut File, field: usize, change: impl Fn(u32) -> u32) -> Option<Location> {
    let leaf = inner(file, LEAF).into_iter().find(|v| file.header(v.page).count > 2)?;
    let at = file.leaves(leaf.page)[1].at + field;
    file.put_u32(at, change(file.u32(at)));
    Some(Pages(vec![leaf.page]))
}

fn branch_element(file: &mut File, field: usize, change: impl Fn(u32) -> u32) -> Option<Location> {
    let branch = file.visits_of("key").into_iter().find(|v| v.flags == BRANCH && file.header(v.page).count > 2)?;
    let at = file.branches(branch.page)[1].0 + field;
    file.put_u32(at, change(file.u32(at)));
    Some(Pages(vec![branch.page]))
}

/// Returns the end of a page including its overflow.
fn end_of(file: &File, page: u64) -> usize {
    file.at(page) + (file.header(page).overflow as usize + 1) * file.page_size
}

fn values_reach_to_the_end(file: &mut File) -> Option<Location> {
    let leaf = inner(file, LEAF).into_iter().find(|v| file.header(v.page).count > 3)?;
    let end = end_of(file, leaf.page);
    for element in file.leaves(leaf.page) {
        file.put_u32(element.at + VALUE_SIZE, (end - element.value.start) as u32);
    }
    Some(Pages(vec![leaf.page]))
}

fn separators_reach_to_the_end(file: &mut File) -> Option<Location> {
    let branch = file.visits_of("key").into_iter().find(|v| v.flags == BRANCH && file.header(v.page).count > 3)?;
    let end = end_of(file, branch.page);
    for (at, key, _) in file.branches(branch.page) {
        file.put_u32(at + 4, (end - key.start) as u32);
    }
    Some(Pages(vec![branch.page]))
}

/// Makes the first value of a page as long as all of its values.
fn value_takes_those_behind(file: &mut File) -> Option<Location> {
    let full = |v: &crate::read::Visit| {
        let leaves = file.leaves(v.page);
        let first = leaves.first()?;
        let (end, used) = (end_of(file, v.page), leaves.last()?.value.end);
        // The page must have less free space than the other pairs take.
        (end - used < used - first.value.end).then(|| (v.page, first.at, end - first.value.start))
    };
    let (page, at, len) = inner(file, LEAF).iter().find_map(full)?;
    file.put_u32(at + VALUE_SIZE, len as u32);
    Some(Pages(vec![page]))
}

/// Finds two neighbouring keys of the same length in a leaf of bucket `key`.
fn neighbours(file: &File) -> Option<(u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    inner(file, LEAF).into_iter().find_map(|v| {
        let leaves = file.leaves(v.page);
        let pair = leaves.windows(2).find(|pair| pair[0].key.len() == pair[1].key.len())?;
        Some((v.page, pair[0].key.clone(), pair[1].key.clone()))
    })
}

fn swap(file: &mut File, one: std::ops::Range<usize>, two: std::ops::Range<usize>) {
    let first = file.bytes[one.clone()].to_vec();
    file.bytes.copy_within(two.clone(), one.start);
    file.bytes[two].copy_from_slice(&first);
}

fn keys_swapped(file: &mut File) -> Option<Location> {
    let (page, one, two) = neighbours(file)?;
    swap(file, one, two);
    Some(Pages(vec![page]))
}

fn key_twice(file: &mut File) -> Option<Location> {
    let (page, one, two) = neighbours(file)?;
    file.bytes.copy_within(one, two.start);
    Some(Pages(vec![page]))
}

/// Finds two neighbouring separators of the same length, with their page and the children below them.
fn separators(file: &File) -> Option<(Vec<u64>, std::ops::Range<usize>, std::ops::Range<usize>)> {
    file.visits_of("key").into_iter().filter(|v| v.flags == BRANCH).find_map(|v| {
        let branches = file.branches(v.page);
        let pair = branches.windows(2).find(|pair| pair[0].1.len() == pair[1].1.len())?;
        Some((vec![v.page, pair[0].2, pair[1].2], pair[0].1.clone(), pair[1].1.clone()))
    })
}

fn branch_keys_swapped(file: &mut File) -> Option<Location> {
    let (pages, one, two) = separators(file)?;
    swap(file, one, two);
    Some(Pages(pages))
}

fn separator_twice(file: &mut File) -> Option<Location> {
    let (pages, one, two) = separators(file)?;
    file.bytes.copy_within(one, two.start);
    Some(Pages(pages))
}

/// Raises the last key of a page that has a right sibling.
fn last_key_too_high(file: &mut File) -> Option<Location> {
    let leaf = inner(file, LEAF).into_iter().find(|v| v.index + 1 < file.branches(v.parent.unwrap_or(0)).len())?;
    let last = file.leaves(leaf.page).pop()?;
    file.bytes[last.key.start] = 0x7F;
    Some(Pages(vec![leaf.page]))
}

fn first_key_too_low(file: &mut File) -> Option<Location> {
    let leaf = some_leaf(file)?;
    let first = file.leaves(leaf.page).into_iter().next()?;
    file.bytes[first.key.start..first.key.start + 8].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
    Some(Pages(vec![leaf.page]))
}

/// Sets the separator of a leaf to that leaf's last key.
fn separator_too_high(file: &mut File) -> Option<Location> {
    let (leaf, separator, keys) = replaceable(file, |file, v| file.leaves(v.page))?;
    file.bytes.copy_within(keys.last()?.clone(), separator.start);
    Some(Pages(vec![leaf]))
}

/// Sets the separator of a leaf to the last key of the leaf before it.
fn separator_too_low(file: &mut File) -> Option<Location> {
    let before = |file: &File, v: &crate::read::Visit| {
        let siblings = file.branches(v.parent.unwrap_or(0));
        let before = siblings[v.index - 1].2;
        file.leaves(before)
    };
    let (leaf, separator, keys) = replaceable(file, before)?;
    file.bytes.copy_within(keys.last()?.clone(), separator.start);
    let visit = file.visits_of("key").into_iter().find(|v| v.page == leaf)?;
    let previous = file.branches(visit.parent?)[visit.index - 1].2;
    Some(Pages(vec![leaf, previous, visit.parent?]))
}

/// Sets the separator of a leaf below its first key, but above all keys before it.
fn separator_a_little_too_low(file: &mut File) -> Option<Location> {
    let leaves = inner(file, LEAF);
    leaves.into_iter().find_map(|v| lower(file, &v))
}

fn separator_of_a_branch_too_low(file: &mut File) -> Option<Location> {
    let branches = inner(file, BRANCH);
    branches.into_iter().find_map(|v| lower(file, &v))
}

/// Sets the separator of a page to the revision after the last one of the page before, unless that is the page's first.
fn lower(file: &mut File, visit: &crate::read::Visit) -> Option<Location> {
    let parent = visit.parent?;
    let key = file.branches(parent)[visit.index].1.clone();
    let mut before = file.branches(parent)[visit.index - 1].2;
    while file.header(before).flags == BRANCH {
        before = file.branches(before).last()?.2;
    }
    let last = file.leaves(before).last()?.key.clone();
    let mut next = file.bytes[last.start..last.start + 17].to_vec();
    let sub = u64::from_be_bytes(next[9..].try_into().expect("eight bytes")) + 1;
    next[9..].copy_from_slice(&sub.to_be_bytes());
    (next.as_slice() < &file.bytes[key.start..key.start + 17]).then_some(())?;
    file.bytes[key.start..key.start + 17].copy_from_slice(&next);
    Some(Pages(vec![visit.page]))
}

/// Leaves only the first child of a branch page.
fn branch_of_one(file: &mut File) -> Option<Location> {
    let branch = file.visits_of("key").into_iter().find(|v| v.flags == BRANCH && file.header(v.page).count > 2)?;
    let (at, key, _) = file.branches(branch.page)[0].clone();
    let end = file.at(branch.page) + 32;
    file.bytes.copy_within(key, end);
    file.put_u32(at, 16);
    file.put_u16(file.at(branch.page) + 10, 1);
    Some(Pages(vec![branch.page]))
}

/// Empties the first separator of a branch page; the others follow the element table as before.
fn separator_empty(file: &mut File) -> Option<Location> {
    let branch = file.visits_of("key").into_iter().find(|v| v.flags == BRANCH && file.header(v.page).count > 2)?;
    let branches = file.branches(branch.page);
    file.put_u32(branches[0].0 + 4, 0);
    Some(Pages(vec![branch.page]))
}

type Keys = Vec<std::ops::Range<usize>>;

/// Finds a leaf whose separator is as long as the last of these keys, which is not the leaf's first.
fn replaceable(
    file: &File,
    of: impl Fn(&File, &crate::read::Visit) -> Vec<crate::read::Leaf>,
) -> Option<(u64, std::ops::Range<usize>, Keys)> {
    inner(file, LEAF).into_iter().find_map(|v| {
        let separator = file.branches(v.parent?)[v.index].1.clone();
        let keys: Keys = of(file, &v).into_iter().map(|leaf| leaf.key).collect();
        let fits = keys.len() > 1 && keys.last()?.len() == separator.len();
        fits.then_some((v.page, separator, keys))
    })
}
