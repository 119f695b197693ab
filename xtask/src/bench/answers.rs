//! Benchmarks the queries of a snapshot: `hashkv` beside etcdutl's, the others beside `status`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::measure::alternate;
use super::{mib, row};

/// `hashkv` should be this many times faster than etcdutl's.
const HASHKV_TARGET: f64 = 10.0;
/// Commands to compare with `status`: each should take at most this many times as long.
const COMPARED_WITH_STATUS: [(&str, f64); 4] = [("get", 1.5), ("keys", 1.5), ("usage", 2.0), ("diff", 2.0)];

/// Measures the queries on a file.
pub fn measure(input: &Path, runs: usize, etcdsnap: &Path, etcdutl: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("look-").tempdir_in(input.parent().unwrap_or(Path::new(".")))?;
    let copy = scratch.path().join("copy.db");
    let ours = || {
        let mut command = Command::new(etcdsnap);
        command.arg("hashkv").arg(input);
        command
    };
    let theirs = || {
        // etcdutl writes to the file that it reads.
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

    let key = some_key(etcdsnap, input)?;
    // The prefix is the key's directory; if all keys are in one directory, a prefix that fewer keys have.
    let directory = key.rsplit_once('/').map_or("", |(directory, _)| directory);
    let prefix = if directory.matches('/').count() > 1 { directory } else { &key[..key.len().saturating_sub(3)] };
    let status = || {
        let mut command = Command::new(etcdsnap);
        command.arg("status").arg(input);
        command
    };
    for (name, target) in COMPARED_WITH_STATUS {
        let look = || {
            let mut command = Command::new(etcdsnap);
            command.arg(name).arg(input);
            match name {
                "get" => command.args([&key, "--show-secrets"]),
                "keys" => command.arg(prefix),
                // A file with itself: compares all keys, and prints nothing.
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

/// Returns a key far from the first. It does not store the list: the peak memory of this process would count for each program that it starts.
fn some_key(etcdsnap: &Path, input: &Path) -> Result<String> {
    let mut listing = Command::new(etcdsnap).arg("keys").arg(input).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(listing.stdout.take().context("no output")?).lines();
    let key = lines.take(300_000).last().context("there are no keys")??;
    // A broken pipe counts as success.
    listing.wait()?;
    Ok(key)
}
