//! A failure at every system call of a save, or a kill: the old file is whole under its name, or the new one is; a sound snapshot that is kept is never lost; what a
//! kill left, the next run removes.
//!
//! A bounded choice is tried here; `ETCDSNAP_INJECT=all cargo test -p etcdsnap-tests --test save_injected` tries everything, which takes about an hour.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use etcdsnap_tests::cli;
use etcdsnap_tests::failure_injection::{Ended, GROUPS, Group, Trial, available, sweep};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::origin_mark::{copy_with_mark, has_mark};
use etcdsnap_tests::server::{Servers, said, seats};

/// Failures that are tried of each kind of save, without `ETCDSNAP_INJECT`.
const BOUNDED: usize = 60;

/// What the old file holds.
const OLD: &[u8] = b"yesterday's";

/// Extended attributes, which a save uses as no other command does.
const ATTRIBUTES: Group =
    Group { calls: &["fsetxattr", "fgetxattr", "fremovexattr"], errors: &["EIO", "ENOSPC", "EACCES", "EOPNOTSUPP"] };

fn groups() -> Vec<Group> {
    GROUPS.iter().copied().chain([ATTRIBUTES]).collect()
}

/// The server that all trials of a test save from; it ends with the value.
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
        let seats = seats(folder.path(), &["one"]);
        let servers = Servers::start("3.7", &seats, folder.path())?;
        servers.fill(1);
        Some(Self { url: seats[0].client_url(), _servers: servers, folder })
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

/// Whether the program says that the new file is in place, for a run that did not end as it should.
fn says_in_place(said: &str) -> bool {
    said.contains("is complete and in place") || said.contains("cannot write to standard output")
}

/// The exit code and what it says agree with whether the new file is in place, and nothing else is left unless it could not be removed.
fn check_end(trial: &Trial, ended: &Ended, in_place: bool, litter: &[String]) {
    let said = String::from_utf8_lossy(&ended.output.stderr).into_owned();
    // The runtime wakes itself by a write to an event file, which fails in no other world, and gives up without it.
    if ended.killed || said.contains("failed to wake I/O driver") {
        return;
    }
    assert!(!said.contains("panicked"), "{trial}: {said}");
    match ended.output.status.code() {
        Some(0) => assert!(in_place, "{trial}: {said}"),
        Some(2) => {
            // The failure may hit what is said, too, wholly or in the middle.
            let silent = said.is_empty() && matches!(trial.call, "write" | "pwrite64" | "writev" | "pwritev");
            assert!(silent || in_place == says_in_place(&said), "{trial}: {said}");
            assert!(silent || said.contains("etcdsnap:"), "{trial}: {said}");
        }
        // The loader has its own code for a library that it cannot open.
        Some(127) => assert!(!in_place, "{trial}: {said}"),
        other => panic!("{trial}: ended with {other:?}: {said}"),
    }
    assert!(litter.is_empty() || matches!(trial.call, "unlink" | "unlinkat" | "rmdir"), "{trial}: {litter:?}\n{said}");
}

/// A file that is replaced.
fn replaces(flags: &[&str]) {
    let Some(server) = Server::start() else { return };
    let prepare = || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backup.db");
        fs::write(&file, OLD).unwrap();
        let command = server.command(flags, &file);
        (folder, command)
    };
    let judge = |folder: &tempfile::TempDir, trial: &Trial, ended: &Ended| {
        let file = folder.path().join("backup.db");
        let in_place = fs::read(&file).unwrap() != OLD;
        assert!(!in_place || is_sound(&file), "{trial}: {ended:?}");
        let litter: Vec<_> = names(folder.path()).into_iter().filter(|name| name != "backup.db").collect();
        check_end(trial, ended, in_place, &litter);
        said(&server.command(flags, &file).output().unwrap());
        assert!(is_sound(&file), "{trial}");
        assert_eq!(names(folder.path()), ["backup.db"], "{trial}");
    };
    let swept = sweep(&groups(), BOUNDED, prepare, judge);
    println!("{flags:?}: {swept:?}");
    assert!(swept.hit * 10 >= (swept.hit + swept.missed) * 8, "{swept:?}");
}

#[test]
fn a_file_is_replaced() {
    replaces(&[]);
}

#[test]
fn a_compressed_file_is_replaced() {
    replaces(&["--compress=zstd"]);
}

/// A directory with an old snapshot that goes when the new one is in place.
#[test]
fn an_old_snapshot_goes() {
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
    let judge = |folder: &tempfile::TempDir, trial: &Trial, ended: &Ended| {
        let all = names(folder.path());
        let (snapshots, litter): (Vec<_>, Vec<_>) = all.into_iter().partition(|name| name.starts_with("etcd-"));
        let sound: Vec<_> = snapshots.iter().filter(|name| is_sound(&folder.path().join(name))).collect();
        assert_eq!(sound.len(), snapshots.len(), "{trial}: {snapshots:?} {ended:?}");
        assert!(!sound.is_empty(), "{trial}: all snapshots are gone: {ended:?}");
        let (old, new) = (snapshots.contains(&old_name), snapshots.iter().any(|name| *name != old_name));
        check_end(trial, ended, new, &litter);
        if ended.output.status.success() && old {
            let said = String::from_utf8_lossy(&ended.output.stderr);
            assert!(
                said.contains("removed") || said.contains("stayed"),
                "{trial}: nothing says why the old snapshot is still there: {said}"
            );
        }
        let has_none = |name: &&String| **name != old_name && !has_mark(&folder.path().join(name));
        let without_mark = snapshots.iter().filter(has_none).count();
        said(&server.command(&["--keep=1"], folder.path()).output().unwrap());
        let left = names(folder.path());
        assert!(
            !left.contains(&old_name) && left.iter().all(|name| is_sound(&folder.path().join(name))),
            "{trial}: {left:?}"
        );
        // A snapshot that could not be marked stays, as a copy does.
        assert!((1..=1 + without_mark).contains(&left.len()), "{trial}: {left:?} {ended:?}");
    };
    let swept = sweep(&groups(), BOUNDED, prepare, judge);
    println!("{swept:?}");
    assert!(swept.hit * 10 >= (swept.hit + swept.missed) * 8, "{swept:?}");
}

/// What comes out is whole when the exit code says so, and at no other time.
#[test]
fn a_stream_is_whole_or_cut_short() {
    let Some(server) = Server::start() else { return };
    let prepare = || {
        let folder = tempfile::tempdir().unwrap();
        let mut command = server.command(&["-w=json"], Path::new("-"));
        command.current_dir(folder.path());
        (folder, command)
    };
    let judge = |folder: &tempfile::TempDir, trial: &Trial, ended: &Ended| {
        assert!(names(folder.path()).is_empty(), "{trial}: {:?}", names(folder.path()));
        let said = String::from_utf8_lossy(&ended.output.stderr).into_owned();
        // As above.
        if ended.killed || said.contains("failed to wake I/O driver") {
            return;
        }
        assert!(!said.contains("panicked"), "{trial}: {said}");
        let out = folder.path().join("out.db");
        fs::write(&out, &ended.output.stdout).unwrap();
        let code = ended.output.status.code();
        assert!(matches!(code, Some(0 | 2 | 127)), "{trial}: ended with {code:?}: {said}");
        assert_eq!(is_sound(&out), code == Some(0), "{trial}: ended with {code:?}: {said}");
    };
    let swept = sweep(&groups(), BOUNDED, prepare, judge);
    println!("{swept:?}");
    assert!(swept.hit * 10 >= (swept.hit + swept.missed) * 8, "{swept:?}");
}
