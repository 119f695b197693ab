//! The program at its edges: compressed files, streams, several files, exit codes, broken pipes and Ctrl-C.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use etcdsnap_tests::archives::gzip;
use etcdsnap_tests::build::cluster::Version;
use etcdsnap_tests::build::history::HistoryParams;
use etcdsnap_tests::build::{Freelist, Layout, random, with_trailer};
use etcdsnap_tests::case::{self, Case};
use etcdsnap_tests::read::{File, meta};
use etcdsnap_tests::terminal::Terminal;
use etcdsnap_tests::{cli, damage};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

fn some_case() -> Case {
    case::all().into_iter().find(|case| case.name == "3.7-cluster").expect("the case 3.7-cluster")
}

fn write(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("a file is written");
    path
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("zip");
        writer.write_all(bytes).expect("zip");
    }
    writer.finish().expect("zip").into_inner()
}

/// Asserts that the packed and the plain file give the same report.
fn same_report(packed: &Value, plain: &Value) {
    for member in ["verdict", "findings", "sha256", "status"] {
        assert_eq!(packed[member], plain[member], "{member}");
    }
}

#[test]
fn a_compressed_snapshot_gives_the_same_report() {
    let directory = TempDir::new().expect("a directory");
    let case = some_case();
    let bytes = case.bytes();
    let plain = cli::json(&cli::run(&["verify", "-w", "json", &text(&case.path())]));
    let halves = [gzip(&bytes[..9000]), gzip(&bytes[9000..])].concat();
    let packed = [
        ("snapshot.db.gz", gzip(&bytes)),
        ("in-two-members.gz", halves),
        ("snapshot.zip", zip(&[("snapshot.db", &bytes)])),
        ("snapshot.db.zst", zstd::encode_all(&bytes[..], 1).expect("zstd")),
        ("a-gzip-without-its-ending", gzip(&bytes)),
    ];
    for (name, packed) in packed {
        let path = write(&directory, name, &packed);
        let output = cli::run(&["verify", "-w", "json", &text(&path)]);
        assert_eq!(output.status.code(), Some(0), "{name}");
        same_report(&cli::json(&output), &plain);
        let piped = cli::run_with_input(&["verify", "-w", "json", "-"], &packed);
        assert_eq!(piped.status.code(), Some(0), "{name} by a pipe");
        same_report(&cli::json(&piped), &plain);
        let status = cli::run(&["snapshot", "status", &text(&path), "-w", "json"]);
        assert_eq!(String::from_utf8_lossy(&status.stdout), case.expected("3.7", "json"), "{name}");
        assert_eq!(std::fs::read(&path).expect("the file"), packed, "{name} was changed");
    }
}

#[test]
fn damage_within_a_compressed_snapshot_is_found() {
    let directory = TempDir::new().expect("a directory");
    let base = damage::bases().swap_remove(0);
    // Packed text gets a different code if it is packed twice.
    for damage in damage::all().into_iter().filter(|damage| !damage.name.ends_with("_of_text")).step_by(9) {
        for damaged in damage.apply(&base.snapshot) {
            let plain = write(&directory, "plain", &damaged.file);
            let packed = write(&directory, "packed.gz", &gzip(&damaged.file));
            let plain = cli::run(&["verify", "-w", "json", &text(&plain)]);
            let packed = cli::run(&["verify", "-w", "json", &text(&packed)]);
            assert_eq!(packed.status.code(), plain.status.code(), "{}", damage.name);
            let (plain, packed) = (cli::json(&plain), cli::json(&packed));
            assert_eq!(packed["findings"], plain["findings"], "{}", damage.name);
        }
    }
}

#[test]
fn a_broken_archive_is_reported() {
    let directory = TempDir::new().expect("a directory");
    let bytes = some_case().bytes();
    let whole = gzip(&bytes);
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xFF;
    let files = [
        ("cut.gz", whole[..whole.len() / 2].to_vec()),
        ("flipped.gz", flipped),
        ("head-only.gz", whole[..10].to_vec()),
        ("two-members.zip", zip(&[("a", b"a"), ("b", b"b")])),
        ("cut.zip", zip(&[("snapshot.db", &bytes)])[..5000].to_vec()),
        ("cut.zst", zstd::encode_all(&bytes[..], 1).expect("zstd")[..5000].to_vec()),
    ];
    for (name, bytes) in files {
        let output = cli::run(&["verify", &text(&write(&directory, name, &bytes))]);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{name}: {:?}", output.status);
        let printed = [output.stdout, output.stderr].concat();
        assert!(!printed.is_empty() && !String::from_utf8_lossy(&printed).contains("panicked"), "{name}");
    }
}

