//! Files whose elements share bytes.

use super::Make;
use super::raw_pages::{HEADER_LEN, LEAF, RawElement, RawFile, bucket, field, key_value, revision};
use crate::seeded_random::SeededRandom;

pub const ALL: &[(&str, Make)] = &[
    ("buckets_share_a_value", buckets_share_a_value),
    ("revisions_share_a_value", revisions_share_a_value),
    ("entries_of_a_small_bucket_share_a_value", small_entries_share_a_value),
    ("separators_share_bytes", separators_share_bytes),
    ("tables_in_tables", tables_in_tables),
    ("inline_buckets_without_end", inline_buckets_without_end),
    ("pairs_are_their_own_table", pairs_are_their_own_table),
];

/// Builds a file of 1 MiB whose root has 32,768 buckets that share one value of 512 KiB.
#[must_use]
pub fn one_value_for_32768_buckets() -> Vec<u8> {
    let mut raw = RawFile::new(4096, 256);
    let (end, value) = (raw.bytes.len(), 512 << 10);
    let pair = RawElement { flags: 1, key_at: end - value, key_len: 0, value_len: value };
    raw.write_leaf(2 * 4096, 2, 253, std::iter::repeat_n(pair, 32_768));
    raw.bytes
}

/// Builds a file with one leaf and this many nested element tables; each element claims everything after its table.
#[must_use]
pub fn nested_tables(page_size: usize, tables: usize, elements: usize) -> RawFile {
    let table = 2 * HEADER_LEN + elements * HEADER_LEN;
    let needed = (tables * table).div_ceil(page_size);
    let mut raw = RawFile::new(page_size, 2 + needed);
    let start = raw.offset_of(2);
    put_tables(&mut raw, start, tables, elements, needed - 1);
    raw
}

/// Writes such tables from `start` on: a page, and nested inline buckets.
fn put_tables(raw: &mut RawFile, start: usize, tables: usize, elements: usize, overflow: usize) {
    let end = raw.bytes.len();
    let mut at = start;
    for number in 0..tables {
        let behind = at + HEADER_LEN + elements * HEADER_LEN;
        if behind + 2 * HEADER_LEN > end {
            return;
        }
        let pair = RawElement { flags: 1, key_at: behind, key_len: 0, value_len: end - behind };
        let (id, overflow) = if number == 0 { ((start / raw.page_size) as u64, overflow) } else { (0, 0) };
        raw.write_leaf(at, id, overflow, std::iter::repeat_n(pair, elements));
        // An inline bucket: root page 0, followed by its page.
        at = behind + HEADER_LEN;
        raw.write_header(at, 0, LEAF, 0, 0);
    }
}

fn pages(page_size: usize, len: usize) -> usize {
    (len / page_size).max(4)
}

/// Writes elements whose keys follow the table, and one value up to the end of the file. Returns the offset of the value.
fn sharing(raw: &mut RawFile, page: usize, flags: u32, keys: &[Vec<u8>], value: &[u8]) {
    let at = raw.offset_of(page);
    let mut next = at + HEADER_LEN + keys.len() * HEADER_LEN;
    let start = next + keys.iter().map(Vec::len).sum::<usize>();
    let end = raw.bytes.len().min(start + value.len());
    raw.put(start, &value[..end - start]);
    let mut pairs = Vec::new();
    for key in keys {
        raw.put(next, key);
        // A value follows its key, so each key extends to the value: all but the last share their keys too.
        pairs.push(RawElement { flags, key_at: next, key_len: key.len(), value_len: end - next - key.len() });
        next += key.len();
    }
    let overflow = raw.overflow_pages(end - at);
    raw.write_leaf(at, page as u64, overflow, pairs.into_iter());
}

fn buckets_share_a_value(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = RawFile::new(page_size, pages(page_size, len));
    let most = if rng.chance(30) { (raw.bytes.len() - raw.offset_of(2)) / 64 } else { raw.max_elements() * 2 / 3 };
    let count = most.clamp(1, 65_535);
    let (room, at) = (raw.bytes.len() - raw.offset_of(2), raw.offset_of(2));
    let value = if rng.chance(50) { room / 2 } else { room - HEADER_LEN - count * HEADER_LEN };
    let pair = RawElement { flags: 1, key_at: at + room - value, key_len: rng.below(2), value_len: value - 1 };
    let overflow = raw.overflow_pages(room);
    raw.write_leaf(at, 2, overflow, std::iter::repeat_n(pair, count));
    if rng.chance(50) && value > 2 * HEADER_LEN {
        // The value is an inline bucket.
        raw.write_header(at + room - value + HEADER_LEN, 0, LEAF, 0, 0);
    }
    raw
}

