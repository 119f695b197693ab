//! Adds the standard library for another target to the toolchain.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::repo;

/// Adds the standard library for a target, if it is missing. rustup does so itself for those of `rust-toolchain.toml`, unless that is disabled.
///
/// # Errors
/// When rustup cannot add it.
pub fn ensure(target: &str) -> Result<()> {
    let libraries = repo::capture(
        Command::new("rustc").args(["--print", "target-libdir", "--target", target]).current_dir(repo::root()),
    )?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    repo::run(Command::new("rustup").args(["target", "add", target]).current_dir(repo::root()))
        .with_context(|| format!("Rust's standard library for {target} is missing"))
}
