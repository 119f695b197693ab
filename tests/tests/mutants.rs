//! Mutants of recorded snapshots, judged by core and by real servers: what is called sound is served as core says.
//!
//! Every run takes the same few mutants. `cargo xtask mutants` takes as many as fit into the minutes it is given, and makes a single one again by its seed.

use std::time::{Duration, Instant};

use etcdsnap_core::Verdict;
use etcdsnap_tests::at_once::each;
use etcdsnap_tests::build::history::revision_key;
use etcdsnap_tests::build::{Layout, with_trailer, write};
use etcdsnap_tests::mutants::served::{Served, built, ours, served};
use etcdsnap_tests::mutants::trial::{ROOT, Tally, bases, compared};
use etcdsnap_tests::mutants::{self, fuzzed};
use etcdsnap_tests::read::{File, database_of};
use etcdsnap_tests::seeded_random::Dice;
use etcdsnap_tests::server::{Servers, seats};
use etcdsnap_tests::{case, core_verdict, damage, etcd_verdict};

/// The seed of the first mutant.
const FIRST: u64 = 1;

/// Mutants that every run judges, and servers that it starts on them.
const SAMPLE: usize = 600;
const STARTED: usize = 40;

#[test]
fn what_is_called_sound_is_served_as_core_says() {
    let bases = bases();
    let mut tally = Tally::default();
    tally.batch(&bases, FIRST..FIRST + SAMPLE as u64, STARTED, false);
    tally.print();
    assert!(tally.no_servers || tally.started == STARTED, "{} were started", tally.started);
    let least = |verdict, least| assert!(tally.verdicts.get(verdict) >= Some(&least), "{:?}", tally.verdicts);
    least("sound", SAMPLE / 20);
    least("warnings", SAMPLE / 40);
    least("damaged", SAMPLE / 4);
    assert!(tally.disagreements.is_empty(), "{}", tally.disagreements.join("\n"));
}

/// The comparison itself: etcd serves of unchanged files what core finds in them.
#[test]
fn unchanged_files_are_served_as_core_says() {
    let bases = bases();
    let wrong = each(bases.iter().step_by(5).collect(), |base| {
        if !built(base.version) {
            return None;
        }
        let found = ours(&base.file, 1).expect("a store");
        let answer = || served(base.version, &base.file, found.auth.then_some(ROOT), found.older).expect("built");
        let said = compared(&found, &answer()).and_then(|_| compared(&found, &answer()))?;
        Some(format!("{}: {said}", base.name))
    });
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Seed 369 once: a sweep took the empty value of a restore with `--bump-revision` for the entry of the last compaction, wherever that was.
#[test]
fn a_mark_of_compaction_far_above_a_bumped_revision_is_found_in_all_ways() {
    let good = case::named("3.6-restored").bytes();
    let mut tree = File::new(database_of(&good).to_vec()).tree();
    tree.bucket("meta").put("scheduledCompactRev", revision_key((1 << 43, 0), false));
    let layouts = (0..20).map(|seed| Layout { fill: (20, 90), ..Layout::plain(4096, seed) });
    for layout in layouts {
        let file = with_trailer(&write(&tree, &layout).database);
        let report = core_verdict::agreed(&file, &mut Dice::new(layout.seed))
            .unwrap_or_else(|difference| panic!("{difference}"));
        assert_eq!(report.verdict, Verdict::Damaged);
        assert!(report.findings.list().iter().any(|one| one.key.as_deref() == Some("scheduledCompactRev")));
    }
}

/// etcd 3.6 and 3.7 look the cluster version up as it stands, and refuse every request under one that they do not find.
#[test]
fn a_cluster_version_that_no_etcd_writes_is_damage() {
    for version in ["3.7.0+meta", "3.7.0-rc.0", "3.07.0", "03.7.0"] {
        let mut tree = File::new(database_of(&case::named("3.7-history").bytes()).to_vec()).tree();
        tree.bucket("cluster").put("clusterVersion", version);
        let file = with_trailer(&write(&tree, &Layout::plain(4096, 1)).database);
        let report = core_verdict::walk(&file);
        let codes: Vec<_> = report.findings.counts().keys().map(|code| code.as_str()).collect();
        assert_eq!((report.verdict, codes), (Verdict::Damaged, vec!["version-impossible"]), "{version}");
        if version == "3.7.0-rc.0"
            && let Some(answer) = served("3.7", &file, None, None)
        {
            assert!(matches!(&answer, Served::Refused(said) if said.contains("not capable")), "{answer:?}");
        }
    }
}

/// A server counts the time of a lease in nanoseconds, so that a longer one than etcd grants is over at once; keys go with it.
#[test]
fn a_lease_that_no_etcd_grants_ends_with_its_keys() {
    let damage = damage::all().into_iter().find(|damage| damage.name == "lease_of_a_time_that_overflows").expect("it");
    let file = damage.apply(&case::named("3.7-history").bytes()).pop().expect("a lease with keys").file;
    let folder = tempfile::tempdir().expect("a directory");
    let seat = seats(folder.path(), &["m"]).remove(0);
    let path = folder.path().join("snapshot.db");
    std::fs::write(&path, &file).expect("a file");
    let Some(restored) = etcd_verdict::restore("3.7", &path, &seat, false) else { return };
    restored.expect("restored");
    let Some(servers) = Servers::attempt("3.7", &seat, folder.path()) else { return };
    let servers = servers.expect("a server");
    let before = ours(&file, 1).expect("a store").lines.iter().filter(|line| line.starts_with("lease")).count();
    let since = Instant::now();
    loop {
        let said = servers.etcdctl(None, &["lease", "list", "-w", "json"]);
        let leases: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
        if leases["leases"].as_array().map(Vec::len) == Some(before - 1) {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{leases} of {before}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_seed_makes_the_same_mutant_again() {
    let bases = bases();
    let mut changed = 0;
    for seed in 0..40 {
        let base = &bases[seed as usize % bases.len()].file;
        let (one, again) = (mutants::of(base, seed), mutants::of(base, seed));
        assert!(one.file == again.file && one.words == again.words, "{seed}");
        changed += u32::from(one.file != *base);
    }
    assert!(changed > 30, "{changed} are changed");
}

/// What a fuzzer changes is what it changed before, so that it may be anything.
#[test]
fn the_mutator_of_pages_takes_any_bytes() {
    let mut dice = Dice::new(7);
    let seeds = fuzzed::good();
    assert!(seeds.iter().all(|(name, file)| (2048..=16 << 10).contains(&file.len()) && is_good(name, file)));
    for number in 0..3000_u64 {
        let len = dice.below(6000);
        let mut input = if number % 3 == 0 { dice.bytes(len) } else { dice.pick(&seeds).1.clone() };
        let longest = *dice.pick(&[600, 5000, fuzzed::LONGEST]);
        for step in 0..5 {
            fuzzed::step(&mut input, longest, number << 8 | step, &mut |bytes, room| bytes.truncate(room));
            assert!(input.len() <= longest, "{} bytes after step {step} of {number}", input.len());
        }
    }
}

fn is_good(name: &str, file: &[u8]) -> bool {
    let verdict = core_verdict::walk(file).verdict;
    println!("{name}: {} bytes, {verdict:?}", file.len());
    verdict != Verdict::Damaged
}
