//! As many entries, findings or free pages as a file has room for.

use super::Make;
use super::raw_pages::{FREELIST, HEAD, Pair, Paper, revision};
use crate::seeded_random::Dice;

pub const ALL: &[(&str, Make)] = &[
    ("many_keys", many_keys),
    ("many_revisions_of_a_key", many_revisions),
    ("many_groups_and_leases", many_groups),
    ("many_entries_of_a_small_bucket", many_small_entries),
    ("many_revisions_in_an_inline_bucket", many_inline),
    ("many_flawed_elements", many_flawed),
    ("many_keys_that_are_no_revisions", many_odd_keys),
    ("many_free_pages", many_free_pages),
];

type Entry = (u32, Vec<u8>, Vec<u8>);

/// Fills the pages from 3 on with leaves of these entries and a tree above them; its root, and the page behind it.
fn fill(paper: &mut Paper, mut entries: impl FnMut(u64) -> Entry) -> u64 {
    let pages = paper.pages();
    let each = paper.page_size / 64;
    // Leaves from the front, branch pages with short separators from the back.
    let branches = (pages - 3).div_ceil(each) + (pages - 3).div_ceil(each * each) + 8;
    let last = pages.saturating_sub(branches).max(4);
    let mut number = 0;
    let mut held: Option<Entry> = None;
    let mut leaves = Vec::new();
    for page in 3..last {
        let mut list: Vec<Entry> = Vec::new();
        let mut size = HEAD;
        loop {
            let entry = held.take().unwrap_or_else(|| {
                number += 1;
                entries(number)
            });
            size += HEAD + entry.1.len() + entry.2.len();
            if size > paper.page_size && !list.is_empty() {
                held = Some(entry);
                break;
            }
            list.push(entry);
        }
        leaves.push((page as u64, list[0].1.clone()));
        paper.packed(page, list.iter().map(|(flags, key, value)| (*flags, key.as_slice(), value.as_slice())));
    }
    let mut next = last;
    while leaves.len() > 1 && next < pages {
        let mut above = Vec::new();
        let group = ((paper.page_size - HEAD) / (HEAD + leaves[leaves.len() - 1].1.len().max(17))).max(2);
        for children in leaves.chunks(group) {
            if next >= pages {
                break;
            }
            let mut at = paper.at(next) + HEAD + children.len() * HEAD;
            let mut links = Vec::new();
            for (page, key) in children {
                paper.put(at, key);
                links.push((*page, at, key.len()));
                at += key.len();
            }
            paper.branch(next, 0, links.into_iter());
            above.push((next as u64, children[0].1.clone()));
            next += 1;
        }
        leaves = above;
    }
    leaves[0].0
}

/// The least that is a `mvccpb.KeyValue` of a key, or one that is right in all.
fn message(dice: &mut Dice, right: bool, key: &[u8], main: u64, lease: u64) -> Vec<u8> {
    let value = if dice.chance(5) { vec![b'v'; dice.below(30)] } else { Vec::new() };
    if right {
        return super::raw_pages::key_value(key, main, &value, lease);
    }
    let mut bytes = Vec::new();
    super::raw_pages::field(&mut bytes, 1, key);
    if lease != 0 {
        bytes.push(6 << 3);
        super::raw_pages::varint(&mut bytes, lease);
    }
    bytes
}

fn short(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(7)..].to_vec()
}

fn paper(page_size: usize, len: usize) -> Paper {
    Paper::new(page_size, (len / page_size).max(16))
}

fn many_keys(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = paper(page_size, len);
    let right = dice.chance(50);
    let root = fill(&mut paper, |main| (0, revision(main).to_vec(), message(dice, right, &short(main), main, 0)));
    paper.roots(&[("key", root)]);
    paper
}

fn many_revisions(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = paper(page_size, len);
    let root = fill(&mut paper, |main| (0, revision(main).to_vec(), message(dice, false, b"/a", main, 0)));
    paper.roots(&[("key", root)]);
    paper
}

