//! What may be restored, and where to: damage, forms of the input, directories that are there already, owners, flags.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use etcdsnap::{NoProgress, RestoreConfig, RestoreError, RestoreVerify, Run, restore, verify};
use etcdsnap_core::{Severity, Verdict};
use etcdsnap_tests::case;
use etcdsnap_tests::cli;
use etcdsnap_tests::damage::{self, Damaged};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::read::{File, database_of};

#[test]
fn what_is_damaged_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("backup.db");
    let (mut refused, mut restored) = (0, 0);
    for base in damage::bases() {
        for damage in damage::all() {
            for Damaged { file, trailer, .. } in damage.apply(&base.snapshot) {
                fs::write(&source, &file).unwrap();
                let sound = verify(&source, etcdsnap::VerifyOptions::default()).unwrap().verdict != Verdict::Damaged;
                let target = folder.path().join("data");
                let config = config(&source, &target);
                let what = format!("{} with trailer {trailer:?}", damage.name);
                match restore(&config, &NoProgress) {
                    Ok(_) => {
                        assert!(sound, "{what} was restored");
                        assert!(target.join("member/snap/db").exists());
                        fs::remove_dir_all(&target).unwrap();
                        restored += 1;
                    }
                    // A database without a trailer is a warning for verify, and an error here as in etcdutl.
                    Err(error) => {
                        assert!(!sound || matches!(error, RestoreError::NoTrailer { .. }), "{what}: {error}");
                        refused += 1;
                    }
                }
                assert_eq!(names(folder.path()), ["backup.db"], "{what}");
                assert!(fs::read(&source).unwrap() == file, "{what}: the source changed");
            }
        }
    }
    assert!(refused > 200 && restored > 5, "{refused} refused, {restored} restored");
}

/// Damage in entries passes `--verify structure`, everything that can be edited passes `none`, and `--force` passes what they refuse.
#[test]
fn levels_of_verification() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("backup.db"), folder.path().join("data"));
    let mut seen = (0, 0);
    for base in damage::bases() {
        for damage in damage::all() {
            for Damaged { file, trailer, .. } in damage.apply(&base.snapshot) {
                if trailer != damage::Trailer::Right {
                    continue;
                }
                fs::write(&source, &file).unwrap();
                let report = verify(&source, etcdsnap::VerifyOptions::default()).unwrap();
                let worst = report.findings.list().iter().filter(|finding| finding.severity == Severity::Damage);
                let codes: Vec<_> = worst.map(|finding| finding.code).collect();
                if codes.is_empty() {
                    continue;
                }
                let contents_only = codes.iter().all(|code| code.is_about_contents());
                let with = |verify, force| {
                    let config = RestoreConfig { verify, force, ..config(&source, &target) };
                    let outcome = restore(&config, &NoProgress);
                    let _ = fs::remove_dir_all(&target);
                    outcome
                };
                let structure = with(RestoreVerify::Structure, false);
                // What has neither root nor meta page cannot be edited into a member's database, whatever is asked for.
                let editable = |outcome: &Result<_, RestoreError>| {
                    let no_plan = |error: &RestoreError| {
                        matches!(error, RestoreError::Plan(_) | RestoreError::Input(etcdsnap::Error::NoStore { .. }))
                    };
                    outcome.as_ref().err().is_none_or(no_plan)
                };
                if contents_only {
                    assert!(editable(&structure), "{}: {}", damage.name, structure.unwrap_err());
                    seen.0 += 1;
                } else {
                    assert!(structure.is_err(), "{}", damage.name);
                    seen.1 += 1;
                }
                for lax in [with(RestoreVerify::None, false), with(RestoreVerify::Full, true)] {
                    assert!(editable(&lax), "{}: {}", damage.name, lax.unwrap_err());
                }
                assert_eq!(names(folder.path()), ["backup.db"]);
            }
        }
    }
    assert!(seen.0 > 10 && seen.1 > 20, "{seen:?}");
}

