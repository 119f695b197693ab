//! Measures wall time and peak memory of a child process.

use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use wait4::Wait4;

/// The cost of several runs of one command.
pub struct Run {
    /// Median wall time.
    pub seconds: f64,
    pub fastest: f64,
    pub slowest: f64,
    /// Median of the processor time of all threads.
    pub processor: f64,
    /// Largest resident set of any run, in bytes.
    pub peak: u64,
}

/// Runs two commands in turn, and alternates which is first, so that changes in the machine's speed affect both.
pub fn alternate(runs: usize, a: impl Fn() -> Command, b: impl Fn() -> Command) -> Result<(Run, Run)> {
    alternate_work(runs, || once(&mut a()), || once(&mut b()))
}

/// Does the same with work that measures itself.
pub fn alternate_work(
    runs: usize,
    a: impl Fn() -> Result<Measured>,
    b: impl Fn() -> Result<Measured>,
) -> Result<(Run, Run)> {
    let mut first = Vec::new();
    let mut second = Vec::new();
    for round in 0..runs {
        if round % 2 == 0 {
            first.push(a()?);
            second.push(b()?);
        } else {
            second.push(b()?);
            first.push(a()?);
        }
    }
    Ok((summary(first), summary(second)))
}

/// Wall time and processor time in seconds, and the largest resident set.
pub type Measured = (f64, f64, u64);

/// Runs a command that must succeed.
pub fn once(command: &mut Command) -> Result<Measured> {
    // The reference programs log each step; the log is shown only on failure.
    let mut output = tempfile::tempfile()?;
    let output_handle = Stdio::from(output.try_clone()?);
    let started = Instant::now();
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output_handle);
    let mut child = command.spawn().context("cannot start a program")?;
    let ended = child.wait4()?;
    let seconds = started.elapsed().as_secs_f64();
    if !ended.status.success() {
        let mut text = String::new();
        output.rewind()?;
        output.read_to_string(&mut text)?;
        bail!("{command:?} ended with {}:\n{text}", ended.status);
    }
    let processor = ended.rusage.utime + ended.rusage.stime;
    Ok((seconds, processor.as_secs_f64(), ended.rusage.maxrss))
}

fn summary(runs: Vec<Measured>) -> Run {
    let sorted = |of: fn(&Measured) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let wall = sorted(|run| run.0);
    let at = |index: usize| wall.get(index).copied().unwrap_or(f64::NAN);
    let peak = runs.iter().map(|run| run.2).max().unwrap_or(0);
    let processor = median(&sorted(|run| run.1));
    Run { seconds: median(&wall), fastest: at(0), slowest: at(wall.len().wrapping_sub(1)), processor, peak }
}

/// Returns the median of sorted values.
fn median(sorted: &[f64]) -> f64 {
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) } else { at(middle) }
}
