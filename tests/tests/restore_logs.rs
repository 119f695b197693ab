//! Logs that look as if a killed restore had put them in place: a restore removes only its own, and only for the same target.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use etcdsnap::{NoProgress, RestoreConfig, RestoreError, restore};
use etcdsnap_tests::leftover_stages::{
    MARKER, STAGE_NAME, create_leftover_stage, fifo, run_to_end, snapshot, tree, write_private,
};

fn config(target: &Path) -> RestoreConfig {
    RestoreConfig { snapshot_path: snapshot(), output_data_dir: Some(target.to_owned()), ..RestoreConfig::default() }
}

const SEGMENT: &str = "0000000000000000-0000000000000000.wal";

/// Creates a finished log and the unfinished stage of its data directory, with its notes.
fn killed_between(folder: &Path) -> (PathBuf, PathBuf) {
    let (slot, log) = (folder.join(STAGE_NAME), folder.join("log"));
    create_leftover_stage(&slot, "data", Path::new("/"));
    fs::create_dir(&log).unwrap();
    fs::write(log.join(SEGMENT), "log").unwrap();
    note(&slot, &log);
    (slot, log)
}

fn note(slot: &Path, log: &Path) {
    let base64 = |path: &Path| BASE64_STANDARD.encode(path.as_os_str().as_bytes());
    let parent = log.parent().unwrap();
    let stage = serde_json::json!({
        "parent": base64(parent),
        "parent_inode": fs::metadata(parent).unwrap().ino(),
        "log": base64(Path::new(log.file_name().unwrap())),
    });
    write_private(&slot.join("log-stage"), stage.to_string().as_bytes());
    let file = fs::metadata(log.join(SEGMENT)).unwrap();
    let about = serde_json::json!({
        "directory": fs::metadata(log).unwrap().ino(),
        "within": [],
        "file": file.ino(),
        "changed": [file.ctime(), file.ctime_nsec()],
    });
    write_private(&slot.join("log"), about.to_string().as_bytes());
}

fn again(folder: &Path) -> Result<etcdsnap::Restored, RestoreError> {
    let config = RestoreConfig { output_wal_dir: Some(folder.join("log")), ..config(&folder.join("data")) };
    restore(&config, &NoProgress)
}

#[test]
fn the_log_of_a_killed_run_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (slot, log) = killed_between(folder.path());
    again(folder.path()).unwrap();
    assert!(!slot.exists() && fs::metadata(log.join(SEGMENT)).unwrap().len() == 64_000_000);
}

/// Tests a log that etcd started on, one with an added file, and another log with the inode number of the old one.
#[test]
fn a_log_that_was_used_since_stays() {
    let changes: [fn(&Path); 4] = [
        |log| fs::write(log.join(SEGMENT), "used").unwrap(),
        |log| fs::write(log.join("more"), "more").unwrap(),
        |log| {
            fs::rename(log.join(SEGMENT), log.join("aside")).unwrap();
            fs::copy(log.join("aside"), log.join(SEGMENT)).unwrap();
            fs::remove_file(log.join("aside")).unwrap();
        },
        |log| {
            fs::rename(log.join(SEGMENT), log.join("precious")).unwrap();
            symlink("precious", log.join(SEGMENT)).unwrap();
        },
    ];
    for change in changes {
        let folder = tempfile::tempdir().unwrap();
        let (_, log) = killed_between(folder.path());
        // A file system's clock may stand still for some milliseconds.
        std::thread::sleep(Duration::from_millis(30));
        change(&log);
        let before = tree(&log);
        let error = again(folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("exists"), "{error}");
        assert!(tree(&log) == before);
    }
}

#[test]
fn only_the_requested_log_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (slot, log) = killed_between(folder.path());
    restore(&config(&folder.path().join("data")), &NoProgress).unwrap();
    assert!(!slot.exists() && log.join(SEGMENT).exists());
}

/// The data directory is in place, and the run was killed before it could remove its stage.
#[test]
fn the_log_of_a_complete_restore_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (slot, log) = killed_between(folder.path());
    fs::rename(slot.join("new"), folder.path().join("data")).unwrap();
    let error = again(folder.path()).unwrap_err();
    assert!(error.to_string().ends_with("exists"), "{error}");
    assert!(log.join(SEGMENT).exists() && !slot.exists());
}

/// Tests a note in a directory that is not a stage.
#[test]
fn a_planted_note_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let (slot, log) = killed_between(folder.path());
    fs::remove_file(slot.join(MARKER)).unwrap();
    let before = tree(folder.path());
    let error = again(folder.path()).unwrap_err();
    assert!(error.to_string().ends_with("exists"), "{error}");
    assert!(log.exists() && tree(folder.path()) == before);
}

#[test]
fn unreadable_notes_are_ignored() {
    let notes: [fn(&Path); 4] = [
        |note| fifo(note),
        |note| symlink("/dev/zero", note).unwrap(),
        |note| write_private(note, &[b'['; 60_000]),
        |note| write_private(note, br#"{"parent":"AAA","parent_inode":1,"log":"Li4="}"#),
    ];
    for plant in notes {
        for name in ["log-stage", "log"] {
            let folder = tempfile::tempdir().unwrap();
            let (slot, log) = killed_between(folder.path());
            fs::remove_file(slot.join(name)).unwrap();
            plant(&slot.join(name));
            let (target, wal) = (folder.path().join("data"), folder.path().join("wal"));
            let arguments =
                ["restore", snapshot().to_str().unwrap(), "--data-dir", target.to_str().unwrap()].map(str::to_owned);
            let wal = format!("--wal-dir={}", wal.display());
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain([wal.as_str()]).collect();
            assert_eq!(run_to_end(&arguments), Some(0), "{name}");
            assert!(!slot.exists() && log.exists(), "{name}");
        }
    }
}

/// The note leads to the stage of a log, although the next run names no log.
#[test]
fn the_stage_of_a_log_is_found_without_its_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    let (slot, log) = (folder.path().join(STAGE_NAME), folder.path().join("logs/log"));
    let stage = folder.path().join("logs/log.etcdsnap-0");
    create_leftover_stage(&slot, "data", Path::new("/"));
    create_leftover_stage(&stage, "log", Path::new("/"));
    let base64 = |path: &Path| BASE64_STANDARD.encode(path.as_os_str().as_bytes());
    let about = serde_json::json!({
        "parent": base64(log.parent().unwrap()),
        "parent_inode": fs::metadata(log.parent().unwrap()).unwrap().ino(),
        "log": base64(Path::new("log")),
    });
    write_private(&slot.join("log-stage"), about.to_string().as_bytes());
    restore(&config(&folder.path().join("data")), &NoProgress).unwrap();
    assert!(!slot.exists() && !stage.exists());
}