#[test]
fn compressed_files_and_streams_give_the_same() {
    let case = case::named("3.7-cluster");
    let plain = case.bytes();
    let folder = tempfile::tempdir().unwrap();
    let wanted = database_after(&case.path(), &folder.path().join("plain"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("backup.db", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&plain).unwrap();
    let packed = [
        ("gz", gzip.finish().unwrap()),
        ("zst", zstd::encode_all(&plain[..], 3).unwrap()),
        ("zip", zip.finish().unwrap().into_inner()),
    ];
    for (form, bytes) in packed {
        let source = folder.path().join(format!("backup.db.{form}"));
        fs::write(&source, &bytes).unwrap();
        let target = folder.path().join(format!("of-{form}"));
        assert!(database_after(&source, &target) == wanted, "{form}");
        let cut = folder.path().join(format!("cut.{form}"));
        fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
        let error = restore(&config(&cut, &folder.path().join("cut")), &NoProgress).unwrap_err();
        assert!(error.is_damage(), "{form}: {error}");
        assert!(names(folder.path()).iter().all(|name| name != "cut" && !name.contains("etcdsnap-")));
        let dry = RestoreConfig { run: Run::Dry, ..config(&source, &folder.path().join("dry")) };
        assert_eq!(restore(&dry, &NoProgress).unwrap().database_size, wanted.len() as u64, "{form}");
    }
    let target = folder.path().join("stream");
    let output = cli::run_with_input(&["restore", "-", "--data-dir", target.to_str().unwrap()], &plain);
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read(target.join("member/snap/db")).unwrap() == wanted);
}

#[test]
fn raw_copies_need_a_word() {
    for name in ["3.4-raw", "3.5-raw", "3.6-raw", "3.7-raw", "3.7-bumped"] {
        let case = case::named(name);
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("data");
        let path = case.path();
        let args = ["restore", path.to_str().unwrap(), "--data-dir", target.to_str().unwrap()];
        let refused = cli::run(&args);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let told = complaint(&refused);
        assert!(told.contains("snapshot missing hash but --skip-hash-check=false"), "{told}");
        assert!(told.contains("a copy of member/snap/db has none"), "{told}");
        assert!(!target.exists());
        let taken = cli::run(&[&args[..], &["--skip-hash-check"]].concat());
        assert!(taken.status.success(), "{taken:?}");
        assert!(target.join("member/snap/db").exists());
    }
}

/// bolt locks the database that it has open.
#[test]
fn a_database_that_a_server_has_open_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("db"), folder.path().join("data"));
    fs::copy(case::named("3.7-raw").path(), &source).unwrap();
    let open = fs::File::open(&source).unwrap();
    open.lock().unwrap();
    let args = ["restore", source.to_str().unwrap(), "--data-dir", target.to_str().unwrap(), "--skip-hash-check"];
    let output = cli::run(&args);
    assert!(output.status.success(), "{output:?}");
    assert!(complaint(&output).contains("open in a running etcd"), "{}", complaint(&output));
    assert!(target.join("member/snap/db").exists());
}

#[test]
fn a_wrong_sha256_is_refused_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("backup.db");
    let mut bytes = case::named("3.6-history").bytes();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&source, bytes).unwrap();
    let config = config(&source, &folder.path().join("data"));
    assert!(matches!(restore(&config, &NoProgress), Err(RestoreError::Sha256 { .. })));
    let restored = restore(&RestoreConfig { skip_hash_check: true, ..config }, &NoProgress).unwrap();
    assert!(!restored.sha256_checked);
}

