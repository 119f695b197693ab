//! Compares core with real servers over mutants of recorded snapshots: servers serve a file that core calls sound exactly as core reads it.
//!
//! Every run takes the same few mutants. `cargo xtask mutants` takes as many as fit into the given minutes, and repeats a single one by its seed.

use std::time::{Duration, Instant};

use etcdsnap_core::Verdict;
use etcdsnap_tests::build::history::revision_key;
use etcdsnap_tests::build::{Layout, with_trailer, write};
use etcdsnap_tests::mutants::etcd_comparison::{ROOT, RunCounts, bases, describe_difference};
use etcdsnap_tests::mutants::served::{Served, built, ours, served};
use etcdsnap_tests::mutants::{self, fuzzed};
use etcdsnap_tests::parallel::parallel_map;
use etcdsnap_tests::read::{File, database_of};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::server::{Servers, member_configs};
use etcdsnap_tests::{case, core_verdict, damage, etcd_verdict};

/// The seed of the first mutant.
const FIRST: u64 = 1;

/// How many mutants every run verifies.
const SAMPLE: usize = 600;
const STARTED: usize = 40;

#[test]
fn servers_serve_sound_files_as_core_reads_them() {
    let bases = bases();
    let mut tally = RunCounts::default();
    tally.batch(&bases, FIRST..FIRST + SAMPLE as u64, STARTED, false);
    tally.print();
    assert!(tally.no_servers || tally.started == STARTED, "{} were started", tally.started);
    let least = |verdict, least| assert!(tally.verdicts.get(verdict) >= Some(&least), "{:?}", tally.verdicts);
    least("sound", SAMPLE / 20);
    least("warnings", SAMPLE / 40);
    least("damaged", SAMPLE / 4);
    assert!(tally.disagreements.is_empty(), "{}", tally.disagreements.join("\n"));
}

/// Checks the comparison itself: etcd serves unchanged files exactly as core reads them.
#[test]
fn servers_serve_unchanged_files_as_core_reads_them() {
    let bases = bases();
    let wrong = parallel_map(bases.iter().step_by(5).collect(), |base| {
        if !built(base.version) {
            return None;
        }
        let found = ours(&base.file, 1).expect("a store");
        let answer = || served(base.version, &base.file, found.auth.then_some(ROOT), found.older).expect("built");
        let printed = describe_difference(&found, &answer()).and_then(|_| describe_difference(&found, &answer()))?;
        Some(format!("{}: {printed}", base.name))
    });
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Formerly seed 369: a stream mistook the empty value of a restore with `--bump-revision` for the entry of the last compaction, wherever that was.
#[test]
fn a_compaction_mark_far_above_a_bumped_revision_is_found_in_all_ways() {
    let good = case::named("3.6-restored").bytes();
    let mut tree = File::new(database_of(&good).to_vec()).tree();
    tree.bucket("meta").put("scheduledCompactRev", revision_key((1 << 43, 0), false));
    let layouts = (0..20).map(|seed| Layout { fill: (20, 90), ..Layout::plain(4096, seed) });
    for layout in layouts {
        let file = with_trailer(&write(&tree, &layout).database);
        let report = core_verdict::verify_all_ways(&file, &mut SeededRandom::new(layout.seed))
            .unwrap_or_else(|difference| panic!("{difference}"));
        assert_eq!(report.verdict, Verdict::Damaged);
        assert!(report.findings.list().iter().any(|one| one.key.as_deref() == Some("scheduledCompactRev")));
    }
}

/// etcd 3.6 and 3.7 look up the cluster version literally, and refuse every request under one that they do not know.
#[test]
fn a_cluster_version_that_no_etcd_writes_is_damage() {
    for version in ["3.7.0+meta", "3.7.0-rc.0", "3.07.0", "03.7.0"] {
        let mut tree = File::new(database_of(&case::named("3.7-history").bytes()).to_vec()).tree();
        tree.bucket("cluster").put("clusterVersion", version);
        let file = with_trailer(&write(&tree, &Layout::plain(4096, 1)).database);
        let report = core_verdict::verify_by_random_access(&file);
        let codes: Vec<_> = report.findings.counts().keys().map(|code| code.as_str()).collect();
        assert_eq!((report.verdict, codes), (Verdict::Damaged, vec!["version-impossible"]), "{version}");
        if version == "3.7.0-rc.0"
            && let Some(answer) = served("3.7", &file, None, None)
        {
            assert!(matches!(&answer, Served::Refused(printed) if printed.contains("not capable")), "{answer:?}");
        }
    }
}

/// A server counts the time of a lease in nanoseconds, so that one longer than etcd grants overflows and expires at once, with its keys.
#[test]
fn a_lease_that_no_etcd_grants_ends_with_its_keys() {
    let damage = damage::all().into_iter().find(|damage| damage.name == "lease_of_a_time_that_overflows").expect("it");
    let file = damage.apply(&case::named("3.7-history").bytes()).pop().expect("a lease with keys").file;
    let folder = tempfile::tempdir().expect("a directory");
    let member_config = member_configs(folder.path(), &["m"]).remove(0);
    let path = folder.path().join("snapshot.db");
    std::fs::write(&path, &file).expect("a file");
    let Some(restored) = etcd_verdict::restore("3.7", &path, &member_config, false) else { return };
    restored.expect("restored");
    let Some(servers) = Servers::try_start("3.7", &member_config, folder.path()) else { return };
    let servers = servers.expect("a server");
    let before = ours(&file, 1).expect("a store").lines.iter().filter(|line| line.starts_with("lease")).count();
    let since = Instant::now();
    loop {
        let printed = servers.etcdctl(None, &["lease", "list", "-w", "json"]);
        let leases: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap_or_default();
        if leases["leases"].as_array().map(Vec::len) == Some(before - 1) {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{leases} of {before}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_seed_reproduces_its_mutant() {
    let bases = bases();
    let mut changed = 0;
    for seed in 0..40 {
        let base = &bases[seed as usize % bases.len()].file;
        let (one, again) = (mutants::of(base, seed), mutants::of(base, seed));
        assert!(one.file == again.file && one.description == again.description, "{seed}");
        changed += u32::from(one.file != *base);
    }
    assert!(changed > 30, "{changed} are changed");
}

/// A fuzzer mutates its own results, so the input may be anything.
#[test]
fn the_page_mutator_accepts_any_bytes() {
    let mut rng = SeededRandom::new(7);
    let seeds = fuzzed::good_snapshots();
    assert!(seeds.iter().all(|(name, file)| (2048..=16 << 10).contains(&file.len()) && is_good(name, file)));
    for number in 0..3000_u64 {
        let len = rng.below(6000);
        let mut input = if number % 3 == 0 { rng.bytes(len) } else { rng.pick(&seeds).1.clone() };
        let longest = *rng.pick(&[600, 5000, fuzzed::MAX_INPUT_LEN]);
        for step in 0..5 {
            fuzzed::step(&mut input, longest, number << 8 | step, &mut |bytes, room| bytes.truncate(room));
            assert!(input.len() <= longest, "{} bytes after step {step} of {number}", input.len());
        }
    }
}

fn is_good(name: &str, file: &[u8]) -> bool {
    let verdict = core_verdict::verify_by_random_access(file).verdict;
    println!("{name}: {} bytes, {verdict:?}", file.len());
    verdict != Verdict::Damaged
}
