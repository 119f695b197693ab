//! Files with pages that overlap, children with several parents, and cyclic trees.

use super::Make;
use super::raw_pages::{HEADER_LEN, RawElement, RawFile, key_value, revision};
use crate::seeded_random::SeededRandom;

pub const ALL: &[(&str, Make)] = &[
    ("leaves_claim_all_behind_them", leaves_overlap_all_later_pages),
    ("branches_claim_all_behind_them", branches_overlap_all_later_pages),
    ("leaves_lie_far_apart", leaves_lie_far_apart),
    ("branches_share_their_children", branches_share_their_children),
    ("trees_hang_in_themselves", cyclic_trees),
    ("wide_branches_without_leaves", wide_branches_without_leaves),
    ("buckets_share_a_root", buckets_share_a_root),
];

/// Puts branch pages above leaves, at the pages from `next` on; the last is the root. Separators are revisions, as the keys of the leaves are.
fn tree(raw: &mut RawFile, next: &mut usize, leaves: &[u64]) -> u64 {
    let each = (raw.page_size - HEADER_LEN) / (HEADER_LEN + 17);
    let mut level: Vec<(u64, u64)> = leaves.iter().enumerate().map(|(rank, page)| (*page, rank as u64 + 1)).collect();
    loop {
        let mut above = Vec::new();
        for children in level.chunks(each) {
            let page = *next;
            *next += 1;
            let keys_at = raw.offset_of(page) + HEADER_LEN + children.len() * HEADER_LEN;
            for (index, (_, main)) in children.iter().enumerate() {
                raw.put(keys_at + index * 17, &revision(*main));
            }
            let links: Vec<_> =
                children.iter().enumerate().map(|(index, (child, _))| (*child, keys_at + index * 17, 17)).collect();
            raw.write_branch(page, 0, links.into_iter());
            above.push((page as u64, children[0].1));
        }
        if above.len() == 1 {
            return above[0].0;
        }
        level = above;
    }
}

/// Returns how many leaves fit in a file beside the branch pages above them.
fn leaves_of(page_size: usize, pages: usize) -> usize {
    let each = (page_size - HEADER_LEN) / (HEADER_LEN + 17);
    (pages - 4) * (each - 1) / each - 8
}

/// Writes leaves with one revision each, in this order; `overflow` returns the overflow that each claims.
fn leaves(raw: &mut RawFile, order: &[usize], overflow: impl Fn(usize) -> usize, packed: bool) {
    for (rank, page) in order.iter().enumerate() {
        let main = rank as u64 + 1;
        let message = key_value(format!("/{rank}").as_bytes(), main, b"v", 0);
        let at = raw.offset_of(*page);
        let key_at = at + 2 * HEADER_LEN + if packed { 0 } else { 8 };
        raw.put(key_at, &revision(main));
        raw.put(key_at + 17, &message);
        let pair = RawElement { flags: 0, key_at, key_len: 17, value_len: message.len() };
        raw.write_leaf(at, *page as u64, overflow(*page), std::iter::once(pair));
    }
}

fn ordered(rng: &mut SeededRandom, first: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (first..first + count).collect();
    match rng.below(3) {
        0 => {}
        1 => order.reverse(),
        _ => rng.shuffle(&mut order),
    }
    order
}

fn leaves_overlap_all_later_pages(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let pages = (len / page_size).max(24);
    let mut raw = RawFile::new(page_size, pages);
    let count = leaves_of(page_size, pages).max(1);
    let first = pages - count;
    let order = ordered(rng, first, count);
    let packed = rng.chance(70);
    leaves(&mut raw, &order, |page| pages - 1 - page, packed);
    let ids: Vec<u64> = order.iter().map(|page| *page as u64).collect();
    let root = tree(&mut raw, &mut 3, &ids);
    raw.write_root(&[(*rng.pick(&["key", "key", "members", "x"]), root)]);
    raw
}

fn branches_overlap_all_later_pages(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let pages = (len / page_size).max(24);
    let mut raw = RawFile::new(page_size, pages);
    let each = raw.max_elements() / 2;
    let mut order = ordered(rng, 4, pages - 4);
    order.insert(0, 3);
    let mut children = order[1..].chunks(each);
    let packed = rng.chance(50);
    for page in &order {
        let below: Vec<u64> = children.next().unwrap_or(&[]).iter().map(|page| *page as u64).collect();
        let at = raw.offset_of(*page) + HEADER_LEN + below.len() * HEADER_LEN + if packed { 0 } else { 4 };
        raw.write_branch(*page, pages - 1 - page, below.into_iter().map(|child| (child, at, 0)));
    }
    raw.write_root(&[("key", 3)]);
    raw
}

