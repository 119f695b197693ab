//! Elements that share bytes.

use super::Make;
use super::raw_pages::{HEAD, LEAF, Pair, Paper, bucket, field, key_value, revision};
use crate::seeded_random::Dice;

pub const ALL: &[(&str, Make)] = &[
    ("buckets_share_a_value", buckets_share_a_value),
    ("revisions_share_a_value", revisions_share_a_value),
    ("entries_of_a_small_bucket_share_a_value", small_entries_share_a_value),
    ("separators_share_bytes", separators_share_bytes),
    ("tables_in_tables", tables_in_tables),
    ("inline_buckets_without_end", inline_buckets_without_end),
    ("pairs_are_their_own_table", pairs_are_their_own_table),
];

/// The file of 1 MiB whose root has 32,768 buckets with one value of 512 KiB.
#[must_use]
pub fn one_value_for_32768_buckets() -> Vec<u8> {
    let mut paper = Paper::new(4096, 256);
    let (end, value) = (paper.bytes.len(), 512 << 10);
    let pair = Pair { flags: 1, key_at: end - value, key_len: 0, value_len: value };
    paper.leaf(2 * 4096, 2, 253, std::iter::repeat_n(pair, 32_768));
    paper.bytes
}

/// A file of one leaf with so many tables in each other; each element of one names all that is behind its table.
#[must_use]
pub fn nested_tables(page_size: usize, tables: usize, elements: usize) -> Paper {
    let table = 2 * HEAD + elements * HEAD;
    let needed = (tables * table).div_ceil(page_size);
    let mut paper = Paper::new(page_size, 2 + needed);
    let start = paper.at(2);
    put_tables(&mut paper, start, tables, elements, needed - 1);
    paper
}

/// Writes such tables from `start` on: a page, and inline buckets in it.
fn put_tables(paper: &mut Paper, start: usize, tables: usize, elements: usize, overflow: usize) {
    let end = paper.bytes.len();
    let mut at = start;
    for number in 0..tables {
        let behind = at + HEAD + elements * HEAD;
        if behind + 2 * HEAD > end {
            return;
        }
        let pair = Pair { flags: 1, key_at: behind, key_len: 0, value_len: end - behind };
        let (id, overflow) = if number == 0 { ((start / paper.page_size) as u64, overflow) } else { (0, 0) };
        paper.leaf(at, id, overflow, std::iter::repeat_n(pair, elements));
        // An inline bucket: a root of 0, and a page of its own behind it.
        at = behind + HEAD;
        paper.head(at, 0, LEAF, 0, 0);
    }
}

fn pages(page_size: usize, len: usize) -> usize {
    (len / page_size).max(4)
}

/// Elements with keys of so many bytes each, which lie behind the table, and one value to the end of the file. Says where the value begins.
fn sharing(paper: &mut Paper, page: usize, flags: u32, keys: &[Vec<u8>], value: &[u8]) {
    let at = paper.at(page);
    let mut next = at + HEAD + keys.len() * HEAD;
    let start = next + keys.iter().map(Vec::len).sum::<usize>();
    let end = paper.bytes.len().min(start + value.len());
    paper.put(start, &value[..end - start]);
    let mut pairs = Vec::new();
    for key in keys {
        paper.put(next, key);
        // A value follows its key, so each key reaches to the value: all but the last share their keys, too.
        pairs.push(Pair { flags, key_at: next, key_len: key.len(), value_len: end - next - key.len() });
        next += key.len();
    }
    let overflow = paper.overflow(end - at);
    paper.leaf(at, page as u64, overflow, pairs.into_iter());
}

fn buckets_share_a_value(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = Paper::new(page_size, pages(page_size, len));
    let most = if dice.chance(30) { (paper.bytes.len() - paper.at(2)) / 64 } else { paper.table() * 2 / 3 };
    let count = most.clamp(1, 65_535);
    let (room, at) = (paper.bytes.len() - paper.at(2), paper.at(2));
    let value = if dice.chance(50) { room / 2 } else { room - HEAD - count * HEAD };
    let pair = Pair { flags: 1, key_at: at + room - value, key_len: dice.below(2), value_len: value - 1 };
    let overflow = paper.overflow(room);
    paper.leaf(at, 2, overflow, std::iter::repeat_n(pair, count));
    if dice.chance(50) && value > 2 * HEAD {
        // The value is an inline bucket.
        paper.head(at + room - value + HEAD, 0, LEAF, 0, 0);
    }
    paper
}

