//! Runs programs for other processors than this machine's with QEMU.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::processor::Processor;
use crate::{install, repo};

/// Runs the tests of the recorded cases with a program for another processor.
///
/// # Errors
/// When there is no emulator, or a test fails.
pub fn recorded_cases(program: &Path, processor: Processor) -> Result<()> {
    let Some(emulator) = emulator(processor)? else { return Ok(()) };
    let work = tempfile::tempdir().context("a temporary folder")?;
    let script = work.path().join("etcdsnap");
    fs::write(&script, format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", emulator.display(), program.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let mut test = Command::new("cargo");
    test.args(["test", "--locked", "--package", "etcdsnap-tests", "--test", "cases"]);
    repo::run(test.env("ETCDSNAP_BIN", &script).current_dir(repo::root()))
        .with_context(|| format!("the recorded cases on {}", processor.name()))
}

/// Returns the program that runs programs for a processor; none for this machine's own.
///
/// # Errors
/// When it cannot be installed.
pub fn emulator(processor: Processor) -> Result<Option<PathBuf>> {
    if processor.is_here() {
        return Ok(None);
    }
    let name = format!("qemu-{}-static", processor.name());
    let found = install::installed(&[&name], &["qemu-user-static"])?;
    Ok(Some(found.with_context(|| format!("{name} is missing: install qemu-user-static"))?))
}
