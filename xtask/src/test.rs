//! Runs all tests after setting up everything that they need, as CI does.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::install::installed;
use crate::{kubernetes, lint, page, proto, reference, repo};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Leave out formatting, clippy and generated files
    #[arg(long)]
    no_lint: bool,
}

/// Runs the tests.
pub fn run(arguments: &Arguments) -> Result<()> {
    let browser = browser()?;
    if installed(&["systemd-analyze"], &["systemd"])?.is_none() {
        eprintln!("systemd-analyze is not installed: the unit in docs/ is not checked");
    }
    for shell in ["zsh", "fish"] {
        ensure!(installed(&[shell], &[shell])?.is_some(), "The tests of completion need {shell}. Install it.");
    }
    ensure!(installed(&["jq"], &["jq"])?.is_some(), "commands of the guide read JSON with jq: install it");
    if installed(&["strace"], &["strace"])?.is_none() {
        eprintln!("strace is not installed: failures of system calls are not tested");
    }
    step("reference programs");
    reference::run(&reference::Arguments::default())?;
    reference::ensure_own("history")?;
    reference::ensure_own("manifest")?;
    reference::ensure_own("gensnap")?;
    reference::ensure_own("encryption")?;
    reference::ensure_own("kmsplugin")?;
    reference::ensure_own("yaml")?;
    reference::ensure_own("jsonpath")?;
    kubernetes::run(&kubernetes::Arguments { check: true })?;
    step("page");
    page::build(false)?;
    if !arguments.no_lint {
        step("lint");
        lint::run()?;
        proto::run(&proto::Arguments { check: true })?;
    }
    step("cargo test");
    let mut count = Count::default();
    // xtask is tested separately: together with the others its libraries would be compiled again, with other features.
    let mut rust = true;
    for packages in [&["--workspace", "--exclude", "etcdsnap-xtask"][..], &["--package", "etcdsnap-xtask"]] {
        let mut cargo = Command::new("cargo");
        cargo.arg("test").args(packages).args(["--locked", "--no-fail-fast"]).env("ETCDSNAP_REQUIRE_REFERENCE", "1");
        rust &= count.run(cargo.current_dir(repo::root()))?;
    }
    step("page tests");
    let root = repo::root();
    repo::run(Command::new("cargo").args(["build", "--locked", "-p", "etcdsnap"]).current_dir(&root))?;
    let mut npm = Command::new("npm");
    npm.args(["test"]).env("CHROMIUM", browser).env("ETCDSNAP_BIN", root.join("target/debug/etcdsnap"));
    let page = count.run(npm.current_dir(root.join("web")))?;
    // A runner that died without counting has failed nevertheless.
    let failed = if rust && page { count.failed } else { count.failed.max(1) };
    println!("{} passed, {failed} failed", count.passed);
    ensure!(failed == 0, "Some tests failed.");
    ensure!(count.passed > 0, "No test ran.");
    Ok(())
}

fn step(name: &str) {
    eprintln!("\n── {name}");
}

/// The counts of the test runners.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    /// Runs a test runner with its output on the terminal, and adds up its counts; returns whether it succeeded.
    fn run(&mut self, command: &mut Command) -> Result<bool> {
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let output = child.stdout.take().context("no output")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            writeln!(std::io::stdout(), "{line}")?;
            self.read(&line);
        }
        Ok(child.wait()?.success())
    }

    /// Parses `test result: ok. 12 passed; 0 failed; …` of cargo, `12 passed (3.4s)` and `1 failed` of Playwright.
    fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(counts) = line.strip_prefix("test result:") {
            for part in counts.split(['.', ';']) {
                self.add(part.trim());
            }
        } else if line.split(' ').count() <= 3 {
            self.add(line);
        }
    }

    fn add(&mut self, part: &str) {
        let mut words = part.split(' ');
        let Some(number) = words.next().and_then(|word| word.parse::<u64>().ok()) else { return };
        match words.next() {
            Some("passed") => self.passed += number,
            Some("failed") => self.failed += number,
            _ => {}
        }
    }
}

/// Returns the browser for the page's tests: `CHROMIUM`, one in the search path, or Debian's package.
fn browser() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Ok(named.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    match installed(&names, &["chromium", "fonts-dejavu-core"])? {
        Some(found) => Ok(found),
        None => bail!(
            "the page's tests need Chromium: install it (on Debian: apt-get install chromium), or name it in CHROMIUM"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_both_runners() {
        let mut count = Count::default();
        for line in [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
            "  17 passed (12.3s)",
            "  1 failed",
            "test 12 passed the gate of many words",
        ] {
            count.read(line);
        }
        assert_eq!((count.passed, count.failed), (32, 3));
    }
}
