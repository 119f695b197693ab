//! The rows of Pods that are read straight from their messages are those of the decoder.

use std::fs;

use etcdsnap::{NoProgress, Snapshot};
use etcdsnap_core::kubernetes::columns::Columns;
use etcdsnap_core::kubernetes::decode::{Options, Skip};
use etcdsnap_core::kubernetes::object;
use etcdsnap_core::kubernetes::pod_facts::PodFacts;
use etcdsnap_core::kubernetes::pod_message::pod_facts;
use etcdsnap_core::kubernetes::resources::Resources;
use etcdsnap_core::kubernetes::table_row::Row;
use etcdsnap_tests::programs::kubernetes_modules;
use etcdsnap_tests::recorded::RecordedCluster;
use etcdsnap_tests::seeded_random::SeededRandom;

const NOW: Option<i64> = Some(1_900_000_000);

/// Compares both ways to read a value; returns whether it was read without the decoder.
fn compare(value: &[u8]) -> bool {
    let resources = Resources::builtin();
    let pods = resources.called("pods")[0];
    let Some(facts) = pod_facts(value) else { return false };
    for skip in [Columns::skipped(pods), Skip::Nothing] {
        let read = object::tree(value, Options { skip, ..Options::default() });
        let (tree, remarks) = read.unwrap_or_else(|why| panic!("{why}: {}", value.escape_ascii()));
        if matches!(skip, Skip::AllBut(_)) {
            assert!(remarks.is_empty(), "{:?}: {}", remarks.sentences(), value.escape_ascii());
        }
        assert_eq!(PodFacts::of_tree(&tree), facts, "{}", value.escape_ascii());
        let columns = Columns::of(pods, None);
        let of_tree = columns.cells(&Row::new(&tree, NOW, false), true);
        assert_eq!(columns.cells(&Row::of_pod(facts.clone(), NOW), true), of_tree, "{}", value.escape_ascii());
    }
    true
}

/// Compares a value and mutants of it; returns how many mutants were read without the decoder.
fn compare_mutants(value: &[u8], count: usize, rng: &mut SeededRandom) -> usize {
    assert!(compare(value), "{}", value.escape_ascii());
    (0..count)
        .filter(|_| {
            let mut mutant = value.to_vec();
            for _ in 0..rng.between(1, 4) {
                let at = rng.below(mutant.len());
                mutant[at] =
                    if rng.below(2) == 0 { rng.bits() as u8 } else { *rng.pick(&[0, 1, 2, 8, 0x0a, 0x12, 0x80]) };
            }
            if rng.below(8) == 0 {
                mutant.truncate(rng.below(mutant.len()));
            }
            compare(&mutant)
        })
        .count()
}

#[test]
fn recorded_pods_and_mutants_are_read_alike() {
    let recorded = RecordedCluster::open("plain");
    let snapshot = Snapshot::open(recorded.snapshot(), None, &NoProgress).expect("a snapshot");
    let store = snapshot.store().expect("a store");
    let cluster = snapshot.cluster(&store, store.current(), None, &NoProgress).expect("a cluster");
    let pods = cluster.objects(|key, object| !key.deleted && object.resource == b"pods").expect("objects");
    let mut rng = SeededRandom::new(11);
    let mut mutants = 0;
    for (key, _) in &pods {
        let value = snapshot.value(&store, key.place).expect("a value");
        mutants += compare_mutants(&value, 300, &mut rng);
    }
    assert!(pods.len() > 20 && mutants > 1000, "{} pods, {mutants} mutants", pods.len());
    let others = cluster.objects(|key, object| !key.deleted && object.resource != b"pods").expect("objects");
    for (key, _) in others {
        assert_eq!(pod_facts(&snapshot.value(&store, key.place).expect("a value")), None);
    }
}

#[test]
fn fixtures_and_mutants_are_read_alike() {
    let Some(cache) = kubernetes_modules() else { return };
    let value = fs::read(cache.join("k8s.io/api@v0.34.13/testdata/HEAD/core.v1.Pod.pb")).expect("a fixture");
    let mutants = compare_mutants(&value, 5000, &mut SeededRandom::new(12));
    assert!(mutants > 500, "{mutants}");
}
