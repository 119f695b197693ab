//! A private directory for work in progress, removed with its contents.
//!
//! The next run in the same parent directory removes the leftovers of a killed run. If others may write to the parent directory, a name proves nothing, so a work
//! directory carries the mark of part files ([`part_leftovers`](super::part_leftovers)), an extended attribute that only its owner can set. A run holds a lock on its work directory.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::distr::Alphanumeric;

use super::directory::Directory;
use super::file_identity::FileIdentity;
use super::leftover::is_private;
use super::part_leftovers::{is_marked, mark, only_we_write, unmark};
use super::remove_tree::remove_tree;

/// Start and end of the names of work directories; random letters and digits are between them.
const PREFIX: &str = ".etcdsnap-";
const SUFFIX: &str = ".work";
const RANDOM_LEN: usize = 16;

/// The mode of a work directory.
const MODE: u32 = 0o700;

/// How many times a directory is created again if another run removed it as a leftover before it was locked.
const MAX_TRIES: usize = 100;

/// A directory of mode 0700 with a random name. If dropped, it is removed with its contents, unless it was [kept](Self::keep).
pub struct WorkDirectory {
    parent: Directory,
    name: OsString,
    directory: Directory,
    identity: FileIdentity,
    /// Holds the lock.
    lock: File,
    kept: bool,
}

impl WorkDirectory {
    /// Creates one in the directory for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// An error of the system.
    pub fn temporary() -> io::Result<Self> {
        Self::new(Directory::open(&std::env::temp_dir())?)
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.parent.path_of(&self.name)
    }

    /// Removes it with its contents.
    ///
    /// # Errors
    /// An error of the system.
    pub fn close(mut self) -> io::Result<()> {
        self.kept = true;
        if self.has_its_name()? { remove_tree(&self.parent, Path::new(&self.name)) } else { Ok(()) }
    }

    /// Creates one in `parent`, after removing those that killed runs left there.
    ///
    /// # Errors
    /// An error of the system.
    pub(crate) fn new(parent: Directory) -> io::Result<Self> {
        remove_leftovers(&parent);
        for _ in 0..MAX_TRIES {
            let random: String = rand::rng().sample_iter(Alphanumeric).take(RANDOM_LEN).map(char::from).collect();
            let name = OsString::from(format!("{PREFIX}{random}{SUFFIX}"));
            parent.make(Path::new(&name))?;
            let opened = parent.open_below(Path::new(&name)).and_then(|directory| {
                let lock = directory.readable()?;
                Ok((parent.try_clone()?, directory.identity()?, directory, lock))
            });
            let (parent_again, identity, directory, lock) = opened.inspect_err(|_| {
                let _ = parent.remove(Path::new(&name), true);
            })?;
            mark(&lock);
            let is_taken = matches!(lock.try_lock(), Err(TryLockError::WouldBlock));
            let work = Self { parent: parent_again, name, directory, identity, lock, kept: false };
            if !is_taken && work.has_its_name()? {
                return Ok(work);
            }
        }
        Err(io::Error::other("other runs keep removing the temporary directory"))
    }

    /// Returns the open directory.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Returns the open parent directory.
    pub(crate) fn parent(&self) -> &Directory {
        &self.parent
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Returns its identity, independent of its name.
    pub(crate) fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Whether it still has its name.
    ///
    /// # Errors
    /// An error of the system.
    pub(crate) fn has_its_name(&self) -> io::Result<bool> {
        self.parent.has(Path::new(&self.name), self.identity)
    }

    /// Keeps the directory, which has another name now.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
        unmark(&self.lock);
        let _ = self.lock.unlock();
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        if !self.kept && self.has_its_name().is_ok_and(|there| there) {
            let _ = remove_tree(&self.parent, Path::new(&self.name));
        }
    }
}

/// Whether a name is that of a work directory.
fn is_work_name(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|name| name.strip_suffix(SUFFIX));
    random.is_some_and(|random| random.len() == RANDOM_LEN && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Removes the work directories in `parent` that no run uses and that are proven to be ours; the others stay.
fn remove_leftovers(parent: &Directory) {
    let (Ok(parent_facts), Ok(names)) = (parent.metadata(), parent.names()) else { return };
    for name in names.flatten().filter(|name| is_work_name(name)) {
        // Hold the lock until it is removed, so that a run that has just created it notices.
        if let Some(_lock) = proven_leftover(parent, Path::new(&name), &parent_facts) {
            let _ = remove_tree(parent, Path::new(&name));
        }
    }
}

/// Returns the locked handle of a leftover of ours. `None` for files of other users, directories in use, and unknown cases.
fn proven_leftover(parent: &Directory, name: &Path, parent_facts: &Metadata) -> Option<File> {
    let directory = parent.open_below(name).ok()?;
    let facts = directory.metadata().ok()?;
    if facts.mode() & 0o7777 != MODE || !is_private(&facts, parent_facts.dev()) {
        return None;
    }
    let lock = directory.readable().ok()?;
    lock.try_lock().ok()?;
    let is_same = parent.has(name, FileIdentity::of(&facts)).ok()?;
    (is_same && (is_marked(&lock) || only_we_write(parent_facts))).then_some(lock)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    fn work_in(folder: &Path) -> WorkDirectory {
        WorkDirectory::new(Directory::open(folder).unwrap()).unwrap()
    }

    /// Creates the leftovers of a killed run, which are not locked.
    fn abandon(folder: &Path) -> PathBuf {
        let work = work_in(folder);
        let path = folder.join(work.name());
        fs::write(path.join("half"), "half").unwrap();
        work.lock.unlock().unwrap();
        std::mem::forget(work);
        path
    }

    #[test]
    fn it_and_the_leftovers_of_a_killed_run_are_removed_with_their_contents() {
        let folder = tempfile::tempdir().unwrap();
        let left = abandon(folder.path());
        let work = work_in(folder.path());
        assert!(!left.exists());
        fs::write(folder.path().join(work.name()).join("file"), "").unwrap();
        // A second run does not touch it while the first works.
        drop(work_in(folder.path()));
        assert_eq!(names(folder.path()), [work.name()]);
        drop(work);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn directories_that_may_belong_to_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let place = |letter: &str| folder.path().join(format!("{PREFIX}{}{SUFFIX}", letter.repeat(RANDOM_LEN)));
        let precious = tempfile::tempdir().unwrap();
        fs::write(precious.path().join("file"), "precious").unwrap();
        for letter in ["a", "b"] {
            fs::create_dir(place(letter)).unwrap();
            fs::write(place(letter).join("file"), "").unwrap();
        }
        fs::set_permissions(place("a"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(place("b"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink(precious.path(), place("c")).unwrap();
        fs::write(place("d"), "a file").unwrap();
        drop(work_in(folder.path()));
        assert!(["a", "b", "d"].iter().all(|letter| place(letter).exists()));
        assert!(place("c").join("file").exists());
    }
}
