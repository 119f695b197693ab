//! Restores by different users: a plain user in others' directories, directories that are writable but not readable, a process without file descriptors.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use etcdsnap::{NoProgress, RestoreConfig, Run, restore};
use etcdsnap_tests::failure_injection::{Failure, InjectedFailure, RunResult, available, run};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::other_user::{GROUP, USER, is_root, program, world_readable_folder};
use etcdsnap_tests::{case, cli};

fn snapshot() -> PathBuf {
    case::named("3.7-fresh").path()
}

/// Creates a directory with a mode, and with an owner if the tests run as root.
fn make(path: &Path, mode: u32, owner: (u32, u32)) {
    fs::create_dir(path).unwrap();
    if is_root() {
        chown(path, Some(owner.0), Some(owner.1)).unwrap();
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn restore_as_user(source: &Path, flags: &[String]) -> Option<Output> {
    let mut command = program()?;
    command.arg("restore").arg(source).args(flags);
    Some(command.output().unwrap())
}

/// etcd's directories are for its own user only: another user learns who owns them and what to run, and nothing is written.
#[test]
fn an_unreadable_directory_is_reported_with_its_owner() {
    if !is_root() {
        return;
    }
    let (folder, source) = world_readable_folder(&snapshot());
    for (owner, names_it, advice) in [(0, "root", "as root "), (1234, "user 1234", "as root or user 1234 ")] {
        let target = folder.path().join(format!("data-{owner}"));
        make(&target, 0o700, (owner, owner));
        let flags = [format!("--data-dir={}", target.display())];
        let Some(output) = restore_as_user(&source, &flags) else { return };
        assert_eq!(output.status.code(), Some(2));
        let printed = cli::stderr(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(printed.contains(&format!("permission denied (it belongs to {names_it}, mode 0700)")), "{printed}");
        assert!(
            printed.contains(advice) && printed.contains("sudo etcdsnap restore") && !printed.contains("Move it away"),
            "{printed}"
        );
        assert_eq!(names(&target), [""; 0]);
        // The same for verify, with a message that fits a directory.
        let output = program().unwrap().arg("verify").arg(&target).output().unwrap();
        let printed = cli::stderr(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(output.status.code() == Some(2) && printed.contains("mode 0700"), "{printed}");
    }
}

/// Kubernetes' `fsGroup`, OpenShift's random user, a directory for all: a user can restore wherever they may write, and keeps their own ids. A dry run reports the same.
#[test]
fn a_plain_user_can_restore_into_a_writable_root_directory() {
    let theirs = (0, GROUP);
    // The mode of the directory around the target and of the target itself, and the result.
    let cases: [(u32, Option<u32>, &str, bool); 9] = [
        (0o2775, None, "--data-dir", true),
        (0o2775, Some(0o2775), "--data-dir", true),
        (0o755, Some(0o2775), "--data-dir", true),
        (0o1777, None, "--data-dir", true),
        (0o1777, Some(0o777), "--data-dir", true),
        (0o2775, None, "--all-members", true),
        (0o2775, Some(0o2775), "--all-members", true),
        (0o1777, None, "--all-members", true),
        (0o755, None, "--data-dir", !is_root()),
    ];
    for (around_mode, target_mode, flag, works) in cases {
        let what = format!("{around_mode:o} {target_mode:?} {flag}");
        let (folder, source) = world_readable_folder(&snapshot());
        let around = folder.path().join("around");
        let target = around.join("data");
        make(&around, 0o755, theirs);
        if let Some(mode) = target_mode {
            make(&target, mode, theirs);
        }
        fs::set_permissions(&around, fs::Permissions::from_mode(around_mode)).unwrap();
        let flags = vec![format!("{flag}={}", target.display())];
        let Some(dry) = restore_as_user(&source, &[&flags[..], &["--dry-run".to_owned()]].concat()) else { return };
        assert_eq!(dry.status.success(), works, "{what}: {}", cli::stderr(&dry));
        assert_eq!(target.exists(), target_mode.is_some(), "{what}: a dry run made something");
        let output = restore_as_user(&source, &flags).unwrap();
        assert_eq!(output.status.success(), works, "{what}: {}", cli::stderr(&output));
        if !works {
            assert_eq!(names(&around), [""; 0], "{what}");
            continue;
        }
        assert_eq!(names(&around), ["data"], "{what}");
        let member = if flag == "--data-dir" { target.join("member") } else { target.join("default/member") };
        let user = if is_root() { USER } else { rustix::process::geteuid().as_raw() };
        for path in [member.join("snap/db"), member.join("wal"), member] {
            assert_eq!(fs::metadata(&path).unwrap().uid(), user, "{what}: {}", path.display());
        }
        if let Some(mode) = target_mode {
            assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, mode & 0o777, "{what}");
        }
    }
}

/// In a directory with the sticky bit a user cannot replace another user's directory: a restore of all members, which must appear as a whole, is refused before anything is read.
#[test]
fn targets_that_cannot_be_replaced_are_refused_at_once() {
    if !is_root() {
        eprintln!("\n*** not run: only root makes directories of another user ***\n");
        return;
    }
    let (folder, source) = world_readable_folder(&snapshot());
    let around = folder.path().join("around");
    make(&around, 0o1777, (0, 0));
    make(&around.join("all"), 0o777, (0, 0));
    for dry in [&["--dry-run".to_owned()][..], &[]] {
        let flags = [&[format!("--all-members={}", around.join("all").display())], dry].concat();
        let Some(output) = restore_as_user(&source, &flags) else { return };
        assert_eq!(output.status.code(), Some(2));
        assert!(cli::stderr(&output).contains("cannot be replaced as a whole"), "{}", cli::stderr(&output));
        assert_eq!(names(&around.join("all")), [""; 0]);
    }
}

/// In a user namespace an outside owner has no number, and nothing can be given to it.
#[test]
fn root_of_a_user_namespace_can_restore() {
    let Some(mut command) = program() else { return };
    let (folder, source) = world_readable_folder(&snapshot());
    let target = folder.path().join("data");
    make(&target, 0o777, (0, 0));
    let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).map(ToOwned::to_owned).collect();
    // `setpriv … -- unshare --user --map-root-user etcdsnap`
    let (last, first) = words.split_last().unwrap();
    let unshare = |program: &mut Command| {
        program.args(["--user", "--map-root-user"]).arg(last).stdin(Stdio::null());
    };
    command = match first.split_first() {
        Some((setpriv, words)) => {
            let mut command = Command::new(setpriv);
            command.args(words).arg("unshare");
            command
        }
        None => Command::new("unshare"),
    };
    unshare(&mut command);
    let output = command.arg("restore").arg(&source).arg(format!("--data-dir={}", target.display())).output().unwrap();
    if cli::stderr(&output).contains("unshare") {
        eprintln!("\n*** not run: no user namespace can be made here ***\n");
        return;
    }
    assert!(output.status.success(), "{}", cli::stderr(&output));
    assert!(target.join("member/snap/db").exists());
}

/// Root without the capability to change owners, as in a container that drops all capabilities.
#[test]
fn root_without_capabilities_can_restore() {
    if !is_root() {
        eprintln!("\n*** not run: this needs root ***\n");
        return;
    }
    let (folder, source) = world_readable_folder(&snapshot());
    let target = folder.path().join("data");
    make(&target, 0o777, (USER, USER));
    let restore = |owner: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--inh-caps=-all", "--bounding-set=-all", "--"]).arg(cli::program()).arg("restore").arg(&source);
        command.arg(format!("--data-dir={}", target.display())).args(owner).stdin(Stdio::null()).output().unwrap()
    };
    let asked = restore(&["--owner=1234"]);
    assert_eq!(asked.status.code(), Some(2));
    assert!(
        cli::stderr(&asked).contains("--owner: the owner of the files cannot be changed"),
        "{}",
        cli::stderr(&asked)
    );
    assert_eq!(names(&target), [""; 0]);
    let output = restore(&[]);
    assert!(output.status.success(), "{}", cli::stderr(&output));
    assert_eq!(fs::metadata(target.join("member/snap/db")).unwrap().uid(), 0);
}

/// Directories that are writable but not readable cannot be opened for a sync.
#[test]
fn unreadable_directories_can_be_filled() {
    for mode in [0o333, 0o300] {
        let (folder, source) = world_readable_folder(&snapshot());
        let (data, logs) = (folder.path().join("around"), folder.path().join("logs"));
        make(&data, mode, (USER, USER));
        make(&logs, mode, (USER, USER));
        let target = data.join("data");
        let flags = [format!("--data-dir={}", target.display()), format!("--wal-dir={}", logs.join("log").display())];
        let Some(dry) = restore_as_user(&source, &[&flags[..], &["--dry-run".to_owned()]].concat()) else { return };
        assert!(dry.status.success(), "{mode:o}: {}", cli::stderr(&dry));
        let output = restore_as_user(&source, &flags).unwrap();
        assert!(output.status.success(), "{mode:o}: {}", cli::stderr(&output));
        for (directory, name) in [(&data, "data"), (&logs, "log")] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
            assert_eq!(names(directory), [name]);
        }
        assert!(target.join("member/snap/db").exists());
    }
}

