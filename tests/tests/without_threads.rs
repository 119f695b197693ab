//! If no thread can be started, every command works on the main thread, or reports that it cannot.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use etcdsnap_tests::http_server::exchange;
use etcdsnap_tests::limited_resources::{self, PublicFolder};
use etcdsnap_tests::server::{Servers, member_configs};
use rustix::process::{Pid, Signal, kill_process};

/// Returns the output of a run and the names of its new files, and removes the files.
fn output_and_new_files(
    folder: &PublicFolder,
    before: &[String],
    output: &Output,
) -> (Option<i32>, String, String, Vec<String>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut left = Vec::new();
    for name in folder.names().into_iter().filter(|name| !before.contains(name)) {
        let path = folder.path(&name);
        if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.unwrap();
        left.push(name);
    }
    (output.status.code(), text(&output.stdout), text(&output.stderr), left)
}

fn packed(bytes: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("snapshot.db", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(bytes).unwrap();
    [
        ("snapshot.db.gz", gzip.finish().unwrap()),
        ("snapshot.db.zst", zstd::encode_all(bytes, 3).unwrap()),
        ("snapshot.zip", archive.finish().unwrap().into_inner()),
    ]
}

/// Without other threads, and with one or two of them, the answers are the same.
#[test]
fn every_command_gives_the_same_answer() {
    let folder = PublicFolder::new();
    let bytes = limited_resources::large_snapshot(300, 1);
    let mut files = vec![folder.file("snapshot.db", &bytes)];
    files.extend(packed(&bytes).map(|(name, bytes)| folder.file(name, &bytes)));
    // A damaged file takes other code paths.
    let mut damaged = bytes;
    let middle = damaged.len() / 2;
    damaged[middle..middle + 9000].fill(0x5A);
    files.push(folder.file("damaged.db", &damaged));
    let before = folder.names();
    let scarcities = [limited_resources::threads(1), limited_resources::threads(2), limited_resources::no_stacks()];
    for file in &files {
        let outs = Path::new(".");
        for command in limited_resources::commands(file, outs) {
            let usual = output_and_new_files(&folder, &before, &folder.run(&["env".into()], &command));
            for scarcity in &scarcities {
                // Another user's restore has another owner, and nothing else differs.
                let found = output_and_new_files(&folder, &before, &folder.run(scarcity, &command));
                assert!(!found.2.contains("panicked"), "{command:?} below {scarcity:?}: {}", found.2);
                assert_eq!(found, usual, "{command:?} below {scarcity:?}");
            }
        }
    }
}

/// Checks the limits of this test: without one a thread starts, with them none does.
#[test]
fn no_thread_can_be_started_here() {
    let folder = PublicFolder::new();
    for (scarcity, fails) in
        [(vec!["env".to_owned()], false), (limited_resources::threads(1), true), (limited_resources::no_stacks(), true)]
    {
        let output = folder.run(&scarcity, &["save", "--endpoints=127.0.0.1:1", "snapshot.db"]);
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert_eq!(printed.contains("No thread can be started"), fails, "{scarcity:?}: {printed}");
        assert!(!printed.contains("panicked") && printed.contains("ulimit -u") == fails, "{printed}");
        assert!(!folder.path("snapshot.db").exists());
    }
    let service = ["save", "--every=1s", "--metrics-listen=127.0.0.1:0", "--endpoints=127.0.0.1:1", "{time}.db"];
    let output = folder.run(&limited_resources::threads(1), &service);
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(printed.contains("No thread can be started") && !printed.contains("panicked"), "{printed}");
}

/// With one thread for signals and one for the file, a save works, and compresses on that thread.
#[test]
fn a_save_works_with_one_thread_for_the_file() {
    if !limited_resources::is_root() {
        return;
    }
    let own = tempfile::tempdir().unwrap();
    let member_configs = member_configs(own.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &member_configs, own.path()) else { return };
    servers.put_megabytes(2);
    let folder = PublicFolder::new();
    for (name, flags) in
        [("plain.db", &[][..]), ("packed.db.gz", &["--compress=gzip"]), ("packed.db.zst", &["--compress=zstd"])]
    {
        let endpoints = format!("--endpoints={}", member_configs[0].client_url());
        let words = [&["save", &endpoints], flags, &[name]].concat();
        let output = folder.run(&limited_resources::threads(3), &words);
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), printed.as_str()), (Some(0), ""), "{name}");
        let report = etcdsnap::verify(folder.path(name), etcdsnap::VerifyOptions::default()).unwrap();
        assert_eq!(report.verdict, etcdsnap::Verdict::Sound, "{name}");
    }
}

#[test]
fn the_page_is_served_and_a_signal_ends_it() {
    let folder = PublicFolder::new();
    let page = folder.file("page.html", b"<p>a page");
    for scarcity in [limited_resources::threads(1), limited_resources::no_stacks()] {
        for signal in [Signal::INT, Signal::TERM] {
            let mut command = folder.command(&scarcity);
            command.args(["open", "--page"]).arg(&page).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let address = line.trim().trim_start_matches("http://").trim_end_matches('/');
            let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
            let answer = exchange(address.parse().unwrap(), request.as_bytes(), Duration::from_secs(5));
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("<p>a page"), "{answer}");
            kill_process(Pid::from_child(&child), signal).unwrap();
            let mut printed = String::new();
            child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(0), "{printed}");
            assert!(!printed.contains("panicked"), "{printed}");
        }
    }
}

/// A signal ends a command that has no thread for signals, too, with its own exit code.
#[test]
fn a_signal_ends_a_command() {
    let folder = PublicFolder::new();
    for scarcity in [limited_resources::threads(1), limited_resources::no_stacks()] {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            // It waits for its standard input.
            let mut command = folder.command(&scarcity);
            command.args(["verify", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(&[0; 100]).unwrap();
            std::thread::sleep(Duration::from_millis(300));
            kill_process(Pid::from_child(&child), signal).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(code));
            drop(stdin);
        }
    }
}
