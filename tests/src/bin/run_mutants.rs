//! `run_mutants [--minutes N] [--seed S] [--only S]`: compares core with real servers over mutants of recorded snapshots. Exit code 1 if they disagree. `cargo xtask mutants` runs it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use etcdsnap_tests::mutants::etcd_comparison::{RunCounts, bases, verified_mutant};

/// How many mutants are verified before servers are started on some of them.
const BATCH: u64 = 40;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(at + 1).and_then(|text| text.parse::<u64>().ok()).expect("a number"))
    };
    let bases = bases();
    let mut tally = RunCounts::default();
    if let Some(seed) = number("--only") {
        println!("{}", verified_mutant(&bases, seed).description());
        tally.batch(&bases, seed..seed + 1, 1, true);
    } else {
        let (began, minutes) = (Instant::now(), number("--minutes").unwrap_or(1));
        let mut next = number("--seed").unwrap_or(1);
        while began.elapsed() < Duration::from_secs(60 * minutes) && !tally.no_servers {
            tally.batch(&bases, next..next + BATCH, usize::MAX, false);
            next += BATCH;
        }
    }
    tally.print();
    assert!(!tally.no_servers, "`cargo xtask reference` builds the servers");
    if tally.disagreements.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
