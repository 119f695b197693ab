//! Benchmarks the time from the restore command to the first answer of etcd, beside etcdutl's restore.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use super::bench_server::Server;
use super::measure::{Measured, alternate_work, once};
use super::row;

/// Restore and start should take at most this part of the time with etcdutl's restore, …
const TARGET: f64 = 0.8;
/// … and with `--compact` this part, if half of the store is history.
const COMPACT_TARGET: f64 = 0.6;

/// Restores the file, starts a server, and measures until it is healthy.
pub fn measure(input: &Path, runs: usize, etcdsnap: &Path, etcdutl: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("start-").tempdir_in(input.parent().unwrap_or(Path::new(".")))?;
    let (data, log) = (scratch.path().join("data"), scratch.path().join("log"));
    let started = |program: &Path, words: &[&str]| -> Result<Measured> {
        let _ = fs::remove_dir_all(&data);
        let _ = Command::new("sync").status();
        let since = Instant::now();
        let mut restore = Command::new(program);
        restore.args(words).arg(input).arg("--data-dir").arg(&data);
        let (_, processor, peak) = once(&mut restore)?;
        let server = Server::start(&data, &log)?;
        let seconds = since.elapsed().as_secs_f64();
        drop(server);
        Ok((seconds, processor, peak))
    };
    let theirs = || started(etcdutl, &["snapshot", "restore"]);
    let (whole, beside) = alternate_work(runs, || started(etcdsnap, &["restore"]), theirs)?;
    let (compacted, beside_compacted) = alternate_work(runs, || started(etcdsnap, &["restore", "--compact"]), theirs)?;
    row("etcdsnap restore, start", &whole);
    row("etcdutl restore, start", &beside);
    row("… restore --compact, start", &compacted);
    println!("  {:<26}{:>8.2} ×    target ≤ {TARGET} ×", "times etcdutl", whole.seconds / beside.seconds);
    let times = compacted.seconds / beside_compacted.seconds;
    println!(
        "  {:<26}{times:>8.2} ×    target ≤ {COMPACT_TARGET} × if half of the store is history\n",
        "… with --compact"
    );
    Ok(())
}
