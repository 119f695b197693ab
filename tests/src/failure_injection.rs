//! Failures at every system call of a program, by `strace`: a call gives an error without being carried out, or the program is killed on entering it.
//!
//! A first run counts the calls of each group. Then, for every call and every failure of the group, `prepare` makes a fresh place and the command, the command
//! runs with that one failure, and `judge` looks at what it left. A test run takes a choice of a bounded number, always the same; `ETCDSNAP_INJECT=all` tries everything
//! (some minutes a sweep), and `ETCDSNAP_INJECT=<call>:<failure>:<n>` one alone, as a failing test names it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::seeded_random::Dice;

/// System calls that fail alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The calls.
    pub calls: &'static [&'static str],
    /// What they can fail with, as `strace` names it.
    pub errors: &'static [&'static str],
}

/// All that reads, makes, changes or removes a file, or brings it to the disk.
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

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It is not carried out and gives this error.
    Error(&'static str),
    /// The program is killed before it is carried out.
    Kill,
}

/// One failure at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Which call.
    pub call: &'static str,
    /// Which of its kind, from 1 on; each thread counts its own.
    pub nth: usize,
    /// What happens.
    pub failure: Failure,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = match self.failure {
            Failure::Error(name) => name,
            Failure::Kill => "KILL",
        };
        write!(f, "{}:{failure}:{}", self.call, self.nth)
    }
}

/// How a run with a failure ended.
#[derive(Debug)]
pub struct Ended {
    /// What the program said.
    pub output: Output,
    /// Whether the failure took place: threads make more or fewer calls from run to run.
    pub hit: bool,
    /// Whether the program was killed.
    pub killed: bool,
    /// The calls of that kind, as `strace` saw them.
    pub calls: String,
}

/// What a sweep did.
#[derive(Debug, Default, Clone, Copy)]
pub struct Swept {
    /// Runs with a failure.
    pub hit: usize,
    /// Runs that had ended before the call came.
    pub missed: usize,
}

/// Whether programs can be traced here. Says so on stderr when they cannot.
#[must_use]
pub fn available() -> bool {
    let probe = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
    let works = probe.is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("\n*** not run: strace is missing, or may not trace here ***\n");
    }
    works
}

/// Tries failures at the calls of `groups`. At most `bounded` of them, a fixed choice from all groups, unless `ETCDSNAP_INJECT` says otherwise.
///
/// `prepare` makes a fresh place with the command to run in it, and is called from several threads; `judge` panics when what it finds there is wrong.
///
/// # Panics
/// With all trials that `judge` panicked at, or when the program cannot be run.
pub fn sweep<P>(
    groups: &[Group],
    bounded: usize,
    prepare: impl Fn() -> (P, Command) + Sync,
    judge: impl Fn(&P, &Trial, &Ended) + Sync,
) -> Swept {
    let trials = chosen(all_trials(groups, &prepare), bounded);
    let (next, hit) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = Mutex::new(Vec::new());
    let work = || {
        while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let (place, command) = prepare();
                let ended = run(&command, trial);
                hit.fetch_add(usize::from(ended.hit), Ordering::Relaxed);
                judge(&place, trial, &ended);
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
    Swept { hit, missed: trials.len() - hit }
}

/// Runs a command with one failure.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn run(command: &Command, trial: &Trial) -> Ended {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let calls = trial.call;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(log.path());
    let failure = match trial.failure {
        Failure::Error(name) => {
            // Only these calls stop the program then. Signals cannot be injected in this way.
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
    Ended { hit: killed || calls.contains("(INJECTED)"), killed, output, calls }
}

/// Every failure at every call that a run without any makes.
fn all_trials<P>(groups: &[Group], prepare: impl Fn() -> (P, Command)) -> Vec<Trial> {
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
                trials.extend(failures.map(|failure| Trial { call, nth, failure }));
            }
        }
    }
    trials
}

/// How often the busiest thread makes each call, from a log whose lines are `<thread> <call>(…`.
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

fn chosen(trials: Vec<Trial>, bounded: usize) -> Vec<Trial> {
    match std::env::var("ETCDSNAP_INJECT").ok().as_deref() {
        None | Some("") => some(trials, bounded),
        Some("all") => trials,
        Some(named) => {
            let named: Vec<_> = named.split_whitespace().collect();
            trials.into_iter().filter(|trial| named.contains(&trial.to_string().as_str())).collect()
        }
    }
}

/// So many of them, the same in every run; all when they are not as many.
fn some(mut trials: Vec<Trial>, bounded: usize) -> Vec<Trial> {
    if bounded < trials.len() {
        Dice::new(1).shuffle(&mut trials);
        trials.truncate(bounded);
    }
    trials
}

/// The command, started by `strace` in the same directory and environment.
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
    fn every_failure_takes_place() {
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
    fn what_is_judged_wrong_is_named() {
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
    fn a_bounded_choice_is_the_same_in_every_run() {
        let trial = |nth| Trial { call: "openat", nth, failure: Failure::Kill };
        let choice = || some((0..100).map(trial).collect(), 10);
        assert_eq!(choice().len(), 10);
        assert_eq!(choice(), choice());
        assert_eq!(some((0..3).map(trial).collect(), 10).len(), 3);
    }

    #[test]
    fn calls_are_counted_by_thread() {
        let log = "12 openat(AT_FDCWD, \"a\") = 3\n13 openat(1) = 4\n12 openat(2) = 5\n12 +++ exited with 0 +++\n13 statx(1) = 0\n";
        let most = most_by_one_thread(log);
        assert_eq!((most["openat"], most["statx"], most.len()), (2, 1, 2));
    }
}
