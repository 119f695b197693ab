//! Counts passed and failed tests in the output of cargo and Playwright.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// The counts of the test runners.
#[derive(Default)]
pub struct Count {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
}

impl Count {
    /// Runs a test runner with its output on the terminal, and adds up its counts; returns whether it succeeded.
    pub fn run(&mut self, command: &mut Command) -> Result<bool> {
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let output = child.stdout.take().context("no output")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            writeln!(std::io::stdout(), "{line}")?;
            self.read(&line);
        }
        Ok(child.wait()?.success())
    }

    /// Parses `test result: ok. 12 passed; 0 failed; …` of cargo, `12 passed (3.4s)` and `1 failed` of Playwright.
    pub fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(counts) = line.strip_prefix("test result:") {
            for part in counts.split(['.', ';']) {
                self.add(part.trim());
            }
        } else if line.split(' ').count() <= 3 {
            self.add(line);
        }
    }

    fn add(&mut self, part: &str) {
        let mut words = part.split(' ');
        let Some(number) = words.next().and_then(|word| word.parse::<u64>().ok()) else { return };
        match words.next() {
            Some("passed") => self.passed += number,
            Some("failed") => self.failed += number,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_both_runners_are_parsed() {
        let mut count = Count::default();
        for line in [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
            "  17 passed (12.3s)",
            "  1 failed",
            "test 12 passed the gate of many words",
        ] {
            count.read(line);
        }
        assert_eq!((count.passed, count.failed), (32, 3));
    }
}
