//! Failures between a server and a disk: each ends with the right exit code and message, no leftovers, and the old file intact.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::faulty_proxy::{FaultyProxy, NetworkFault};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::server::{MemberConfig, Servers, member_configs, stdout_of};
use etcdsnap_tests::shared_server::{SharedServer, Slot};
use rustix::process::{Pid, Signal, kill_process};

/// Minimum size of the snapshot in bytes.
const SIZE: usize = 12_000_000;

/// The contents of the old file.
const OLD: &[u8] = b"yesterday's";

/// Returns a server with some megabytes in it.
fn server() -> Option<Arc<SharedServer>> {
    static SLOT: Slot = Slot::new(Weak::new());
    SharedServer::get(&SLOT, 12)
}

/// A directory with an old snapshot in it.
struct TestFolder {
    folder: tempfile::TempDir,
}

impl TestFolder {
    fn new() -> Self {
        let test_folder = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(test_folder.file(), OLD).unwrap();
        test_folder
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("backup.db")
    }

    fn command(&self, url: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(cli::program());
        command.arg("save").arg(format!("--endpoints={url}")).args(flags).arg(self.file());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Asserts that the old file is intact, and that there is nothing else.
    fn assert_unchanged(&self) {
        assert_eq!(self.names(), ["backup.db"]);
        assert_eq!(fs::read(self.file()).unwrap(), OLD);
    }

    /// Asserts the exit code, words in the message, and that nothing changed.
    fn refused(&self, output: &Output, code: i32, words: &[&str]) {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in: {text}");
        }
        self.assert_unchanged();
    }
}

/// Saves through a proxy that disturbs every connection like this.
fn save_through(fault: NetworkFault, flags: &[&str], code: i32, words: &[&str]) {
    let Some(shared) = server() else { return };
    let member_config = &shared.member_config;
    let proxy = FaultyProxy::start(member_config.client, move |_| fault);
    let test_folder = TestFolder::new();
    let output = test_folder.command(&proxy.url(), flags).output().unwrap();
    test_folder.refused(&output, code, words);
}

#[test]
fn a_connection_that_ends_is_an_error() {
    for at in [SIZE / 2, SIZE - 5, 100_000] {
        save_through(NetworkFault::Cut(at), &[], 2, &["broke"]);
    }
    save_through(NetworkFault::Cut(0), &[], 2, &[""]);
}

#[test]
fn a_connection_that_is_reset_is_an_error() {
    save_through(NetworkFault::Reset(SIZE / 2), &[], 2, &["broke"]);
}

#[test]
fn a_stalled_stream_is_an_error() {
    save_through(
        NetworkFault::Stall(SIZE / 2),
        &["--stall-timeout=1s"],
        2,
        &["sent nothing for 1s", "--stall-timeout"],
    );
    // Before any data, the first request gets no answer.
    save_through(
        NetworkFault::Stall(50),
        &["--stall-timeout=1s"],
        2,
        &["is connected and has not answered", "within 5s"],
    );
    save_through(
        NetworkFault::Stall(50),
        &["--dial-timeout=6s"],
        2,
        &["is connected and has not answered", "within 6s"],
    );
    save_through(NetworkFault::Stall(SIZE / 2), &["--command-timeout=2s"], 2, &["longer than 2s", "--command-timeout"]);
}

/// Like Go's clients, the client sends a ping after ten seconds of silence at the earliest.
#[test]
fn a_server_that_answers_no_ping_is_an_error() {
    let flags = ["--stall-timeout=60s", "--keepalive-time=1s", "--keepalive-timeout=1s"];
    let words = ["after 10s of silence", "did not answer within 1s (--keepalive-timeout)"];
    save_through(NetworkFault::Stall(SIZE / 2), &flags, 2, &words);
}

