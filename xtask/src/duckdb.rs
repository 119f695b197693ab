//! Installs DuckDB, with which the tests read exports: `tests/reference/duckdb/` pins its version, and `tests/reference/bin/duckdb/` is its virtual environment.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{install, pinned_programs, repo};

/// Installs DuckDB unless it is up to date.
pub fn ensure() -> Result<()> {
    let module = pinned_programs::folder().join("duckdb");
    let environment = pinned_programs::folder().join("bin/duckdb");
    let python = python()?;
    let stamp_file = environment.join("stamp");
    // An environment works only with the Python that created it.
    let stamp = format!("{python} {}", pinned_programs::stamp(&module)?);
    if fs::read_to_string(&stamp_file).is_ok_and(|written| written == stamp) {
        eprintln!("duckdb: up to date");
        return Ok(());
    }
    eprintln!("duckdb: installing");
    repo::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--require-hashes", "--only-binary", ":all:", "--requirement"]).arg(module.join("requirements.txt"));
    repo::run(&mut pip).context("cannot install DuckDB")?;
    fs::write(stamp_file, stamp)?;
    Ok(())
}

/// Returns the version of Python, after making sure that it can create virtual environments.
fn python() -> Result<String> {
    let mut ask = Command::new("python3");
    ask.args(["-c", "import ensurepip, sys; print(sys.executable, *sys.version_info[:3])"]);
    let can = |ask: &mut Command| ask.output().is_ok_and(|output| output.status.success());
    if !can(&mut ask) {
        install::debian(&["python3", "python3-venv"])?;
    }
    ensure!(can(&mut ask), "DuckDB needs Python: install Python 3.10 or newer with its module venv");
    Ok(repo::capture(&mut ask)?.trim_end().to_owned())
}