/// The result keeps the modes of prepared directories, even odd ones.
#[test]
fn the_result_keeps_the_modes_of_a_prepared_directory() {
    for mode in [0o500, 0o555, 0o700, 0o2770, 0o1777] {
        let (folder, source) = world_readable_folder(&snapshot());
        let around = folder.path().join("around");
        make(&around, 0o777, (USER, USER));
        let target = around.join("data");
        make(&target, mode, (USER, USER));
        let Some(output) = restore_as_user(&source, &[format!("--data-dir={}", target.display())]) else { return };
        assert!(output.status.success(), "{mode:o}: {}", cli::stderr(&output));
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, mode, "{mode:o}");
        assert_eq!(names(&around), ["data"]);
    }
}

/// A failure after the result is in place is reported as such: the result stays.
#[test]
fn a_failed_sync_keeps_the_result() {
    if !available() {
        return;
    }
    let mut seen = (0, 0);
    for nth in 1..40 {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("data");
        let mut command = Command::new(cli::program());
        command.arg("restore").arg(snapshot()).arg(format!("--data-dir={}", target.display()));
        let RunResult { output, hit, .. } =
            run(&command, &InjectedFailure { call: "fsync", nth, failure: Failure::Error("EIO") });
        if !hit {
            break;
        }
        assert_eq!(output.status.code(), Some(2), "{nth}: {}", cli::stderr(&output));
        if target.exists() {
            assert!(cli::stderr(&output).contains("is restored and in place, but"), "{}", cli::stderr(&output));
            assert!(cli::stderr(&output).contains("Do not restore again"), "{}", cli::stderr(&output));
            assert_eq!(names(folder.path()), ["data"]);
            seen.1 += 1;
        } else {
            assert_eq!(names(folder.path()), [""; 0], "{nth}");
            seen.0 += 1;
        }
    }
    assert!(seen.0 > 3 && seen.1 == 1, "{seen:?}");
}

