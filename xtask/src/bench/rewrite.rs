//! Benchmarks `defrag` and `compact` beside etcdutl's defragmentation of the same database, and `restore`.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::measure::alternate;
use super::{mib, row};
use crate::repo;

/// Each should take at most this many times as long as a restore, …
const RESTORE_TARGET: f64 = 2.0;
/// … it should be this many times faster than `etcdutl defrag`, …
const TARGET: f64 = 4.0;
/// … stay below this memory, …
const MEMORY_BASE: u64 = 96 << 20;
/// … and this many bytes more for each revision.
const MEMORY_PER_REVISION: u64 = 40;

/// Measures rewrites of the file, each into a new directory.
pub fn measure(input: &Path, runs: usize, entries: u64, etcdsnap: &Path, etcdutl: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("rewrite-").tempdir_in(input.parent().unwrap_or(Path::new(".")))?;
    let (out, data) = (scratch.path().join("out"), scratch.path().join("data"));
    let word = OsStr::new;
    let fresh = |arguments: &[&OsStr]| {
        let _ = fs::remove_dir_all(&out).or_else(|_| fs::remove_file(&out));
        let _ = Command::new("sync").status();
        let mut command = Command::new(etcdsnap);
        command.args(arguments);
        command
    };
    let ours = |name: &str| fresh(&[word(name), input.as_os_str(), word("-o"), out.as_os_str()]);
    // A second defragmentation writes as much as the first one, except free pages.
    repo::capture(Command::new(etcdsnap).arg("restore").arg(input).arg("--data-dir").arg(&data))?;
    let theirs = || {
        let _ = Command::new("sync").status();
        let mut command = Command::new(etcdutl);
        command.args(["defrag", "--data-dir"]).arg(&data);
        command
    };
    let (defrag, etcdutl_defrag) = alternate(runs, || ours("defrag"), theirs)?;
    let restore = || fresh(&[word("restore"), input.as_os_str(), word("--data-dir"), out.as_os_str()]);
    let (compact, restore) = alternate(runs, || ours("compact"), restore)?;
    row("etcdsnap defrag", &defrag);
    row("etcdutl defrag", &etcdutl_defrag);
    row("etcdsnap compact", &compact);
    let slower = defrag.seconds.max(compact.seconds);
    println!("  {:<26}{:>8.2} ×    target ≥ {TARGET} ×", "faster by", etcdutl_defrag.seconds / slower);
    println!("  {:<26}{:>8.2} ×    target ≤ {RESTORE_TARGET} ×", "times restore", slower / restore.seconds);
    let (peak, allowed) = (defrag.peak.max(compact.peak), MEMORY_BASE + MEMORY_PER_REVISION * entries);
    println!("  {:<26}{:>8.1} MiB  target ≤ {:.1} MiB\n", "peak memory", mib(peak), mib(allowed));
    Ok(())
}
