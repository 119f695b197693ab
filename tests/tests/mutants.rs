//! Mutants of recorded snapshots, judged by core and by real servers: what is called sound is served as core says.
//!
//! Every run takes the same few mutants. `cargo xtask mutants` takes as many as fit into the minutes it is given, and makes a single one again by its seed.

use etcdsnap_tests::at_once::each;
use etcdsnap_tests::mutants::served::{built, ours, served};
use etcdsnap_tests::mutants::trial::{ROOT, Tally, bases, compared};

/// The seed of the first mutant.
const FIRST: u64 = 1;

/// Mutants that every run judges, and servers that it starts on them.
const SAMPLE: usize = 240;
const STARTED: usize = 12;

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
