//! Checks the libraries with cargo-deny: their licences, their sources, and that no forbidden library is among them (`deny.toml`).
//!
//! Lint runs this check only if cargo-deny is installed, because compiling it takes minutes, longer than the rest of lint. `cargo xtask deny` installs it.

use std::process::Command;

use anyhow::Result;

use crate::dist::build_tools::{self, DENY};
use crate::repo;

/// Options of `cargo xtask deny`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Check for known vulnerabilities instead; cargo-deny downloads their database, which is in no package registry
    #[arg(long)]
    advisories: bool,
}

/// Runs cargo-deny; installs it first if it is missing.
pub fn run(arguments: &Arguments) -> Result<()> {
    build_tools::ensure_cargo(DENY)?;
    check(if arguments.advisories { &["advisories"] } else { &["bans", "licenses", "sources"] })
}

/// Runs cargo-deny if it is installed.
pub fn check_if_installed() -> Result<()> {
    if !build_tools::folder().join("bin/cargo-deny").exists() {
        eprintln!("cargo-deny is not installed: `cargo xtask deny` installs it and checks licences and sources");
        return Ok(());
    }
    check(&["bans", "licenses", "sources"])
}

fn check(what: &[&str]) -> Result<()> {
    eprintln!("cargo deny check {}", what.join(" "));
    let mut deny = Command::new(build_tools::folder().join("bin/cargo-deny"));
    deny.args(["--all-features", "--locked", "check", "--hide-inclusion-graph"]).args(what);
    repo::run(deny.current_dir(repo::root()))
}
