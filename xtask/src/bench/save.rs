//! Benchmarks `save` beside etcdctl's, from a local server.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::bench_server::Server;
use super::measure::alternate;
use super::{REFERENCE_VERSION, mib, row};
use crate::{reference, repo};

/// `save` with all checks should take at most this many times as long as etcdctl without any.
const TARGET: f64 = 1.0;
/// Memory should stay below this plus 24 bytes for each revision.
const MEMORY_TARGET: u64 = 96 << 20;

/// Starts a server from the file, and saves from it repeatedly.
pub fn measure(input: &Path, runs: usize, etcdsnap: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("save-").tempdir_in(input.parent().unwrap_or(Path::new(".")))?;
    let (data, out) = (scratch.path().join("data"), scratch.path().join("out.db"));
    repo::capture(Command::new(etcdsnap).arg("restore").arg(input).arg("--data-dir").arg(&data))?;
    let server = Server::start(&data, &scratch.path().join("log"))?;
    let endpoints = format!("--endpoints={}", server.url);
    let etcdctl = reference::program(REFERENCE_VERSION, "etcdctl");
    let fresh = |program: &Path, words: &[&str]| {
        let _ = fs::remove_file(&out);
        let _ = Command::new("sync").status();
        let mut command = Command::new(program);
        command.arg(&endpoints).args(words).arg(&out).stderr(Stdio::null());
        command
    };
    let (ours, theirs) = alternate(runs, || fresh(etcdsnap, &["save"]), || fresh(&etcdctl, &["snapshot", "save"]))?;
    row("etcdsnap save", &ours);
    row("etcdctl snapshot save", &theirs);
    println!("  {:<26}{:>8.2} ×    target ≤ {TARGET} ×", "times etcdctl", ours.seconds / theirs.seconds);
    println!("  {:<26}{:>8.1} MiB  target ≤ {:.0} MiB\n", "peak memory", mib(ours.peak), mib(MEMORY_TARGET));
    Ok(())
}
