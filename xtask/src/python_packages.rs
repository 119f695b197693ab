//! Installs Python packages into virtual environments of their own, with the hashes that a `requirements.txt` lists.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{install, pinned_programs, repo};

/// Installs the packages of `folder/requirements.txt` into `environment`, unless they are up to date.
///
/// # Errors
/// When Python is missing, or a package cannot be installed.
pub fn ensure_environment(label: &str, folder: &Path, environment: &Path) -> Result<()> {
    let python = python(label)?;
    let stamp_file = environment.join("stamp");
    // An environment works only with the Python that created it, and where it was created.
    let stamp = format!("{python} {} {}", environment.display(), pinned_programs::stamp(folder)?);
    if fs::read_to_string(&stamp_file).is_ok_and(|written| written == stamp) {
        eprintln!("{label}: up to date");
        return Ok(());
    }
    eprintln!("{label}: installing");
    repo::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment))?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--require-hashes", "--only-binary", ":all:", "--requirement"]).arg(folder.join("requirements.txt"));
    repo::run(&mut pip).with_context(|| format!("cannot install {label}"))?;
    fs::write(stamp_file, stamp)?;
    Ok(())
}

/// Returns the version of Python, after making sure that it can create virtual environments.
fn python(label: &str) -> Result<String> {
    let mut ask = Command::new("python3");
    ask.args(["-c", "import ensurepip, sys; print(sys.executable, *sys.version_info[:3])"]);
    let can = |ask: &mut Command| ask.output().is_ok_and(|output| output.status.success());
    if !can(&mut ask) {
        install::debian(&["python3", "python3-venv"])?;
    }
    ensure!(can(&mut ask), "{label} needs Python: install Python 3.10 or newer with its module venv");
    Ok(repo::capture(&mut ask)?.trim_end().to_owned())
}
