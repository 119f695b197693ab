//! Compiles the test programs with cargo, and runs several at once: many tests wait for a server, and one program alone would leave processors idle.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::repo;
use crate::test_count::Count;

/// How many test programs run at once.
const AT_ONCE: usize = 2;

/// How many of the slowest programs are listed at the end.
const SLOWEST: usize = 20;

/// A program with the tests of one file or of one library.
pub struct TestProgram {
    /// Its name, such as `etcdsnap-tests damage`.
    name: String,
    executable: PathBuf,
    /// The directory of its package, in which it is started, as by cargo.
    directory: PathBuf,
}

/// A line of cargo's JSON output, with the fields that matter for test programs. Source: "External tools" in the Cargo book.
#[derive(Deserialize)]
struct Message {
    reason: String,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Runs the programs, and adds up their counts. Returns whether all succeeded.
pub fn run(programs: &[TestProgram], environment: &[(&str, PathBuf)], count: &mut Count) -> Result<bool> {
    let waiting = Mutex::new(programs.iter());
    let finished = Mutex::new((count, Vec::new(), true));
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while let Some(program) = { waiting.lock().expect("no lane panics").next() } {
                        let (succeeded, output, took) = program.run(environment)?;
                        let mut finished = finished.lock().expect("no lane panics");
                        let (count, times, all_succeeded) = &mut *finished;
                        let mut stdout = std::io::stdout().lock();
                        writeln!(stdout, "\n     Ran {} ({:.1} s)", program.name, took.as_secs_f64())?;
                        stdout.write_all(output.as_bytes())?;
                        output.lines().for_each(|line| count.read(line));
                        if !succeeded {
                            writeln!(stdout, "error: the test program {} failed", program.name)?;
                        }
                        *all_succeeded &= succeeded;
                        times.push((took, program.name.as_str()));
                    }
                    Ok(())
                })
            })
            .collect();
        lanes.into_iter().try_for_each(|lane| lane.join().expect("no lane panics"))
    })?;
    let (_, mut times, succeeded) = finished.into_inner().expect("no lane panics");
    list_slowest(&mut times)?;
    Ok(succeeded)
}

/// Lists the programs that took longest.
fn list_slowest(times: &mut [(Duration, &str)]) -> Result<()> {
    times.sort_by_key(|(took, _)| std::cmp::Reverse(*took));
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "\nThe slowest of {} test programs:", times.len())?;
    for (took, name) in times.iter().take(SLOWEST) {
        writeln!(stdout, "{:8.1} s  {name}", took.as_secs_f64())?;
    }
    Ok(())
}

/// Compiles the tests of these packages (arguments of cargo that choose packages), and returns their programs in cargo's order.
pub fn compile(packages: &[&str]) -> Result<Vec<TestProgram>> {
    let mut cargo = Command::new("cargo");
    cargo.arg("test").args(packages).args(["--locked", "--no-run", "--message-format=json-render-diagnostics"]);
    let mut child = cargo.current_dir(repo::root()).stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let mut programs = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let Ok(message) = serde_json::from_str::<Message>(&line?) else { continue };
        let is_test = message.reason == "compiler-artifact" && message.profile.is_some_and(|profile| profile.test);
        if let (true, Some(executable), Some(manifest), Some(target)) =
            (is_test, message.executable, message.manifest_path, message.target)
        {
            let directory = manifest.parent().context("a manifest is in no directory")?.to_path_buf();
            let package = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            programs.push(TestProgram { name: format!("{package} {}", target.name), executable, directory });
        }
    }
    ensure!(child.wait()?.success(), "The tests cannot be compiled.");
    ensure!(!programs.is_empty(), "There is no test program.");
    Ok(programs)
}

impl TestProgram {
    /// Runs the program; returns whether it succeeded, what it printed, and how long it took.
    fn run(&self, environment: &[(&str, PathBuf)]) -> Result<(bool, String, Duration)> {
        let started = Instant::now();
        let mut output: File = tempfile::tempfile()?;
        let status = Command::new(&self.executable)
            .current_dir(&self.directory)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .status()
            .with_context(|| format!("cannot start {}", self.executable.display()))?;
        let mut bytes = Vec::new();
        output.rewind()?;
        output.read_to_end(&mut bytes)?;
        Ok((status.success(), String::from_utf8_lossy(&bytes).into_owned(), started.elapsed()))
    }
}
