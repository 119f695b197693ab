//! Outputs of the commands that write new files, and inputs that wait.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::case;
use etcdsnap_tests::cli::{self, program, stderr_in_one_line, text};
use etcdsnap_tests::folder_names::names;
use rustix::fs::{CWD, FileType, mknodat};
use rustix::process::{Pid, Signal, kill_process};

/// Nothing is compressed, so no output gets a name that says so.
#[test]
fn the_name_of_a_compressed_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let old = case::named("3.7-history").path();
    for (name, command) in
        [("new.db.zst", "zstd --rm"), ("new.db.zstd", "zstd --rm"), ("new.db.gz", "gzip"), ("new.db.zip", "zip")]
    {
        let new = folder.path().join(name);
        for words in
            [&["compact"][..], &["defrag"], &["salvage"], &["redact"], &["cut", "--drop", "nothing"], &["export"]]
        {
            let output = cli::run(&[words, &[text(&old), "-o", text(&new)]].concat());
            let told = stderr_in_one_line(&output);
            assert_eq!(output.status.code(), Some(2), "{words:?} {name}: {told}");
            assert!(told.contains("has the name of a compressed file"), "{words:?} {name}: {told}");
            assert!(told.contains("new.db,") && told.contains(command), "{words:?} {name}: {told}");
        }
    }
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
}

/// A FIFO that nobody writes to yet, and one whose writer pauses.
#[test]
fn the_first_signal_ends_the_wait_for_a_fifo() {
    let folder = tempfile::tempdir().unwrap();
    let (fifo, out) = (folder.path().join("fifo"), folder.path().join("out.db"));
    mknodat(CWD, &fifo, FileType::Fifo, 0o600.into(), 0).unwrap();
    for has_writer in [false, true] {
        for command in ["salvage", "defrag", "redact"] {
            let mut child = Command::new(program())
                .args([command, text(&fifo), "-o", text(&out)])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Opening it to read and write never waits.
            let writer = has_writer.then(|| fs::File::options().read(true).write(true).open(&fifo).unwrap());
            sleep(Duration::from_millis(700));
            assert!(child.try_wait().unwrap().is_none(), "{command} does not wait");
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            let since = Instant::now();
            let status = loop {
                match child.try_wait().unwrap() {
                    Some(status) => break status,
                    None if since.elapsed() > Duration::from_secs(20) => {
                        child.kill().unwrap();
                        child.wait().unwrap();
                        panic!("{command} does not end");
                    }
                    None => sleep(Duration::from_millis(20)),
                }
            };
            assert_eq!(status.code(), Some(143), "{command}");
            drop(writer);
            assert_eq!(names(folder.path()), ["fifo"], "{command}");
        }
    }
}
