//! Directories in the making, and those that killed runs left.
//!
//! A run holds a lock (flock) on what it makes. What nobody has locked is what a killed run left: the next run removes it. Whoever makes one looks, once it is locked,
//! whether it is still there, because another run may have taken it for litter a moment before. The directory around it is never locked: others do that, as in
//! `flock DIR etcdsnap …`.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::RestoreError;
use super::files::failed;
use crate::fsx::file_identity::is_at;

const MARK: &str = ".etcdsnap-";

/// How often one is made anew that another run took away.
const TRIES: usize = 100;

/// A directory under a name of its own, and the name it is to have.
pub(super) struct Staged {
    pub stage: PathBuf,
    pub target: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl Staged {
    /// Makes one of mode 0700 in `around`.
    pub fn make(around: &Path, target: &Path) -> Result<Self, RestoreError> {
        for _ in 0..TRIES {
            let stage = around.join(name(target, rand::random()));
            match DirBuilder::new().mode(0o700).create(&stage) {
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(|cause| failed(around, cause))?,
            }
            let Ok(lock) = File::open(&stage) else { continue };
            // A file system without locks cannot tell whose it is; `sweep` then leaves it alone.
            if !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) && is_at(&lock, &stage) {
                return Ok(Self { stage, target: target.to_owned(), _lock: lock });
            }
        }
        Err(failed(around, io::Error::other("other runs take away what is made here")))
    }
}

/// The name of a stage of `target`. It ends with a sum of itself, so that nothing of somebody else's, such as a directory that was moved aside, is ever taken for one.
fn name(target: &Path, random: u32) -> String {
    let start = format!("{}{MARK}{random:08x}", target.file_name().unwrap_or_default().to_string_lossy());
    let sum: String = Sha256::digest(&start).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    start + &sum
}

/// Whether `name` is that of a stage of `target`, or of the note beside one.
pub(super) fn is_of(target: &Path, text: &str) -> bool {
    let text = text.strip_suffix(NOTE).unwrap_or(text);
    let random = text.rsplit_once(MARK).and_then(|(_, end)| u32::from_str_radix(end.get(..8)?, 16).ok());
    random.is_some_and(|random| name(target, random) == text)
}

/// What the name of a stage's note ends with.
const NOTE: &str = ".wal";

/// The note of a stage: where it puts its log.
pub(super) fn note(stage: &Path) -> PathBuf {
    let mut note = stage.as_os_str().to_owned();
    note.push(NOTE);
    note.into()
}

/// Removes the stages of `target` that nobody works on.
pub(super) fn sweep(around: &Path, target: &Path) -> Result<(), RestoreError> {
    // What cannot be listed holds nothing that could be found again, and what is not there holds nothing.
    let Ok(entries) = fs::read_dir(around) else { return Ok(()) };
    let names: Vec<_> = entries.flatten().filter(|entry| is_of(target, &entry.file_name().to_string_lossy())).collect();
    for entry in &names {
        let path = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(directory) = File::open(&path) else { continue };
        match directory.try_lock() {
            Ok(()) if is_at(&directory, &path) => {}
            Ok(()) | Err(TryLockError::WouldBlock | TryLockError::Error(_)) => continue,
        }
        let note = note(&path);
        take_back(&note);
        fs::remove_dir_all(&path).map_err(|cause| failed(&path, cause))?;
        let _ = fs::remove_file(&note);
    }
    for entry in &names {
        let path = entry.path();
        // The data directory was put in place, and the run killed before it could remove its note.
        if entry.file_name().to_string_lossy().ends_with(NOTE) && !path.with_extension("").exists() {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// Removes a log that was put in place without its data directory, if it is still the very one.
fn take_back(note: &Path) {
    let Ok(text) = fs::read(note) else { return };
    let Ok(note) = serde_json::from_slice::<serde_json::Value>(&text) else { return };
    let number = |name: &str| note.get(name).and_then(serde_json::Value::as_u64);
    let Some(wal) = note.get("wal").and_then(serde_json::Value::as_str) else { return };
    let same = fs::symlink_metadata(wal)
        .is_ok_and(|facts| Some(facts.dev()) == number("device") && Some(facts.ino()) == number("inode"));
    if same {
        let _ = fs::remove_dir_all(wal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_here_counts_as_litter() {
        let target = Path::new("/var/lib/etcd");
        let ours = name(target, 0x00c0_ffee);
        assert!(ours.starts_with("etcd.etcdsnap-00c0ffee"), "{ours}");
        assert!(is_of(target, &ours) && is_of(target, &format!("{ours}.wal")));
        assert!(!is_of(Path::new("/var/lib/other"), &ours));
        for other in
            ["etcd", "etcd.etcdsnap-", "etcd.etcdsnap-20261124", "etcd.etcdsnap-2026112400000000", "etcd.etcdsnap-ä"]
        {
            assert!(!is_of(target, other), "{other}");
        }
    }

    #[test]
    fn what_is_moved_aside_stays_and_what_a_killed_run_left_goes() {
        let around = tempfile::tempdir().unwrap();
        let target = around.path().join("etcd");
        let aside = around.path().join("etcd.etcdsnap-before-the-upgrade");
        fs::create_dir(&aside).unwrap();
        let left = Staged::make(around.path(), &target).unwrap().stage;
        let at_work = Staged::make(around.path(), &target).unwrap();
        sweep(around.path(), &target).unwrap();
        assert!(aside.exists() && at_work.stage.exists() && !left.exists());
    }

    /// `flock DIR etcdsnap restore …` must not wait for itself.
    #[test]
    fn a_lock_of_somebody_else_on_the_directory_is_no_hindrance() {
        let around = tempfile::tempdir().unwrap();
        let lock = File::open(around.path()).unwrap();
        lock.lock().unwrap();
        let target = around.path().join("etcd");
        sweep(around.path(), &target).unwrap();
        Staged::make(around.path(), &target).unwrap();
    }

    #[test]
    fn many_at_once_keep_what_is_theirs() {
        let around = tempfile::tempdir().unwrap();
        let target = around.path().join("etcd");
        let make = || {
            for _ in 0..50 {
                sweep(around.path(), &target).unwrap();
                let made = Staged::make(around.path(), &target).unwrap();
                assert!(made.stage.exists());
                fs::remove_dir(&made.stage).unwrap();
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(make))));
    }
}
