//! Checks the named damage itself: it applies, changes the file, and `bbolt check` finds it wherever it claims so.

use std::collections::BTreeSet;

use etcdsnap_tests::damage::{self, Trailer};
use etcdsnap_tests::programs::{bbolt_check, reference};
use etcdsnap_tests::read::database_of;

#[test]
fn damage_names_are_unique() {
    let names: BTreeSet<&str> = damage::all().iter().map(|damage| damage.name).collect();
    assert_eq!(names.len(), damage::all().len());
}

#[test]
fn every_damage_applies_to_some_snapshot() {
    let bases = damage::bases();
    let mut idle = Vec::new();
    for damage in damage::all() {
        let mut applied = 0;
        for base in &bases {
            for damaged in damage.apply(&base.snapshot) {
                assert_ne!(damaged.file, base.snapshot, "{} changes nothing", damage.name);
                applied += 1;
            }
        }
        if applied == 0 {
            idle.push(damage.name);
        }
    }
    assert!(idle.is_empty(), "nothing to be damaged by {idle:?}");
}

#[test]
fn bbolt_passes_the_undamaged_snapshots() {
    let Some(bbolt) = reference("3.7", "bbolt") else { return };
    for base in damage::bases() {
        let (passed, printed) = bbolt_check(&bbolt, database_of(&base.snapshot));
        assert!(passed, "{}: {printed}", base.name);
    }
}

#[test]
fn bbolt_finds_the_damage_that_it_should() {
    let Some(bbolt) = reference("3.7", "bbolt") else { return };
    let mut passed_by_bbolt = Vec::new();
    for base in damage::bases() {
        for damage in damage::all().into_iter().filter(|damage| damage.bbolt_finds) {
            let damaged = damage.apply(&base.snapshot).into_iter().find(|damaged| damaged.trailer != Trailer::AsIs);
            let Some(damaged) = damaged else { continue };
            if bbolt_check(&bbolt, database_of(&damaged.file)).0 {
                passed_by_bbolt.push((base.name.clone(), damage.name));
            }
        }
    }
    assert!(passed_by_bbolt.is_empty(), "bbolt check passes {passed_by_bbolt:?}");
}
