//! What is in a snapshot: `hashkv` beside etcdutl's, the others beside `status`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::measure::alternate;
use super::{mib, row};
use crate::repo;

/// `hashkv` should be this many times faster than etcdutl's.
const HASHKV_TARGET: f64 = 10.0;
/// Each command beside `status`, and how many times its time it should take at most.
const BESIDE_STATUS: [(&str, f64); 4] = [("get", 1.5), ("keys", 1.5), ("usage", 2.0), ("diff", 2.0)];

/// Looks into the file again and again.
pub fn measure(input: &Path, runs: usize, etcdsnap: &Path, etcdutl: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("look-").tempdir_in(input.parent().unwrap_or(Path::new(".")))?;
    let copy = scratch.path().join("copy.db");
    let ours = || {
        let mut command = Command::new(etcdsnap);
        command.arg("hashkv").arg(input);
        command
    };
    let theirs = || {
        // It writes to what it reads.
        let _ = fs::copy(input, &copy);
        let _ = Command::new("sync").status();
        let mut command = Command::new(etcdutl);
        command.arg("hashkv").arg(&copy);
        command
    };
    let (hash, etcdutl_hash) = alternate(runs, ours, theirs)?;
    row("etcdsnap hashkv", &hash);
    row("etcdutl hashkv", &etcdutl_hash);
    println!("  {:<26}{:>8.2} ×    target ≥ {HASHKV_TARGET} ×", "faster by", etcdutl_hash.seconds / hash.seconds);

    let listed = repo::capture(Command::new(etcdsnap).arg("keys").arg(input))?;
    let key = listed.lines().nth(listed.lines().count() / 2).context("there are no keys")?;
    // Its directory.
    let prefix = key.rsplit_once('/').map_or(key, |(prefix, _)| prefix);
    let status = || {
        let mut command = Command::new(etcdsnap);
        command.arg("status").arg(input);
        command
    };
    for (name, target) in BESIDE_STATUS {
        let look = || {
            let mut command = Command::new(etcdsnap);
            command.arg(name).arg(input);
            match name {
                "get" => command.arg(key),
                "keys" => command.arg(prefix),
                // With itself: all keys are compared, and nothing is printed.
                "diff" => command.arg(input),
                _ => &mut command,
            };
            command
        };
        let (look, status) = alternate(runs, look, status)?;
        row(&format!("etcdsnap {name}"), &look);
        let per_file = if name == "diff" { 2.0 } else { 1.0 };
        let times = look.seconds / (status.seconds * per_file);
        let of = if name == "diff" { "times status of both" } else { "times status" };
        println!("  {of:<26}{times:>8.2} ×    target ≤ {target} ×   (peak {:.0} MiB)", mib(look.peak));
    }
    println!();
    Ok(())
}
