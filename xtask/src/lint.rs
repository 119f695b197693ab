//! Checks formatting, clippy, the wasm32 builds, file names, imports, links of documents, packages for crates.io, libraries, and generated files against their sources.

use std::process::Command;

use anyhow::Result;

use crate::dist::crate_packages;
use crate::{deny, file_names, findings, imports, links, repo};

/// Runs all checks.
pub fn run() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    let wasm = ["--target", "wasm32-unknown-unknown", "--locked"];
    cargo(
        &[&["clippy", "-p", "etcdsnap-core", "-p", "etcdsnap-inspector"], &wasm[..], &["--", "-D", "warnings"]]
            .concat(),
    )?;
    file_names::check()?;
    imports::check()?;
    links::check()?;
    crate_packages::check(crate_packages::Depth::Files)?;
    deny::check_if_installed()?;
    findings::check()
}

fn cargo(arguments: &[&str]) -> Result<()> {
    eprintln!("cargo {}", arguments.join(" "));
    repo::run(Command::new("cargo").args(arguments).current_dir(repo::root()))
}
