//! The target of a restore: existing directories, owners, logs, mounts and flags.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use etcdsnap::{NoProgress, RestoreConfig, Run, restore};
use etcdsnap_tests::case;
use etcdsnap_tests::cli;
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::read::File;

#[test]
fn an_existing_directory_keeps_its_mode_and_owner() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("data");
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o750)).unwrap();
    let root = fs::metadata(&target).unwrap().uid() == 0;
    if root {
        chown(&target, Some(4321), Some(8765)).unwrap();
    }
    restore(&config(&case::named("3.7-fresh").path(), &target), &NoProgress).unwrap();
    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o750);
    let database = fs::metadata(target.join("member/snap/db")).unwrap();
    assert_eq!(database.mode() & 0o7777, 0o600);
    if root {
        assert_eq!((database.uid(), database.gid()), (4321, 8765));
        assert_eq!(fs::metadata(&target).unwrap().uid(), 4321);
    }
}

#[test]
fn owners_can_be_given_by_number_and_name() {
    let folder = tempfile::tempdir().unwrap();
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        eprintln!("\n*** not run: only root gives files away ***\n");
        return;
    }
    let snapshot = case::named("3.7-fresh").path();
    for (owner, ids) in [("1234:5678", (1234, 5678)), ("1234", (1234, 0)), ("root:root", (0, 0))] {
        let target = folder.path().join(owner);
        let config = RestoreConfig { owner: Some(owner.into()), ..config(&snapshot, &target) };
        restore(&config, &NoProgress).unwrap();
        for path in ["", "member", "member/snap/db", "member/wal/0000000000000000-0000000000000000.wal"] {
            let facts = fs::metadata(target.join(path)).unwrap();
            assert_eq!((facts.uid(), facts.gid()), ids, "{owner}: {path}");
        }
    }
    // The future owner of the files must be able to reach them.
    let deep = folder.path().join("new/deep/data");
    restore(&RestoreConfig { owner: Some("1234".into()), ..config(&snapshot, &deep) }, &NoProgress).unwrap();
    for path in deep.ancestors().take(3) {
        assert_eq!(fs::metadata(path).unwrap().uid(), 1234, "{path:?}");
    }
    let nobody = RestoreConfig { owner: Some("no-such-user".into()), ..config(&snapshot, &folder.path().join("no")) };
    assert!(restore(&nobody, &NoProgress).unwrap_err().to_string().starts_with("--owner: "));
    assert!(!folder.path().join("no").exists());
}

#[test]
fn lost_and_found_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("data");
    fs::create_dir_all(target.join("lost+found")).unwrap();
    restore(&config(&case::named("3.7-fresh").path(), &target), &NoProgress).unwrap();
    assert_eq!(names(&target), ["lost+found", "member"]);
    let again = restore(&config(&case::named("3.7-fresh").path(), &target), &NoProgress).unwrap_err();
    assert!(again.to_string().ends_with("is not empty: it has \"member\""), "{again}");
}

/// As if etcd runs with `--wal-dir` below `--data-dir`.
#[test]
fn a_log_may_lie_within_the_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = case::named("3.7-fresh").path();
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    fs::set_permissions(&there, fs::Permissions::from_mode(0o750)).unwrap();
    fs::create_dir_all(folder.path().join("mount/lost+found")).unwrap();
    std::os::unix::fs::symlink("there", folder.path().join("link")).unwrap();
    let cases = [
        ("absent", "absent/wal", &["member", "wal"][..]),
        ("deep/absent", "deep/absent/a/b/wal", &["a", "member"]),
        ("beside", "beside/member/log", &["member"]),
        ("usual", "usual/./member/wal", &["member"]),
        ("link", "there/wal", &["member", "wal"]),
        ("mount", "mount/wal", &["lost+found", "member", "wal"]),
    ];
    for (data, wal, expected) in cases {
        let (data, wal) = (folder.path().join(data), folder.path().join(wal));
        let config = RestoreConfig { output_wal_dir: Some(wal.clone()), ..config(&snapshot, &data) };
        let dry = RestoreConfig { run: Run::Dry, ..config.clone() };
        assert!(!restore(&dry, &NoProgress).unwrap().written && !wal.exists());
        restore(&config, &NoProgress).unwrap();
        assert_eq!(names(&data), expected);
        assert_eq!(names(&wal), ["0000000000000000-0000000000000000.wal"]);
        assert_eq!(names(&data.join("member")).contains(&"wal".to_owned()), wal.ends_with("member/wal"), "{wal:?}");
    }
    assert_eq!(fs::metadata(&there).unwrap().mode() & 0o7777, 0o750);
    assert_eq!(names(folder.path()), ["absent", "beside", "deep", "link", "mount", "there", "usual"]);
}