fn many_groups(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = paper(page_size, len);
    let leased = dice.chance(50);
    let root = fill(&mut paper, |main| {
        let key = format!("/{main:x}/a");
        (0, revision(main).to_vec(), message(dice, false, key.as_bytes(), main, if leased { main } else { 0 }))
    });
    paper.roots(&[("key", root)]);
    paper
}

fn many_small_entries(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = paper(page_size, len);
    let name = *dice.pick(&super::shared::SMALL);
    let root = fill(&mut paper, |number| match name {
        "members" => (0, format!("{number:x}").into_bytes(), b"{}".to_vec()),
        "members_removed" => (0, format!("{number:x}").into_bytes(), Vec::new()),
        "lease" => {
            let mut value = vec![8];
            super::raw_pages::varint(&mut value, number);
            (0, number.to_be_bytes().to_vec(), value)
        }
        "alarm" => {
            let mut key = vec![8];
            super::raw_pages::varint(&mut key, number);
            key.extend_from_slice(&[16, 2]);
            (0, key, Vec::new())
        }
        "authUsers" | "authRoles" => {
            let mut value = Vec::new();
            super::raw_pages::field(&mut value, 1, &short(number));
            (0, short(number), value)
        }
        _ => (0, short(number), Vec::new()),
    });
    paper.roots(&[(name, root)]);
    paper
}

/// Bucket `key` within the root page, with as many revisions as a page can count.
fn many_inline(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = paper(page_size, len);
    let room = paper.bytes.len() - paper.at(2) - 128;
    let count = (room / 48).min(65_535);
    let mut inner = Paper { page_size, bytes: vec![0; room] };
    let entries: Vec<Entry> = (1..=count as u64)
        .map(|main| (0, revision(main).to_vec(), message(dice, false, &short(main % 60_000), main, 0)))
        .collect();
    inner.packed(0, entries.iter().map(|(flags, key, value)| (*flags, key.as_slice(), value.as_slice())));
    // An inline page has no overflow.
    inner.put(12, &0_u32.to_le_bytes());
    let value = [super::raw_pages::bucket(0), inner.bytes].concat();
    paper.packed(2, [(1, b"key".as_slice(), value.as_slice())]);
    paper
}

/// Leaves whose elements are all flawed: out of the page, or in no order.
fn many_flawed(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = paper(page_size, len);
    let outside = dice.chance(50);
    let root = fill(&mut paper, |main| (4, revision(u64::MAX - main).to_vec(), Vec::new()));
    let count = paper.table();
    for page in 3..paper.pages() * 3 / 4 {
        let at = paper.at(page);
        let (key_at, value_len) = if outside { (at + page_size, page_size) } else { (at + page_size, 0) };
        let pair = Pair { flags: 4, key_at, key_len: 0, value_len };
        paper.leaf(at, page as u64, 0, std::iter::repeat_n(pair, count));
    }
    paper.roots(&[(*dice.pick(&["key", "key", "members", "x"]), root)]);
    paper
}

fn many_odd_keys(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = paper(page_size, len);
    let name = *dice.pick(&["key", "members", "lease", "meta"]);
    let root = fill(&mut paper, |number| (0, number.to_be_bytes()[4..].to_vec(), Vec::new()));
    paper.roots(&[(name, root)]);
    paper
}

fn many_free_pages(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let pages = (len / page_size).max(16);
    let mut paper = Paper::with(page_size, pages, 3);
    let room = paper.bytes.len() - paper.at(3);
    let count = (room - HEAD) / 8 - 1;
    let overflow = paper.overflow(room);
    let at = paper.at(3);
    paper.head(at, 3, FREELIST, 0xFFFF, overflow);
    let kind = dice.below(4);
    let mut ids = (count as u64).to_le_bytes().to_vec();
    for number in 0..count as u64 {
        let id = match kind {
            0 => number,
            1 => u64::MAX - number,
            2 => 4 + number % (pages as u64 - 4),
            _ => dice.bits() % (2 * pages as u64),
        };
        ids.extend_from_slice(&id.to_le_bytes());
    }
    paper.put(at + HEAD, &ids);
    paper.roots(&[("key", 2)]);
    paper
}
