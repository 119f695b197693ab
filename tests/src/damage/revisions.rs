//! Damage to bucket `key`: revisions, their values, and the history that they form.

use std::collections::BTreeSet;

use prost::Message;

use super::Damage;
use super::Location::{self, Entry, Nowhere};
use crate::build::history::revision_key;
use crate::build::message::{KeyValue, Lease};
use crate::build::{Bucket, Node};

const REVISION: &[&str] = &["revision-malformed"];
const VALUE: &[&str] = &["keyvalue-malformed"];
const HISTORY: &[&str] = &["keyvalue-history"];
const TOMBSTONE: &[&str] = &["tombstone-body"];
const MARKS: &[&str] = &["compaction-marks"];

pub const ALL: &[Damage] = &[
    Damage::content("revision_a_byte_short", REVISION, |root| rekey(root, |key| key.truncate(16))),
    Damage::content("revision_with_a_byte_too_many", REVISION, |root| rekey(root, |key| key.extend(*b"tt"))),
    Damage::content("revision_ends_in_another_letter", REVISION, |root| rekey(root, |key| key.push(b'x'))),
    Damage::content("revision_with_another_separator", REVISION, |root| rekey(root, |key| key[8] = b'-')),
    Damage::content("revision_main_negative", REVISION, |root| rekey(root, |key| key[0] = 0x80)),
    Damage::content("revision_sub_negative", REVISION, |root| rekey(root, |key| key[9] = 0xFF)),
    Damage::content("revision_is_text", REVISION, |root| rekey(root, |key| *key = b"hello".to_vec())),
    Damage::content("put_and_tombstone_of_one_revision", &["revision-duplicate"], put_and_tombstone),
    Damage::content("value_with_a_cut_varint", VALUE, |root| revalue(root, |value| value.extend([0x10, 0xFF]))),
    Damage::content("value_with_an_endless_varint", VALUE, |root| {
        revalue(root, |value| value.extend([&[0x10][..], &[0xFF; 12]].concat()))
    }),
    Damage::content("value_with_a_wrong_wire_type", VALUE, |root| revalue(root, |v| *v = vec![0x12, 0x01, 0x61])),
    Damage::content("value_whose_key_is_a_number", VALUE, |root| revalue(root, |value| *value = vec![0x08, 0x05])),
    Damage::content("value_with_a_length_past_its_end", VALUE, |root| revalue(root, |v| *v = vec![0x0A, 0x7F, 0x61])),
    Damage::content("value_with_a_huge_length", VALUE, |root| {
        revalue(root, |v| *v = vec![0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x61])
    }),
    Damage::content("value_with_field_number_0", VALUE, |root| revalue(root, |value| *value = vec![0x00, 0x01])),
    Damage::content("value_is_cut", VALUE, |root| revalue(root, |value| value.truncate(value.len() - 1))),
    Damage::content("value_is_text", VALUE, |root| revalue(root, |value| *value = b"not a message".to_vec())),
    Damage::content("value_emptied_within_a_transaction", VALUE, emptied_within_a_transaction),
    Damage::content("mod_revision_one_off", &["keyvalue-revision"], |root| change(root, |kv| kv.mod_revision += 1)),
    Damage::content("mod_revision_is_0", &["keyvalue-revision"], |root| change(root, |kv| kv.mod_revision = 0)),
    Damage::content("mod_revision_negative", &["keyvalue-revision"], |root| change(root, |kv| kv.mod_revision = -1)),
    Damage::content("create_revision_in_the_future", HISTORY, |root| change(root, |kv| kv.create_revision += 100_000)),
    Damage::content("create_revision_is_0", HISTORY, |root| change(root, |kv| kv.create_revision = 0)),
    Damage::content("create_revision_of_an_update_changed", HISTORY, |root| update(root, |kv| kv.create_revision += 1)),
    Damage::content("version_of_an_update_skips_one", HISTORY, |root| update(root, |kv| kv.version += 1)),
    Damage::content("version_of_an_update_is_1", HISTORY, |root| update(root, |kv| kv.version = 1)),
    Damage::content("version_is_0", HISTORY, |root| update(root, |kv| kv.version = 0)),
    Damage::content("version_is_negative", HISTORY, |root| update(root, |kv| kv.version = -3)),
    Damage::content("revision_in_the_middle_of_a_key_missing", HISTORY, middle_missing),
    Damage::content("first_revision_of_a_key_missing", HISTORY, first_missing),
    Damage::content("tombstone_between_two_lives_missing", HISTORY, tombstone_missing),
    Damage::content("tombstone_of_a_key_that_never_was", HISTORY, tombstone_of_nothing),
    Damage::content("tombstone_twice", HISTORY, tombstone_twice),
    Damage::content("tombstone_with_a_body", TOMBSTONE, tombstone_with_a_body),
    Damage::content("put_that_looks_like_a_tombstone", TOMBSTONE, put_made_tombstone),
    Damage::content("tombstone_that_looks_like_a_put", &["keyvalue-revision", "keyvalue-history"], tombstone_made_put),
    Damage::content("lease_of_a_key_missing", &["lease-missing"], lease_of_a_key_missing),
    Damage::content("leases_all_missing", &["lease-missing"], leases_missing),
    Damage::content("lease_of_a_time_that_overflows", &["lease-malformed"], |root| lease_time(root, i64::MAX)),
    Damage::content("lease_of_no_time", &["lease-malformed"], |root| lease_time(root, 0)),
    Damage::content("finished_above_scheduled", MARKS, finished_above_scheduled),
    Damage::content("finished_without_scheduled", MARKS, finished_without_scheduled),
    Damage::content("superseded_revisions_below_the_mark", MARKS, superseded_below_the_mark),
];

