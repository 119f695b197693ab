//! Injects failures into every system call of a program with `strace`: a call returns an error without being executed, or the program is killed as it enters the call.
//!
//! A first run counts the calls of each group. Then, for each call and each failure of the group, `prepare` creates fresh files and the command, the command
//! runs with that one failure, and `check` inspects the result. A test run takes a fixed sample of limited size; `ETCDSNAP_INJECT=all` tries everything
//! (some minutes per sweep), and `ETCDSNAP_INJECT=<call>:<failure>:<n>` runs a single one, as a failing test prints it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::seeded_random::SeededRandom;

/// System calls with the same failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The calls.
    pub calls: &'static [&'static str],
    /// The failures, as `strace` names them.
    pub errors: &'static [&'static str],
}

/// The calls that read, create, change, remove or sync a file.
pub const GROUPS: &[Group] = &[
    Group { calls: &["open", "openat", "openat2", "creat"], errors: &["EIO", "EACCES", "EMFILE", "ENOSPC"] },
    Group { calls: &["mkdir", "mkdirat"], errors: &["EIO", "EACCES", "ENOSPC"] },
    Group { calls: &["rename", "renameat", "renameat2"], errors: &["EIO", "EACCES", "ENOSPC"] },
    Group { calls: &["link", "linkat", "symlink", "symlinkat"], errors: &["EIO", "EACCES", "ENOSPC"] },
    Group { calls: &["unlink", "unlinkat", "rmdir"], errors: &["EIO", "EACCES"] },
    Group { calls: &["fsync", "fdatasync", "syncfs", "sync_file_range"], errors: &["EIO", "ENOSPC", "EACCES"] },
    Group { calls: &["write", "pwrite64", "writev", "pwritev"], errors: &["EIO", "ENOSPC"] },
    Group { calls: &["ftruncate", "fallocate", "truncate", "copy_file_range"], errors: &["EIO", "ENOSPC", "EACCES"] },
    Group {
        calls: &["chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat"],
        errors: &["EIO", "EACCES", "EPERM"],
    },
    Group { calls: &["flock"], errors: &["EIO", "ENOLCK"] },
    Group {
        calls: &["stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "readlink", "readlinkat"],
        errors: &["EIO", "EACCES"],
    },
    Group { calls: &["read", "pread64", "getdents64"], errors: &["EIO"] },
];

/// The effect of an injection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Returns this error without executing the call.
    Error(&'static str),
    /// Kills the program before it executes the call.
    Kill,
}

/// One injected failure at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InjectedFailure {
    /// The system call.
    pub call: &'static str,
    /// The number of the call among those of that name, from 1; each thread counts its own calls.
    pub nth: usize,
    /// The effect of an injection.
    pub failure: Failure,
}

impl fmt::Display for InjectedFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = match self.failure {
            Failure::Error(name) => name,
            Failure::Kill => "KILL",
        };
        write!(f, "{}:{failure}:{}", self.call, self.nth)
    }
}

/// The result of a run with an injected failure.
#[derive(Debug)]
pub struct RunResult {
    /// The program's output.
    pub output: Output,
    /// Whether the failure took place: threads make more or fewer calls from run to run.
    pub hit: bool,
    /// Whether the program was killed.
    pub killed: bool,
    /// The calls of that name, as `strace` logged them.
    pub calls: String,
}

/// Counts of a sweep.
#[derive(Debug, Default, Clone, Copy)]
pub struct SweepCounts {
    /// Runs in which the failure took place.
    pub hit: usize,
    /// Runs that ended before the call.
    pub missed: usize,
}

/// Returns whether `strace` works here, and prints the reason on stderr if it does not.
#[must_use]
pub fn available() -> bool {
    let probe = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
    let works = probe.is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("\n*** not run: strace is missing, or may not trace here ***\n");
    }
    works
}

/// Injects failures at the calls of `groups`. Tries at most `max_trials` of them, a fixed sample of all groups, unless `ETCDSNAP_INJECT` says otherwise.
///
/// `prepare` creates fresh files and the command that works on them; several threads call it. `check` panics if the result is wrong.
///
/// # Panics
/// Panics with all failures at which `check` panicked, or if the program cannot be run.
pub fn sweep<P>(
    groups: &[Group],
    max_trials: usize,
    prepare: impl Fn() -> (P, Command) + Sync,
    check: impl Fn(&P, &InjectedFailure, &RunResult) + Sync,
) -> SweepCounts {
    let trials = apply_selection(all_trials(groups, &prepare), max_trials);
    let (next, hit) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = Mutex::new(Vec::new());
    let work = || {
        while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let (place, command) = prepare();
                let ended = run(&command, trial);
                hit.fetch_add(usize::from(ended.hit), Ordering::Relaxed);
                check(&place, trial, &ended);
            }));
            if outcome.is_err() {
                failed.lock().expect("no panic while it is held").push(trial.to_string());
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 8));
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().expect("no panic while it was held");
    assert!(failed.is_empty(), "{} of {} trials: ETCDSNAP_INJECT={}", failed.len(), trials.len(), failed.join(" "));
    let hit = hit.into_inner();
    SweepCounts { hit, missed: trials.len() - hit }
}

