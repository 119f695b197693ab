//! Mutates entries of etcd's buckets, and writes new pages, in etcd's layout or in any other that bolt can read.

use prost::Message;

use super::{json, messages, numbers};
use crate::build::history::revision_key;
use crate::build::message::{AlarmMember, KeyValue};
use crate::build::{Bucket, Freelist, Layout, Node, write};
use crate::read::File;
use crate::seeded_random::SeededRandom;

/// Buckets to mutate: the mutator picks one at random, and those with more possible faults occur more often.
const BUCKETS: [&str; 24] = [
    "key",
    "key",
    "key",
    "key",
    "key",
    "key",
    "key",
    "key",
    "lease",
    "lease",
    "auth",
    "authUsers",
    "authUsers",
    "authRoles",
    "authRoles",
    "members",
    "members",
    "members_removed",
    "meta",
    "meta",
    "meta",
    "cluster",
    "cluster",
    "alarm",
];

/// Returns a mutated database, and a description of the change.
pub fn mutant(good: &File, rng: &mut SeededRandom) -> (Vec<u8>, String) {
    let mut tree = good.tree();
    let mut words = Vec::new();
    for _ in 0..*rng.pick(&[1, 1, 1, 2]) {
        words.push(change(&mut tree, rng));
    }
    let layout = if rng.chance(70) {
        let freelist = if good.has_freelist() { Freelist::Synced } else { Freelist::NotSynced };
        Layout { freelist, ..Layout::plain(good.page_size, 7) }
    } else {
        words.push("in another layout".to_owned());
        Layout::random(rng)
    };
    (write(&tree, &layout).database, words.join("; "))
}

fn change(tree: &mut Bucket, rng: &mut SeededRandom) -> String {
    if rng.chance(5) {
        return buckets(tree, rng);
    }
    let name = *rng.pick(&BUCKETS);
    let printed = match name {
        "key" => key(tree.bucket("key"), rng),
        "alarm" => Some(alarm(tree, rng)),
        _ => small_bucket(tree.bucket(name), name, rng),
    };
    match printed {
        Some(printed) => format!("{name}: {printed}"),
        None => change(tree, rng),
    }
}

/// Mutates the set of buckets.
fn buckets(tree: &mut Bucket, rng: &mut SeededRandom) -> String {
    let name = tree.entries.keys().nth(rng.below(tree.entries.len())).cloned().unwrap_or_default();
    let printed = String::from_utf8_lossy(&name).into_owned();
    match rng.below(5) {
        0 => {
            tree.entries.remove(&name);
            format!("no bucket {printed}")
        }
        1 => {
            let node = tree.entries.remove(&name).unwrap_or_else(|| Node::Bucket(Bucket::default()));
            let mut other = name;
            let bit = rng.below(8 * other.len());
            other[bit / 8] ^= 1 << (bit % 8);
            tree.entries.insert(other, node);
            format!("bucket {printed} with a bit of its name flipped")
        }
        2 => {
            if let Some(Node::Bucket(bucket)) = tree.entries.get_mut(&name) {
                bucket.sequence = rng.bits();
            }
            format!("bucket {printed} with another sequence")
        }
        3 => {
            if let Some(Node::Bucket(bucket)) = tree.entries.get_mut(&name) {
                bucket.entries.insert(b"within".to_vec(), Node::Bucket(Bucket::default()));
            }
            format!("a bucket in bucket {printed}")
        }
        _ => {
            tree.bucket("more").put("a", "b");
            "a bucket more".to_owned()
        }
    }
}