/// With any number of file descriptors, the result is complete, or nothing is left.
#[test]
fn without_file_descriptors_nothing_incomplete_remains() {
    let mut seen = (0, 0);
    for limit in 4..40 {
        let folder = tempfile::tempdir().unwrap();
        let (target, wal) = (folder.path().join("new/data"), folder.path().join("logs/log"));
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")]).arg(cli::program()).arg("restore");
        command.arg(snapshot()).arg(format!("--data-dir={}", target.display()));
        command.arg(format!("--wal-dir={}", wal.display())).stdin(Stdio::null());
        let output = command.output().unwrap();
        if output.status.success() {
            assert!(target.join("member/snap/db").exists() && wal.exists());
            assert_eq!(
                (names(&folder.path().join("new")), names(&folder.path().join("logs"))),
                (vec!["data".into()], vec!["log".into()])
            );
            seen.0 += 1;
        } else {
            assert_eq!(names(folder.path()), [""; 0], "{limit}: {}", cli::stderr(&output));
            seen.1 += 1;
        }
        if seen.0 > 2 {
            break;
        }
    }
    assert!(seen.0 > 0 && seen.1 > 5, "{seen:?}");
}

/// Tests paths that lead into each other through directories that do not exist yet.
#[test]
fn a_log_inside_the_database_by_another_path_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir(at("real")).unwrap();
    std::os::unix::fs::symlink("real", at("link")).unwrap();
    let before = names(folder.path());
    for (data, wal) in [
        ("d", "d/../d/member/snap"),
        ("d", "x/../d/member/snap/wal"),
        ("d", "d/member/wal/../snap"),
        ("d/../d", "d/member"),
        ("x/y/../../d/e", "d"),
        ("d", "x/../d"),
        ("link/d", "real/d/member/snap"),
        ("link/../real/d", "link/d/member"),
        ("real", "link/member/snap"),
        ("link", "link/../real/member"),
    ] {
        for run in [Run::Dry, Run::Write] {
            let config = RestoreConfig {
                snapshot_path: snapshot(),
                output_data_dir: Some(at(data)),
                output_wal_dir: Some(at(wal)),
                run,
                ..RestoreConfig::default()
            };
            let error = restore(&config, &NoProgress).unwrap_err();
            assert!(error.to_string().starts_with("--wal-dir: "), "{data} {wal}: {error}");
            assert_eq!(names(folder.path()), before, "{data} {wal}");
            assert_eq!(names(&at("real")), [""; 0], "{data} {wal}");
        }
    }
}

/// Tests unusual paths to valid targets.
#[test]
fn unusual_paths_to_valid_targets_work() {
    for (data, wal, expected) in [
        ("x/../d", "x/../d/../log", "log"),
        ("link/d", "real/d/log", "real/d/log"),
        ("link/../d", "d/member/wal", "d/member/wal"),
        ("real/.", "link/member/log", "real/member/log"),
        ("link/../link", "link/log", "real/log"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir(at("real")).unwrap();
        std::os::unix::fs::symlink("real", at("link")).unwrap();
        let config = RestoreConfig {
            snapshot_path: snapshot(),
            output_data_dir: Some(at(data)),
            output_wal_dir: Some(at(wal)),
            ..RestoreConfig::default()
        };
        restore(&config, &NoProgress).unwrap();
        assert_eq!(names(&at(expected)), ["0000000000000000-0000000000000000.wal"], "{data} {wal}");
        assert!(!at("x").exists());
        let all = [names(folder.path()), names(&at("real"))].concat();
        assert!(all.iter().all(|name| !name.contains("etcdsnap-")), "{all:?}");
    }
}