/// Runs a command with one injected failure.
///
/// # Panics
/// Panics if it cannot be started.
#[must_use]
pub fn run(command: &Command, trial: &InjectedFailure) -> RunResult {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let calls = trial.call;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(log.path());
    let failure = match trial.failure {
        Failure::Error(name) => {
            // Trace only these calls. `strace` cannot inject signals in this mode.
            strace.arg("--seccomp-bpf");
            format!("error={name}")
        }
        Failure::Kill => "signal=KILL".to_owned(),
    };
    strace.arg(format!("--trace={calls}")).arg(format!("--inject={calls}:{failure}:when={}", trial.nth));
    let output = traced(strace, command).output().expect("strace runs");
    let killed = output.status.signal() == Some(9);
    let told = fs::read(log.path()).expect("strace's log");
    let calls = String::from_utf8_lossy(&told).into_owned();
    RunResult { hit: killed || calls.contains("(INJECTED)"), killed, output, calls }
}

/// Returns every failure at every call of a run without failures.
fn all_trials<P>(groups: &[Group], prepare: impl Fn() -> (P, Command)) -> Vec<InjectedFailure> {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let (_place, command) = prepare();
    let calls: Vec<&str> = groups.iter().flat_map(|group| group.calls.iter().copied()).collect();
    // `?` before a name: not every processor has every call.
    let calls = calls.iter().map(|call| format!("?{call}")).collect::<Vec<_>>().join(",");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(log.path()).arg(format!("--trace={calls}"));
    let output = traced(strace, &command).output().expect("strace runs");
    assert!(output.status.success(), "without a failure: {output:?}");
    let told = fs::read(log.path()).expect("strace's log");
    let made = most_by_one_thread(&String::from_utf8_lossy(&told));
    let mut trials = Vec::new();
    for group in groups {
        for call in group.calls {
            for nth in 1..=made.get(*call).copied().unwrap_or(0) {
                let failures = group.errors.iter().map(|name| Failure::Error(name)).chain([Failure::Kill]);
                trials.extend(failures.map(|failure| InjectedFailure { call, nth, failure }));
            }
        }
    }
    trials
}

/// Counts each call of the busiest thread, from a log whose lines are `<thread> <call>(…`.
fn most_by_one_thread(log: &str) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        *counts.entry((call, thread)).or_default() += 1;
    }
    let mut most = BTreeMap::new();
    for ((call, _), count) in counts {
        let entry = most.entry(call.to_owned()).or_insert(0);
        *entry = count.max(*entry);
    }
    most
}

fn apply_selection(trials: Vec<InjectedFailure>, max_trials: usize) -> Vec<InjectedFailure> {
    match std::env::var("ETCDSNAP_INJECT").ok().as_deref() {
        None | Some("") => sample(trials, max_trials),
        Some("all") => trials,
        Some(named) => {
            let named: Vec<_> = named.split_whitespace().collect();
            trials.into_iter().filter(|trial| named.contains(&trial.to_string().as_str())).collect()
        }
    }
}

/// Returns a sample of this size, the same in every run; all if there are fewer.
fn sample(mut trials: Vec<InjectedFailure>, max_trials: usize) -> Vec<InjectedFailure> {
    if max_trials < trials.len() {
        SeededRandom::new(1).shuffle(&mut trials);
        trials.truncate(max_trials);
    }
    trials
}

/// Returns the command run by `strace`, in the same directory and environment.
fn traced(mut strace: Command, command: &Command) -> Command {
    strace.arg("--").arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        strace.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace.stdin(Stdio::null());
    strace
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make() -> (tempfile::TempDir, Command) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("mkdir");
        command.arg("made").current_dir(folder.path());
        (folder, command)
    }

    #[test]
    fn every_failure_is_injected() {
        if !available() {
            return;
        }
        let group = GROUPS.iter().find(|group| group.calls.contains(&"mkdir")).unwrap();
        let seen = Mutex::new(Vec::new());
        let swept = sweep(&[*group], usize::MAX, make, |folder, trial, ended| {
            assert!(ended.hit && !ended.output.status.success(), "{trial}: {ended:?}");
            assert!(!folder.path().join("made").exists(), "{trial}");
            assert_eq!(ended.killed, trial.failure == Failure::Kill);
            seen.lock().unwrap().push(trial.to_string());
        });
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        assert_eq!(seen, ["mkdir:EACCES:1", "mkdir:EIO:1", "mkdir:ENOSPC:1", "mkdir:KILL:1"]);
        assert_eq!((swept.hit, swept.missed), (4, 0));
    }

    #[test]
    fn rejected_failures_are_named() {
        if !available() {
            return;
        }
        let group = GROUPS.iter().find(|group| group.calls.contains(&"mkdir")).unwrap();
        let outcome = catch_unwind(|| {
            sweep(&[*group], usize::MAX, make, |_, trial, _| assert!(trial.failure != Failure::Error("ENOSPC")))
        });
        let words = *outcome.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(words, "1 of 4 trials: ETCDSNAP_INJECT=mkdir:ENOSPC:1");
    }

    #[test]
    fn the_sample_is_the_same_in_every_run() {
        let trial = |nth| InjectedFailure { call: "openat", nth, failure: Failure::Kill };
        let choice = || sample((0..100).map(trial).collect(), 10);
        assert_eq!(choice().len(), 10);
        assert_eq!(choice(), choice());
        assert_eq!(sample((0..3).map(trial).collect(), 10).len(), 3);
    }

    #[test]
    fn calls_are_counted_by_thread() {
        let log = "12 openat(AT_FDCWD, \"a\") = 3\n13 openat(1) = 4\n12 openat(2) = 5\n12 +++ exited with 0 +++\n13 statx(1) = 0\n";
        let most = most_by_one_thread(log);
        assert_eq!((most["openat"], most["statx"], most.len()), (2, 1, 2));
    }
}