struct Put {
    key: Vec<u8>,
    tombstone: bool,
    value: KeyValue,
}

/// Returns the puts of bucket `key` above every compaction mark, so that their whole history must be present.
fn uncompacted(root: &mut Bucket) -> Vec<Put> {
    let mark = mark(root, "scheduledCompactRev").unwrap_or(0).max(mark(root, "finishedCompactRev").unwrap_or(0));
    puts(root).into_iter().filter(|put| main(&put.key) > mark).collect()
}

fn puts(root: &mut Bucket) -> Vec<Put> {
    let entries = root.bucket("key").entries.iter();
    let values = entries.filter_map(|(key, node)| match node {
        Node::Value(value) => Some((key.clone(), KeyValue::decode(value.as_slice()).ok()?)),
        Node::Bucket(_) => None,
    });
    values.map(|(key, value)| Put { tombstone: key.len() == 18, key, value }).collect()
}

fn main(key: &[u8]) -> i64 {
    i64::from_be_bytes(key[..8].try_into().expect("eight bytes"))
}

fn mark(root: &mut Bucket, name: &str) -> Option<i64> {
    root.bucket("meta").value(name.as_bytes()).map(main)
}

fn entry(key: &[u8]) -> Option<Location> {
    Some(Entry("key", key.to_vec()))
}

/// Returns the middle one of these puts.
fn some_put(root: &mut Bucket) -> Option<Put> {
    let mut puts: Vec<Put> = uncompacted(root).into_iter().filter(|put| !put.tombstone).collect();
    (!puts.is_empty()).then(|| puts.swap_remove(puts.len() / 2))
}

/// Returns a put of a key whose previous put is above the marks too.
fn some_update(root: &mut Bucket) -> Option<Put> {
    let puts = uncompacted(root);
    let keys: Vec<(Vec<u8>, i64)> = puts.iter().map(|put| (put.value.key.clone(), put.value.version)).collect();
    puts.into_iter().enumerate().find_map(|(i, put)| {
        let before = keys[..i].iter().any(|(key, version)| *key == put.value.key && *version == put.value.version - 1);
        (before && !put.tombstone && put.value.version > 1).then_some(put)
    })
}

