//! Measures etcdsnap and the reference programs side by side. It prints medians, ratios and targets, and never fails on a slow result.

mod answers;
mod bench_server;
mod first_answer;
mod kube;
mod measure;
mod page_bench;
mod restore;
mod rewrite;
mod save;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use self::measure::{Run, alternate};
use crate::{reference, repo};

/// The etcd version whose `etcdutl snapshot status` is the reference.
const REFERENCE_VERSION: &str = "3.7";

/// `status` should be this many times faster than etcdutl's.
const STATUS_TARGET: f64 = 8.0;
/// `verify` should take at most this many times as long as SHA-256 of the file alone.
const VERIFY_TARGET: f64 = 1.25;
/// Memory should stay below this, …
const MEMORY_BASE: u64 = 96 << 20;
/// … and this much more for each revision in the file.
const MEMORY_PER_REVISION: u64 = 24;

/// A part of the benchmarks.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// `status` and `verify`
    Verdict,
    /// `hashkv`, `get`, `keys`, `usage`, `diff`
    Answers,
    /// Objects of Kubernetes
    Kube,
    /// `restore`
    Restore,
    /// From `restore` to the first answer of etcd
    Start,
    /// `defrag`, `compact`, `salvage`
    Rewrite,
    /// `save`
    Save,
}

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Runs of each command
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Generate Kubernetes' stores of this many megabytes [default: 1500]
    #[arg(long, value_name = "MB")]
    megabytes: Option<u32>,
    /// Measure the page in a browser as well (needs Node.js and Chromium)
    #[arg(long)]
    page: bool,
    /// Measure only this part; may be given several times
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Snapshots to measure instead of the generated ones
    #[arg(value_name = "SNAPSHOT")]
    files: Vec<PathBuf>,
    /// Measure this etcdsnap instead of building the workspace's own
    #[arg(long, value_name = "PROGRAM")]
    etcdsnap: Option<PathBuf>,
}

/// Runs the benchmarks.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.runs > 0, "--runs must be at least 1");
    reference::ensure_version(REFERENCE_VERSION)?;
    let release = build(arguments.etcdsnap.is_none())?;
    let etcdsnap = arguments.etcdsnap.clone().unwrap_or_else(|| release.join("etcdsnap"));
    if arguments.page {
        crate::page::build(true)?;
    }
    let inputs = if arguments.files.is_empty() { generated(arguments.megabytes)? } else { arguments.files.clone() };
    let (runs, xtask) = (arguments.runs, release.join("xtask"));
    let etcdutl = reference::program(REFERENCE_VERSION, "etcdutl");
    let is_wanted = |part: Part| arguments.only.is_empty() || arguments.only.contains(&part);
    for input in inputs {
        let entries = introduce(&input, runs, &xtask)?;
        if is_wanted(Part::Verdict) {
            measure(&input, runs, entries, &etcdsnap, &xtask)?;
        }
        if is_wanted(Part::Answers) {
            answers::measure(&input, runs, &etcdsnap, &etcdutl)?;
        }
        if is_wanted(Part::Kube) {
            kube::measure(&input, runs, &etcdsnap)?;
        }
        if is_wanted(Part::Restore) {
            restore::measure(&input, runs, &etcdsnap, &xtask, &etcdutl)?;
        }
        if is_wanted(Part::Start) {
            first_answer::measure(&input, runs, &etcdsnap, &etcdutl)?;
        }
        if is_wanted(Part::Rewrite) {
            rewrite::measure(&input, runs, entries, &etcdsnap, &etcdutl)?;
        }
        if is_wanted(Part::Save) {
            save::measure(&input, runs, &etcdsnap)?;
        }
        if arguments.page {
            page_bench::measure(&input, runs)?;
        }
    }
    Ok(())
}

/// Builds the programs with optimisation and returns their folder, as cargo reports it.
fn build(with_etcdsnap: bool) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "-p", "etcdsnap-xtask"]).current_dir(repo::root());
    if with_etcdsnap {
        cargo.args(["-p", "etcdsnap"]);
    }
    repo::run(&mut cargo)?;
    let output = repo::capture(
        Command::new(env!("CARGO")).args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(repo::root()),
    )?;
    let metadata: Metadata = serde_json::from_str(&output)?;
    Ok(metadata.target_directory.join("release"))
}

