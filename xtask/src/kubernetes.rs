//! Generates `core/src/kubernetes/schema.bin`, the table of Kubernetes' types, from the Go modules that `tests/reference/kubernetes/modules.txt` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::pinned_programs::folder;
use crate::repo;

/// Options of `cargo xtask kubernetes`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Compare instead of writing: fail if the table differs from the modules
    #[arg(long)]
    pub check: bool,
}

/// Generates or compares the table.
pub fn run(arguments: &Arguments) -> Result<()> {
    let table = repo::root().join("core/src/kubernetes/schema.bin");
    if !arguments.check {
        return generate(&table);
    }
    let made = repo::root().join("target/kubernetes-schema.bin");
    generate(&made)?;
    let same = fs::read(&made)? == fs::read(&table).with_context(|| format!("cannot read {}", table.display()))?;
    fs::remove_file(&made)?;
    ensure!(
        same,
        "core/src/kubernetes/schema.bin is not what the modules of Kubernetes say: run `cargo xtask kubernetes`"
    );
    Ok(())
}

/// Downloads the modules into Go's cache, and parses their types.
fn generate(out: &Path) -> Result<()> {
    if Command::new("go").arg("version").output().is_err() {
        bail!("Reading the types of Kubernetes needs Go, but `go` is not in PATH: install Go 1.26 or newer");
    }
    let program: PathBuf = folder().join("kubernetes");
    repo::run(Command::new("go").args(["run", ".", "modules.txt"]).arg(out).current_dir(program))
        .context("cannot generate the table of Kubernetes' types")
}
