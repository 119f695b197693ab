//! Injects a failure or a kill at every system call of a save: the old file or the new one is complete under its name; a sound snapshot to keep is never lost; the
//! next run removes the leftovers of a kill.
//!
//! By default a fixed sample runs; `ETCDSNAP_INJECT=all cargo test -p etcdsnap-tests --test save_injected` tries everything, which takes about an hour.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use etcdsnap_tests::cli;
use etcdsnap_tests::failure_injection::{GROUPS, Group, InjectedFailure, RunResult, available, sweep};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::origin_mark::{copy_with_mark, has_mark};
use etcdsnap_tests::server::{Servers, member_configs, stdout_of};

/// Failures to try per kind of save, without `ETCDSNAP_INJECT`.
const MAX_TRIALS: usize = 60;

/// The contents of the old file.
const OLD: &[u8] = b"yesterday's";

/// Calls for extended attributes, which only a save uses.
const ATTRIBUTES: Group =
    Group { calls: &["fsetxattr", "fgetxattr", "fremovexattr"], errors: &["EIO", "ENOSPC", "EACCES", "EOPNOTSUPP"] };

fn groups() -> Vec<Group> {
    GROUPS.iter().copied().chain([ATTRIBUTES]).collect()
}

/// The server that all runs of a test save from; it ends when the value is dropped.
struct Server {
    url: String,
    _servers: Servers,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Option<Self> {
        if !available() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let member_configs = member_configs(folder.path(), &["one"]);
        let servers = Servers::start("3.7", &member_configs, folder.path())?;
        servers.put_megabytes(1);
        Some(Self { url: member_configs[0].client_url(), _servers: servers, folder })
    }

    fn command(&self, flags: &[&str], target: &Path) -> Command {
        let mut command = Command::new(cli::program());
        command.arg("save").arg(format!("--endpoints={}", self.url)).args(flags).arg(target).stdin(Stdio::null());
        command
    }
}

fn is_sound(path: &Path) -> bool {
    let report = etcdsnap::verify(path, etcdsnap::VerifyOptions::default());
    report.is_ok_and(|report| report.verdict == etcdsnap::Verdict::Sound)
}

/// Returns whether the program reports the new file as in place, in a run that failed.
fn reports_in_place(printed: &str) -> bool {
    printed.contains("is complete and in place") || printed.contains("cannot write to standard output")
}

/// Asserts that the exit code and the message agree on whether the new file is in place, and that nothing else is left unless it could not be removed.
fn check_end(trial: &InjectedFailure, ended: &RunResult, in_place: bool, leftovers: &[String]) {
    let printed = String::from_utf8_lossy(&ended.output.stderr).into_owned();
    // The runtime wakes itself by a write to an event file. That never fails in practice; if it does, the runtime aborts.
    if ended.killed || printed.contains("failed to wake I/O driver") {
        return;
    }
    assert!(!printed.contains("panicked"), "{trial}: {printed}");
    match ended.output.status.code() {
        Some(0) => assert!(in_place, "{trial}: {printed}"),
        Some(2) => {
            // The failure may hit the message too, wholly or in the middle.
            let silent = printed.is_empty() && matches!(trial.call, "write" | "pwrite64" | "writev" | "pwritev");
            assert!(silent || in_place == reports_in_place(&printed), "{trial}: {printed}");
            assert!(silent || printed.contains("etcdsnap:"), "{trial}: {printed}");
        }
        // The dynamic loader has its own code for a library that it cannot open.
        Some(127) => assert!(!in_place, "{trial}: {printed}"),
        other => panic!("{trial}: ended with {other:?}: {printed}"),
    }
    assert!(
        leftovers.is_empty() || matches!(trial.call, "unlink" | "unlinkat" | "rmdir"),
        "{trial}: {leftovers:?}\n{printed}"
    );
}

/// Tests a save that replaces a file.
fn check_replacing(flags: &[&str]) {
    let Some(server) = Server::start() else { return };
    let prepare = || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backup.db");
        fs::write(&file, OLD).unwrap();
        let command = server.command(flags, &file);
        (folder, command)
    };
    let judge = |folder: &tempfile::TempDir, trial: &InjectedFailure, ended: &RunResult| {
        let file = folder.path().join("backup.db");
        let in_place = fs::read(&file).unwrap() != OLD;
        assert!(!in_place || is_sound(&file), "{trial}: {ended:?}");
        let leftovers: Vec<_> = names(folder.path()).into_iter().filter(|name| name != "backup.db").collect();
        check_end(trial, ended, in_place, &leftovers);
        stdout_of(&server.command(flags, &file).output().unwrap());
        assert!(is_sound(&file), "{trial}");
        assert_eq!(names(folder.path()), ["backup.db"], "{trial}");
    };
    let swept = sweep(&groups(), MAX_TRIALS, prepare, judge);
    println!("{flags:?}: {swept:?}");
    assert!(swept.hit * 10 >= (swept.hit + swept.missed) * 8, "{swept:?}");
}

