//! Editing a bolt file: the real bbolt passes the result, and it holds exactly the intended entries.

use std::collections::BTreeMap;

use etcdsnap_core::bolt::database::BoltDatabase;
use etcdsnap_core::bolt::edit::{BucketEdit, EditWrites, IfMissing, OldEntries};
use etcdsnap_tests::build::{Bucket, Node, random, write};
use etcdsnap_tests::programs::{bbolt_check, reference};
use etcdsnap_tests::read::File;
use etcdsnap_tests::seeded_random::SeededRandom;

const SEEDS: u64 = 50;

#[test]
fn any_edit_of_any_file_has_exactly_its_effect() {
    let bbolt = reference("3.7", "bbolt");
    for seed in 0..SEEDS {
        let (mut root, layout) = random::bolt(seed, 400);
        let mut bytes = write(&root, &layout).database;
        let mut rng = SeededRandom::new(seed ^ 0xED17);
        // Several edits in sequence: each starts from the result of the one before.
        for round in 0..rng.between(1, 3) {
            let changes = changes(&root, layout.page_size, &mut rng);
            let before = bytes.clone();
            let edited = BoltDatabase::open(&bytes).unwrap().edit(&changes);
            let edited = edited.unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
            apply(&mut bytes, &edited);
            changes.iter().for_each(|change| expect(&mut root, change));
            assert_eq!(File::new(bytes.clone()).tree(), root, "seed {seed}, round {round}");
            assert_untouched(&before, &bytes, layout.page_size);
            if let Some(bbolt) = &bbolt {
                let (passed, printed) = bbolt_check(bbolt, &bytes);
                assert!(passed, "seed {seed}, round {round}: {printed}");
            }
            let report = etcdsnap_core::verify(&bytes, &etcdsnap_core::IgnoreProgress).unwrap();
            let structural = |code: &&etcdsnap_core::Code| {
                code.severity() == etcdsnap_core::Severity::Damage && code.as_str() != "bucket-missing"
            };
            let codes: Vec<_> = report.findings.counts().keys().filter(structural).collect();
            assert!(codes.is_empty(), "seed {seed}, round {round}: {codes:?}");
        }
    }
}

#[test]
fn impossible_edits_are_refused() {
    let (root, layout) = random::bolt(3, 300);
    let bytes = write(&root, &layout).database;
    let missing = BucketEdit { bucket: b"nobody".to_vec(), ..BucketEdit::default() };
    let error = BoltDatabase::open(&bytes).unwrap().edit(&[missing]).unwrap_err();
    assert_eq!(error.to_string(), "bucket `nobody` does not exist");
    assert!(BoltDatabase::open(&vec![0; 100_000]).is_err());
}

/// An edit frees every page that a page claims, so a claim of four billion pages is refused at once.
#[test]
fn a_page_that_claims_all_pages_is_refused() {
    let (root, layout) = random::bolt(3, 300);
    let good = write(&root, &layout).database;
    let name = root.entries.keys().next().expect("a bucket").clone();
    let change = BucketEdit { bucket: name, old_entries: OldEntries::Remove, ..BucketEdit::default() };
    let mut refused = 0;
    for page in 2..good.len() / layout.page_size {
        let mut bytes = good.clone();
        bytes[page * layout.page_size + 12..][..4].fill(0xFF);
        refused += usize::from(BoltDatabase::open(&bytes).unwrap().edit(std::slice::from_ref(&change)).is_err());
    }
    assert!(refused > 0);
}

fn apply(bytes: &mut Vec<u8>, edited: &EditWrites) {
    bytes.resize(bytes.len().max(edited.size as usize), 0);
    for (at, page) in &edited.writes {
        bytes[at.get() as usize..][..page.len()].copy_from_slice(page);
    }
}

/// Asserts copy on write: of the old pages only one meta page differs.
fn assert_untouched(before: &[u8], after: &[u8], page_size: usize) {
    assert!(before[2 * page_size..] == after[2 * page_size..before.len()]);
    let changed = before[..page_size] != after[..page_size];
    assert!(changed != (before[page_size..2 * page_size] != after[page_size..2 * page_size]));
}

fn changes(root: &Bucket, page_size: usize, rng: &mut SeededRandom) -> Vec<BucketEdit> {
    let mut changes = BTreeMap::new();
    let names: Vec<_> = root.entries.keys().cloned().collect();
    for _ in 0..rng.between(1, 4) {
        let name = if names.is_empty() || rng.chance(15) { rng.bytes(12) } else { rng.pick(&names).clone() };
        let there = match root.entries.get(&name) {
            Some(Node::Bucket(bucket)) => bucket.clone(),
            _ => Bucket::default(),
        };
        let values: Vec<_> = there.entries.iter().filter(|(_, node)| matches!(node, Node::Value(_))).collect();
        let kept = if rng.chance(25) { OldEntries::Remove } else { OldEntries::Keep };
        let mut entries = BTreeMap::new();
        let most = if rng.chance(20) { 300 } else { 5 };
        for _ in 0..rng.below(most) {
            let longest = *rng.pick(&[0, 30, page_size, 3 * page_size.min(8192)]);
            let len = rng.below(longest + 1);
            let value = rng.bytes(len);
            match rng.below(3) {
                0 if !values.is_empty() => entries.insert(rng.pick(&values).0.clone(), None),
                1 if !values.is_empty() => entries.insert(rng.pick(&values).0.clone(), Some(value)),
                _ => {
                    let len = rng.between(1, 60);
                    entries.insert(rng.bytes(len), Some(value))
                }
            };
        }
        if rng.chance(5) {
            entries.extend(values.iter().map(|(key, _)| ((*key).clone(), None)));
        }
        // A random key must not be that of a nested bucket.
        entries.retain(|key, _| !matches!(there.entries.get(key), Some(Node::Bucket(_))));
        changes.insert(
            name.clone(),
            BucketEdit { bucket: name, if_missing: IfMissing::Create, old_entries: kept, entries },
        );
    }
    changes.into_values().collect()
}

fn expect(root: &mut Bucket, change: &BucketEdit) {
    let node = root.entries.entry(change.bucket.clone()).or_insert_with(|| Node::Bucket(Bucket::default()));
    let Node::Bucket(bucket) = node else { panic!("a value at the top") };
    if change.old_entries == OldEntries::Remove {
        bucket.entries.clear();
    }
    for (key, value) in &change.entries {
        match value {
            Some(value) => bucket.put(key.clone(), value.clone()),
            None => drop(bucket.entries.remove(key)),
        }
    }
}
