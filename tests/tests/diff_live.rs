//! `etcdsnap diff FILE --endpoints …`: compares a backup with the running cluster, and leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::faulty_proxy::{FaultyProxy, NetworkFault};
use etcdsnap_tests::server::{MemberConfig, Servers, member_configs, stdout_of};
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

#[test]
fn lists_what_a_restore_would_undo() {
    for version in ["3.4", "3.7"] {
        let folder = tempfile::tempdir().unwrap();
        let member_configs = member_configs(folder.path(), &["one"]);
        let Some(servers) = Servers::start(version, &member_configs, folder.path()) else { continue };
        let url = member_configs[0].client_url();
        let (backup, temporary) = (folder.path().join("backup.db"), folder.path().join("tmp"));
        fs::create_dir(&temporary).unwrap();
        for (key, value) in [("/kept", "1"), ("/changed", "1"), ("/gone", "1")] {
            stdout_of(&servers.etcdctl(None, &["put", key, value]));
        }
        stdout_of(&cli::run(&["save", backup.to_str().unwrap(), "--endpoints", &url]));
        let same = diff(&backup, &temporary, &["--endpoints", &url]).output().unwrap();
        assert_eq!((same.status.code(), same.stdout.is_empty()), (Some(0), true), "{}", cli::stderr(&same));
        assert!(cli::stderr(&same).contains("Compared with revision 4 of member one at "), "{}", cli::stderr(&same));
        stdout_of(&servers.etcdctl(None, &["put", "/changed", "two"]));
        stdout_of(&servers.etcdctl(None, &["put", "/new", "1"]));
        stdout_of(&servers.etcdctl(None, &["del", "/gone"]));
        let output = diff(&backup, &temporary, &["--endpoints", &url, "-wjson"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", cli::stderr(&output));
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
        // A user variable alone is not enough; together with a flag it counts, as for etcdctl.
        let alone = diff(&backup, &temporary, &[]).env("ETCDCTL_ENDPOINTS", &url).output().unwrap();
        assert!(
            cli::stderr(&alone).contains("There is nothing to compare the snapshot with"),
            "{}",
            cli::stderr(&alone)
        );
        let beside = diff(&backup, &temporary, &["--dial-timeout=5s"]).env("ETCDCTL_ENDPOINTS", &url).output().unwrap();
        assert_eq!(beside.status.code(), Some(1), "{}", cli::stderr(&beside));
        let two = diff(&backup, &temporary, &[backup.to_str().unwrap(), "--endpoints", &url]).output().unwrap();
        assert!(cli::stderr(&two).contains("both a second file and a running cluster"), "{}", cli::stderr(&two));
        assert!(empty(&temporary));
        servers.stop();
    }
}

/// A running server, and a backup from before its latest writes.
struct GrownServer {
    folder: tempfile::TempDir,
    member_config: MemberConfig,
    servers: Servers,
    backup: PathBuf,
    /// An empty directory for temporary files.
    temporary: PathBuf,
}

impl GrownServer {
    /// Writes this many megabytes to it. `None` without the program.
    fn start(megabytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let member_configs = member_configs(folder.path(), &["one"]);
        let servers = Servers::start("3.7", &member_configs, folder.path())?;
        let (backup, temporary) = (folder.path().join("backup.db"), folder.path().join("tmp"));
        fs::create_dir(&temporary).unwrap();
        let member_config = member_configs.into_iter().next().unwrap();
        stdout_of(&cli::run(&["save", backup.to_str().unwrap(), "--endpoints", &member_config.client_url()]));
        servers.put_megabytes(megabytes);
        Some(Self { folder, member_config, servers, backup, temporary })
    }
}

/// Tests a missing server, a stream that is cut, and a full disk.
#[test]
fn a_failed_comparison_leaves_no_files() {
    let Some(later) = GrownServer::start(2) else { return };
    let GrownServer { folder, member_config, backup, temporary, .. } = &later;
    let cut = FaultyProxy::start(member_config.client, |_| NetworkFault::Cut(500_000));
    for url in ["http://127.0.0.1:1", &cut.url()] {
        let output = diff(backup, temporary, &["--endpoints", url]).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{}", cli::stderr(&output));
        assert!(empty(temporary), "{url}");
    }
    let nowhere =
        diff(backup, &folder.path().join("none"), &["--endpoints", &member_config.client_url()]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(cli::stderr(&nowhere).contains("TMPDIR"), "{}", cli::stderr(&nowhere));
    later.servers.stop();
}

#[test]
fn a_comparison_stopped_by_a_signal_leaves_no_files() {
    let Some(later) = GrownServer::start(8) else { return };
    let GrownServer { member_config, backup, temporary, .. } = &later;
    // Slow enough for a signal to arrive in the middle.
    let slow = FaultyProxy::start(member_config.client, |_| NetworkFault::Drip(4_000));
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let child = diff(backup, temporary, &["--endpoints", &slow.url()]).spawn().unwrap();
        let since = Instant::now();
        while part(temporary).is_none() {
            assert!(since.elapsed() < Duration::from_secs(60), "no snapshot is begun");
            sleep(Duration::from_millis(10));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", cli::stderr(&output));
        assert!(output.stdout.is_empty() && empty(temporary), "{signal:?}");
    }
    // At any moment of a fast one.
    for delay in [5, 20, 40, 80, 120, 200, 300, 500] {
        let child = diff(backup, temporary, &["--endpoints", &member_config.client_url()]).spawn().unwrap();
        sleep(Duration::from_millis(delay));
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        child.wait_with_output().unwrap();
        assert!(empty(temporary), "after {delay} ms");
    }
    later.servers.stop();
}

/// Returns the file that a save writes to, in the temporary directory of a comparison.
fn part(temporary: &Path) -> Option<PathBuf> {
    let directory = fs::read_dir(temporary).unwrap().next()?.ok()?.path();
    fs::read_dir(directory).ok()?.next().map(|entry| entry.unwrap().path())
}
