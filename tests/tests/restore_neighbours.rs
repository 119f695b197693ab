//! Another user who may write to the directory around a target plants and swaps files there, and must not get anything deleted, blocked or published.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use etcdsnap::{NoProgress, Progress, RestoreConfig, RestoreError, Stage, restore, restore_all_members};
use etcdsnap_core::ScanProgress;
use etcdsnap_tests::leftover_stages::{
    MARKER, STAGE_NAME, create_leftover_stage, create_valuable_directory, fifo, marker, run_to_end, snapshot, tree,
    write_private,
};
use etcdsnap_tests::other_user::{USER, is_root};

fn config(target: &Path) -> RestoreConfig {
    RestoreConfig { snapshot_path: snapshot(), output_data_dir: Some(target.to_owned()), ..RestoreConfig::default() }
}

type PlantedFile = (&'static str, fn(&Path));

/// Files and directories with the name of a stage that the program did not create, or that have changed since.
const PLANTED_FILES: [PlantedFile; 16] = [
    ("a directory without a marker", |slot| create_valuable_directory(slot)),
    ("a directory that others may write to", |slot| {
        create_leftover_stage(slot, "data", Path::new("/"));
        fs::set_permissions(slot, fs::Permissions::from_mode(0o777)).unwrap();
    }),
    ("a directory that its group may write to", |slot| {
        create_leftover_stage(slot, "data", Path::new("/"));
        fs::set_permissions(slot, fs::Permissions::from_mode(0o770)).unwrap();
    }),
    ("the marker of another directory", |slot| {
        create_valuable_directory(slot);
        let other = slot.with_extension("other");
        create_leftover_stage(&other, "data", Path::new("/"));
        fs::rename(other.join(MARKER), slot.join(MARKER)).unwrap();
    }),
    ("the marker for another target", |slot| {
        create_valuable_directory(slot);
        write_private(&slot.join(MARKER), marker(slot, "other").as_bytes());
    }),
    ("a stage from another directory", |slot| {
        let elsewhere = slot.parent().unwrap().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        create_leftover_stage(&elsewhere.join(STAGE_NAME), "data", Path::new("/"));
        fs::rename(elsewhere.join(STAGE_NAME), slot).unwrap();
    }),
    ("a marker that others may write to", |slot| {
        create_leftover_stage(slot, "data", Path::new("/"));
        fs::set_permissions(slot.join(MARKER), fs::Permissions::from_mode(0o666)).unwrap();
    }),
    ("a marker that is a FIFO", |slot| {
        create_valuable_directory(slot);
        fifo(&slot.join(MARKER));
    }),
    ("a marker that is a link to an endless file", |slot| {
        create_valuable_directory(slot);
        symlink("/dev/zero", slot.join(MARKER)).unwrap();
    }),
    ("a marker that is a link to the right text", |slot| {
        create_valuable_directory(slot);
        fs::write(slot.join("text"), marker(slot, "data")).unwrap();
        symlink("text", slot.join(MARKER)).unwrap();
    }),
    ("a marker that is endless", |slot| {
        create_valuable_directory(slot);
        write_private(&slot.join(MARKER), &[]);
        fs::File::options().write(true).open(slot.join(MARKER)).unwrap().set_len(1 << 40).unwrap();
    }),
    ("an empty marker beside data", |slot| {
        create_valuable_directory(slot);
        write_private(&slot.join(MARKER), &[]);
    }),
    ("a link to a directory", |slot| {
        let other = slot.with_extension("other");
        create_leftover_stage(&other, "data", Path::new("/"));
        symlink(&other, slot).unwrap();
    }),
    ("a FIFO", |slot| fifo(slot)),
    ("a socket", |slot| drop(UnixListener::bind(slot).unwrap())),
    ("a note of an earlier version", |slot| {
        let precious_one = slot.with_extension("precious");
        create_valuable_directory(&precious_one);
        let facts = fs::metadata(&precious_one).unwrap();
        let note = format!(r#"{{"wal":{precious_one:?},"device":{},"inode":{}}}"#, facts.dev(), facts.ino());
        fs::write(slot.with_extension("wal"), note).unwrap();
        create_valuable_directory(slot);
    }),
];

#[test]
fn files_planted_by_a_neighbour_stay() {
    for (number, (what, plant)) in PLANTED_FILES.into_iter().enumerate() {
        let mode = if number % 2 == 0 { 0o755 } else { 0o1777 };
        let folder = tempfile::tempdir().unwrap();
        let around = folder.path().join("around");
        fs::create_dir(&around).unwrap();
        fs::set_permissions(&around, fs::Permissions::from_mode(mode)).unwrap();
        if is_root() {
            chown(&around, Some(USER), Some(USER)).unwrap();
        }
        plant(&around.join(STAGE_NAME));
        let before = tree(&around);
        let (target, wal) = (around.join("data"), around.join("log"));
        let arguments =
            ["restore", snapshot().to_str().unwrap(), "--data-dir", target.to_str().unwrap()].map(str::to_owned);
        let mut arguments = arguments.to_vec();
        // A log elsewhere, too: a note in the stage must not be trusted.
        arguments.extend(["--wal-dir".to_owned(), wal.to_str().unwrap().to_owned()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(run_to_end(&arguments), Some(0), "{what}");
        fs::remove_dir_all(&target).unwrap();
        fs::remove_dir_all(&wal).unwrap();
        let mut after = tree(&around);
        // The directory itself changed.
        after.insert(PathBuf::new(), before[&PathBuf::new()].clone());
        assert!(before == after, "{what}: {:?} became {:?}", before.keys(), after.keys());
    }
}

/// Run by root, a stage of another user belongs to that user, whatever it contains.
#[test]
fn a_stage_of_another_user_stays() {
    if !is_root() {
        eprintln!("\n*** not run: only root gives directories away ***\n");
        return;
    }
    for whose in ["directory", "marker"] {
        let folder = tempfile::tempdir().unwrap();
        let (slot, target) = (folder.path().join(STAGE_NAME), folder.path().join("data"));
        create_leftover_stage(&slot, "data", Path::new("/"));
        let given = if whose == "directory" { slot.clone() } else { slot.join(MARKER) };
        chown(given, Some(USER), Some(USER)).unwrap();
        let before = tree(&slot);
        restore(&config(&target), &NoProgress).unwrap();
        assert!(tree(&slot) == before, "{whose}");
    }
}

/// In contrast, leftovers of a killed run are removed, without following links.
#[test]
fn leftovers_of_a_killed_run_are_removed_without_following_links() {
    let folder = tempfile::tempdir().unwrap();
    let (slot, target, outside) =
        (folder.path().join(STAGE_NAME), folder.path().join("data"), folder.path().join("outside"));
    create_valuable_directory(&outside);
    let before = tree(&outside);
    create_leftover_stage(&slot, "data", &outside);
    // Two more runs were killed right at their start.
    for (number, begun) in [("5", false), ("15", true)] {
        let slot = folder.path().join(format!("data.etcdsnap-{number}"));
        fs::create_dir(&slot).unwrap();
        fs::set_permissions(&slot, fs::Permissions::from_mode(0o700)).unwrap();
        if begun {
            write_private(&slot.join(MARKER), &[]);
        }
    }
    restore(&config(&target), &NoProgress).unwrap();
    let names: Vec<_> = tree(folder.path()).into_keys().filter(|path| path.components().count() == 1).collect();
    assert_eq!(names, ["data", "outside"].map(PathBuf::from));
    assert!(tree(&outside) == before);
}

/// A file system that is mounted below a stage is not removed.
#[test]
fn a_mount_in_a_stage_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (slot, outside) = (folder.path().join(STAGE_NAME), folder.path().join("outside"));
    create_valuable_directory(&outside);
    create_leftover_stage(&slot, "data", Path::new("/"));
    let point = slot.join("new/member");
    let mut mount = Command::new("mount");
    mount.arg("--bind").arg(&outside).arg(&point).stderr(Stdio::null());
    if !mount.status().is_ok_and(|status| status.success()) {
        eprintln!("\n*** not run: nothing may be mounted here ***\n");
        return;
    }
    let outcome = restore(&config(&folder.path().join("data")), &NoProgress);
    let kept = outside.join("deep/precious").exists();
    assert!(Command::new("umount").arg(&point).status().unwrap().success());
    assert!(matches!(outcome, Err(RestoreError::Leftover { .. })), "{outcome:?}");
    assert!(kept);
}

/// A snapshot in the leftovers of a killed run, used as the source, is not removed with them.
#[test]
fn a_snapshot_in_a_leftover_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (slot, target) = (folder.path().join(STAGE_NAME), folder.path().join("data"));
    create_leftover_stage(&slot, "data", Path::new("/"));
    let database = slot.join("new/member/snap/db");
    fs::copy(snapshot(), &database).unwrap();
    let error =
        restore(&RestoreConfig { snapshot_path: database.clone(), ..config(&target) }, &NoProgress).unwrap_err();
    assert!(matches!(error, RestoreError::InLeftover { .. }), "{error}");
    assert!(fs::read(&database).unwrap() == fs::read(snapshot()).unwrap());
    assert!(!target.exists());
}

/// Calls a function once while the snapshot is copied.
struct ActOnce<F: Fn() + Sync> {
    act: F,
    done: AtomicBool,
    stop: bool,
}

impl<F: Fn() + Sync> ActOnce<F> {
    fn new(act: F) -> Self {
        Self { act, done: AtomicBool::new(false), stop: false }
    }
}

impl<F: Fn() + Sync> ScanProgress for ActOnce<F> {
    fn advance(&self, _bytes: u64) {
        if !self.done.swap(true, Ordering::Relaxed) {
            (self.act)();
        }
    }

    fn cancelled(&self) -> bool {
        self.stop && self.done.load(Ordering::Relaxed)
    }
}

impl<F: Fn() + Sync> Progress for ActOnce<F> {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
}

/// Moves the stage away while it is filled, and puts another directory in its place.
#[test]
fn a_swapped_stage_is_neither_published_nor_removed() {
    for stop in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (slot, target) = (folder.path().join(STAGE_NAME), folder.path().join("data"));
        let swap = || {
            fs::rename(&slot, folder.path().join("away")).unwrap();
            create_valuable_directory(&slot);
            fs::create_dir_all(slot.join("new/member")).unwrap();
            fs::write(slot.join("new/member/planted"), "planted").unwrap();
        };
        let outcome = restore(&config(&target), &ActOnce { stop, ..ActOnce::new(swap) });
        assert_eq!(outcome.is_ok(), !stop, "{outcome:?}");
        assert_eq!(target.exists(), !stop);
        // The planted directory is neither published nor removed.
        assert!(slot.join("deep/precious").exists() && slot.join("new/member/planted").exists());
        assert!(!target.join("member/planted").exists());
        // The program's own stage is removed, wherever it was moved.
        assert_eq!(tree(&folder.path().join("away")).len(), 1);
    }
}

/// Moves the directory around the target away, and puts a link to another in its place.
#[test]
fn a_swapped_parent_directory_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("around")).unwrap();
    create_valuable_directory(&at("other"));
    let before = tree(&at("other"));
    let swap = || {
        fs::rename(at("around"), at("away")).unwrap();
        symlink(at("other"), at("around")).unwrap();
    };
    restore(&config(&at("around/data")), &ActOnce::new(swap)).unwrap();
    assert!(at("away/data/member/snap/db").exists());
    assert!(tree(&at("other")) == before);
}

