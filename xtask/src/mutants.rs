//! Compares core with real servers over mutants of the recorded snapshots: the program `run_mutants` of the tests does the work; this command builds the servers first.

use std::process::Command;

use anyhow::Result;

use crate::{reference, repo};

/// Options of `cargo xtask mutants`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many minutes to run
    #[arg(long, value_name = "N", default_value_t = 5)]
    minutes: u64,

    /// Seed of the first mutant; the next ones have the numbers after it
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// Make only the mutant of this seed, describe it, and start a server on it regardless of the verdict
    #[arg(long, value_name = "S", conflicts_with_all = ["minutes", "seed"])]
    only: Option<u64>,
}

/// Runs the comparison.
pub fn run(arguments: &Arguments) -> Result<()> {
    for version in reference::versions()? {
        reference::ensure_version(&version)?;
    }
    reference::ensure_own("history")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--locked", "--package", "etcdsnap-tests", "--bin", "run_mutants", "--"]);
    match arguments.only {
        Some(seed) => cargo.args(["--only", &seed.to_string()]),
        None => cargo.args(["--minutes", &arguments.minutes.to_string(), "--seed", &arguments.seed.to_string()]),
    };
    repo::run(cargo.current_dir(repo::root()))
}