/// Wherever a byte changes, it is detected: by HTTP/2, by gRPC, by the count of bytes, or finally by the SHA-256.
#[test]
fn a_changed_byte_is_detected() {
    let Some(shared) = server() else { return };
    let member_config = &shared.member_config;
    let mut by_hash = 0;
    let mut rng = SeededRandom::new(5);
    for round in 0..12 {
        let at = 10_000 + rng.below(SIZE - 20_000);
        let proxy = FaultyProxy::start(member_config.client, move |_| NetworkFault::Flip(at));
        let test_folder = TestFolder::new();
        let output = test_folder.command(&proxy.url(), &["--stall-timeout=5s"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "round {round}, byte {at}: {text}");
        if output.status.code() == Some(1) {
            assert!(text.contains("damaged in transit"), "{text}");
            by_hash += 1;
        }
        test_folder.assert_unchanged();
    }
    assert!(by_hash >= 6, "{by_hash}");
}

/// Without checks, a fault is still reported, and the received file is kept.
#[test]
fn faults_are_reported_even_without_checks() {
    let Some(shared) = server() else { return };
    let member_config = &shared.member_config;
    let kept = (1..10).find_map(|tenth| {
        let proxy = FaultyProxy::start(member_config.client, move |_| NetworkFault::Flip(SIZE / 10 * tenth));
        let test_folder = TestFolder::new();
        let flags = ["--verify=none", "--stall-timeout=5s", "-w=json"];
        let output = test_folder.command(&proxy.url(), &flags).output().unwrap();
        output.status.success().then(|| (cli::json(&output), test_folder))
    });
    let (json, test_folder) = kept.expect("a byte of a value rather than of a frame");
    assert_eq!((&json["sha256Matches"], &json["verified"]), (&false.into(), &false.into()), "{json}");
    let report = etcdsnap::verify(test_folder.file(), etcdsnap::VerifyOptions::default()).unwrap();
    assert!(report.findings.list().iter().any(|finding| finding.code.to_string() == "sha256-mismatch"));
}

#[test]
fn swapped_frames_are_detected() {
    let Some(shared) = server() else { return };
    let member_config = &shared.member_config;
    for at in [SIZE / 4, SIZE / 2] {
        let proxy = FaultyProxy::start(member_config.client, move |_| NetworkFault::Swap(at));
        let test_folder = TestFolder::new();
        let output = test_folder.command(&proxy.url(), &["--stall-timeout=5s"]).output().unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
        test_folder.assert_unchanged();
    }
}

/// A slow stream is not a stalled one.
#[test]
fn a_slow_stream_arrives() {
    let Some(shared) = server() else { return };
    let member_config = &shared.member_config;
    let proxy = FaultyProxy::start(member_config.client, |_| NetworkFault::Drip(60_000));
    let test_folder = TestFolder::new();
    stdout_of(&test_folder.command(&proxy.url(), &["--stall-timeout=1s"]).output().unwrap());
    let report = etcdsnap::verify(test_folder.file(), etcdsnap::VerifyOptions::default()).unwrap();
    assert_eq!(report.verdict, etcdsnap::Verdict::Sound);
    assert_eq!(test_folder.names(), ["backup.db"]);
}

/// With retries the same server is asked once more.
#[test]
fn a_retry_succeeds() {
    let Some(shared) = server() else { return };
    let member_config = &shared.member_config;
    let proxy = FaultyProxy::start(member_config.client, |number| {
        if number < 2 { NetworkFault::Cut(SIZE / 2) } else { NetworkFault::None }
    });
    let test_folder = TestFolder::new();
    let output = test_folder.command(&proxy.url(), &["--retries=1"]).output().unwrap();
    test_folder.refused(&output, 2, &["No server sent a snapshot"]);
    assert_eq!(proxy.connections(), 2);
    stdout_of(&test_folder.command(&proxy.url(), &["--retries=1"]).output().unwrap());
    assert_eq!(proxy.connections(), 3);
    assert_ne!(fs::read(test_folder.file()).unwrap(), OLD);
}

#[test]
fn a_killed_server_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(mut servers) = Servers::start("3.6", &member_configs, folder.path()) else { return };
    servers.put_megabytes(12);
    // Slowly, so that the kill hits the middle.
    let proxy = FaultyProxy::start(member_configs[0].client, |_| NetworkFault::Drip(30_000));
    let test_folder = TestFolder::new();
    let child = test_folder.command(&proxy.url(), &[]).spawn().unwrap();
    wait_until_saving(&test_folder);
    servers.kill(0);
    test_folder.refused(&child.wait_with_output().unwrap(), 2, &["broke"]);
    // Afterwards no server listens.
    let output = test_folder.command(&member_configs[0].client_url(), &[]).output().unwrap();
    test_folder.refused(&output, 2, &["cannot be reached", "nothing listens there"]);
}