fn revisions_share_a_value(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = RawFile::new(page_size, pages(page_size, len));
    raw.write_root(&[("key", 3)]);
    let count = raw.max_elements() / 2;
    let value = vec![*rng.pick(&[0, 1, b'a']); raw.bytes.len() - raw.offset_of(3)];
    // The same bytes are the end of one key and the beginning of a value: chance decides which ones parse.
    let keys: Vec<Vec<u8>> = (0..count as u64).map(|main| revision(main + 1).to_vec()).collect();
    let message = key_value(b"/a", 1, &value[..value.len().saturating_sub(count * 40 + 100).max(1)], 0);
    sharing(&mut raw, 3, 0, &keys, &message);
    if rng.chance(50) {
        // All revisions belong to one key and share one value.
        let at = raw.offset_of(3);
        let first = at + HEADER_LEN + count * HEADER_LEN;
        let value_len = (raw.bytes.len() - first - 17).min(message.len());
        raw.put(first + 17, &message[..value_len]);
        let pair = RawElement { flags: 0, key_at: first, key_len: 17, value_len };
        let overflow = raw.overflow_pages(raw.bytes.len() - at);
        raw.write_leaf(at, 3, overflow, std::iter::repeat_n(pair, count));
    }
    raw
}

/// Returns a value that takes as much memory as possible when decoded.
pub fn small_value(bucket: &str, len: usize) -> Vec<u8> {
    let mut value = Vec::new();
    match bucket {
        "members" => {
            value.extend_from_slice(b"{\"id\":1,\"peerURLs\":[\"\"");
            while value.len() + 5 < len {
                value.extend_from_slice(b",\"\"");
            }
            value.extend_from_slice(b"]}");
        }
        "authRoles" => {
            field(&mut value, 1, b"r");
            while value.len() + 2 < len {
                field(&mut value, 2, b"");
            }
        }
        "authUsers" => {
            field(&mut value, 1, b"u");
            while value.len() + 2 < len {
                field(&mut value, 3, b"");
            }
        }
        _ => value.resize(len.max(1), 1),
    }
    value
}

pub const SMALL: [&str; 9] =
    ["members", "members_removed", "lease", "meta", "cluster", "alarm", "auth", "authUsers", "authRoles"];

fn small_entries_share_a_value(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = RawFile::new(page_size, pages(page_size, len));
    let name = *rng.pick(&SMALL);
    raw.write_root(&[(name, 3)]);
    let count = raw.max_elements() / 2;
    let longest = raw.bytes.len() - raw.offset_of(3) - HEADER_LEN - count * (HEADER_LEN + 9);
    let value = small_value(name, *rng.pick(&[longest, longest.min(1 << 20)]));
    let keys: Vec<Vec<u8>> = (0..count).map(|number| format!("{number:08x}").into_bytes()).collect();
    sharing(&mut raw, 3, 0, &keys, &value);
    raw
}

fn separators_share_bytes(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = RawFile::new(page_size, pages(page_size, len));
    raw.write_root(&[("key", 3)]);
    let room = raw.bytes.len() - raw.offset_of(3);
    let count = if rng.chance(30) { (room / 64).min(65_535) } else { raw.max_elements() / 2 }.max(1);
    let start = raw.offset_of(3) + HEADER_LEN + count * HEADER_LEN;
    let long = raw.bytes.len() - start;
    let overflow = raw.overflow_pages(room);
    let target = *rng.pick(&[3, 2, 4]);
    raw.write_branch(3, overflow, (0..count).map(|_| (target, start, long)));
    raw
}

fn tables_in_tables(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = RawFile::new(page_size, pages(page_size, len));
    let room = raw.bytes.len() - raw.offset_of(3);
    let elements = rng.between(1, raw.max_elements());
    let most = room / (2 * HEADER_LEN + elements * HEADER_LEN);
    let tables = rng.between(1, most.clamp(1, 200));
    let overflow = raw.overflow_pages(room);
    if rng.chance(50) {
        raw.write_root(&[(*rng.pick(&["x", "key", "members", "meta"]), 3)]);
        let start = raw.offset_of(3);
        put_tables(&mut raw, start, tables, elements, overflow);
    } else {
        let start = raw.offset_of(2);
        put_tables(&mut raw, start, tables, elements, overflow + 1);
    }
    raw
}

/// Makes inline buckets that each hold one bucket, which claims everything after its table.
fn inline_buckets_without_end(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = RawFile::new(page_size, pages(page_size, len));
    let room = raw.bytes.len() - raw.offset_of(2);
    let start = raw.offset_of(2);
    let overflow = raw.overflow_pages(room);
    let depth = *rng.pick(&[60, 63, 64, 65, 1000, usize::MAX]);
    put_tables(&mut raw, start, depth.min(room / (3 * HEADER_LEN)), 1, overflow);
    raw
}

/// Makes elements whose keys and values are the element table itself, and the page's own header.
fn pairs_are_their_own_table(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let mut raw = RawFile::new(page_size, pages(page_size, len));
    let (at, room) = (raw.offset_of(2), raw.bytes.len() - raw.offset_of(2));
    let count = raw.max_elements();
    let value_len = if rng.chance(50) { room - HEADER_LEN - count * HEADER_LEN } else { HEADER_LEN };
    let pairs = (0..count).map(|index| RawElement {
        flags: 1,
        key_at: at + HEADER_LEN + index * HEADER_LEN,
        key_len: HEADER_LEN,
        value_len: value_len.min(room - (index + 2) * HEADER_LEN),
    });
    let overflow = raw.overflow_pages(room);
    raw.write_leaf(at, 2, overflow, pairs);
    raw.put(at + HEADER_LEN + count * HEADER_LEN - HEADER_LEN, &bucket(0)[..HEADER_LEN]);
    raw
}
