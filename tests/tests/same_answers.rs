//! The counts in the verdict equal the entries that queries list, with any damage.

use std::process::ExitCode;
use std::sync::Arc;

use etcdsnap_core::pass::reading::Accumulator;
use etcdsnap_core::store::{GroupTally, Index, KeyRange, OpenedStore, Query, Store, Sums, Tallies};
use etcdsnap_core::{Code, IgnoreProgress, Revision, Status, status};
use etcdsnap_tests::damage::Trailer;
use etcdsnap_tests::damage::{self, Damage, GoodSnapshot};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::sorted_index::sorted_keys;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let bases = Arc::new(damage::bases());
    let mut trials: Vec<Trial> = damage::all()
        .into_iter()
        .map(|damage| {
            let bases = Arc::clone(&bases);
            Trial::test(damage.name, move || bases.iter().try_for_each(|base| every_answer_agrees(&damage, base)))
        })
        .collect();
    let all = Arc::clone(&bases);
    trials.push(Trial::test("flipped_bytes", move || all.iter().try_for_each(flipped_bytes)));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn every_answer_agrees(damage: &Damage, base: &GoodSnapshot) -> Result<(), Failed> {
    for damaged in damage.apply(&base.snapshot).into_iter().filter(|damaged| damaged.trailer != Trailer::Old) {
        agree(&damaged.file).map_err(|reason| format!("{} of {}: {reason}", damage.name, base.name))?;
    }
    Ok(())
}

/// Tests some hundred files with one to three changed bytes each.
fn flipped_bytes(base: &GoodSnapshot) -> Result<(), Failed> {
    let mut rng = SeededRandom::new(base.snapshot.len() as u64);
    for number in 0..400 {
        let mut file = base.snapshot.clone();
        let places: Vec<usize> = (0..rng.between(1, 3)).map(|_| rng.below(file.len())).collect();
        for place in &places {
            file[*place] ^= 1 << rng.below(8);
        }
        agree(&file)
            .map_err(|reason| format!("{} with other bytes at {places:?} (number {number}): {reason}", base.name))?;
    }
    Ok(())
}

/// The counts: living keys, their entries, tombstones, and the last revision.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    keys: u64,
    tombstones: u64,
    current: Revision,
}

fn agree(file: &Vec<u8>) -> Result<(), String> {
    let report = status(file, &IgnoreProgress).expect("bytes can always be read");
    let OpenedStore::Store(store) = Store::open(file).expect("bytes can always be read") else {
        return if report.status.is_none() { Ok(()) } else { Err("there is a status, and no store".into()) };
    };
    let list = report.findings.list();
    for (code, count) in report.findings.counts() {
        let listed = list.iter().filter(|finding| finding.code == *code).count() as u64;
        if listed != *count && *count <= 1000 {
            return Err(format!("{count} findings of {code} are counted, {listed} can be listed"));
        }
    }
    let Some(status) = &report.status else { return Ok(()) };
    let mut verdict = of_status(status);
    for (question, mut counted) in [("keys", of_index(&store)), ("usage", of_sums(&store))] {
        // A deletion with an unreadable key is counted, but belongs to no key.
        if report.findings.has(Code::KeyvalueMalformed) {
            (verdict.tombstones, counted.tombstones) = (0, 0);
        }
        if counted != verdict {
            let found = report.findings.list().iter().map(|finding| format!("{} {}", finding.code, finding.message));
            let found: Vec<String> = found.take(8).collect();
            return Err(format!("status counts {verdict:?}, {question} {counted:?}; {found:#?}; {:?}", store.lost()));
        }
    }
    Ok(())
}

fn of_status(status: &Status) -> Counts {
    let marks = status.compacted_revision.max(status.scheduled_compact_revision).unwrap_or(Revision::FIRST);
    Counts {
        keys: status.total_key,
        tombstones: status.tombstones,
        current: status.revision.max(marks).max(Revision::FIRST),
    }
}

fn query() -> Query {
    Query { range: KeyRange::all(), revision: Revision::MAX, hash_values: false, folders: Vec::new() }
}

fn of_index(store: &Store<'_, Vec<u8>>) -> Counts {
    let mut index = Index::new(query());
    for work in store.work() {
        index.read(store, work, &IgnoreProgress).expect("bytes can always be read");
    }
    let keys = sorted_keys(&index, |_| true);
    Counts {
        keys: keys.iter().filter(|key| !key.deleted).count() as u64,
        tombstones: keys.iter().map(|key| u64::from(key.tombstones)).sum(),
        current: store.current(),
    }
}

fn of_sums(store: &Store<'_, Vec<u8>>) -> Counts {
    let mut tally = GroupTally::new(query(), &|_, _| {});
    for work in store.work() {
        tally.read(store, work, &IgnoreProgress).expect("bytes can always be read");
    }
    let tallies = Tallies::of(vec![tally]);
    let mut sums = Sums::default();
    (0..Tallies::pieces()).for_each(|piece| tallies.sum(piece, 0, &mut sums));
    Counts { keys: sums.total.keys, tombstones: sums.total.tombstones, current: store.current() }
}
