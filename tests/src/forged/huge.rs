//! Files with single keys, names and values of megabytes.

use super::Make;
use super::raw_pages::{RawFile, bucket, key_value, revision};
use super::shared::{SMALL, small_value};
use crate::seeded_random::SeededRandom;

pub const ALL: &[(&str, Make)] = &[
    ("a_huge_value_of_a_small_bucket", huge_small_value),
    ("huge_names_of_buckets", huge_names),
    ("a_huge_key", huge_key),
    ("a_huge_value", huge_value),
    ("a_huge_message", huge_message),
    ("huge_keys_of_a_small_bucket", huge_small_keys),
];

fn empty_file(page_size: usize, len: usize) -> (RawFile, usize) {
    let raw = RawFile::new(page_size, (len / page_size).max(16));
    let room = raw.bytes.len() - raw.offset_of(3);
    (raw, room)
}

/// Returns bytes that become longest when printed or decoded.
fn filling(rng: &mut SeededRandom, len: usize) -> Vec<u8> {
    match rng.below(5) {
        0 => vec![b'/'; len],
        1 => vec![1; len],
        2 => vec![0xFF; len],
        3 => "\u{202e}".bytes().cycle().take(len / 3 * 3).collect(),
        _ => b"a/\n".iter().copied().cycle().take(len).collect(),
    }
}

fn huge_small_value(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let (mut raw, room) = empty_file(page_size, len);
    let name = *rng.pick(&SMALL);
    let most = room - 200;
    let value = match rng.below(3) {
        0 => small_value(name, most),
        1 => {
            let mut json = b"{\"id\":1,\"peerURLs\":[\"a\"],\"x\":[0".to_vec();
            while json.len() + 4 < most {
                json.extend_from_slice(b",0");
            }
            json.extend_from_slice(b"]}");
            json
        }
        _ => filling(rng, most),
    };
    raw.write_packed_leaf(3, [(0, b"1".as_slice(), value.as_slice())]);
    raw.write_root(&[(name, 3)]);
    raw
}

fn huge_names(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let (mut raw, room) = empty_file(page_size, len);
    let count = rng.between(1, 3);
    let mut names: Vec<Vec<u8>> =
        (0..count).map(|number| [vec![number as u8 + b'a'], filling(rng, room / count - 100)].concat()).collect();
    names.sort();
    let value = bucket(*rng.pick(&[0, 1, 3, 1 << 40]));
    raw.write_packed_leaf(2, names.iter().map(|name| (1, name.as_slice(), value.as_slice())));
    raw
}

fn of_key(raw: &mut RawFile, messages: &[Vec<u8>]) {
    let keys: Vec<_> = (1..=messages.len() as u64).map(revision).collect();
    raw.write_packed_leaf(3, keys.iter().zip(messages).map(|(key, message)| (0, key.as_slice(), message.as_slice())));
    raw.write_root(&[("key", 3)]);
}

fn huge_key(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let (mut raw, room) = empty_file(page_size, len);
    let count = rng.between(1, 3);
    let each = room / count - 200;
    let messages: Vec<_> = (1..=count as u64)
        .map(|main| key_value(&filling(rng, each), if rng.chance(50) { main } else { main + 7 }, b"v", main))
        .collect();
    of_key(&mut raw, &messages);
    raw
}

/// One key of control characters, each of which is printed as four.
#[must_use]
pub fn a_key_of_control_characters(page_size: usize, len: usize) -> RawFile {
    let (mut raw, room) = empty_file(page_size, len);
    of_key(&mut raw, &[key_value(&vec![1; room - 200], 1, b"v", 1)]);
    raw
}

fn huge_value(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let (mut raw, room) = empty_file(page_size, len);
    let value = filling(rng, room - 200);
    of_key(&mut raw, &[key_value(b"/a", 1, &value, 0)]);
    raw
}

/// A `mvccpb.KeyValue` of as many fields as have room.
fn huge_message(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let (mut raw, room) = empty_file(page_size, len);
    let mut message = key_value(b"/a", 1, b"v", 0);
    let (tag, word) = *rng.pick(&[(0x30, 1), (0x0a, 0), (0x38, 0)]);
    while message.len() + 200 < room {
        message.extend_from_slice(&[tag, word]);
        if tag == 0x0a {
            continue;
        }
    }
    of_key(&mut raw, &[message]);
    raw
}

fn huge_small_keys(rng: &mut SeededRandom, page_size: usize, len: usize) -> RawFile {
    let (mut raw, room) = empty_file(page_size, len);
    let name = *rng.pick(&SMALL);
    let count = rng.between(1, 4);
    let mut keys: Vec<Vec<u8>> =
        (0..count).map(|number| [vec![number as u8 + 0x31], filling(rng, room / count - 100)].concat()).collect();
    keys.sort();
    raw.write_packed_leaf(3, keys.iter().map(|key| (0, key.as_slice(), b"{}".as_slice())));
    raw.write_root(&[(name, 3)]);
    raw
}