#[test]
fn a_log_in_a_conflicting_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = case::named("3.7-fresh").path();
    let data = folder.path().join("up/data");
    for wal in ["up/data", "up", "up/data/member", "up/data/member/snap", "up/data/member/snap/wal"] {
        let output_wal_dir = Some(folder.path().join(wal));
        let config = RestoreConfig { output_wal_dir, ..config(&snapshot, &data) };
        for run in [Run::Dry, Run::Write] {
            let error = restore(&RestoreConfig { run, ..config.clone() }, &NoProgress).unwrap_err();
            assert!(error.to_string().starts_with("--wal-dir: "), "{wal}: {error}");
        }
        assert_eq!(names(folder.path()), [""; 0], "{wal}");
    }
}

#[test]
fn a_dangling_link_is_refused_before_anything_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("data");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &target).unwrap();
    for run in [Run::Dry, Run::Write] {
        let config = RestoreConfig { run, ..config(&case::named("3.7-fresh").path(), &target) };
        let error = restore(&config, &NoProgress).unwrap_err();
        assert!(error.to_string().ends_with("is a dangling link"), "{error}");
    }
    assert_eq!(names(folder.path()), ["data"]);
}

/// A directory that a person moved aside, with a name much like a stage's, is not mistaken for a leftover of a killed run.
#[test]
fn directories_moved_aside_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (target, aside) = (folder.path().join("data"), folder.path().join("data.etcdsnap-20261124"));
    fs::create_dir_all(aside.join("member/snap")).unwrap();
    restore(&config(&case::named("3.7-fresh").path(), &target), &NoProgress).unwrap();
    assert_eq!(names(folder.path()), ["data", "data.etcdsnap-20261124"]);
    assert!(aside.join("member/snap").exists());
}

/// `flock DIR etcdsnap restore …` holds a lock on the directory around the target.
#[test]
fn a_locked_parent_directory_does_not_block() {
    let folder = tempfile::tempdir().unwrap();
    let lock = fs::File::open(folder.path()).unwrap();
    lock.lock().unwrap();
    let target = folder.path().join("data");
    restore(&config(&case::named("3.7-fresh").path(), &target), &NoProgress).unwrap();
    assert_eq!(names(folder.path()), ["data"]);
}

/// A restore into the current, empty directory fills it, and an empty directory argument counts as absent, as for etcdutl.
#[test]
fn the_working_directory_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = case::named("3.7-fresh").path();
    let restore = |directory: &str| {
        let mut command = Command::new(cli::program());
        command.args(["restore", snapshot.to_str().unwrap(), "--wal-dir=", "--data-dir", directory]);
        let output = command.current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let inode = fs::metadata(folder.path()).unwrap().ino();
    restore(".");
    assert_eq!(fs::metadata(folder.path()).unwrap().ino(), inode);
    assert_eq!(names(folder.path()), ["member"]);
    restore("");
    assert_eq!(names(folder.path()), ["default.etcd", "member"]);
}

/// A bind mount has the device of the directory around it, but cannot be replaced by a rename.
#[test]
fn a_bind_mount_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let (target, store) = (folder.path().join("data"), folder.path().join("store"));
    fs::create_dir(&target).unwrap();
    fs::create_dir(&store).unwrap();
    let mut mount = Command::new("mount");
    mount.arg("--bind").arg(&store).arg(&target).stderr(Stdio::null());
    if !mount.status().is_ok_and(|status| status.success()) {
        eprintln!("\n*** not run: nothing may be mounted here ***\n");
        return;
    }
    let outcome = restore(&config(&case::named("3.7-fresh").path(), &target), &NoProgress);
    let unmounted = Command::new("umount").arg(&target).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    outcome.unwrap();
    assert_eq!((names(&store), names(&target)), (vec!["member".to_owned()], Vec::new()));
}

#[test]
fn a_dry_run_reports_an_unwritable_target() {
    let folder = tempfile::tempdir().unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "ro,size=100m", "tmpfs"]).arg(folder.path()).stderr(Stdio::null());
    if !mount.status().is_ok_and(|status| status.success()) {
        eprintln!("\n*** not run: no file system may be mounted here ***\n");
        return;
    }
    let dry = |target: &Path| RestoreConfig { run: Run::Dry, ..config(&case::named("3.7-fresh").path(), target) };
    let outcome = restore(&dry(&folder.path().join("deep/data")), &NoProgress);
    let all = etcdsnap::restore_all_members(&dry(folder.path()), &folder.path().join("all"), &NoProgress);
    let unmounted = Command::new("umount").arg(folder.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    for error in [outcome.unwrap_err(), all.unwrap_err()] {
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
}

#[test]
fn a_mount_point_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("data");
    fs::create_dir(&target).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=100m", "tmpfs"]).arg(&target).stderr(Stdio::null());
    if !mount.status().is_ok_and(|status| status.success()) {
        eprintln!("\n*** not run: no file system may be mounted here ***\n");
        return;
    }
    let outcome = restore(&config(&case::named("3.7-fresh").path(), &target), &NoProgress);
    let found = names(&target);
    let all = etcdsnap::restore_all_members(&RestoreConfig::default(), &target, &NoProgress);
    let unmounted = Command::new("umount").arg(&target).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    outcome.unwrap();
    assert_eq!(found, ["member"]);
    assert!(all.is_err());
    assert_eq!(names(&target), [""; 0]);
}

