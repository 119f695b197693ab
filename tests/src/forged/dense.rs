//! Files with as many entries, findings or free pages as fit.

use super::Make;
use super::raw_pages::{FREELIST, HEADER_LEN, RawElement, RawFile, revision};
use crate::seeded_random::SeededRandom;

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

type RawEntry = (u32, Vec<u8>, Vec<u8>);

/// Fills the pages from 3 on with leaves of these entries and a tree above them; returns the root.
fn fill(raw: &mut RawFile, mut entries: impl FnMut(u64) -> RawEntry) -> u64 {
    let pages = raw.pages();
    let each = raw.page_size / 64;
    // Leaves grow from the front, branch pages with short separators from the back.
    let branches = (pages - 3).div_ceil(each) + (pages - 3).div_ceil(each * each) + 8;
    let last = pages.saturating_sub(branches).max(4);
    let mut number = 0;
    let mut held: Option<RawEntry> = None;
    let mut leaves = Vec::new();
    for page in 3..last {
        let mut list: Vec<RawEntry> = Vec::new();
        let mut size = HEADER_LEN;
        loop {
            let entry = held.take().unwrap_or_else(|| {
                number += 1;
                entries(number)
            });
            size += HEADER_LEN + entry.1.len() + entry.2.len();
            if size > raw.page_size && !list.is_empty() {
                held = Some(entry);
                break;
            }
            list.push(entry);
        }
        leaves.push((page as u64, list[0].1.clone()));
        raw.write_packed_leaf(page, list.iter().map(|(flags, key, value)| (*flags, key.as_slice(), value.as_slice())));
    }
    let mut next = last;
    while leaves.len() > 1 && next < pages {
        let mut above = Vec::new();
        let group = ((raw.page_size - HEADER_LEN) / (HEADER_LEN + leaves[leaves.len() - 1].1.len().max(17))).max(2);
        for children in leaves.chunks(group) {
            if next >= pages {
                break;
            }
            let mut at = raw.offset_of(next) + HEADER_LEN + children.len() * HEADER_LEN;
            let mut links = Vec::new();
            for (page, key) in children {
                raw.put(at, key);
                links.push((*page, at, key.len()));
                at += key.len();
            }
            raw.write_branch(next, 0, links.into_iter());
            above.push((next as u64, children[0].1.clone()));
            next += 1;
        }
        leaves = above;
    }
    leaves[0].0
}

/// Encodes the smallest `mvccpb.KeyValue` of a key, or one with all fields set.
fn message(rng: &mut SeededRandom, right: bool, key: &[u8], main: u64, lease: u64) -> Vec<u8> {
    let value = if rng.chance(5) { vec![b'v'; rng.below(30)] } else { Vec::new() };
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

fn short_separator(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(7)..].to_vec()
}

fn empty_file(page_size: usize, len: usize) -> RawFile {
    RawFile::new(page_size, (len / page_size).max(16))
}

fn many_keys(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = empty_file(page_size, len);
    let right = rng.chance(50);
    let root =
        fill(&mut raw, |main| (0, revision(main).to_vec(), message(rng, right, &short_separator(main), main, 0)));
    raw.write_root(&[("key", root)]);
    raw
}

fn many_revisions(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = empty_file(page_size, len);
    let root = fill(&mut raw, |main| (0, revision(main).to_vec(), message(rng, false, b"/a", main, 0)));
    raw.write_root(&[("key", root)]);
    raw
}

fn many_groups(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = empty_file(page_size, len);
    let leased = rng.chance(50);
    let root = fill(&mut raw, |main| {
        let key = format!("/{main:x}/a");
        (0, revision(main).to_vec(), message(rng, false, key.as_bytes(), main, if leased { main } else { 0 }))
    });
    raw.write_root(&[("key", root)]);
    raw
}

fn many_small_entries(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = empty_file(page_size, len);
    let name = *rng.pick(&super::shared::SMALL);
    let root = fill(&mut raw, |number| match name {
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
            super::raw_pages::field(&mut value, 1, &short_separator(number));
            (0, short_separator(number), value)
        }
        _ => (0, short_separator(number), Vec::new()),
    });
    raw.write_root(&[(name, root)]);
    raw
}

/// Puts bucket `key` inline into the root page, with as many revisions as a page can count.
fn many_inline(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = empty_file(page_size, len);
    let room = raw.bytes.len() - raw.offset_of(2) - 128;
    let count = (room / 48).min(65_535);
    let mut inner = RawFile { page_size, bytes: vec![0; room] };
    let entries: Vec<RawEntry> = (1..=count as u64)
        .map(|main| (0, revision(main).to_vec(), message(rng, false, &short_separator(main % 60_000), main, 0)))
        .collect();
    inner.write_packed_leaf(0, entries.iter().map(|(flags, key, value)| (*flags, key.as_slice(), value.as_slice())));
    // An inline page has no overflow.
    inner.put(12, &0_u32.to_le_bytes());
    let value = [super::raw_pages::bucket(0), inner.bytes].concat();
    raw.write_packed_leaf(2, [(1, b"key".as_slice(), value.as_slice())]);
    raw
}

/// Makes leaves whose elements are all invalid: outside the page, or unordered.
fn many_flawed(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = empty_file(page_size, len);
    let outside = rng.chance(50);
    let root = fill(&mut raw, |main| (4, revision(u64::MAX - main).to_vec(), Vec::new()));
    let count = raw.max_elements();
    for page in 3..raw.pages() * 3 / 4 {
        let at = raw.offset_of(page);
        let (key_at, value_len) = if outside { (at + page_size, page_size) } else { (at + page_size, 0) };
        let pair = RawElement { flags: 4, key_at, key_len: 0, value_len };
        raw.write_leaf(at, page as u64, 0, std::iter::repeat_n(pair, count));
    }
    raw.write_root(&[(*rng.pick(&["key", "key", "members", "x"]), root)]);
    raw
}

fn many_odd_keys(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = empty_file(page_size, len);
    let name = *rng.pick(&["key", "members", "lease", "meta"]);
    let root = fill(&mut raw, |number| (0, number.to_be_bytes()[4..].to_vec(), Vec::new()));
    raw.write_root(&[(name, root)]);
    raw
}

fn many_free_pages(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let pages = (len / page_size).max(16);
    let mut raw = RawFile::with_freelist(page_size, pages, 3);
    let room = raw.bytes.len() - raw.offset_of(3);
    let count = (room - HEADER_LEN) / 8 - 1;
    let overflow = raw.overflow_pages(room);
    let at = raw.offset_of(3);
    raw.write_header(at, 3, FREELIST, 0xFFFF, overflow);
    let kind = rng.below(4);
    let mut ids = (count as u64).to_le_bytes().to_vec();
    for number in 0..count as u64 {
        let id = match kind {
            0 => number,
            1 => u64::MAX - number,
            2 => 4 + number % (pages as u64 - 4),
            _ => rng.bits() % (2 * pages as u64),
        };
        ids.extend_from_slice(&id.to_le_bytes());
    }
    raw.put(at + HEADER_LEN, &ids);
    raw.write_root(&[("key", 2)]);
    raw
}