/// Mutates bucket `key`.
fn key(bucket: &mut Bucket, rng: &mut SeededRandom) -> Option<String> {
    let count = bucket.entries.len();
    // Late entries have no compaction above them.
    let at = if rng.chance(30) { count.checked_sub(1 + rng.below(4.min(count)))? } else { rng.below(count) };
    let (key, value) = entry(bucket, at)?;
    let what = key.escape_ascii().to_string();
    let printed = match rng.below(14) {
        0 => {
            bucket.entries.remove(&key);
            "removed".to_owned()
        }
        1 => {
            bucket.entries.remove(&key);
            let mut other = key.clone();
            match other.len() {
                17 => other.push(b't'),
                _ => drop(other.pop()),
            }
            bucket.put(other, value);
            "mark of a deletion turned".to_owned()
        }
        2 => {
            bucket.entries.remove(&key);
            let mut other = key.clone();
            let field = if rng.chance(50) || other.len() < 17 { 0 } else { 9 };
            let number = u64::from_be_bytes(other.get(field..field + 8)?.try_into().ok()?);
            let new = numbers::number_near(number, 64, rng);
            other[field..field + 8].copy_from_slice(&new.to_be_bytes());
            bucket.put(other, value);
            format!("{} {number} to {new}", if field == 0 { "main" } else { "sub" })
        }
        3 => {
            let mut other = key.clone();
            let bit = rng.below(8 * other.len());
            other[bit / 8] ^= 1 << (bit % 8);
            bucket.entries.remove(&key);
            bucket.put(other, value);
            format!("bit {bit} of its revision")
        }
        4 => {
            let (_, other) = entry(bucket, rng.below(count))?;
            bucket.put(key, other);
            "value of another".to_owned()
        }
        5 | 6 => {
            let mut message = KeyValue::decode(value.as_slice()).ok()?;
            let printed = field(&mut message, rng);
            bucket.put(key, message.encode_to_vec());
            printed
        }
        7 => append_revision(bucket, rng)?,
        _ => {
            let (other, printed) = messages::mutate(&value, rng);
            bucket.put(key, other);
            printed
        }
    };
    Some(format!("{what}: {printed}"))
}

/// Changes a field of a valid message.
fn field(message: &mut KeyValue, rng: &mut SeededRandom) -> String {
    let number = |old: i64, rng: &mut SeededRandom| numbers::number_near(old as u64, 64, rng) as i64;
    match rng.below(6) {
        0 => {
            message.create_revision = number(message.create_revision, rng);
            format!("created at {}", message.create_revision)
        }
        1 => {
            message.mod_revision = number(message.mod_revision, rng);
            format!("changed at {}", message.mod_revision)
        }
        2 => {
            message.version = number(message.version, rng);
            format!("version {}", message.version)
        }
        3 => {
            message.lease = number(message.lease, rng);
            format!("lease {}", message.lease)
        }
        4 => {
            message.value = rng.bytes(message.value.len().min(200));
            "another value".to_owned()
        }
        _ => {
            let at = rng.below(message.key.len() + 1);
            message.key.insert(at, rng.bits() as u8);
            "a byte more in the key".to_owned()
        }
    }
}

/// Appends one revision: a new key, or a deletion.
fn append_revision(bucket: &mut Bucket, rng: &mut SeededRandom) -> Option<String> {
    let last = bucket.entries.last_key_value()?.0.get(..8)?;
    let main = i64::from_be_bytes(last.try_into().ok()?).checked_add(1)?;
    let key = match rng.below(4) {
        0 => Vec::new(),
        1 => vec![0],
        2 => vec![0xFF; 300],
        _ => b"more".to_vec(),
    };
    let tombstone = rng.chance(20);
    let written = if tombstone { 0 } else { main };
    let version = i64::from(!tombstone);
    let lease = if rng.chance(20) && !tombstone { rng.bits() as i64 } else { 0 };
    let printed = format!("revision {main} more, of key {} with lease {lease}", key.escape_ascii());
    let message = KeyValue { key, create_revision: written, mod_revision: written, version, value: Vec::new(), lease };
    bucket.put(revision_key((main, 0), tombstone), message.encode_to_vec());
    Some(printed)
}

/// Mutates a bucket with few entries.
fn small_bucket(bucket: &mut Bucket, name: &str, rng: &mut SeededRandom) -> Option<String> {
    let (key, value) = entry(bucket, rng.below(bucket.entries.len()))?;
    let what = key.escape_ascii().to_string();
    let printed = match rng.below(10) {
        0 => {
            bucket.entries.remove(&key);
            "removed".to_owned()
        }
        1 => {
            let mut other = key.clone();
            let bit = rng.below(8 * other.len());
            *other.get_mut(bit / 8)? ^= 1 << (bit % 8);
            bucket.entries.remove(&key);
            bucket.put(other, value);
            format!("bit {bit} of its name")
        }
        2 => {
            let mut other = key.clone();
            match rng.below(4) {
                0 => drop(other.pop()),
                1 => other.push(b'0'),
                2 => other.insert(0, b'0'),
                _ => other = other.to_ascii_uppercase(),
            }
            (!other.is_empty()).then_some(())?;
            bucket.put(other.clone(), value);
            format!("there as {}, too", other.escape_ascii())
        }
        3 => {
            let (_, other) = entry(bucket, rng.below(bucket.entries.len()))?;
            bucket.put(key, other);
            "value of another".to_owned()
        }
        _ => {
            let (other, printed) = value_of(name, &key, &value, rng);
            bucket.put(key, other);
            printed
        }
    };
    Some(format!("{what}: {printed}"))
}

