//! Checks which libraries come in, with cargo-deny: licences, sources, and libraries that are not wanted (`deny.toml`).
//!
//! It is a task of its own, and a part of lint only where it is installed: to compile cargo-deny takes minutes, longer than all of lint.

use std::process::Command;

use anyhow::Result;

use crate::dist::build_tools::{self, DENY};
use crate::repo;

/// Options of `cargo xtask deny`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Check for known vulnerabilities instead; their database is fetched from where it is kept, which is in no package registry
    #[arg(long)]
    advisories: bool,
}

/// Installs cargo-deny if it is missing, and runs it.
pub fn run(arguments: &Arguments) -> Result<()> {
    build_tools::ensure_cargo(DENY)?;
    check(if arguments.advisories { &["advisories"] } else { &["bans", "licenses", "sources"] })
}

/// Runs it where it is installed.
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
