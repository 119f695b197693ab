//! Benchmarks `defrag` and `compact` beside etcdutl's defragmentation of the same database and `restore`, and `salvage` beside `verify`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::measure::{Run, alternate};
use super::{mib, row};
use crate::repo;

/// Each should take at most this many times as long as a restore, …
const RESTORE_TARGET: f64 = 2.0;
/// … and be this many times faster than `etcdutl defrag`.
const TARGET: f64 = 4.0;
/// A salvage should take at most this many times as long as `verify` of the same file.
const SALVAGE_TARGET: f64 = 2.0;
/// Each should stay below this memory, …
const MEMORY_BASE: u64 = 96 << 20;
/// … and this many bytes more for each revision.
const MEMORY_PER_REVISION: u64 = 40;
/// How many bytes of the damaged file are lost, in its middle, …
const LOST: usize = 256 << 10;
/// … from a multiple of this on, which is one of every usual page size.
const PAGES: u64 = 64 << 10;

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

    let verify = || {
        let mut command = Command::new(etcdsnap);
        command.arg("verify").arg(input);
        command
    };
    let (salvage, verified) = alternate(runs, || ours("salvage"), verify)?;
    row("etcdsnap salvage", &salvage);
    row("etcdsnap verify", &verified);
    report_salvage(&salvage, &verified, allowed);
    let damaged = scratch.path().join("damaged.db");
    fs::copy(input, &damaged)?;
    let middle = fs::metadata(&damaged)?.len() / 2 / PAGES * PAGES;
    fs::OpenOptions::new().write(true).open(&damaged)?.write_all_at(&[0; LOST], middle)?;
    // Both end with 1, because the file is damaged.
    let found = |words: &str| {
        let _ = fs::remove_file(&out);
        let _ = Command::new("sync").status();
        let script = format!("\"$0\" {words}; [ $? -eq 1 ]");
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(etcdsnap).arg(&damaged).arg(&out);
        command
    };
    let salvage = || found("salvage \"$1\" -o \"$2\"");
    let (salvage, verified) = alternate(runs, salvage, || found("verify \"$1\""))?;
    row("salvage, 256 KiB lost", &salvage);
    row("verify of that file", &verified);
    report_salvage(&salvage, &verified, allowed);
    Ok(())
}

fn report_salvage(salvage: &Run, verified: &Run, allowed: u64) {
    let (wall, processor) = (salvage.seconds / verified.seconds, salvage.processor / verified.processor);
    println!(
        "  {:<26}{wall:>8.2} ×    target ≤ {SALVAGE_TARGET} × ({processor:.2} × of processor time)",
        "times verify"
    );
    println!("  {:<26}{:>8.1} MiB  target ≤ {:.1} MiB\n", "peak memory", mib(salvage.peak), mib(allowed));
}