/// Empties the value of the last put of a transaction with several operations.
fn emptied_within_a_transaction(root: &mut Bucket) -> Option<Location> {
    let keys: Vec<Vec<u8>> = root.bucket("key").entries.keys().cloned().collect();
    let alike = |pair: &&[Vec<u8>]| pair[0][..8] == pair[1][..8] && pair[1].len() == 17;
    let key = keys.windows(2).rfind(alike)?[1].clone();
    root.bucket("key").put(key.clone(), "");
    Some(Entry("key", key))
}

fn rekey(root: &mut Bucket, change: impl Fn(&mut Vec<u8>)) -> Option<Location> {
    let put = some_put(root)?;
    let value = root.bucket("key").entries.remove(&put.key)?;
    let mut key = put.key;
    change(&mut key);
    root.bucket("key").entries.insert(key.clone(), value);
    entry(&key)
}

fn revalue(root: &mut Bucket, change: impl Fn(&mut Vec<u8>)) -> Option<Location> {
    let put = some_put(root)?;
    let mut value = root.bucket("key").value(&put.key)?.to_vec();
    change(&mut value);
    root.bucket("key").put(put.key.clone(), value);
    entry(&put.key)
}

fn change(root: &mut Bucket, change: impl Fn(&mut KeyValue)) -> Option<Location> {
    let put = some_put(root)?;
    store(root, put, change)
}

fn update(root: &mut Bucket, change: impl Fn(&mut KeyValue)) -> Option<Location> {
    let put = some_update(root)?;
    store(root, put, change)
}

fn store(root: &mut Bucket, mut put: Put, change: impl Fn(&mut KeyValue)) -> Option<Location> {
    change(&mut put.value);
    root.bucket("key").put(put.key.clone(), put.value.encode_to_vec());
    entry(&put.key)
}

fn put_and_tombstone(root: &mut Bucket) -> Option<Location> {
    let put = some_put(root)?;
    let mut key = put.key;
    key.push(b't');
    let value = KeyValue { key: put.value.key, ..KeyValue::default() };
    root.bucket("key").put(key.clone(), value.encode_to_vec());
    entry(&key)
}

/// Removes an update that is followed by another, which reveals it.
fn middle_missing(root: &mut Bucket) -> Option<Location> {
    let puts = uncompacted(root);
    let middle = puts.iter().enumerate().find(|(i, put)| {
        let same = |other: &Put| other.value.key == put.value.key && !other.tombstone;
        let next = puts[i + 1..].iter().find(|other| other.value.key == put.value.key);
        !put.tombstone
            && puts[..*i].iter().any(same)
            && next.is_some_and(|next| !next.tombstone && put.value.version > 1)
    })?;
    root.bucket("key").entries.remove(&middle.1.key)?;
    Some(Nowhere)
}

/// Removes the put that creates a key which is put again later.
fn first_missing(root: &mut Bucket) -> Option<Location> {
    let puts = uncompacted(root);
    let first = puts.iter().enumerate().find(|(i, put)| {
        let next = puts[i + 1..].iter().find(|other| other.value.key == put.value.key);
        !put.tombstone && put.value.version == 1 && next.is_some_and(|next| !next.tombstone)
    })?;
    root.bucket("key").entries.remove(&first.1.key)?;
    Some(Nowhere)
}

fn tombstone_missing(root: &mut Bucket) -> Option<Location> {
    let puts = uncompacted(root);
    let gone = puts.iter().enumerate().find(|(i, put)| {
        let same = |other: &Put| other.value.key == put.value.key;
        put.tombstone && puts[..*i].iter().any(same) && puts[i + 1..].iter().any(same)
    })?;
    root.bucket("key").entries.remove(&gone.1.key)?;
    Some(Nowhere)
}

fn next_main(root: &mut Bucket) -> i64 {
    root.bucket("key").entries.last_key_value().map_or(2, |(key, _)| main(key)) + 1
}

