//! Runs all tests after setting up everything that they need, as CI does.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::install::installed;
use crate::test_count::Count;
use crate::{kubernetes, lint, page, proto, reference, repo, test_programs};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Leave out formatting, clippy and generated files
    #[arg(long)]
    no_lint: bool,
}

/// Runs the tests.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::default();
    steps.begin("installed programs");
    let browser = browser()?;
    let firefox = firefox()?;
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
    steps.begin("reference programs");
    reference::run(&reference::Arguments::default())?;
    kubernetes::run(&kubernetes::Arguments { check: true })?;
    steps.begin("page");
    page::build(false)?;
    if !arguments.no_lint {
        steps.begin("lint");
        lint::run()?;
        proto::run(&proto::Arguments { check: true })?;
    }
    steps.begin("compilation of the tests");
    let root = repo::root();
    repo::run(Command::new("cargo").args(["build", "--locked", "-p", "etcdsnap"]).current_dir(&root))?;
    // xtask is compiled separately: together with the others its libraries would be compiled again, with other features.
    let mut programs = test_programs::compile(&["--workspace", "--exclude", "etcdsnap-xtask"])?;
    programs.append(&mut test_programs::compile(&["--package", "etcdsnap-xtask"])?);
    steps.begin("tests of Rust");
    let program = root.join("target/debug/etcdsnap");
    let environment = [("ETCDSNAP_REQUIRE_REFERENCE", PathBuf::from("1")), ("ETCDSNAP_BIN", program.clone())];
    let mut count = Count::default();
    let mut rust = test_programs::run(&programs, &environment, &mut count)?;
    steps.begin("examples of the documentation");
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--doc", "--workspace", "--exclude", "etcdsnap-xtask", "--locked", "--no-fail-fast"]);
    rust &= count.run(cargo.current_dir(&root))?;
    // Not beside the other tests: the page's tests measure how long it does not answer, and need both processors.
    steps.begin("tests of the page");
    let mut page_tests = Command::new("npm");
    page_tests.args(["test"]).env("CHROMIUM", browser).env("FIREFOX", firefox).env("ETCDSNAP_BIN", program);
    let page = count.run(page_tests.current_dir(root.join("web")))?;
    steps.end();
    // A runner that crashed without printing counts has failed, too.
    let failed = if rust && page { count.failed } else { count.failed.max(1) };
    println!("{} passed, {failed} failed", count.passed);
    ensure!(failed == 0, "Some tests failed.");
    ensure!(count.passed > 0, "No test ran.");
    Ok(())
}

/// The steps of this command, and how long each took.
#[derive(Default)]
struct Steps {
    begun: Vec<(&'static str, Instant)>,
}

impl Steps {
    /// Announces the next step.
    fn begin(&mut self, name: &'static str) {
        eprintln!("\n── {name}");
        self.begun.push((name, Instant::now()));
    }

    /// Lists the time of each step, after the last one.
    fn end(&self) {
        let ends = self.begun.iter().skip(1).map(|(_, begun)| *begun).chain([Instant::now()]);
        for ((name, begun), end) in self.begun.iter().zip(ends) {
            eprintln!("{:8.0} s  {name}", (end - *begun).as_secs_f64());
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

/// Returns Firefox for the page's tests: `FIREFOX`, one in the search path, or Debian's package.
fn firefox() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("FIREFOX") {
        return Ok(named.into());
    }
    match installed(&["firefox-esr", "firefox"], &["firefox-esr"])? {
        Some(found) => Ok(found),
        None => bail!(
            "the page's tests need Firefox: install it (on Debian: apt-get install firefox-esr), or name it in FIREFOX"
        ),
    }
}
