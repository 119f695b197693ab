//! Runs the fuzz targets in turn: builds them for libFuzzer with the pinned stable toolchain, writes their seeds, and prints the coverage of each.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::repo;

/// Flags that make a program report its edges and comparisons to libFuzzer, as cargo-fuzz does with `-s none`. No sanitizer: there is no `unsafe`.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";

/// Longest input in bytes.
const MAX_INPUT_LEN: &str = "32768";

/// Seconds after which an input counts as a hang; most inputs take less than a millisecond.
const HANG_SECONDS: &str = "60";

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How long to run all targets together
    #[arg(long, value_name = "N", default_value_t = 10)]
    minutes: u64,

    /// Only this target, such as verify_checksummed
    #[arg(long, value_name = "T")]
    target: Option<String>,
}

/// The counts of a target's run.
struct Run {
    executions: u64,
    per_second: u64,
    edges: u64,
}

/// Runs the fuzz targets.
pub fn run(arguments: &Arguments) -> Result<()> {
    let targets = targets(arguments.target.as_deref())?;
    let programs = build()?;
    let folder = repo::root().join("target/fuzz");
    for kind in ["snapshots", "packed", "encrypted"] {
        seeds(kind, &folder.join("seeds").join(kind))?;
    }
    let seconds = (arguments.minutes * 60 / targets.len() as u64).max(1);
    let mut finds = Vec::new();
    for target in &targets {
        let find = fuzz(target, &programs, &folder, seconds)?;
        finds.extend(find);
    }
    if finds.is_empty() {
        return Ok(());
    }
    bail!("The fuzzer found something. Repeat with:\n  {}", finds.join("\n  "));
}

/// Returns the targets sorted by name, or the requested one.
fn targets(only: Option<&str>) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(repo::root().join("fuzz/fuzz_targets")).context("cannot list fuzz/fuzz_targets")? {
        targets.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    targets.sort();
    let known = targets.join(", ");
    targets.retain(|target| only.is_none_or(|only| only == target));
    ensure!(!targets.is_empty(), "There is no such target. Choose one of {known}.");
    Ok(targets)
}

/// Builds all targets and returns their folder. With a target triple the flags do not apply to build scripts.
fn build() -> Result<PathBuf> {
    let about = repo::capture(Command::new("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not name its host")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target", host]);
    cargo.args(["--target-dir", "target/fuzz"]).env("RUSTFLAGS", COVERAGE).env_remove("CARGO_ENCODED_RUSTFLAGS");
    repo::run(cargo.current_dir(repo::root()))?;
    Ok(repo::root().join("target/fuzz").join(host).join("release"))
}

fn seeds(kind: &str, folder: &Path) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--locked", "--package", "etcdsnap-tests", "--no-default-features"]);
    cargo.args(["--bin", "fuzz_seeds", "--", kind]).arg(folder);
    repo::run(cargo.current_dir(repo::root()))
}

/// Runs a target for this many seconds; returns the command that reproduces a finding, if there was one.
fn fuzz(target: &str, programs: &Path, folder: &Path, seconds: u64) -> Result<Option<String>> {
    let of_target = |kind: &str| folder.join(kind).join(target);
    let (corpus, found) = (of_target("corpus"), of_target("artifacts"));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&found)?;
    let before = files(&found)?;
    let log = folder.join(format!("{target}.log"));
    let mut program = Command::new(programs.join(target));
    let seeds = match target {
        target if target.starts_with("unpack") => "packed",
        target if target.starts_with("decrypt") => "encrypted",
        _ => "snapshots",
    };
    program.arg(&corpus).arg(folder.join("seeds").join(seeds));
    program.arg(format!("-max_len={MAX_INPUT_LEN}")).arg(format!("-max_total_time={seconds}"));
    program.arg(format!("-timeout={HANG_SECONDS}")).args(["-rss_limit_mb=2048", "-print_final_stats=1"]);
    program.arg(format!("-artifact_prefix={}/", found.display()));
    let output = File::create(&log)?;
    let status = program.stdout(output.try_clone()?).stderr(output).status().context("cannot start a fuzz target")?;
    let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let run = figures(&output);
    println!("{target}: {} executions, {} per second, {} edges", run.executions, run.per_second, run.edges);
    if status.success() {
        return Ok(None);
    }
    let input = files(&found)?.into_iter().find(|file| !before.contains(file));
    let input = input.with_context(|| format!("{target} ended with {status}: {}", log.display()))?;
    println!("{target} ended with {status}: {}; its log: {}", input.display(), log.display());
    Ok(Some(format!("{} {}", programs.join(target).display(), input.display())))
}

/// Parses the counts that libFuzzer prints.
fn figures(output: &str) -> Run {
    let stat = |name: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(&format!("stat::{name}:")));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    };
    let edges =
        output.lines().filter_map(|line| line.split_once("cov: ")?.1.split(' ').next()?.parse().ok()).next_back();
    Run {
        executions: stat("number_of_executed_units"),
        per_second: stat("average_exec_per_sec"),
        edges: edges.unwrap_or(0),
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}
