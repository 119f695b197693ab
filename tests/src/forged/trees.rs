//! Pages that claim others, children that many places share, trees that hang in themselves.

use super::Make;
use super::raw_pages::{HEAD, Pair, Paper, key_value, revision};
use crate::seeded_random::Dice;

pub const ALL: &[(&str, Make)] = &[
    ("leaves_claim_all_behind_them", leaves_claim_all_behind_them),
    ("branches_claim_all_behind_them", branches_claim_all_behind_them),
    ("leaves_lie_far_apart", leaves_lie_far_apart),
    ("branches_share_their_children", branches_share_their_children),
    ("trees_hang_in_themselves", trees_hang_in_themselves),
    ("wide_branches_without_leaves", wide_branches_without_leaves),
    ("buckets_share_a_root", buckets_share_a_root),
];

/// Puts branch pages above leaves, at the pages from `next` on; the root is the last. Separators are revisions, as are the keys of the leaves.
fn tree(paper: &mut Paper, next: &mut usize, leaves: &[u64]) -> u64 {
    let each = (paper.page_size - HEAD) / (HEAD + 17);
    let mut level: Vec<(u64, u64)> = leaves.iter().enumerate().map(|(rank, page)| (*page, rank as u64 + 1)).collect();
    loop {
        let mut above = Vec::new();
        for children in level.chunks(each) {
            let page = *next;
            *next += 1;
            let keys_at = paper.at(page) + HEAD + children.len() * HEAD;
            for (index, (_, main)) in children.iter().enumerate() {
                paper.put(keys_at + index * 17, &revision(*main));
            }
            let links: Vec<_> =
                children.iter().enumerate().map(|(index, (child, _))| (*child, keys_at + index * 17, 17)).collect();
            paper.branch(page, 0, links.into_iter());
            above.push((page as u64, children[0].1));
        }
        if above.len() == 1 {
            return above[0].0;
        }
        level = above;
    }
}

/// How many leaves a file has beside the branch pages above them.
fn leaves_of(page_size: usize, pages: usize) -> usize {
    let each = (page_size - HEAD) / (HEAD + 17);
    (pages - 4) * (each - 1) / each - 8
}

/// Leaves with one revision each, in this order; `overflow` says what each claims.
fn leaves(paper: &mut Paper, order: &[usize], overflow: impl Fn(usize) -> usize, packed: bool) {
    for (rank, page) in order.iter().enumerate() {
        let main = rank as u64 + 1;
        let message = key_value(format!("/{rank}").as_bytes(), main, b"v", 0);
        let at = paper.at(*page);
        let key_at = at + 2 * HEAD + if packed { 0 } else { 8 };
        paper.put(key_at, &revision(main));
        paper.put(key_at + 17, &message);
        let pair = Pair { flags: 0, key_at, key_len: 17, value_len: message.len() };
        paper.leaf(at, *page as u64, overflow(*page), std::iter::once(pair));
    }
}

fn ordered(dice: &mut Dice, first: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (first..first + count).collect();
    match dice.below(3) {
        0 => {}
        1 => order.reverse(),
        _ => dice.shuffle(&mut order),
    }
    order
}

fn leaves_claim_all_behind_them(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let pages = (len / page_size).max(24);
    let mut paper = Paper::new(page_size, pages);
    let count = leaves_of(page_size, pages).max(1);
    let first = pages - count;
    let order = ordered(dice, first, count);
    let packed = dice.chance(70);
    leaves(&mut paper, &order, |page| pages - 1 - page, packed);
    let ids: Vec<u64> = order.iter().map(|page| *page as u64).collect();
    let root = tree(&mut paper, &mut 3, &ids);
    paper.roots(&[(*dice.pick(&["key", "key", "members", "x"]), root)]);
    paper
}

fn branches_claim_all_behind_them(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let pages = (len / page_size).max(24);
    let mut paper = Paper::new(page_size, pages);
    let each = paper.table() / 2;
    let mut order = ordered(dice, 4, pages - 4);
    order.insert(0, 3);
    let mut children = order[1..].chunks(each);
    let packed = dice.chance(50);
    for page in &order {
        let below: Vec<u64> = children.next().unwrap_or(&[]).iter().map(|page| *page as u64).collect();
        let at = paper.at(*page) + HEAD + below.len() * HEAD + if packed { 0 } else { 4 };
        paper.branch(*page, pages - 1 - page, below.into_iter().map(|child| (child, at, 0)));
    }
    paper.roots(&[("key", 3)]);
    paper
}

