//! Benchmarks Kubernetes objects: a table of all pods beside `status`, and how fast values are decoded.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::measure::alternate;
use super::{mib, row};
use crate::repo;

/// The table of all pods should take at most this many times as long as `status`.
const PODS_TARGET: f64 = 1.3;
/// How many megabytes of values one core should decode per second.
const DECODING_TARGET: f64 = 150.0;

/// Measures a file with decodable Pods; prints nothing for other files.
pub fn measure(input: &Path, runs: usize, etcdsnap: &Path) -> Result<()> {
    let command = |words: &[&str]| {
        let mut command = Command::new(etcdsnap);
        let (first, others) = words.split_at(if words[0] == "kube" { 2 } else { 1 });
        command.args(first).arg(input).args(others);
        command
    };
    let output = repo::capture(&mut command(&["kube", "kinds", "-wjson"]))?;
    let (mut bytes, mut pods) = (0, 0);
    for line in output.lines() {
        let kind: Value = serde_json::from_str(line)?;
        let number = |name: &str| kind[name].as_u64().with_context(|| format!("kube kinds tells no {name}"));
        if kind["storedAs"] == "protobuf" && number("notDecodable")? == 0 {
            bytes += number("bytes")?;
            pods += if kind["kind"] == "Pod" { number("count")? } else { 0 };
        }
    }
    if pods == 0 {
        return Ok(());
    }
    let status = || command(&["status"]);
    let (table, beside) = alternate(runs, || command(&["kube", "get", "pods", "-A"]), status)?;
    row(&format!("etcdsnap kube get, {pods} pods"), &table);
    row("etcdsnap status", &beside);
    let times = table.seconds / beside.seconds;
    println!("  {:<26}{times:>8.2} ×    target ≤ {PODS_TARGET} ×   (peak {:.0} MiB)", "times status", mib(table.peak));
    // `kinds` decodes every value to JSON, on all cores.
    let (kinds, beside) = alternate(runs, || command(&["kube", "kinds"]), status)?;
    row("etcdsnap kube kinds", &kinds);
    let rate = bytes as f64 / 1e6 / (kinds.processor - beside.processor);
    println!("  {:<26}{rate:>8.0} MB/s a core    target ≥ {DECODING_TARGET} MB/s\n", "decodes");
    Ok(())
}
