//! Broken or malicious servers: a save ends, and needs little memory.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::fake_etcd::{FakeEtcd, Pieces};
use etcdsnap_tests::programs::tests_dir;

const STALL: &str = "--stall-timeout=2s";

fn snapshot() -> &'static [u8] {
    static SNAPSHOT: OnceLock<Vec<u8>> = OnceLock::new();
    SNAPSHOT.get_or_init(|| std::fs::read(tests_dir().join("cases/3.7-history/snapshot.db")).unwrap())
}

/// Runs a save; returns its output, how long it took, and its peak memory in KiB.
fn save(server: &FakeEtcd, target: &Path) -> (Output, Duration, u64) {
    let since = Instant::now();
    let mut command = Command::new(cli::program());
    command.args(["save", "--endpoints", &server.url(), STALL, "--dial-timeout=5s"]).arg(target);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let most = std::thread::spawn(move || {
        let mut most = 0;
        while let Ok(text) = std::fs::read_to_string(&status) {
            let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
            most = most.max(line.trim().trim_end_matches(" kB").parse().unwrap());
            sleep(Duration::from_millis(20));
        }
        most
    });
    let output = child.wait_with_output().unwrap();
    let took = since.elapsed();
    (output, took, most.join().unwrap())
}

fn assert_refused(pieces: impl Fn(&Pieces<'_>) -> std::io::Result<()> + Send + Sync + 'static, word: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let (output, took, memory) = save(&FakeEtcd::start(pieces), &folder.path().join("x.db"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(word), "{word}: {text}");
    assert!(took < Duration::from_secs(40), "{took:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    memory
}

/// A save accepts the test's own server.
#[test]
fn pieces_of_any_length_make_a_snapshot() {
    for len in [1_000, 32 << 10, 1 << 20, 4_000_000] {
        let server = FakeEtcd::start(move |pieces| {
            pieces.send_snapshot(snapshot(), len)?;
            pieces.end()
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db");
        let (output, ..) = save(&server, &file);
        assert!(output.status.success(), "{len}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read(&file).unwrap(), snapshot());
    }
}

/// Messages without bytes, slowly or as fast as possible.
#[test]
fn messages_without_bytes_count_as_a_stall() {
    assert_refused(
        |pieces| loop {
            pieces.send(4096, b"")?;
            sleep(Duration::from_millis(50));
        },
        "an empty message",
    );
    assert_refused(
        |pieces| loop {
            pieces.send(4096, b"")?;
        },
        "an empty message",
    );
    let goes_on = |pieces: &Pieces<'_>| {
        pieces.send_snapshot(snapshot(), 32 << 10)?;
        loop {
            pieces.send(0, b"")?;
            sleep(Duration::from_millis(200));
        }
    };
    assert_refused(goes_on, "an empty message");
}

/// Tests a stream that is never closed, although all announced bytes have arrived with the right SHA-256.
#[test]
fn a_complete_stream_that_stays_open_is_accepted() {
    let server = FakeEtcd::start(|pieces| pieces.send_snapshot(snapshot(), 32 << 10));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    let (output, took, _) = save(&server, &file);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(std::fs::read(&file).unwrap(), snapshot());
    // Without its SHA-256 it is incomplete.
    let len = snapshot().len() - 32;
    assert_refused(move |pieces| pieces.send(0, &snapshot()[..len]), "sent nothing for 2s");
}

/// Long messages in a long stream.
#[test]
fn long_messages_take_little_memory() {
    const PIECE: usize = 4_000_000;
    let pieces = |pieces: &Pieces<'_>| {
        let blob = vec![7; PIECE];
        for number in 1..=60 {
            pieces.send((60 - number) * PIECE as u64, &blob)?;
        }
        pieces.send(0, &[0; 32])?;
        pieces.end()
    };
    let folder = tempfile::tempdir().unwrap();
    let (output, _, memory) = save(&FakeEtcd::start(pieces), &folder.path().join("x.db"));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(memory < 96 << 10, "{memory} KiB");
    // No etcd sends a longer one.
    let memory = assert_refused(|pieces| pieces.send(0, &vec![7; 8 << 20]), "too large");
    assert!(memory < 96 << 10, "{memory} KiB");
}
