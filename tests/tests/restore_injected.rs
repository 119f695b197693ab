//! Injects a failure or a kill at every system call of a restore: the result is complete, or everything is as before; the next run removes the leftovers of a kill.
//!
//! By default a fixed sample runs; `ETCDSNAP_INJECT=all cargo test -p etcdsnap-tests --test restore_injected` tries everything, which takes about an hour.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use etcdsnap_tests::failure_injection::{GROUPS, InjectedFailure, RunResult, available, sweep};
use etcdsnap_tests::{case, cli};

/// Failures to try per kind of restore, without `ETCDSNAP_INJECT`.
const MAX_TRIALS: usize = 40;

/// A kind of restore: what exists before, and the flags, in which `@` is the directory.
struct RestoreCase {
    directories: &'static [&'static str],
    flags: &'static [&'static str],
}

const MEMBERS: &str = "--initial-cluster=a=http://127.0.0.1:1001,b=http://127.0.0.1:1002";

#[test]
fn failures_while_restoring_into_an_absent_directory() {
    try_all(&RestoreCase { directories: &[], flags: &["--data-dir=@/new/deep/data"] });
}

#[test]
fn failures_while_restoring_with_a_log_elsewhere() {
    try_all(&RestoreCase { directories: &["data", "logs"], flags: &["--data-dir=@/data", "--wal-dir=@/logs/new/log"] });
}

#[test]
fn failures_while_restoring_into_a_kept_directory() {
    try_all(&RestoreCase {
        directories: &["data/lost+found"],
        flags: &["--data-dir=@/data", "--wal-dir=@/data/logs/log"],
    });
}

#[test]
fn failures_while_filling_a_directory_entry_by_entry() {
    let flags = &["--data-dir=@/data", "--rev=latest", "--compact", "--no-bump"];
    try_all(&RestoreCase { directories: &["data"], flags });
}

#[test]
fn failures_while_restoring_all_members() {
    try_all(&RestoreCase { directories: &[], flags: &["--all-members=@/all", MEMBERS] });
}

/// Everything below a directory: path, kind and mode, size, and the first bytes, in which different files differ.
type Tree = BTreeMap<PathBuf, (u32, u64, Vec<u8>)>;

fn tree(directory: &Path) -> Tree {
    let mut found = Tree::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let facts = fs::symlink_metadata(&path).unwrap();
        let mut start = Vec::new();
        if facts.is_file() {
            fs::File::open(&path).unwrap().take(1 << 16).read_to_end(&mut start).unwrap();
            // The file of variables contains its own path.
            if path.extension().is_some_and(|end| end == "env") {
                start.clear();
            }
        }
        if facts.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let size = if start.is_empty() { 0 } else { facts.len() };
        found.insert(path.strip_prefix(directory).unwrap().to_owned(), (facts.mode(), size, start));
    }
    found
}

fn prepare(kind: &RestoreCase) -> (tempfile::TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    for directory in kind.directories {
        fs::create_dir_all(folder.path().join(directory)).unwrap();
    }
    fs::copy(case::named("3.7-fresh").path(), folder.path().join("backup.db")).unwrap();
    let command = command(kind, folder.path());
    (folder, command)
}

fn command(kind: &RestoreCase, folder: &Path) -> Command {
    let mut command = Command::new(cli::program());
    command.arg("restore").arg(folder.join("backup.db"));
    let at = folder.to_str().unwrap();
    command.args(kind.flags.iter().map(|flag| flag.replace('@', at))).stdin(Stdio::null());
    command
}

fn try_all(kind: &RestoreCase) {
    if !available() {
        return;
    }
    let (folder, mut first) = prepare(kind);
    let before = tree(folder.path());
    assert!(first.output().unwrap().status.success());
    let after = tree(folder.path());
    let judge = |folder: &tempfile::TempDir, trial: &InjectedFailure, ended: &RunResult| {
        let found = tree(folder.path());
        let mut printed = String::from_utf8_lossy(&ended.output.stderr).into_owned();
        let last: Vec<_> = ended.calls.lines().rev().take(8).collect();
        printed.extend(last.into_iter().rev().map(|line| format!("\n{line}")));
        if ended.killed {
            let whole = after.iter().all(|(path, facts)| found.get(path) == Some(facts));
            let again = command(kind, folder.path()).output().unwrap();
            let printed = String::from_utf8_lossy(&again.stderr).into_owned();
            // A complete result is not restored again.
            assert_eq!(again.status.success(), !whole, "{trial}: {printed} {:?}", found.keys());
            assert_tree(&tree(folder.path()), &after, trial, &printed);
            return;
        }
        match ended.output.status.code() {
            Some(0) => assert_tree(&found, &after, trial, &printed),
            Some(2) if printed.contains("is restored and in place, but") => {
                // Its stage may remain.
                let found = found.into_iter().filter(|(path, _)| !path.to_string_lossy().contains(".etcdsnap-"));
                assert_tree(&found.collect(), &after, trial, &printed);
            }
            Some(2) if printed.contains("cannot write to standard output") => {
                assert_tree(&found, &after, trial, &printed)
            }
            // The dynamic loader has its own code for a library that it cannot open, and damage has another.
            Some(1 | 2 | 127) => assert_tree(&found, &before, trial, &printed),
            other => panic!("{trial}: ended with {other:?}: {printed}"),
        }
    };
    let swept = sweep(GROUPS, MAX_TRIALS, || prepare(kind), judge);
    println!("{swept:?}");
    assert!(swept.hit * 10 >= (swept.hit + swept.missed) * 8, "{swept:?}");
}

fn assert_tree(found: &Tree, expected: &Tree, trial: &InjectedFailure, printed: &str) {
    let differs = |path: &&PathBuf| found.get(*path) != expected.get(*path);
    let mut paths: Vec<_> = found.keys().chain(expected.keys()).filter(differs).collect();
    paths.dedup();
    assert!(paths.is_empty(), "{trial}: {paths:?} are not as they should be\n{printed}");
}