/// Leaves in an order in which each is just out of reach of the read before it.
fn leaves_lie_far_apart(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let pages = (len / page_size).max(24);
    let mut paper = Paper::new(page_size, pages);
    let count = leaves_of(page_size, pages).max(1);
    let first = pages - count;
    let step = (*dice.pick(&[300 << 10, 60 << 10, 65 << 10]) / page_size).max(1);
    let order: Vec<usize> = (0..step).flat_map(|start| (start..count).step_by(step)).map(|page| first + page).collect();
    leaves(&mut paper, &order, |_| 0, true);
    let ids: Vec<u64> = order.iter().map(|page| *page as u64).collect();
    let root = tree(&mut paper, &mut 3, &ids);
    paper.roots(&[("key", root)]);
    paper
}

/// Levels of branch pages, each of which has all pages of the next level for children, again and again.
fn branches_share_their_children(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let pages = (len / page_size).max(24);
    let mut paper = Paper::new(page_size, pages);
    let count = paper.table();
    let levels = dice.between(2, 80);
    let wide = ((pages - 4) / levels).max(1);
    for page in 3..pages {
        let level = (page - 3) / wide;
        let next = 3 + (level + 1) * wide;
        let at = paper.at(page) + paper.page_size;
        let child = |index: usize| ((next + index % wide) as u64).min(pages as u64 - 1);
        if next + wide > pages {
            leaves(&mut paper, &[page], |_| 0, true);
        } else {
            paper.branch(page, 0, (0..count).map(|index| (child(index), at, 0)));
        }
    }
    paper.roots(&[("key", 3)]);
    paper
}

fn trees_hang_in_themselves(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let pages = (len / page_size).max(24);
    let mut paper = Paper::new(page_size, pages);
    let count = paper.table();
    for page in 3..pages {
        let at = paper.at(page) + paper.page_size;
        let links: Vec<_> = (0..count).map(|_| (dice.between(2, pages) as u64, at, 0)).collect();
        paper.branch(page, 0, links.into_iter());
    }
    paper.roots(&[("key", 3), ("lease", 3), ("members", 2), ("meta", 4), ("x", 5)]);
    paper
}

/// Branch pages as wide as can be, whose children are one page, no page, or pages behind the end.
fn wide_branches_without_leaves(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let pages = (len / page_size).max(24);
    let mut paper = Paper::new(page_size, pages);
    let count = paper.table();
    let last = *dice.pick(&[0, 1, 2, pages as u64 - 1, pages as u64, u64::MAX]);
    let mut next = 4_u64;
    for page in 3..pages {
        let at = paper.at(page) + paper.page_size;
        let links: Vec<_> = (0..count)
            .map(|_| {
                let child = if next < pages as u64 { next } else { last };
                next += 1;
                (child, at, 0)
            })
            .collect();
        paper.branch(page, 0, links.into_iter());
    }
    paper.roots(&[("key", 3)]);
    paper
}

/// A root as wide as can be, all of whose buckets have one tree.
fn buckets_share_a_root(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let pages = (len / page_size).max(24);
    let mut paper = Paper::new(page_size, pages);
    let each = (page_size - HEAD) / (HEAD + 4 + HEAD);
    let top = paper.table().min(pages / 2);
    // The root is a branch whose leaves have a bucket in every pair.
    let at = paper.at(3);
    paper.branch(2, 0, (0..top).map(|index| (3 + index as u64, at, 0)));
    let root = *dice.pick(&[2, 3, pages as u64 - 1]);
    for page in 3..3 + top {
        let names: Vec<String> = (0..each).map(|index| format!("{:04x}", (page * each + index) & 0xFFFF)).collect();
        let value = super::raw_pages::bucket(root);
        paper.packed(page, names.iter().map(|name| (1, name.as_bytes(), value.as_slice())));
    }
    leaves(&mut paper, &[pages - 1], |_| 0, true);
    paper
}