#[test]
fn a_directory_that_is_there_keeps_its_mode_and_owner() {
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
fn owners_by_number_and_name() {
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
    // Who is to own the files must also be able to come to them.
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

/// As etcd is run with `--wal-dir` below `--data-dir`.
#[test]
fn a_log_within_the_data_directory() {
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
fn a_log_that_would_be_in_the_way() {
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
fn a_link_that_leads_nowhere_is_refused_before_anything_is_copied() {
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

/// What somebody moved aside, under a name much like a stage's, is not taken for what a killed run left.
#[test]
fn what_was_moved_aside_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (target, aside) = (folder.path().join("data"), folder.path().join("data.etcdsnap-20261124"));
    fs::create_dir_all(aside.join("member/snap")).unwrap();
    restore(&config(&case::named("3.7-fresh").path(), &target), &NoProgress).unwrap();
    assert_eq!(names(folder.path()), ["data", "data.etcdsnap-20261124"]);
    assert!(aside.join("member/snap").exists());
}

/// `flock DIR etcdsnap restore …` holds a lock on the directory around the target.
#[test]
fn a_directory_that_others_lock() {
    let folder = tempfile::tempdir().unwrap();
    let lock = fs::File::open(folder.path()).unwrap();
    lock.lock().unwrap();
    let target = folder.path().join("data");
    restore(&config(&case::named("3.7-fresh").path(), &target), &NoProgress).unwrap();
    assert_eq!(names(folder.path()), ["data"]);
}

/// Whoever works in an empty directory and restores into it finds the files there, and a directory that is given as nothing is as not given, as for etcdutl.
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

/// The device of a bind mount is that of the directory around it, and still nothing can be renamed over it.
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
fn a_dry_run_sees_that_nothing_can_be_written() {
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
    let cases: [(&[&str], &str); 15] = [
        (&["--name=x"], "--name: \"x\" is not in --initial-cluster"),
        (&["--initial-cluster="], "--initial-cluster names no member"),
        (&["--initial-cluster=default=http://localhost"], "--initial-cluster: \"http://localhost\" is no peer URL"),
        (
            &["--initial-cluster", two],
            "--initial-advertise-peer-urls was not given and is http://localhost:2380 by default, but",
        ),
        (&["--initial-advertise-peer-urls=ftp://h:1"], "--initial-advertise-peer-urls: \"ftp://h:1\""),
        (&["--initial-cluster=default=http://h:1,b=http://h:1"], "--initial-cluster has http://h:1 twice"),
        (&["--bump-revision=5"], "--bump-revision is given without --mark-compacted"),
        (&["--mark-compacted"], "--mark-compacted is given without --bump-revision"),
        (&["--bump-revision=9223372036854775807", "--mark-compacted"], "--bump-revision: "),
        // It would fit, and leave no revision for the next change.
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
        let told = complaint(&output);
        assert!(told.contains(expected), "{flags:?}: {told}");
        assert_eq!(names(folder.path()), ["there"], "{flags:?}");
    }
}

/// As etcdutl compares them: `urlsEqual` in etcd's netutil.
#[test]
fn peer_urls_may_be_spelt_in_two_ways() {
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
fn a_damaged_file_is_refused_with_all_that_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("backup.db");
    let bytes = case::named("3.7-history").bytes();
    fs::write(&source, &bytes[..bytes.len() / 2]).unwrap();
    let target = folder.path().join("data");
    let (source, target) = (source.to_str().unwrap(), target.to_str().unwrap());
    let told = cli::run(&["restore", source, "--data-dir", target, "--skip-hash-check"]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let verified = cli::json(&cli::run(&["verify", "-wjson", source]));
    let codes: Vec<_> = verified["findingCounts"].as_object().unwrap().keys().collect();
    assert!(codes.len() > 2, "{codes:?}");
    for code in codes {
        assert!(complaint(&told).contains(code.as_str()), "{code} is not in {}", complaint(&told));
    }
}

#[test]
fn etcdutls_own_words_work() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = case::named("3.7-fresh").path();
    let mut command = Command::new(cli::program());
    command.args(["snapshot", "restore"]).arg(&snapshot).args(["--initial-memory-map-size=10000", "--name=m1"]);
    command.args(["--initial-cluster=m1=http://localhost:2380", "--initial-cluster-token=t", "--write-out=table"]);
    // Go's tools take a value for these, and of a flag that is given twice the last counts.
    command.args(["--skip-hash-check=true", "--mark-compacted=true", "--mark-compacted=false", "--bump-revision=0"]);
    let output = command.current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(complaint(&output).contains("--initial-memory-map-size is ignored"));
    assert_eq!(names(folder.path()), ["m1.etcd"]);
    assert!(File::new(fs::read(folder.path().join("m1.etcd/member/snap/db")).unwrap()).page_size >= 4096);
}

fn config(source: &Path, target: &Path) -> RestoreConfig {
    let (snapshot_path, output_data_dir) = (source.to_owned(), Some(target.to_owned()));
    RestoreConfig { snapshot_path, output_data_dir, ..RestoreConfig::default() }
}

/// The database that a restore makes.
fn database_after(source: &Path, target: &Path) -> Vec<u8> {
    restore(&config(source, target), &NoProgress).unwrap();
    let database = fs::read(target.join("member/snap/db")).unwrap();
    assert_eq!(database_of(&database).len(), database.len());
    database
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
