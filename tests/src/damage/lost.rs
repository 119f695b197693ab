//! Lost revisions, and stores in which revisions only seem to be lost.

use prost::Message;

use super::Damage;
use super::Location::{self, Entry, Nowhere, Pages};
use crate::build::history::revision_key;
use crate::build::message::KeyValue;
use crate::build::{Bucket, Node};
use crate::read::{File, LEAF};

const MISSING: &[&str] = &["revisions-missing"];

pub const ALL: &[Damage] = &[
    Damage::content("revision_lost_whole", MISSING, revision_lost),
    Damage::content("first_operation_of_a_transaction_lost", MISSING, first_operation_lost),
    Damage::content("operation_in_the_middle_of_a_transaction_lost", MISSING, middle_operation_lost),
    Damage::content("scheduled_compaction_above_a_history_that_is_there", &["compaction-marks"], scheduled_too_high),
    Damage::pages("leaf_lost_without_a_freelist", &["revisions-unreachable", "revisions-missing"], leaf_lost),
    Damage::content("compacted_revision_lost", &["compacted-revision-missing"], compacted_revision_lost),
    Damage::content("store_migrated_from_v2", &["store-migrated"], migrated),
];

fn revision_of(key: &[u8]) -> (i64, i64) {
    let number = |at: usize| i64::from_be_bytes(key[at..at + 8].try_into().expect("eight bytes"));
    (number(0), number(9))
}

/// Returns the revisions above all compaction marks, with their keys.
fn uncompacted(root: &mut Bucket) -> Vec<((i64, i64), Vec<u8>)> {
    let marks = ["scheduledCompactRev", "finishedCompactRev"];
    let mark =
        marks.iter().filter_map(|name| root.bucket("meta").value(name.as_bytes()).map(|key| revision_of(key).0)).max();
    let keys = root.bucket("key").entries.keys().map(|key| (revision_of(key), key.clone()));
    keys.filter(|((main, _), _)| *main > mark.unwrap_or(1)).collect()
}

/// Removes the first entry for which `lost` is true; `lost` gets its revision and the next one, and the entry after it reveals the gap.
fn lose(root: &mut Bucket, lost: impl Fn((i64, i64), (i64, i64)) -> bool) -> Option<Location> {
    let all = uncompacted(root);
    let at = (1..all.len().checked_sub(1)?).find(|at| lost(all[*at].0, all[at + 1].0))?;
    root.bucket("key").entries.remove(&all[at].1)?;
    Some(Entry("key", all[at + 1].1.clone()))
}

fn revision_lost(root: &mut Bucket) -> Option<Location> {
    lose(root, |here, next| here.1 == 0 && next.1 == 0)
}

fn first_operation_lost(root: &mut Bucket) -> Option<Location> {
    lose(root, |here, next| here.1 == 0 && next.1 == 1)
}

fn middle_operation_lost(root: &mut Bucket) -> Option<Location> {
    lose(root, |here, next| here.1 == 1 && next.1 == 2)
}

/// No server compacts above its current revision; a compaction scheduled beyond the last entry has removed everything that it could.
fn scheduled_too_high(root: &mut Bucket) -> Option<Location> {
    uncompacted(root).get(2)?;
    root.bucket("meta").put("scheduledCompactRev", revision_key((i64::MAX / 2, 0), false));
    Some(Nowhere)
}

/// Rewrites the parent page without the leaf, well-formed; the file has no freelist.
fn leaf_lost(file: &mut File) -> Option<Location> {
    (!file.has_freelist()).then_some(())?;
    let leaves: Vec<_> = file.visits_of("key").into_iter().filter(|visit| visit.flags == LEAF).collect();
    let [.., lost, next] = leaves.as_slice() else { return None };
    let parent = lost.parent.filter(|parent| next.parent == Some(*parent))?;
    let mut children: Vec<(Vec<u8>, u64)> =
        file.branches(parent).into_iter().map(|(_, key, page)| (file.bytes[key].to_vec(), page)).collect();
    children.remove(lost.index);
    file.rewrite_branch(parent, &children);
    Some(Pages(vec![lost.page, next.page]))
}

/// Removes the entry at the compacted revision from a store that has a storage version and was compacted at its last revision.
fn compacted_revision_lost(root: &mut Bucket) -> Option<Location> {
    root.bucket("meta").value(b"storageVersion")?;
    let last = root.bucket("key").entries.last_key_value()?.0.clone();
    for name in ["scheduledCompactRev", "finishedCompactRev"] {
        root.bucket("meta").put(name, revision_key((revision_of(&last).0 + 1, 0), false));
    }
    Some(Nowhere)
}

/// Rewrites every living key as version 1 at its own revision, with gaps between the revisions.
fn migrated(root: &mut Bucket) -> Option<Location> {
    let names: std::collections::BTreeSet<Vec<u8>> = root
        .bucket("key")
        .entries
        .values()
        .filter_map(|node| match node {
            Node::Value(value) => Some(KeyValue::decode(value.as_slice()).ok()?.key),
            Node::Bucket(_) => None,
        })
        .filter(|name| !name.is_empty())
        .collect();
    for name in [&b"scheduledCompactRev"[..], b"finishedCompactRev"] {
        root.bucket("meta").entries.remove(name);
    }
    root.bucket("key").entries.clear();
    for (main, key) in (7..).step_by(3).zip(names) {
        let message =
            KeyValue { key, create_revision: main - 1, mod_revision: main, version: 1, ..KeyValue::default() };
        root.bucket("key").put(revision_key((main, 0), false), message.encode_to_vec());
    }
    Some(Nowhere)
}