#[test]
fn every_mistake_names_its_flag_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    let snapshot = case::named("3.7-fresh").path();
    let snapshot = snapshot.to_str().unwrap();
    let two = "default=http://127.0.0.1:1,b=http://127.0.0.1:2";
    let cases: [(&[&str], &str); 18] = [
        (&["--name=x"], "--name: \"x\" is not in --initial-cluster"),
        (&["--initial-cluster="], "--initial-cluster names no member"),
        (&["--initial-cluster=foo"], "--initial-cluster: \"foo\" has no URL."),
        (
            &["--initial-cluster=foo"],
            "Name every member of the new cluster with its peer URL: --initial-cluster m1=https://",
        ),
        (&["--initial-cluster=default=http://h:1,b=http://h:1"], "Give each member a URL of its own."),
        (&["--initial-cluster=default=http://localhost"], "--initial-cluster: \"http://localhost\" is not a peer URL"),
        (
            &["--initial-cluster", two],
            "--initial-advertise-peer-urls was not given and is http://localhost:2380 by default, but",
        ),
        (&["--initial-advertise-peer-urls=ftp://h:1"], "--initial-advertise-peer-urls: \"ftp://h:1\""),
        (&["--initial-cluster=default=http://h:1,b=http://h:1"], "--initial-cluster has http://h:1 twice"),
        (&["--bump-revision=5"], "--bump-revision is given without --mark-compacted"),
        (&["--mark-compacted"], "--mark-compacted is given without --bump-revision"),
        (&["--bump-revision=9223372036854775807", "--mark-compacted"], "--bump-revision: "),
        // This revision fits into its type, but leaves none for the next write.
        (&["--bump-revision=9223372036854775806", "--mark-compacted"], "--bump-revision: "),
        (&["--bump-revision", "-1", "--mark-compacted"], "'--bump-revision <N>'"),
        (
            &["--initial-cluster=default=http://127.0.0.1:2380"],
            "--initial-advertise-peer-urls was not given and is http://localhost:2380 by default, but",
        ),
        (&["--wal-dir", there.to_str().unwrap()], "--wal-dir: "),
        (&["--owner=no-such-user"], "--owner: there is no user"),
        (&["--all-members=x", "--initial-cluster=a/b=http://h:1"], "--all-members: "),
    ];
    for (flags, expected) in cases {
        let target = folder.path().join("data");
        let mut args = vec!["restore", snapshot];
        args.extend(flags);
        if !flags[0].starts_with("--all-members") {
            args.extend(["--data-dir", target.to_str().unwrap()]);
        }
        let output = cli::run(&args);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {output:?}");
        let told = cli::stderr(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(expected), "{flags:?}: {told}");
        assert_eq!(names(folder.path()), ["there"], "{flags:?}");
    }
}

/// Compares URLs as etcdutl does: `urlsEqual` in etcd's netutil.
#[test]
fn different_spellings_of_a_peer_url_are_equal() {
    let folder = tempfile::tempdir().unwrap();
    let config = RestoreConfig {
        initial_cluster: Some("default=http://[0:0:0:0:0:0:0:1]:2380".into()),
        peer_urls: vec!["http://[::1]:2380".into()],
        ..config(&case::named("3.7-fresh").path(), &folder.path().join("data"))
    };
    let restored = restore(&config, &NoProgress).unwrap();
    assert_eq!(restored.peer_urls, ["http://[0:0:0:0:0:0:0:1]:2380"]);
}

#[test]
fn etcdutls_arguments_work() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = case::named("3.7-fresh").path();
    let mut command = Command::new(cli::program());
    command.args(["snapshot", "restore"]).arg(&snapshot).args(["--initial-memory-map-size=10000", "--name=m1"]);
    command.args(["--initial-cluster=m1=http://localhost:2380", "--initial-cluster-token=t", "--write-out=table"]);
    // Go's tools accept a value for these, and use the last of a repeated flag.
    command.args(["--skip-hash-check=true", "--mark-compacted=true", "--mark-compacted=false", "--bump-revision=0"]);
    let output = command.current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(cli::stderr(&output).contains("--initial-memory-map-size is ignored"));
    assert_eq!(names(folder.path()), ["m1.etcd"]);
    assert!(File::new(fs::read(folder.path().join("m1.etcd/member/snap/db")).unwrap()).page_size >= 4096);
}

fn config(source: &Path, target: &Path) -> RestoreConfig {
    let (snapshot_path, output_data_dir) = (source.to_owned(), Some(target.to_owned()));
    RestoreConfig { snapshot_path, output_data_dir, ..RestoreConfig::default() }
}