/// Orders the leaves so that each lies just beyond the block that was read for the one before.
fn leaves_lie_far_apart(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let pages = (len / page_size).max(24);
    let mut raw = RawFile::new(page_size, pages);
    let count = leaves_of(page_size, pages).max(1);
    let first = pages - count;
    let step = (*rng.pick(&[300 << 10, 60 << 10, 65 << 10]) / page_size).max(1);
    let order: Vec<usize> = (0..step).flat_map(|start| (start..count).step_by(step)).map(|page| first + page).collect();
    leaves(&mut raw, &order, |_| 0, true);
    let ids: Vec<u64> = order.iter().map(|page| *page as u64).collect();
    let root = tree(&mut raw, &mut 3, &ids);
    raw.write_root(&[("key", root)]);
    raw
}

/// Stacks levels of branch pages, each of which lists all pages of the next level as children, repeatedly.
fn branches_share_their_children(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let pages = (len / page_size).max(24);
    let mut raw = RawFile::new(page_size, pages);
    let count = raw.max_elements();
    let levels = rng.between(2, 80);
    let wide = ((pages - 4) / levels).max(1);
    for page in 3..pages {
        let level = (page - 3) / wide;
        let next = 3 + (level + 1) * wide;
        let at = raw.offset_of(page) + raw.page_size;
        let child = |index: usize| ((next + index % wide) as u64).min(pages as u64 - 1);
        if next + wide > pages {
            leaves(&mut raw, &[page], |_| 0, true);
        } else {
            raw.write_branch(page, 0, (0..count).map(|index| (child(index), at, 0)));
        }
    }
    raw.write_root(&[("key", 3)]);
    raw
}

fn cyclic_trees(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let pages = (len / page_size).max(24);
    let mut raw = RawFile::new(page_size, pages);
    let count = raw.max_elements();
    for page in 3..pages {
        let at = raw.offset_of(page) + raw.page_size;
        let links: Vec<_> = (0..count).map(|_| (rng.between(2, pages) as u64, at, 0)).collect();
        raw.write_branch(page, 0, links.into_iter());
    }
    raw.write_root(&[("key", 3), ("lease", 3), ("members", 2), ("meta", 4), ("x", 5)]);
    raw
}

/// Makes branch pages with as many children as fit, all of which are the same page, a page that does not exist, or pages beyond the end.
fn wide_branches_without_leaves(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let pages = (len / page_size).max(24);
    let mut raw = RawFile::new(page_size, pages);
    let count = raw.max_elements();
    let last = *rng.pick(&[0, 1, 2, pages as u64 - 1, pages as u64, u64::MAX]);
    let mut next = 4_u64;
    for page in 3..pages {
        let at = raw.offset_of(page) + raw.page_size;
        let links: Vec<_> = (0..count)
            .map(|_| {
                let child = if next < pages as u64 { next } else { last };
                next += 1;
                (child, at, 0)
            })
            .collect();
        raw.write_branch(page, 0, links.into_iter());
    }
    raw.write_root(&[("key", 3)]);
    raw
}

/// Makes a root with as many buckets as fit, which all share one tree.
fn buckets_share_a_root(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let pages = (len / page_size).max(24);
    let mut raw = RawFile::new(page_size, pages);
    let each = (page_size - HEADER_LEN) / (HEADER_LEN + 4 + HEADER_LEN);
    let top = raw.max_elements().min(pages / 2);
    // The root is a branch whose leaves have a bucket in every element.
    let at = raw.offset_of(3);
    raw.write_branch(2, 0, (0..top).map(|index| (3 + index as u64, at, 0)));
    let root = *rng.pick(&[2, 3, pages as u64 - 1]);
    for page in 3..3 + top {
        let names: Vec<String> = (0..each).map(|index| format!("{:04x}", (page * each + index) & 0xFFFF)).collect();
        let value = super::raw_pages::bucket(root);
        raw.write_packed_leaf(page, names.iter().map(|name| (1, name.as_bytes(), value.as_slice())));
    }
    leaves(&mut raw, &[pages - 1], |_| 0, true);
    raw
}
