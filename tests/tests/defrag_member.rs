//! `defrag --data-dir`: rewrites the database of a stopped member in place, or leaves it unchanged.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use etcdsnap_tests::failure_injection::{GROUPS, InjectedFailure, RunResult, available, sweep};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::programs::{bbolt_check, reference};
use etcdsnap_tests::server::{Servers, member_configs, program, stdout_of};
use etcdsnap_tests::{
    case,
    cli::{self, text},
};
use serde_json::Value;

fn hashkv(database: &Path) -> Value {
    cli::json(&cli::run(&["hashkv", text(database), "-wjson"]))["hash"].clone()
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Returns everything in `meta` that describes the member's position in its log, as `bbolt` prints it.
fn raft_position(database: &Path) -> Vec<String> {
    let bbolt = reference("3.7", "bbolt").unwrap();
    let get = |key: &str| {
        let output = Command::new(&bbolt).args(["get", "--format=hex"]).arg(database).args(["meta", key]).output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    };
    ["consistent_index", "term", "confState", "storageVersion"].map(get).to_vec()
}

/// Starts a server that writes much and deletes most, stops it, defragments, and starts it again.
fn of_version(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start(version, &member_configs, folder.path()) else { return };
    let ctl = |servers: &Servers, args: &[&str]| stdout_of(&servers.etcdctl(None, args));
    servers.put_megabytes(6);
    (0..30).for_each(|number| drop(ctl(&servers, &["put", &format!("key/{}", number % 9), &number.to_string()])));
    ctl(&servers, &["lease", "grant", "7200"]);
    ctl(&servers, &["del", "fill/1", "fill/5"]);
    let (revision, _) = servers.agreed_hash(None);
    ctl(&servers, &["compact", "--physical", &(revision - 5).to_string()]);
    let before = servers.agreed_hash(None);
    let data = &member_configs[0].data;
    let database = data.join("member/snap/db");

    // While the server runs nothing changes.
    let identity = |path: &Path| fs::metadata(path).map(|facts| (facts.ino(), facts.len())).unwrap();
    let running = identity(&database);
    let refused = cli::run(&["defrag", "--data-dir", text(data)]);
    assert_eq!(refused.status.code(), Some(2), "{}", cli::printed(&refused));
    assert!(cli::printed(&refused).contains("is open in a running etcd"), "{version}: {}", cli::printed(&refused));
    assert_eq!(identity(&database), running);
    servers.stop();

    let copy = folder.path().join("copy");
    copy_tree(data, &copy);
    fs::set_permissions(&database, fs::Permissions::from_mode(0o640)).unwrap();
    let (facts, was, hash) = (fs::metadata(&database).unwrap(), raft_position(&database), hashkv(&database));
    let around = names(database.parent().unwrap());
    let output = cli::run(&["defrag", "--data-dir", text(data)]);
    let told = stdout_of(&output);
    assert!(told.contains("all kept") && told.contains("read back and sound"), "{version}: {told}");
    let new = fs::metadata(&database).unwrap();
    assert_eq!((new.uid(), new.gid(), new.mode()), (facts.uid(), facts.gid(), facts.mode()), "{version}");
    assert!(new.len() < facts.len() / 2, "{version}: {} of {}", new.len(), facts.len());
    assert_eq!(names(database.parent().unwrap()), around, "{version}");
    assert_eq!(raft_position(&database), was, "{version}");
    assert!(was.iter().take(1).all(|value| !value.trim().is_empty()), "{version}: {was:?}");
    assert_eq!(hashkv(&database), hash, "{version}");
    let (passed, said_of) = bbolt_check(&reference("3.7", "bbolt").unwrap(), &fs::read(&database).unwrap());
    assert!(passed, "{version}: {said_of}");

    // The version's own tool produces no smaller file. In 3.4 it is part of etcdctl.
    let theirs = if version == "3.4" { program(version, "etcdctl") } else { program(version, "etcdutl") };
    let mut theirs = theirs.unwrap();
    stdout_of(&theirs.args(["defrag", "--data-dir"]).arg(&copy).stdin(Stdio::null()).output().unwrap());
    let (ours, theirs) = (size(&database), size(&copy.join("member/snap/db")));
    println!("{version}: {ours} bytes, and {theirs} by its own tool");
    assert!(ours <= theirs, "{version}: {ours} bytes, and {theirs} by its own tool");

    let servers = Servers::start(version, &member_configs, folder.path()).unwrap();
    assert_eq!(servers.agreed_hash(None), before, "{version}");
    ctl(&servers, &["put", "after", "all"]);
    assert_eq!(ctl(&servers, &["get", "after", "--print-value-only"]), "all\n");
    servers.stop();
    // Once more, on the result.
    stdout_of(&cli::run(&["defrag", "--data-dir", text(&data.join("member")), "-wjson"]));
    let servers = Servers::start(version, &member_configs, folder.path()).unwrap();
    assert_eq!(ctl(&servers, &["get", "after", "--print-value-only"]), "all\n");
    servers.stop();
}

#[test]
fn a_member_of_3_4() {
    of_version("3.4");
}

#[test]
fn a_member_of_3_5() {
    of_version("3.5");
}

#[test]
fn a_member_of_3_6() {
    of_version("3.6");
}

#[test]
fn a_member_of_3_7() {
    of_version("3.7");
}

/// Creates a data directory with only a database.
fn data_dir() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("member/snap/db");
    fs::create_dir_all(database.parent().unwrap()).unwrap();
    fs::copy(case::named("3.7-raw").path(), &database).unwrap();
    // With etcd's permissions.
    fs::set_permissions(&database, fs::Permissions::from_mode(0o600)).unwrap();
    (folder, database)
}