/// Creates a link, a file or a non-empty directory at the name of the target or of the log.
#[test]
fn a_target_planted_meanwhile_is_not_replaced() {
    let plants: [fn(&Path, &Path); 3] = [
        |target, outside| symlink(outside, target).unwrap(),
        |target, _| fs::write(target, "planted").unwrap(),
        |target, _| create_valuable_directory(target),
    ];
    for plant in plants {
        for (of_log, prepared) in [(false, false), (false, true), (true, false)] {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            create_valuable_directory(&at("outside"));
            let outside = tree(&at("outside"));
            if prepared {
                fs::create_dir(at("data")).unwrap();
            }
            let planted = if of_log { at("log") } else { at("data") };
            let swap = || {
                let _ = fs::remove_dir(&planted);
                plant(&planted, &at("outside"));
            };
            let config = RestoreConfig { output_wal_dir: Some(at("log")), ..config(&at("data")) };
            let error = restore(&config, &ActOnce::new(swap)).unwrap_err();
            assert!(error.to_string().contains("appeared while the snapshot was restored"), "{error}");
            assert!(tree(&at("outside")) == outside);
            assert!(fs::symlink_metadata(&planted).is_ok());
            let names = fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(names, 2, "{:?}", tree(folder.path()).keys());
        }
    }
}

/// A neighbour takes every name for a stage.
#[test]
fn a_restore_fails_if_all_stage_names_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..16 {
        fs::write(folder.path().join(format!("data.etcdsnap-{number}")), "taken").unwrap();
    }
    restore(&config(&folder.path().join("data")), &NoProgress).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 17);
}

/// All members at once: the same directory around several targets.
#[test]
fn all_members_beside_a_planted_stage() {
    let folder = tempfile::tempdir().unwrap();
    let slot = folder.path().join("all.etcdsnap-0");
    create_valuable_directory(&slot);
    let before = tree(&slot);
    restore_all_members(&config(Path::new("")), &folder.path().join("all"), &NoProgress).unwrap();
    assert!(tree(&slot) == before && folder.path().join("all/default/member/snap/db").exists());
}
