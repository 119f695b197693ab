//! Wall time and peak memory of a child process.

use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use wait4::Wait4;

/// What several runs of one command took.
pub struct Run {
    /// Median wall time.
    pub seconds: f64,
    pub fastest: f64,
    pub slowest: f64,
    /// Largest resident set of any run, in bytes.
    pub peak: u64,
}

/// Runs two commands in turn, and who goes first in turn too, so that a change in the machine's mood touches both.
pub fn alternate(runs: usize, a: impl Fn() -> Command, b: impl Fn() -> Command) -> Result<(Run, Run)> {
    let mut first = Vec::new();
    let mut second = Vec::new();
    for round in 0..runs {
        if round % 2 == 0 {
            first.push(once(&mut a())?);
            second.push(once(&mut b())?);
        } else {
            second.push(once(&mut b())?);
            first.push(once(&mut a())?);
        }
    }
    Ok((summary(first), summary(second)))
}

fn once(command: &mut Command) -> Result<(f64, u64)> {
    // The reference programs tell of each step; it is shown only when one fails.
    let mut said = tempfile::tempfile()?;
    let said_to = Stdio::from(said.try_clone()?);
    let started = Instant::now();
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said_to);
    let mut child = command.spawn().context("cannot start a program")?;
    let ended = child.wait4()?;
    let seconds = started.elapsed().as_secs_f64();
    if !ended.status.success() {
        let mut text = String::new();
        said.rewind()?;
        said.read_to_string(&mut text)?;
        bail!("{command:?} ended with {}:\n{text}", ended.status);
    }
    Ok((seconds, ended.rusage.maxrss))
}

fn summary(mut runs: Vec<(f64, u64)>) -> Run {
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |index: usize| runs.get(index).map_or(f64::NAN, |run| run.0);
    let middle = runs.len() / 2;
    let seconds =
        if runs.len().is_multiple_of(2) { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) } else { at(middle) };
    let peak = runs.iter().map(|run| run.1).max().unwrap_or(0);
    Run { seconds, fastest: at(0), slowest: at(runs.len().wrapping_sub(1)), peak }
}