#[test]
fn several_files_make_an_array() {
    let directory = TempDir::new().expect("a directory");
    let case = some_case();
    let bad = write(&directory, "bad.db", b"<html></html>");
    let output = cli::run(&["verify", "-w", "json", &text(&case.path()), &text(&bad)]);
    assert_eq!(output.status.code(), Some(1));
    let printed = cli::json(&output);
    let printed = printed.as_array().expect("an array");
    assert_eq!(printed.len(), 2);
    assert_eq!((&printed[0]["file"], &printed[0]["verdict"]), (&json!(text(&case.path())), &json!("sound")));
    assert_eq!((&printed[1]["file"], &printed[1]["verdict"]), (&json!(text(&bad)), &json!("damaged")));
    assert_eq!(printed[1]["findings"][0]["code"], "not-a-snapshot");
    let status = cli::json(&cli::run(&["status", "-w", "json", &text(&case.path()), &text(&case.path())]));
    assert_eq!(status.as_array().map(Vec::len), Some(2));
}

/// A file that is unreadable, or not a snapshot, does not prevent the verdict on the others; an empty line separates texts, but not rows.
#[test]
fn several_files_are_reported_one_after_the_other() {
    let directory = TempDir::new().expect("a directory");
    let good = text(&some_case().path());
    let bad = text(&write(&directory, "bad.db", b"<html></html>"));
    let none = text(&directory.path().join("none.db"));
    let stdout = |args: &[&str]| String::from_utf8(cli::run(args).stdout).expect("text");
    for command in ["status", "verify"] {
        let (one, broken) = (stdout(&[command, &good]), stdout(&[command, &bad]));
        let output = cli::run(&[command, &none, &good, &bad, &good]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), [&*one, &broken, &one].join("\n"), "{command}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("none.db"), "{output:?}");
        let array = cli::json(&cli::run(&[command, "-w", "json", &good, &none]));
        assert!(array[0]["error"].is_null() && array[1]["error"].is_string(), "{array}");
    }
    let row = stdout(&["status", "-w", "simple", &good]);
    let rows = cli::run(&["status", "-w", "simple", &good, &bad, &good]);
    assert_eq!((rows.status.code(), String::from_utf8_lossy(&rows.stdout)), (Some(1), [&*row, &row].concat().into()));
    assert!(String::from_utf8_lossy(&rows.stderr).contains("is not a readable snapshot"), "{rows:?}");
}

#[test]
fn exit_codes_match_the_outcome() {
    let directory = TempDir::new().expect("a directory");
    let case = some_case();
    let bytes = case.bytes();
    let good = text(&case.path());
    let raw = text(&write(&directory, "raw.db", &bytes[..bytes.len() - 32]));
    let cut = text(&write(&directory, "cut.db", &bytes[..bytes.len() / 2]));
    let none = text(&directory.path().join("none.db"));
    let folder = text(directory.path());
    let expected: [(&[&str], i32); 15] = [
        (&["verify", &good], 0),
        (&["verify", &raw], 0),
        (&["verify", "--strict", &raw], 1),
        (&["verify", &cut], 1),
        (&["verify", &none], 2),
        (&["verify", &folder], 2),
        (&["verify", &good, &none], 2),
        (&["verify"], 2),
        (&["verify", "--no-such-flag", &good], 2),
        (&["status", &good], 0),
        (&["status", &cut], 1),
        (&["status", &none], 2),
        (&["snapshot", "status", &good], 0),
        (&["snapshot", "status", &cut], 1),
        (&["--help"], 0),
    ];
    for (args, code) in expected {
        let output = cli::run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        if code == 2 {
            assert!(!output.stderr.is_empty(), "{args:?} says nothing");
        }
    }
    let refused = cli::run(&["snapshot", "status", &cut, "-w", "json"]);
    assert!(refused.stdout.is_empty(), "numbers of a damaged file: {}", String::from_utf8_lossy(&refused.stdout));
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    for args in [&["codes"][..], &["verify", "-w", "json", &text(&some_case().path())], &["--help"]] {
        let mut command = Command::new(cli::program());
        let mut child =
            command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("etcdsnap runs");
        drop(child.stdout.take());
        let mut printed = String::new();
        child.stderr.take().expect("stderr").read_to_string(&mut printed).expect("text");
        assert_eq!(child.wait().expect("an end").code(), Some(0), "{args:?}: {printed}");
        assert_eq!(printed, "", "{args:?}");
    }
}