#[test]
fn failures_while_replacing_a_file() {
    check_replacing(&[]);
}

#[test]
fn failures_while_replacing_a_compressed_file() {
    check_replacing(&["--compress=zstd"]);
}

/// A directory with an old snapshot that retention removes once the new one is in place.
#[test]
fn failures_while_removing_an_old_snapshot() {
    let Some(server) = Server::start() else { return };
    let saved = |output| PathBuf::from(cli::json(&output)["file"].as_str().unwrap());
    let first = saved(server.command(&["-w=json"], server.folder.path()).output().unwrap());
    let name = first.file_name().unwrap().to_str().unwrap();
    let old_name = format!("{}-20200101T000000Z.db", name.rsplit_once('-').unwrap().0);
    let prepare = || {
        let folder = tempfile::tempdir().unwrap();
        copy_with_mark(&first, &folder.path().join(&old_name));
        let command = server.command(&["--keep=1"], folder.path());
        (folder, command)
    };
    let judge = |folder: &tempfile::TempDir, trial: &InjectedFailure, ended: &RunResult| {
        let all = names(folder.path());
        let (snapshots, leftovers): (Vec<_>, Vec<_>) = all.into_iter().partition(|name| name.starts_with("etcd-"));
        let sound: Vec<_> = snapshots.iter().filter(|name| is_sound(&folder.path().join(name))).collect();
        assert_eq!(sound.len(), snapshots.len(), "{trial}: {snapshots:?} {ended:?}");
        assert!(!sound.is_empty(), "{trial}: all snapshots are gone: {ended:?}");
        let (old, new) = (snapshots.contains(&old_name), snapshots.iter().any(|name| *name != old_name));
        check_end(trial, ended, new, &leftovers);
        if ended.output.status.success() && old {
            let printed = String::from_utf8_lossy(&ended.output.stderr);
            assert!(
                printed.contains("removed") || printed.contains("stayed"),
                "{trial}: nothing says why the old snapshot is still there: {printed}"
            );
        }
        let has_none = |name: &&String| **name != old_name && !has_mark(&folder.path().join(name));
        let without_mark = snapshots.iter().filter(has_none).count();
        stdout_of(&server.command(&["--keep=1"], folder.path()).output().unwrap());
        let left = names(folder.path());
        assert!(
            !left.contains(&old_name) && left.iter().all(|name| is_sound(&folder.path().join(name))),
            "{trial}: {left:?}"
        );
        // A snapshot that could not be marked stays, as a copy does.
        assert!((1..=1 + without_mark).contains(&left.len()), "{trial}: {left:?} {ended:?}");
    };
    let swept = sweep(&groups(), MAX_TRIALS, prepare, judge);
    println!("{swept:?}");
    assert!(swept.hit * 10 >= (swept.hit + swept.missed) * 8, "{swept:?}");
}

/// The output is complete if, and only if, the exit code is 0.
#[test]
fn a_stream_is_whole_or_cut_short() {
    let Some(server) = Server::start() else { return };
    let prepare = || {
        let folder = tempfile::tempdir().unwrap();
        let mut command = server.command(&["-w=json"], Path::new("-"));
        command.current_dir(folder.path());
        (folder, command)
    };
    let judge = |folder: &tempfile::TempDir, trial: &InjectedFailure, ended: &RunResult| {
        assert!(names(folder.path()).is_empty(), "{trial}: {:?}", names(folder.path()));
        let printed = String::from_utf8_lossy(&ended.output.stderr).into_owned();
        // As in `check_end`: the runtime aborts if it cannot wake itself.
        if ended.killed || printed.contains("failed to wake I/O driver") {
            return;
        }
        assert!(!printed.contains("panicked"), "{trial}: {printed}");
        let out = folder.path().join("out.db");
        fs::write(&out, &ended.output.stdout).unwrap();
        let code = ended.output.status.code();
        assert!(matches!(code, Some(0 | 2 | 127)), "{trial}: ended with {code:?}: {printed}");
        assert_eq!(is_sound(&out), code == Some(0), "{trial}: ended with {code:?}: {printed}");
    };
    let swept = sweep(&groups(), MAX_TRIALS, prepare, judge);
    println!("{swept:?}");
    assert!(swept.hit * 10 >= (swept.hit + swept.missed) * 8, "{swept:?}");
}