fn append_tombstone(root: &mut Bucket, name: Vec<u8>) -> Option<Location> {
    let key = revision_key((next_main(root), 0), true);
    root.bucket("key").put(key.clone(), KeyValue { key: name, ..KeyValue::default() }.encode_to_vec());
    entry(&key)
}

fn tombstone_of_nothing(root: &mut Bucket) -> Option<Location> {
    append_tombstone(root, b"/never/was".to_vec())
}

fn tombstone_twice(root: &mut Bucket) -> Option<Location> {
    let puts = uncompacted(root);
    let dead = puts
        .iter()
        .enumerate()
        .rfind(|(i, put)| put.tombstone && !puts[i + 1..].iter().any(|other| other.value.key == put.value.key))?;
    let name = dead.1.value.key.clone();
    append_tombstone(root, name)
}

fn tombstone_with_a_body(root: &mut Bucket) -> Option<Location> {
    let mut tombstone = uncompacted(root).into_iter().find(|put| put.tombstone)?;
    tombstone.value.value = b"body".to_vec();
    store(root, tombstone, |_| {})
}

fn put_made_tombstone(root: &mut Bucket) -> Option<Location> {
    rekey(root, |key| key.push(b't'))
}

fn tombstone_made_put(root: &mut Bucket) -> Option<Location> {
    let tombstone = uncompacted(root).into_iter().find(|put| put.tombstone)?;
    let value = root.bucket("key").entries.remove(&tombstone.key)?;
    let key = tombstone.key[..17].to_vec();
    root.bucket("key").entries.insert(key.clone(), value);
    entry(&key)
}

/// Returns the living keys: only these can lack their lease.
fn alive(root: &mut Bucket) -> Vec<Put> {
    let mut seen = BTreeSet::new();
    let newest = puts(root).into_iter().rev().filter(|put| seen.insert(put.value.key.clone()));
    newest.filter(|put| !put.tombstone).collect()
}

fn lease_of_a_key_missing(root: &mut Bucket) -> Option<Location> {
    let put = alive(root).into_iter().next()?;
    store(root, put, |kv| kv.lease = 0x1234_5678)
}

fn leases_missing(root: &mut Bucket) -> Option<Location> {
    let leased = alive(root).into_iter().find(|put| put.value.lease != 0)?;
    root.bucket("lease").value(&leased.value.lease.to_be_bytes())?;
    root.bucket("lease").entries.clear();
    Some(Nowhere)
}

/// Sets the time to live, in seconds, of a living key's lease.
fn lease_time(root: &mut Bucket, ttl: i64) -> Option<Location> {
    let id = alive(root).into_iter().map(|put| put.value.lease).find(|lease| *lease != 0)?;
    root.bucket("lease").value(&id.to_be_bytes())?;
    root.bucket("lease").put(id.to_be_bytes(), Lease { id, ttl, remaining_ttl: 0 }.encode_to_vec());
    Some(Entry("lease", id.to_be_bytes().to_vec()))
}

fn finished_above_scheduled(root: &mut Bucket) -> Option<Location> {
    let scheduled = mark(root, "scheduledCompactRev")?;
    root.bucket("meta").put("scheduledCompactRev", revision_key((scheduled - 1, 0), false));
    Some(Nowhere)
}

fn finished_without_scheduled(root: &mut Bucket) -> Option<Location> {
    mark(root, "finishedCompactRev")?;
    root.bucket("meta").entries.remove(&b"scheduledCompactRev"[..])?;
    Some(Nowhere)
}

/// Sets both marks to the last revision without removing the history.
fn superseded_below_the_mark(root: &mut Bucket) -> Option<Location> {
    some_update(root)?;
    let last = next_main(root) - 1;
    for name in ["scheduledCompactRev", "finishedCompactRev"] {
        root.bucket("meta").put(name, revision_key((last, 0), false));
    }
    Some(Nowhere)
}