/// Creates a snapshot of 64 GiB, nearly all of it a hole: hashing it takes half a minute.
fn huge(directory: &TempDir) -> PathBuf {
    let layout = Layout { freelist: Freelist::NotSynced, ..Layout::plain(4096, 9) };
    let member = random::member(&HistoryParams::rich(), &layout, Version::V36, 9);
    let mut file = File::new(member.built.database);
    let pages = (64_u64 << 30) / 4096;
    file.set_metas(meta::PAGES, pages);
    let path = write(directory, "huge.db", &file.bytes);
    let sparse = std::fs::OpenOptions::new().write(true).open(&path).expect("the file");
    sparse.set_len(pages * 4096 + 32).expect("a hole");
    path
}

/// Sends a signal to a program after a while; returns how it ended, and how long that took.
fn run_with_signal(mut child: std::process::Child, after: Duration, signal: Signal) -> (ExitStatus, Duration) {
    std::thread::sleep(after);
    assert!(child.try_wait().expect("a state").is_none(), "it ended before it could be interrupted");
    let sent = Instant::now();
    kill_process(Pid::from_child(&child), signal).expect("a signal");
    (child.wait().expect("an end"), sent.elapsed())
}

#[test]
fn ctrl_c_ends_at_once() {
    let directory = TempDir::new().expect("a directory");
    let path = huge(&directory);
    for (command, signal, code) in [("verify", Signal::INT, 130), ("verify", Signal::TERM, 143)] {
        let mut program = Command::new(cli::program());
        program.args([command, &text(&path)]).env("TMPDIR", directory.path());
        let child = program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let (status, took) = run_with_signal(child.expect("etcdsnap runs"), Duration::from_millis(700), signal);
        assert_eq!(status.code(), Some(code));
        assert!(took < Duration::from_secs(2), "it took {took:?}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 1, "files were left behind");
}

#[test]
fn an_interrupted_stream_leaves_nothing_behind() {
    let directory = TempDir::new().expect("a directory");
    let case = some_case().bytes();
    for input in [case.clone(), gzip(&case)] {
        let mut program = Command::new(cli::program());
        program.args(["verify", "-"]).env("TMPDIR", directory.path()).stdin(Stdio::piped());
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("etcdsnap runs");
        // The pipe stays open, so the program waits for more.
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(&input[..input.len() / 2]).expect("half of it");
        let (status, took) = run_with_signal(child, Duration::from_millis(400), Signal::INT);
        assert_eq!(status.code(), Some(130));
        assert!(took < Duration::from_secs(2), "it took {took:?}");
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0, "files were left behind");
    }
}

/// Ctrl-C while a restore waits for more of its input.
#[test]
fn a_restore_that_waits_for_its_input_can_be_stopped() {
    let directory = TempDir::new().expect("a directory");
    let target = directory.path().join("data");
    let mut program = Command::new(cli::program());
    program.args(["restore", "-", "--data-dir", &text(&target)]).env("TMPDIR", directory.path());
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().expect("etcdsnap runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&some_case().bytes()[..10_000]).expect("some of it");
    let (status, took) = run_with_signal(child, Duration::from_millis(400), Signal::TERM);
    assert_eq!(status.code(), Some(143));
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0, "files were left behind");
}

/// During a password prompt the terminal has no echo and takes no Ctrl-C of its own; afterwards its settings are restored, however the prompt ended.
#[test]
fn the_terminal_is_restored_if_a_password_prompt_is_aborted() {
    let directory = TempDir::new().expect("a directory");
    let script = directory.path().join("script");
    let body = "set -m
until stty -a < /dev/tty | grep -q -e '-echo '; do sleep 0.02; done && kill -$1 $$ &
exec \"$2\" save x.db --user root";

    std::fs::write(&script, body).expect("a script");

    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sh \"$0\" $1 \"$2\"; echo code $?; stty -a; echo that is all"]);
        shell.args([text(&script).as_str(), signal, text(cli::program()).as_str()]).current_dir(directory.path());
        let printed = Terminal::start(&shell).output_until("that is all");
        assert!(printed.contains("Password: ") && printed.contains(&format!("code {code}")), "{printed}");
        assert!(printed.contains(" echo ") && printed.contains(" icanon") && printed.contains("isig "), "{printed}");
        assert!(!printed.contains("-echo ") && !printed.contains("-icanon") && !printed.contains("-isig"), "{printed}");
    }
}

#[test]
fn works_in_a_read_only_directory() {
    let directory = TempDir::new().expect("a directory");
    let path = write(&directory, "snapshot.db", &with_trailer(&random::any_member(5, 50).built.database));
    let mut permissions = std::fs::metadata(&path).expect("the file").permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).expect("a read-only file");
    let output = cli::run(&["verify", &text(&path)]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 1);
}