fn wait_until_saving(test_folder: &TestFolder) {
    let since = Instant::now();
    while test_folder.names().len() == 1 {
        assert!(since.elapsed() < Duration::from_secs(30), "it does not begin");
        sleep(Duration::from_millis(1));
    }
    sleep(Duration::from_millis(100));
}

fn slowly(test_folder: &TestFolder, member_config: &MemberConfig) -> Child {
    let proxy = FaultyProxy::start(member_config.client, |_| NetworkFault::Drip(20_000));
    let child = test_folder.command(&proxy.url(), &[]).spawn().unwrap();
    wait_until_saving(test_folder);
    child
}

#[test]
fn a_save_stopped_by_a_signal_cleans_up() {
    let Some(shared) = server() else { return };
    for (signal, code) in [
        (Signal::INT, 130),
        (Signal::TERM, 143),
        // A closed terminal, Ctrl-\, and signals that would kill a program silently.
        (Signal::HUP, 129),
        (Signal::QUIT, 131),
        (Signal::USR1, 138),
        (Signal::USR2, 140),
        (Signal::ALARM, 142),
        (Signal::VTALARM, 154),
        (Signal::PROF, 155),
        (Signal::XCPU, 152),
        (Signal::IO, 157),
    ] {
        let test_folder = TestFolder::new();
        let child = slowly(&test_folder, &shared.member_config);
        kill_process(Pid::from_child(&child), signal).unwrap();
        // A closed terminal sends its signal more than once; only a second Ctrl-C, SIGTERM or SIGQUIT ends the program without cleaning up.
        for _ in 0..if [Signal::INT, Signal::TERM, Signal::QUIT].contains(&signal) { 0 } else { 20 } {
            sleep(Duration::from_micros(500));
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
        let since = Instant::now();
        test_folder.refused(&child.wait_with_output().unwrap(), code, &["Stopped"]);
        assert!(since.elapsed() < Duration::from_secs(5));
    }
}

/// `nohup` makes a program ignore SIGHUP, and a shell makes background jobs ignore SIGQUIT: such a save continues.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let Some(shared) = server() else { return };
    for (name, signal) in [("HUP", Signal::HUP), ("QUIT", Signal::QUIT), ("USR1", Signal::USR1)] {
        let test_folder = TestFolder::new();
        let proxy = FaultyProxy::start(shared.member_config.client, |_| NetworkFault::Drip(20_000));
        let plain = test_folder.command(&proxy.url(), &[]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("trap '' {name}; exec \"$0\" \"$@\"")]).arg(plain.get_program());
        command.args(plain.get_args()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        wait_until_saving(&test_folder);
        kill_process(Pid::from_child(&child), signal).unwrap();
        sleep(Duration::from_millis(500));
        assert!(child.try_wait().unwrap().is_none(), "{name} ended it");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        test_folder.refused(&child.wait_with_output().unwrap(), 143, &["Stopped"]);
    }
}

/// The next run removes the leftovers of a killed run, but not a file that another run still writes.
#[test]
fn a_kill_at_any_moment_keeps_the_old_file() {
    let Some(shared) = server() else { return };
    let member_config = &shared.member_config;
    let test_folder = TestFolder::new();
    let mut rng = SeededRandom::new(9);
    let mut left = 0;
    for _ in 0..30 {
        let mut child = test_folder.command(&member_config.client_url(), &[]).spawn().unwrap();
        sleep(Duration::from_millis(rng.below(120) as u64));
        let _ = child.kill();
        let _ = child.wait();
        // The old file, or a complete new one.
        if fs::read(test_folder.file()).unwrap() != OLD {
            let report = etcdsnap::verify(test_folder.file(), etcdsnap::VerifyOptions::default()).unwrap();
            assert_eq!(report.verdict, etcdsnap::Verdict::Sound);
            fs::write(test_folder.file(), OLD).unwrap();
        }
        left += test_folder.names().len() - 1;
    }
    println!("{left} times something was left");
    let other = slowly(&test_folder, member_config);
    let before = test_folder.names().len();
    assert_eq!(before, 2, "the run at work, and nothing older: {:?}", test_folder.names());
    stdout_of(&test_folder.command(&member_config.client_url(), &[]).output().unwrap());
    assert_eq!(test_folder.names().len(), 2, "{:?}", test_folder.names());
    stdout_of(&other.wait_with_output().unwrap());
    assert_eq!(test_folder.names(), ["backup.db"]);
}