/// Returns a replacement value that suits the entry.
fn value_of(bucket: &str, key: &[u8], value: &[u8], rng: &mut SeededRandom) -> (Vec<u8>, String) {
    match (bucket, key) {
        ("members", _) | (_, b"confState" | b"downgrade") => json::mutate(value, rng),
        (_, b"clusterVersion" | b"storageVersion") => version(value, rng),
        ("meta" | "auth", _) => fixed_length(value, rng),
        ("members_removed", _) => messages::mutate(value, rng),
        _ => messages::mutate(value, rng),
    }
}

/// Mutates a number of fixed length, or a revision.
fn fixed_length(value: &[u8], rng: &mut SeededRandom) -> (Vec<u8>, String) {
    let mut bytes = value.to_vec();
    if bytes.len() < 8 || rng.chance(15) {
        match rng.below(4) {
            0 => bytes.push(rng.bits() as u8),
            1 => drop(bytes.pop()),
            2 => bytes.clear(),
            _ => {
                if let Some(byte) = bytes.first_mut() {
                    *byte = rng.bits() as u8;
                }
            }
        }
        return (bytes.clone(), format!("is {}", bytes.escape_ascii()));
    }
    let at = if bytes.len() == 17 && rng.chance(20) { 9 } else { 0 };
    let old = u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let new = numbers::number_near(old, 64, rng);
    bytes[at..at + 8].copy_from_slice(&new.to_be_bytes());
    (bytes, format!("{old} to {new}"))
}

fn version(value: &[u8], rng: &mut SeededRandom) -> (Vec<u8>, String) {
    let old = String::from_utf8_lossy(value).into_owned();
    let minor = old.trim_end_matches(".0").to_owned();
    let new = match rng.below(14) {
        0 => minor,
        1 => format!("v{old}"),
        2 => format!("{old}-rc.0"),
        3 => format!("{old}+meta"),
        4 => format!("0{old}"),
        5 => format!("{old}\n"),
        6 => format!(" {old}"),
        7 => "3.00.0".to_owned(),
        8 => "3.4.0".to_owned(),
        9 => "3.5.0".to_owned(),
        10 => "3.6.0".to_owned(),
        11 => format!("{old}.0"),
        12 => old.replace("3.", "2."),
        _ => String::new(),
    };
    let printed = format!("is {new:?}");
    (new.into_bytes(), printed)
}

/// Adds an alarm, usually one that etcd could have raised.
fn alarm(tree: &mut Bucket, rng: &mut SeededRandom) -> String {
    let member = tree.bucket("members").entries.keys().next().cloned().unwrap_or_default();
    let id = u64::from_str_radix(&String::from_utf8_lossy(&member), 16).unwrap_or(1);
    let alarm = AlarmMember { member_id: if rng.chance(50) { id } else { rng.bits() }, alarm: rng.below(4) as i32 };
    let key = alarm.encode_to_vec();
    let (key, printed) =
        if rng.chance(50) { messages::mutate(&key, rng) } else { (key, "as etcd writes it".to_owned()) };
    let key = if key.is_empty() { vec![0x10, 1] } else { key };
    let value = if rng.chance(20) { rng.bytes(3) } else { Vec::new() };
    tree.bucket("alarm").put(key, value);
    format!("alarm {} of member {:x}, {printed}", alarm.alarm, alarm.member_id)
}

/// Returns key and value of an entry; `None` for a bucket.
fn entry(bucket: &Bucket, at: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    match bucket.entries.iter().nth(at)? {
        (key, Node::Value(value)) => Some((key.clone(), value.clone())),
        (_, Node::Bucket(_)) => None,
    }
}