/// Returns the generated inputs, which are created on first use and kept in `target/bench`.
fn generated(megabytes: Option<u32>) -> Result<Vec<PathBuf>> {
    let folder = repo::root().join("target/bench");
    fs::create_dir_all(&folder)?;
    let mut files = Vec::new();
    for mode in ["k8s", "objects", "small"] {
        let size = megabytes.filter(|_| mode != "small").map(|megabytes| format!("-{megabytes}")).unwrap_or_default();
        let file = folder.join(format!("{mode}{size}.db"));
        if !file.exists() {
            let gensnap = reference::ensure_own("gensnap")?;
            eprintln!("writing target/bench/{mode}{size}.db");
            let mut command = Command::new(gensnap);
            command.args(["--mode", mode, "--out"]).arg(&file);
            if let Some(megabytes) = megabytes.filter(|_| mode != "small") {
                command.arg("--size").arg(megabytes.to_string());
            }
            if mode == "objects" {
                command.arg("--templates").arg(templates(&folder)?);
            }
            repo::run(&mut command)?;
        }
        files.push(file);
    }
    Ok(files)
}

/// Unpacks a recorded cluster, whose objects serve as templates of the generated ones.
fn templates(folder: &Path) -> Result<PathBuf> {
    let recorded = repo::root().join("tests/kubernetes/plain/snapshot.db.zst");
    let packed = fs::read(&recorded).with_context(|| format!("cannot read {}", recorded.display()))?;
    let file = folder.join("templates.db");
    fs::write(&file, zstd::decode_all(packed.as_slice())?)?;
    Ok(file)
}

/// Names the file, reads it into the page cache, and returns its number of revisions.
fn introduce(input: &Path, runs: usize, xtask: &Path) -> Result<u64> {
    let entries = entries(input)?;
    let size = fs::metadata(input)?.len();
    let name = input.file_name().unwrap_or_default().to_string_lossy();
    println!("{name}: {:.2} GB, {entries} revisions, median of {runs} runs", size as f64 / 1e9);
    repo::capture(Command::new(xtask).arg("sha256").arg(input))?;
    Ok(entries)
}

fn measure(input: &Path, runs: usize, entries: u64, etcdsnap: &Path, xtask: &Path) -> Result<()> {
    let etcdutl = reference::program(REFERENCE_VERSION, "etcdutl");
    let command = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).arg(input);
        command
    };
    let (ours, theirs) =
        alternate(runs, || command(etcdsnap, &["status"]), || command(&etcdutl, &["snapshot", "status"]))?;
    row("etcdsnap status", &ours);
    row("etcdutl snapshot status", &theirs);
    println!("  {:<26}{:>8.2} ×    target ≥ {STATUS_TARGET} ×", "faster by", theirs.seconds / ours.seconds);
    let memory = ours.peak;

    let (ours, hash) = alternate(runs, || command(etcdsnap, &["verify"]), || command(xtask, &["sha256"]))?;
    row("etcdsnap verify", &ours);
    row("SHA-256 alone", &hash);
    println!("  {:<26}{:>8.2} ×    target ≤ {VERIFY_TARGET} ×", "times SHA-256", ours.seconds / hash.seconds);

    let allowed = MEMORY_BASE + MEMORY_PER_REVISION * entries;
    println!(
        "  {:<26}{:>8.1} MiB  target ≤ {:.1} MiB (96 MiB + {MEMORY_PER_REVISION} B × revisions)\n",
        "peak memory",
        mib(memory.max(ours.peak)),
        mib(allowed)
    );
    Ok(())
}

fn row(label: &str, run: &Run) {
    println!(
        "  {label:<26}{:>8.3} s    {:>8.1} MiB    ({:.3} … {:.3} s; processor {:.3} s)",
        run.seconds,
        mib(run.peak),
        run.fastest,
        run.slowest,
        run.processor
    );
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Counts the entries of the `key` bucket with bbolt.
fn entries(input: &Path) -> Result<u64> {
    let output =
        repo::capture(Command::new(reference::program(REFERENCE_VERSION, "bbolt")).arg("stats").arg(input).arg("key"))?;
    output
        .lines()
        .find_map(|line| line.trim().strip_prefix("Number of keys/value pairs:"))
        .and_then(|count| count.trim().parse().ok())
        .context("bbolt stats did not print the number of pairs")
}