#[test]
fn a_full_disk_keeps_the_old_file() {
    let Some(shared) = server() else { return };
    let member_config = &shared.member_config;
    let test_folder = TestFolder::new();
    // Files of at most 5 MB, as under a quota.
    let script = "ulimit -f 5000; exec \"$0\" save --endpoints=\"$1\" \"$2\"";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(cli::program())
        .arg(member_config.client_url())
        .arg(test_folder.file())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    test_folder.refused(&output, 2, &["Cannot write", test_folder.folder.path().to_str().unwrap()]);
    // Compressed, random letters still take more than half of that.
    let script = "ulimit -f 2000; exec \"$0\" save --compress zstd --endpoints=\"$1\" \"$2\"";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(cli::program())
        .arg(member_config.client_url())
        .arg(test_folder.file())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    test_folder.refused(&output, 2, &["Cannot write"]);
}

/// A disk with too little space is reported before anything is written.
#[test]
fn too_little_space_is_reported_before_writing() {
    let Some(shared) = server() else { return };
    let member_config = &shared.member_config;
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("*** nothing can be mounted here; the limit on file sizes stands for a full disk ***");
        return;
    }
    let file = folder.path().join("backup.db");
    fs::write(&file, OLD).unwrap();
    let output = cli::run(&["save", &format!("--endpoints={}", member_config.client_url()), file.to_str().unwrap()]);
    let (names, old) = (fs::read_dir(folder.path()).unwrap().count(), fs::read(&file).unwrap());
    assert!(Command::new("umount").arg(folder.path()).status().unwrap().success());
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("are needed"), "{output:?}");
    assert_eq!((names, old.as_slice()), (1, OLD));
}

#[test]
fn unwritable_targets_are_refused() {
    let Some(shared) = server() else { return };
    let member_config = &shared.member_config;
    let test_folder = TestFolder::new();
    let run = |path: &str| cli::run(&["save", &format!("--endpoints={}", member_config.client_url()), path]);
    let nowhere = test_folder.folder.path().join("nowhere/backup.db");
    test_folder.refused(&run(nowhere.to_str().unwrap()), 2, &["nowhere", "create the directory first"]);
    test_folder.refused(&run("/proc/backup.db"), 2, &["/proc"]);
    test_folder.refused(&run(test_folder.folder.path().join("{host}.db").to_str().unwrap()), 2, &["{cluster}"]);
    let below = test_folder.file().join("x.db");
    test_folder.refused(&run(below.to_str().unwrap()), 2, &["Cannot write"]);
    // A target that is not a file is not replaced by one.
    let aside = tempfile::tempdir().unwrap();
    let socket = aside.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    test_folder.refused(&run(socket.to_str().unwrap()), 2, &["is a socket"]);
    assert!(!fs::metadata(&socket).unwrap().is_file());
}

/// A database that is damaged on the server itself is not accepted as a good snapshot; the SHA-256 of what the server sends is correct nevertheless.
#[test]
fn a_database_damaged_on_the_server_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    servers.put_megabytes(4);
    // A snapshot makes the server write everything to the file; then a byte of a value's encoding changes in place.
    let file = folder.path().join("before.db");
    let url = format!("--endpoints={}", member_configs[0].client_url());
    stdout_of(&cli::run(&["save", &url, file.to_str().unwrap()]));
    let database = member_configs[0].data.join("member/snap/db");
    let bytes = fs::read(&database).unwrap();
    let needle = b"fill/2";
    let found: Vec<usize> = (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert!(!found.is_empty());
    use std::os::unix::fs::FileExt;
    let open = fs::File::options().write(true).open(&database).unwrap();
    for at in found {
        // The tag of the key's own field, two bytes before it.
        open.write_all_at(&[0xff], at as u64 - 2).unwrap();
    }
    let test_folder = TestFolder::new();
    let output = test_folder.command(&member_configs[0].client_url(), &[]).output().unwrap();
    test_folder.refused(&output, 1, &["database of", "is damaged", "another member", "--verify hash"]);
    // With --force or the like, the file is kept nevertheless.
    stdout_of(&test_folder.command(&member_configs[0].client_url(), &["--verify=hash"]).output().unwrap());
    let report = etcdsnap::verify(test_folder.file(), etcdsnap::VerifyOptions::default()).unwrap();
    assert_eq!(report.verdict, etcdsnap::Verdict::Damaged);
    assert_eq!(report.trailer.actual, report.trailer.expected);
}
