//! Single keys, names and values of megabytes.

use super::Make;
use super::raw_pages::{Paper, bucket, key_value, revision};
use super::shared::{SMALL, small_value};
use crate::seeded_random::Dice;

pub const ALL: &[(&str, Make)] = &[
    ("a_huge_value_of_a_small_bucket", huge_small_value),
    ("huge_names_of_buckets", huge_names),
    ("a_huge_key", huge_key),
    ("a_huge_value", huge_value),
    ("a_huge_message", huge_message),
    ("huge_keys_of_a_small_bucket", huge_small_keys),
];

fn paper(page_size: usize, len: usize) -> (Paper, usize) {
    let paper = Paper::new(page_size, (len / page_size).max(16));
    let room = paper.bytes.len() - paper.at(3);
    (paper, room)
}

/// Bytes that take most room wherever they are told.
fn filling(dice: &mut Dice, len: usize) -> Vec<u8> {
    match dice.below(5) {
        0 => vec![b'/'; len],
        1 => vec![1; len],
        2 => vec![0xFF; len],
        3 => "\u{202e}".bytes().cycle().take(len / 3 * 3).collect(),
        _ => b"a/\n".iter().copied().cycle().take(len).collect(),
    }
}

fn huge_small_value(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let (mut paper, room) = paper(page_size, len);
    let name = *dice.pick(&SMALL);
    let most = room - 200;
    let value = match dice.below(3) {
        0 => small_value(name, most),
        1 => {
            let mut json = b"{\"id\":1,\"peerURLs\":[\"a\"],\"x\":[0".to_vec();
            while json.len() + 4 < most {
                json.extend_from_slice(b",0");
            }
            json.extend_from_slice(b"]}");
            json
        }
        _ => filling(dice, most),
    };
    paper.packed(3, [(0, b"1".as_slice(), value.as_slice())]);
    paper.roots(&[(name, 3)]);
    paper
}

fn huge_names(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let (mut paper, room) = paper(page_size, len);
    let count = dice.between(1, 3);
    let mut names: Vec<Vec<u8>> =
        (0..count).map(|number| [vec![number as u8 + b'a'], filling(dice, room / count - 100)].concat()).collect();
    names.sort();
    let value = bucket(*dice.pick(&[0, 1, 3, 1 << 40]));
    paper.packed(2, names.iter().map(|name| (1, name.as_slice(), value.as_slice())));
    paper
}

fn of_key(paper: &mut Paper, messages: &[Vec<u8>]) {
    let keys: Vec<_> = (1..=messages.len() as u64).map(revision).collect();
    paper.packed(3, keys.iter().zip(messages).map(|(key, message)| (0, key.as_slice(), message.as_slice())));
    paper.roots(&[("key", 3)]);
}

fn huge_key(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let (mut paper, room) = paper(page_size, len);
    let count = dice.between(1, 3);
    let each = room / count - 200;
    let messages: Vec<_> = (1..=count as u64)
        .map(|main| key_value(&filling(dice, each), if dice.chance(50) { main } else { main + 7 }, b"v", main))
        .collect();
    of_key(&mut paper, &messages);
    paper
}

/// One key of control characters, each of which is printed as four.
#[must_use]
pub fn a_key_of_control_characters(page_size: usize, len: usize) -> Paper {
    let (mut paper, room) = paper(page_size, len);
    of_key(&mut paper, &[key_value(&vec![1; room - 200], 1, b"v", 1)]);
    paper
}

fn huge_value(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let (mut paper, room) = paper(page_size, len);
    let value = filling(dice, room - 200);
    of_key(&mut paper, &[key_value(b"/a", 1, &value, 0)]);
    paper
}

/// A `mvccpb.KeyValue` of as many fields as have room.
fn huge_message(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let (mut paper, room) = paper(page_size, len);
    let mut message = key_value(b"/a", 1, b"v", 0);
    let (tag, word) = *dice.pick(&[(0x30, 1), (0x0a, 0), (0x38, 0)]);
    while message.len() + 200 < room {
        message.extend_from_slice(&[tag, word]);
        if tag == 0x0a {
            continue;
        }
    }
    of_key(&mut paper, &[message]);
    paper
}

fn huge_small_keys(dice: &mut Dice, page_size: usize, len: usize) -> Paper {
    let (mut paper, room) = paper(page_size, len);
    let name = *dice.pick(&SMALL);
    let count = dice.between(1, 4);
    let mut keys: Vec<Vec<u8>> =
        (0..count).map(|number| [vec![number as u8 + 0x31], filling(dice, room / count - 100)].concat()).collect();
    keys.sort();
    paper.packed(3, keys.iter().map(|key| (0, key.as_slice(), b"{}".as_slice())));
    paper.roots(&[(name, 3)]);
    paper
}
