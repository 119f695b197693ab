//! Benchmarks `restore` beside etcdutl's, SHA-256 alone and a plain copy.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::measure::alternate;
use super::{mib, row};

/// `restore` should be this many times faster than etcdutl's.
const TARGET: f64 = 2.5;
/// It should take at most this many times as long as the slower of SHA-256 alone and a plain copy.
const FLOOR_TARGET: f64 = 1.3;
/// Three members should take at most this many times as long as one restore and two plain copies.
const ALL_TARGET: f64 = 1.3;
/// Memory should stay below this.
const MEMORY_TARGET: u64 = 96 << 20;

/// The members of the restored cluster.
const MEMBERS: &str = "a=http://127.0.0.1:1001,b=http://127.0.0.1:1002,c=http://127.0.0.1:1003";

/// Measures restores of the file, each into a new directory.
pub fn measure(input: &Path, runs: usize, etcdsnap: &Path, xtask: &Path, etcdutl: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("restore-").tempdir_in(input.parent().unwrap_or(Path::new(".")))?;
    let out = scratch.path().join("out");
    let fresh = |program: &Path, arguments: &[&OsStr]| {
        // Earlier output is removed and synced before the clock starts.
        let _ = fs::remove_dir_all(&out).or_else(|_| fs::remove_file(&out));
        let _ = Command::new("sync").status();
        let mut command = Command::new(program);
        command.args(arguments);
        command
    };
    let (file, target) = (input.as_os_str(), out.as_os_str());
    let word = OsStr::new;
    let ours = || fresh(etcdsnap, &[word("restore"), file, word("--data-dir"), target]);
    let theirs = || fresh(etcdutl, &[word("snapshot"), word("restore"), file, word("--data-dir"), target]);
    let (restore, etcdutl_restore) = alternate(runs, ours, theirs)?;
    let hashed = || fresh(xtask, &[word("sha256"), file]);
    let (hash, copy) = alternate(runs, hashed, || fresh(Path::new("cp"), &[file, target]))?;
    row("etcdsnap restore", &restore);
    row("etcdutl snapshot restore", &etcdutl_restore);
    row("cp", &copy);
    // `cp` leaves data in the page cache, which a restore has synced when it ends.
    let synced = || fresh(Path::new("sh"), &[word("-c"), word("cp \"$0\" \"$1\" && sync \"$1\""), file, target]);
    let (copy_synced, restore_again) = alternate(runs, synced, ours)?;
    row("cp and sync", &copy_synced);
    println!("  {:<26}{:>8.2} ×", "times cp and sync", restore_again.seconds / copy_synced.seconds);
    println!("  {:<26}{:>8.2} ×    target ≥ {TARGET} ×", "faster by", etcdutl_restore.seconds / restore.seconds);
    let floor = hash.seconds.max(copy.seconds);
    println!("  {:<26}{:>8.2} ×    target ≤ {FLOOR_TARGET} ×", "times SHA-256 or cp", restore.seconds / floor);
    println!("  {:<26}{:>8.1} MiB  target ≤ {:.0} MiB", "peak memory", mib(restore.peak), mib(MEMORY_TARGET));

    let flags = [word("--initial-cluster"), word(MEMBERS), word("--all-members")];
    let all = || fresh(etcdsnap, &[word("restore"), file, flags[0], flags[1], flags[2], target]);
    // The same amount of data, also synced at the end.
    let script = "\"$0\" restore \"$1\" --data-dir \"$2/a\" && cp \"$1\" \"$2/b\" && cp \"$1\" \"$2/c\" && sync \"$2/b\" \"$2/c\"";
    let one_and_copies = || fresh(Path::new("sh"), &[word("-c"), word(script), etcdsnap.as_os_str(), file, target]);
    let (all, copies) = alternate(runs, all, one_and_copies)?;
    row("restore --all-members (3)", &all);
    row("one restore and two cp", &copies);
    println!("  {:<26}{:>8.2} ×    target ≤ {ALL_TARGET} ×\n", "times that", all.seconds / copies.seconds);
    Ok(())
}
