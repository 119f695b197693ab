//! Salvages damaged files in memory, and checks which entries the new file contains.

use std::collections::BTreeMap;

use etcdsnap_core::rewrite::{AuthPolicy, Limits, Salvage, SalvageReport};
use etcdsnap_core::{IgnoreProgress, MetaChoice, Severity, Verdict, verify};
use prost::Message;

use crate::build::message::KeyValue;
use crate::build::{Node, with_trailer};
use crate::read::{File, LEAF};

/// Limits that allow everything.
pub const ALL: Limits = Limits { only_tree: false, proven_only: false, meta: MetaChoice::Newest };

/// Entries of bucket `key`.
pub type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Returns the new database and the report; `None` if nothing can be salvaged.
pub fn salvaged(file: &[u8], limits: Limits) -> Option<(Vec<u8>, SalvageReport)> {
    let salvage = Salvage::open(file, limits, &IgnoreProgress).unwrap()?;
    if salvage.has_nothing() {
        return None;
    }
    let written = |auth| {
        let (built, pages) = salvage.write(auth, Vec::new(), &IgnoreProgress).unwrap();
        [built.meta_pages, pages].concat()
    };
    let about_auth = |database: &[u8]| {
        let report = verify(&with_trailer(database), &IgnoreProgress).unwrap();
        let codes: Vec<_> = report.findings.counts().keys().copied().collect();
        let damage: Vec<_> = codes.into_iter().filter(|code| code.severity() == Severity::Damage).collect();
        !damage.is_empty() && damage.iter().all(|code| code.as_str().starts_with("auth-"))
    };
    let mut database = written(AuthPolicy::AsRead);
    if salvage.auth_is_damaged() || about_auth(&database) {
        database = written(AuthPolicy::Reset);
    }
    Some((database, salvage.report().clone()))
}

pub fn entries(database: &[u8]) -> Entries {
    let mut tree = File::new(database.to_vec()).tree();
    let pairs = tree.bucket("key").entries.iter().filter_map(|(key, node)| match node {
        Node::Value(value) => Some((key.clone(), value.clone())),
        Node::Bucket(_) => None,
    });
    pairs.collect()
}

/// Returns the key of an entry.
///
/// # Panics
/// Panics if the value is not one that etcd writes.
#[must_use]
pub fn name(value: &[u8]) -> Vec<u8> {
    KeyValue::decode(value).unwrap().key
}

/// Returns the keys of entries in unchanged leaves below unchanged pages.
fn intact(good: &File, damaged: &[u8]) -> Vec<Vec<u8>> {
    let same = |page: u64| {
        let extent = good.extent(page);
        damaged.get(extent.clone()) == Some(&good.bytes[extent])
    };
    let visits = good.visits();
    let metas = damaged.get(..2 * good.page_size) == Some(&good.bytes[..2 * good.page_size]);
    if !metas || !visits.iter().filter(|visit| visit.bucket.is_empty()).all(|visit| same(visit.page)) {
        return Vec::new();
    }
    let of_key = good.visits_of("key");
    let parents: BTreeMap<u64, Option<u64>> = of_key.iter().map(|visit| (visit.page, visit.parent)).collect();
    let reached = |page: u64| {
        let mut at = Some(page);
        while let Some(page) = at {
            if !same(page) {
                return false;
            }
            at = parents.get(&page).copied().flatten();
        }
        true
    };
    let leaves = of_key.iter().filter(|visit| visit.flags == LEAF && reached(visit.page));
    leaves.flat_map(|visit| good.leaves(visit.page)).map(|leaf| good.bytes[leaf.key].to_vec()).collect()
}

/// Returns the entries of bucket `key` in every leaf page of a good file, including free pages: all of them were once in the store. A page counts only if it has its own number and is not
/// the overflow of another page; entries of partly overwritten pages are left out.
///
/// # Panics
/// Panics if the file is not good.
#[must_use]
pub fn entries_of_all_pages(good: &File) -> Entries {
    let pages = (good.bytes.len() / good.page_size) as u64;
    let mut found = Entries::new();
    for page in (2..pages).filter(|page| good.header(*page).id == *page && good.header(*page).flags == LEAF) {
        let start = good.at(page);
        let count = usize::from(good.header(page).count);
        if start + 16 + 16 * count > good.bytes.len() {
            continue;
        }
        for leaf in good.leaves(page) {
            let key = good.bytes.get(leaf.key.clone()).filter(|key| matches!(key.len(), 17 | 18) && key[8] == b'_');
            if let (Some(key), Some(value)) = (key, good.bytes.get(leaf.value.clone())) {
                found.insert(key.to_vec(), value.to_vec());
            }
        }
    }
    found
}

/// Asserts that the new file is sound, contains only entries of `known`, and contains all entries of intact pages except those that a later revision of their key supersedes.
pub fn assert_salvaged(
    what: &str,
    good: &File,
    known: &[&Entries],
    damaged: &[u8],
    new: &[u8],
    report: &SalvageReport,
) {
    let judged = verify(&with_trailer(new), &IgnoreProgress).unwrap();
    assert_ne!(judged.verdict, Verdict::Damaged, "{what}: {:?}", judged.findings);
    let got = entries(new);
    assert_eq!(got.len() as u64, report.entries, "{what}");
    let unknown = got.iter().find(|(key, value)| !known.iter().any(|known| known.get(*key) == Some(*value)));
    assert!(unknown.is_none(), "{what}: {:x?} is none of the good file's entries", unknown.unwrap().0);
    let mut newest: BTreeMap<Vec<u8>, &[u8]> = BTreeMap::new();
    newest.extend(got.iter().map(|(key, value)| (name(value), key.as_slice())));
    let mut superseded = 0;
    for key in intact(good, damaged) {
        if !got.contains_key(&key) {
            let later = newest.get(&name(&known[0][&key])).is_some_and(|newest| *newest > key.as_slice());
            assert!(later, "{what}: {key:x?} of an intact page is not back");
            superseded += 1;
        }
    }
    assert!(superseded <= report.superseded, "{what}: {superseded} of {}", report.superseded);
}
