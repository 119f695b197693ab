//! Another user has put an empty data directory, a link or a FIFO at the path that root writes to: that user must not get the database, and nothing is written elsewhere.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::other_user::{USER, is_root};
use etcdsnap_tests::{case, cli};
use rustix::fs::{CWD, FileType, mknodat};
use rustix::process::{Pid, Signal, kill_process};

fn snapshot() -> PathBuf {
    case::named("3.7-fresh").path()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Creates a directory with this mode that belongs to another user.
fn other_users_directory(path: &Path, bits: u32) {
    fs::create_dir(path).unwrap();
    mode(path, bits);
    chown(path, Some(USER), Some(USER)).unwrap();
}

/// Creates a directory that only root may write to, and inside it one with that mode.
fn place(bits: u32) -> Option<(tempfile::TempDir, PathBuf)> {
    if !is_root() {
        eprintln!("\n*** not run: only root can act for another user ***\n");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    mode(folder.path(), 0o755);
    let around = folder.path().join("around");
    fs::create_dir(&around).unwrap();
    mode(&around, bits);
    Some((folder, around))
}

fn run(words: &[&str], flags: &[String]) -> Output {
    Command::new(cli::program()).args(words).args(flags).stdin(Stdio::null()).output().unwrap()
}

fn restore(flags: &[String]) -> Output {
    run(&["restore", snapshot().to_str().unwrap()], flags)
}

fn refused(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn owner_and_mode(path: &Path) -> (u32, u32) {
    let facts = fs::symlink_metadata(path).unwrap();
    (facts.uid(), facts.mode() & 0o7777)
}

#[test]
fn a_data_directory_that_anybody_may_have_created_is_refused() {
    for bits in [0o1777, 0o777, 0o775] {
        for flag in ["--data-dir", "--all-members"] {
            let Some((_folder, around)) = place(bits) else { return };
            let data = around.join("data");
            other_users_directory(&data, 0o777);
            let named = format!("{flag}={}", data.display());
            for more in [&[][..], &["--dry-run".to_owned()]] {
                let output = restore(&[std::slice::from_ref(&named), more].concat());
                refused(&output, &["data belongs to user 65534", "can create entries in", "--owner"]);
                assert_eq!((names(&around), names(&data)), (vec!["data".to_owned()], Vec::new()), "{bits:o} {flag}");
            }
            // If the flags name an owner, that owner gets the files, but not the mode that another user chose.
            assert_success(&restore(&[named, "--owner=0".to_owned()]));
            assert_eq!(owner_and_mode(&data), (0, 0o700), "{bits:o} {flag}");
            let member = if flag == "--data-dir" { data.join("member") } else { data.join("default/member") };
            for path in [member.join("snap/db"), member.join("wal/0000000000000000-0000000000000000.wal"), member] {
                assert_eq!(owner_and_mode(&path).0, 0, "{}", path.display());
            }
            assert_eq!(names(&around), ["data"]);
        }
    }
}

#[test]
fn the_existing_owner_can_be_named() {
    let Some((_folder, around)) = place(0o1777) else { return };
    let data = around.join("data");
    other_users_directory(&data, 0o750);
    assert_success(&restore(&[format!("--data-dir={}", data.display()), format!("--owner={USER}:{USER}")]));
    assert_eq!(owner_and_mode(&data), (USER, 0o750));
    assert_eq!(owner_and_mode(&data.join("member/snap/db")).0, USER);
}

/// A directory with `lost+found` is filled, not replaced: it would still belong to the other user, who could put another member into it.
#[test]
fn a_planted_directory_that_cannot_be_replaced_is_refused_with_an_owner_too() {
    let Some((_folder, around)) = place(0o1777) else { return };
    let data = around.join("data");
    other_users_directory(&data, 0o755);
    other_users_directory(&data.join("lost+found"), 0o700);
    refused(&restore(&[format!("--data-dir={}", data.display()), "--owner=0".to_owned()]), &["belongs to user 65534"]);
    assert_eq!(names(&data), ["lost+found"]);
}

/// `/var/lib/etcd`: owned by etcd, in a directory that only root writes to.
#[test]
fn the_owner_of_a_directory_that_root_prepared_gets_the_database() {
    for bits in [0o755, 0o711, 0o700] {
        let Some((_folder, around)) = place(bits) else { return };
        let data = around.join("etcd");
        other_users_directory(&data, 0o700);
        assert_success(&restore(&[format!("--data-dir={}", data.display())]));
        for path in [data.clone(), data.join("member"), data.join("member/snap/db"), data.join("member/wal")] {
            assert_eq!(owner_and_mode(&path).0, USER, "{}", path.display());
        }
        assert_eq!(owner_and_mode(&data).1, 0o700);
        assert_eq!(names(&around), ["etcd"]);
    }
}

/// Below a directory of etcd's own, such as a Kubernetes volume.
#[test]
fn files_in_an_owners_own_directory_stay_theirs() {
    let Some((_folder, around)) = place(0o755) else { return };
    let data = around.join("data");
    other_users_directory(&data, 0o700);
    chown(&around, Some(USER), Some(USER)).unwrap();
    assert_success(&restore(&[format!("--data-dir={}", data.display())]));
    assert_eq!(owner_and_mode(&data.join("member/snap/db")).0, USER);
}

/// A link of another user at the name that root writes to, or in its path.
#[test]
fn links_of_other_users_are_not_followed() {
    let Some((folder, around)) = place(0o1777) else { return };
    let victim = folder.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("precious"), "data").unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for (name, to) in [("link", &victim), ("to-empty", &empty)] {
        symlink(to, around.join(name)).unwrap();
        lchown(around.join(name), Some(USER), Some(USER)).unwrap();
    }
    let at = |name: &str| around.join(name).to_str().unwrap().to_owned();
    let printed = ["is a symbolic link of user 65534", "is not followed"];
    // Nothing listens there: the target is refused before any connection.
    let save = |target: String| run(&["save", "--endpoints=http://127.0.0.1:1", "--keep=1"], &[target]);
    let export = |target: String| run(&["export", snapshot().to_str().unwrap(), "-o"], &[target]);
    for shared in [0o1777, 0o777, 0o755] {
        mode(&around, shared);
        // In their own directory, other users may write regardless of its mode.
        chown(&around, Some(if shared == 0o755 { USER } else { 0 }), None).unwrap();
        refused(&save(at("link")), &printed);
        refused(&save(at("link/etcd-{time}.db")), &printed);
        refused(&export(at("link/out.ndjson")), &printed);
        refused(&restore(&[format!("--data-dir={}", at("to-empty"))]), &printed);
        refused(&restore(&[format!("--data-dir={}", at("to-empty/below"))]), &printed);
        refused(&restore(&[format!("--all-members={}", at("to-empty"))]), &printed);
    }
    assert_eq!((names(&victim), names(&empty)), (vec!["precious".to_owned()], Vec::new()));
    // Root's own link is followed, in any directory.
    mode(&around, 0o1777);
    symlink(&victim, around.join("own")).unwrap();
    assert_success(&export(at("own/out.ndjson")));
    refused(&save(at("own")), &["cannot be reached"]);
    assert_eq!(names(&victim), ["out.ndjson", "precious"]);
}

#[test]
fn streams_of_other_users_are_not_written() {
    let Some((_folder, around)) = place(0o1777) else { return };
    let at = |name: &str| around.join(name).to_str().unwrap().to_owned();
    mknodat(CWD, around.join("fifo"), FileType::Fifo, 0o666.into(), 0).unwrap();
    chown(around.join("fifo"), Some(USER), None).unwrap();
    symlink("fifo", around.join("to-fifo")).unwrap();
    symlink("/dev/null", around.join("null")).unwrap();
    lchown(around.join("null"), Some(USER), None).unwrap();
    symlink("/dev/null", around.join("own")).unwrap();
    let before = names(&around);
    let export = |target: &str| run(&["export", snapshot().to_str().unwrap(), "-o"], &[at(target)]);
    let save = |target: &str| run(&["save", "--endpoints=http://127.0.0.1:1"], &[at(target)]);
    for name in ["fifo", "to-fifo"] {
        refused(&export(name), &["is a FIFO of another user"]);
        refused(&save(name), &["is a FIFO of another user"]);
    }
    refused(&export("null"), &["null is a symbolic link of user 65534"]);
    assert_success(&export("own"));
    assert_eq!(names(&around), before);
}

/// An export waits for a reader of the FIFO, and a signal ends the wait.
#[test]
fn an_export_that_waits_for_a_reader_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, 0o600.into(), 0).unwrap();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut command = Command::new(cli::program());
        command.arg("export").arg(snapshot()).arg("-o").arg(&fifo).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        sleep(Duration::from_millis(500));
        assert!(child.try_wait().unwrap().is_none(), "it does not wait");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
    assert_eq!(names(folder.path()), ["fifo"]);
}