fn run(folder: &Path) -> Output {
    cli::run(&["defrag", "--data-dir", text(folder)])
}

#[test]
fn a_database_that_cannot_be_replaced_stays_unchanged() {
    let (folder, database) = data_dir();
    let old = fs::read(&database).unwrap();
    let refused = |words: &str, code: i32| {
        let output = run(folder.path());
        assert_eq!(output.status.code(), Some(code), "{}", cli::printed(&output));
        assert!(cli::printed(&output).contains(words), "{}", cli::printed(&output));
        assert_eq!(names(database.parent().unwrap()), ["db"]);
    };
    let server = fs::File::options().read(true).write(true).open(&database).unwrap();
    server.lock().unwrap();
    refused("is open in a running etcd", 2);
    drop(server);
    // A reader holds a bolt lock too.
    let reader = fs::File::open(&database).unwrap();
    reader.lock_shared().unwrap();
    refused("is open in a running etcd", 2);
    drop(reader);
    fs::set_permissions(&database, fs::Permissions::from_mode(0o400)).unwrap();
    refused("Cannot replace", 2);
    fs::set_permissions(&database, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(&database).unwrap(), old);
    let mut damaged = old.clone();
    damaged[3 * 4096 + 8] ^= 0x10;
    damaged[5 * 4096 + 8] ^= 0x10;
    fs::write(&database, &damaged).unwrap();
    refused("is damaged", 1);
    assert_eq!(fs::read(&database).unwrap(), damaged);
    fs::remove_file(&database).unwrap();
    let output = run(folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(cli::printed(&output).contains("has no member/snap/db"), "{}", cli::printed(&output));
    for args in [&["defrag", "--data-dir", "x", "file.db"][..], &["defrag", "--data-dir", "x", "-o", "y"], &["defrag"]]
    {
        assert_eq!(cli::run(args).status.code(), Some(2), "{args:?}");
    }
}

/// A server started meanwhile has the old file open and waits for its lock: it must not serve from a file that no longer has a name.
#[test]
fn a_server_waiting_for_the_old_database_does_not_start_on_it() {
    let (folder, database) = data_dir();
    let waiting = fs::File::options().read(true).write(true).open(&database).unwrap();
    assert_eq!(run(folder.path()).status.code(), Some(0));
    waiting.try_lock().unwrap();
    let mut head = vec![1; 2 * 4096];
    std::os::unix::fs::FileExt::read_exact_at(&waiting, &mut head, 0).unwrap();
    assert!(head.iter().all(|byte| *byte == 0));
    assert!(etcdsnap::status(&database).unwrap().status.is_some());
    // Under another name it is a person's copy, and stays.
    let kept = folder.path().join("kept");
    fs::hard_link(&database, &kept).unwrap();
    let bytes = fs::read(&kept).unwrap();
    assert_eq!(run(folder.path()).status.code(), Some(0));
    assert_eq!(fs::read(&kept).unwrap(), bytes);
}

#[test]
fn a_linked_database_is_replaced_at_its_target() {
    let (folder, database) = data_dir();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    fs::rename(&database, disk.join("db-of-m1")).unwrap();
    symlink(disk.join("db-of-m1"), &database).unwrap();
    let hash = hashkv(&database);
    let output = run(folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", cli::printed(&output));
    assert!(fs::symlink_metadata(&database).unwrap().is_symlink());
    assert_eq!(names(&disk), ["db-of-m1"]);
    assert_eq!(hashkv(&database), hash);
}

/// Injects a failure or a kill at every system call: the database is the old one, byte for byte, or the new one.
#[test]
fn after_any_failure_the_old_or_the_new_database_exists() {
    if !available() {
        return;
    }
    let (folder, database) = data_dir();
    let old = fs::read(&database).unwrap();
    assert_eq!(run(folder.path()).status.code(), Some(0));
    let new = fs::read(&database).unwrap();
    assert!(old != new);
    let prepare = || {
        let (folder, _) = data_dir();
        let mut command = Command::new(cli::program());
        command.args(["defrag", "--data-dir"]).arg(folder.path()).stdin(Stdio::null());
        (folder, command)
    };
    let judge = |folder: &tempfile::TempDir, trial: &InjectedFailure, ended: &RunResult| {
        let snap = folder.path().join("member/snap");
        let found = fs::read(snap.join("db")).unwrap();
        let told = cli::printed(&ended.output);
        assert!(found == old || found == new, "{trial}: neither the old database nor the new one: {told}");
        if ended.killed {
            // The next run removes the leftovers.
            let again = run(folder.path());
            assert_eq!(again.status.code(), Some(0), "{trial}: {}", cli::printed(&again));
            assert_eq!(names(&snap), ["db"], "{trial}");
            return;
        }
        if ended.output.status.code() == Some(0) {
            assert!(found == new, "{trial}: {told}");
        }
    };
    let swept = sweep(GROUPS, 40, prepare, judge);
    println!("{swept:?}");
    assert!(swept.hit * 10 >= (swept.hit + swept.missed) * 8, "{swept:?}");
}