fn revisions_share_a_value(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = Paper::new(page_size, pages(page_size, len));
    paper.roots(&[("key", 3)]);
    let count = paper.table() / 2;
    let value = vec![*dice.pick(&[0, 1, b'a']); paper.bytes.len() - paper.at(3)];
    // The same bytes are the end of one key and the beginning of a value: what parses is up to chance.
    let keys: Vec<Vec<u8>> = (0..count as u64).map(|main| revision(main + 1).to_vec()).collect();
    let message = key_value(b"/a", 1, &value[..value.len().saturating_sub(count * 40 + 100).max(1)], 0);
    sharing(&mut paper, 3, 0, &keys, &message);
    if dice.chance(50) {
        // All under one key, with one value.
        let at = paper.at(3);
        let first = at + HEAD + count * HEAD;
        let value_len = (paper.bytes.len() - first - 17).min(message.len());
        paper.put(first + 17, &message[..value_len]);
        let pair = Pair { flags: 0, key_at: first, key_len: 17, value_len };
        let overflow = paper.overflow(paper.bytes.len() - at);
        paper.leaf(at, 3, overflow, std::iter::repeat_n(pair, count));
    }
    paper
}

/// Values that take most memory once they are decoded.
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

fn small_entries_share_a_value(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = Paper::new(page_size, pages(page_size, len));
    let name = *dice.pick(&SMALL);
    paper.roots(&[(name, 3)]);
    let count = paper.table() / 2;
    let longest = paper.bytes.len() - paper.at(3) - HEAD - count * (HEAD + 9);
    let value = small_value(name, *dice.pick(&[longest, longest.min(1 << 20)]));
    let keys: Vec<Vec<u8>> = (0..count).map(|number| format!("{number:08x}").into_bytes()).collect();
    sharing(&mut paper, 3, 0, &keys, &value);
    paper
}

fn separators_share_bytes(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = Paper::new(page_size, pages(page_size, len));
    paper.roots(&[("key", 3)]);
    let room = paper.bytes.len() - paper.at(3);
    let count = if dice.chance(30) { (room / 64).min(65_535) } else { paper.table() / 2 }.max(1);
    let start = paper.at(3) + HEAD + count * HEAD;
    let long = paper.bytes.len() - start;
    let overflow = paper.overflow(room);
    let target = *dice.pick(&[3, 2, 4]);
    paper.branch(3, overflow, (0..count).map(|_| (target, start, long)));
    paper
}

fn tables_in_tables(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = Paper::new(page_size, pages(page_size, len));
    let room = paper.bytes.len() - paper.at(3);
    let elements = dice.between(1, paper.table());
    let most = room / (2 * HEAD + elements * HEAD);
    let tables = dice.between(1, most.clamp(1, 200));
    let overflow = paper.overflow(room);
    if dice.chance(50) {
        paper.roots(&[(*dice.pick(&["x", "key", "members", "meta"]), 3)]);
        let start = paper.at(3);
        put_tables(&mut paper, start, tables, elements, overflow);
    } else {
        let start = paper.at(2);
        put_tables(&mut paper, start, tables, elements, overflow + 1);
    }
    paper
}

/// Each inline bucket holds one bucket, which is all that is behind its table.
fn inline_buckets_without_end(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = Paper::new(page_size, pages(page_size, len));
    let room = paper.bytes.len() - paper.at(2);
    let start = paper.at(2);
    let overflow = paper.overflow(room);
    let depth = *dice.pick(&[60, 63, 64, 65, 1000, usize::MAX]);
    put_tables(&mut paper, start, depth.min(room / (3 * HEAD)), 1, overflow);
    paper
}

/// Elements whose keys and values are the table itself, and the page's own header.
fn pairs_are_their_own_table(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let mut paper = Paper::new(page_size, pages(page_size, len));
    let (at, room) = (paper.at(2), paper.bytes.len() - paper.at(2));
    let count = paper.table();
    let value_len = if dice.chance(50) { room - HEAD - count * HEAD } else { HEAD };
    let pairs = (0..count).map(|index| Pair {
        flags: 1,
        key_at: at + HEAD + index * HEAD,
        key_len: HEAD,
        value_len: value_len.min(room - (index + 2) * HEAD),
    });
    let overflow = paper.overflow(room);
    paper.leaf(at, 2, overflow, pairs);
    paper.put(at + HEAD + count * HEAD - HEAD, &bucket(0)[..HEAD]);
    paper
}
