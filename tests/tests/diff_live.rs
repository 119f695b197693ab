//! `etcdsnap diff FILE --endpoints …`: a backup against the running cluster, and nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::proxy::{Mischief, Proxy};
use etcdsnap_tests::server::{Seat, Servers, said, seats};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn diff(backup: &Path, temporary: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(cli::program());
    command.arg("diff").arg(backup).args(words).env("TMPDIR", temporary).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_a_restore_would_undo() {
    for version in ["3.4", "3.7"] {
        let folder = tempfile::tempdir().unwrap();
        let seats = seats(folder.path(), &["one"]);
        let Some(servers) = Servers::start(version, &seats, folder.path()) else { continue };
        let url = seats[0].client_url();
        let (backup, temporary) = (folder.path().join("backup.db"), folder.path().join("tmp"));
        fs::create_dir(&temporary).unwrap();
        for (key, value) in [("/kept", "1"), ("/changed", "1"), ("/gone", "1")] {
            said(&servers.etcdctl(None, &["put", key, value]));
        }
        said(&cli::run(&["save", backup.to_str().unwrap(), "--endpoints", &url]));
        let same = diff(&backup, &temporary, &["--endpoints", &url]).output().unwrap();
        assert_eq!((same.status.code(), same.stdout.is_empty()), (Some(0), true), "{}", complaint(&same));
        assert!(complaint(&same).contains("Compared with revision 4 of member one at "), "{}", complaint(&same));
        said(&servers.etcdctl(None, &["put", "/changed", "two"]));
        said(&servers.etcdctl(None, &["put", "/new", "1"]));
        said(&servers.etcdctl(None, &["del", "/gone"]));
        let output = diff(&backup, &temporary, &["--endpoints", &url, "-wjson"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let changes: Vec<(String, String)> = text
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let word = |name: &str| line[name].as_str().unwrap().to_owned();
                (word("change"), word("key"))
            })
            .collect();
        let expected = [("changed", "/changed"), ("removed", "/gone"), ("added", "/new")];
        assert_eq!(changes, expected.map(|(change, key)| (change.to_owned(), key.to_owned())));
        // A variable alone names nobody; beside a flag it counts, as for etcdctl.
        let alone = diff(&backup, &temporary, &[]).env("ETCDCTL_ENDPOINTS", &url).output().unwrap();
        assert!(complaint(&alone).contains("there is nothing to compare the snapshot with"), "{}", complaint(&alone));
        let beside = diff(&backup, &temporary, &["--dial-timeout=5s"]).env("ETCDCTL_ENDPOINTS", &url).output().unwrap();
        assert_eq!(beside.status.code(), Some(1), "{}", complaint(&beside));
        let two = diff(&backup, &temporary, &[backup.to_str().unwrap(), "--endpoints", &url]).output().unwrap();
        assert!(complaint(&two).contains("both a second file and a running cluster"), "{}", complaint(&two));
        assert!(empty(&temporary));
        servers.stop();
    }
}

/// A running server, and a backup of it from before it was filled.
struct Later {
    folder: tempfile::TempDir,
    seat: Seat,
    servers: Servers,
    backup: PathBuf,
    /// For temporary files; empty.
    temporary: PathBuf,
}

impl Later {
    /// Fills it with so many megabytes. `None` without the program.
    fn start(megabytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let seats = seats(folder.path(), &["one"]);
        let servers = Servers::start("3.7", &seats, folder.path())?;
        let (backup, temporary) = (folder.path().join("backup.db"), folder.path().join("tmp"));
        fs::create_dir(&temporary).unwrap();
        let seat = seats.into_iter().next().unwrap();
        said(&cli::run(&["save", backup.to_str().unwrap(), "--endpoints", &seat.client_url()]));
        servers.fill(megabytes);
        Some(Self { folder, seat, servers, backup, temporary })
    }
}

/// A server that is not there, one whose stream is cut, and no room.
#[test]
fn what_fails_leaves_nothing() {
    let Some(later) = Later::start(2) else { return };
    let Later { folder, seat, backup, temporary, .. } = &later;
    let cut = Proxy::start(seat.client, |_| Mischief::Cut(500_000));
    for url in ["http://127.0.0.1:1", &cut.url()] {
        let output = diff(backup, temporary, &["--endpoints", url]).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{}", complaint(&output));
        assert!(empty(temporary), "{url}");
    }
    let nowhere = diff(backup, &folder.path().join("none"), &["--endpoints", &seat.client_url()]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(complaint(&nowhere).contains("TMPDIR"), "{}", complaint(&nowhere));
    later.servers.stop();
}

#[test]
fn stopped_by_a_signal_it_leaves_nothing() {
    let Some(later) = Later::start(8) else { return };
    let Later { seat, backup, temporary, .. } = &later;
    // Slow enough for a signal to come in the middle.
    let slow = Proxy::start(seat.client, |_| Mischief::Drip(4_000));
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let child = diff(backup, temporary, &["--endpoints", &slow.url()]).spawn().unwrap();
        let since = Instant::now();
        while part(temporary).is_none() {
            assert!(since.elapsed() < Duration::from_secs(60), "no snapshot is begun");
            sleep(Duration::from_millis(10));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", complaint(&output));
        assert!(output.stdout.is_empty() && empty(temporary), "{signal:?}");
    }
    // At any moment of a quick one.
    for delay in [5, 20, 40, 80, 120, 200, 300, 500] {
        let child = diff(backup, temporary, &["--endpoints", &seat.client_url()]).spawn().unwrap();
        sleep(Duration::from_millis(delay));
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        child.wait_with_output().unwrap();
        assert!(empty(temporary), "after {delay} ms");
    }
    later.servers.stop();
}

/// The file that a save writes to, in the temporary directory of a comparison.
fn part(temporary: &Path) -> Option<PathBuf> {
    let directory = fs::read_dir(temporary).unwrap().next()?.ok()?.path();
    fs::read_dir(directory).ok()?.next().map(|entry| entry.unwrap().path())
}
