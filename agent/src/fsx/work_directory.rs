//! A private directory for work in progress, which goes with all that is in it.
//!
//! What a killed run left is removed by the next run that works in the same place. Where others may write to the directory around it, a name proves nothing, so a work
//! directory carries the mark of part files ([`part_leftovers`](super::part_leftovers)), an extended attribute that only its owner can set. A run that works on one holds its lock.

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

/// How the names of work directories begin and end; between them stand random letters and digits.
const PREFIX: &str = ".etcdsnap-";
const SUFFIX: &str = ".work";
const RANDOM: usize = 16;

/// The mode of a work directory.
const MODE: u32 = 0o700;

/// How often a directory is made anew that another run took for a leftover before it was locked.
const TRIES: usize = 100;

/// A directory of mode 0700 with a random name. Dropped, it is removed with all that is in it, unless it was [kept](Self::keep).
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
    /// Makes one where temporary files belong (`TMPDIR`).
    ///
    /// # Errors
    /// What the system says.
    pub fn temporary() -> io::Result<Self> {
        Self::new(Directory::open(&std::env::temp_dir())?)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.parent.path_of(&self.name)
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// What the system says.
    pub fn close(mut self) -> io::Result<()> {
        self.kept = true;
        if self.is_there()? { remove_tree(&self.parent, Path::new(&self.name)) } else { Ok(()) }
    }

    /// Makes one in `parent`, after having removed those that killed runs left there.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn new(parent: Directory) -> io::Result<Self> {
        remove_leftovers(&parent);
        for _ in 0..TRIES {
            let random: String = rand::rng().sample_iter(Alphanumeric).take(RANDOM).map(char::from).collect();
            let name = OsString::from(format!("{PREFIX}{random}{SUFFIX}"));
            parent.make(Path::new(&name))?;
            let opened = parent.open_below(Path::new(&name)).and_then(|directory| {
                let lock = directory.readable()?;
                Ok((parent.again()?, directory.identity()?, directory, lock))
            });
            let (parent_again, identity, directory, lock) = opened.inspect_err(|_| {
                let _ = parent.remove(Path::new(&name), true);
            })?;
            mark(&lock);
            let is_taken = matches!(lock.try_lock(), Err(TryLockError::WouldBlock));
            let work = Self { parent: parent_again, name, directory, identity, lock, kept: false };
            if !is_taken && work.is_there()? {
                return Ok(work);
            }
        }
        Err(io::Error::other("other runs take away what is made here"))
    }

    /// The directory.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The directory around it.
    pub(crate) fn parent(&self) -> &Directory {
        &self.parent
    }

    /// Its name.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Which directory it is, whatever it is called.
    pub(crate) fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Whether it still has its name.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn is_there(&self) -> io::Result<bool> {
        self.parent.has(Path::new(&self.name), self.identity)
    }

    /// It has another name now, and stays.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
        unmark(&self.lock);
        let _ = self.lock.unlock();
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        if !self.kept && self.is_there().is_ok_and(|there| there) {
            let _ = remove_tree(&self.parent, Path::new(&self.name));
        }
    }
}

/// Whether work directories have such names.
fn is_work_name(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|name| name.strip_suffix(SUFFIX));
    random.is_some_and(|random| random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Removes the work directories in `parent` that no run works on and that are proven to be ours. What cannot be proven stays.
fn remove_leftovers(parent: &Directory) {
    let (Ok(around), Ok(names)) = (parent.facts(), parent.names()) else { return };
    for name in names.flatten().filter(|name| is_work_name(name)) {
        // The lock is held until it is gone, so that a run which has just made it notices.
        if let Some(_lock) = proven_leftover(parent, Path::new(&name), &around) {
            let _ = remove_tree(parent, Path::new(&name));
        }
    }
}

/// The locked handle of a leftover of ours. `None` for what others own, what a run works on, and what cannot be told.
fn proven_leftover(parent: &Directory, name: &Path, around: &Metadata) -> Option<File> {
    let directory = parent.open_below(name).ok()?;
    let facts = directory.facts().ok()?;
    if facts.mode() & 0o7777 != MODE || !is_private(&facts, around.dev()) {
        return None;
    }
    let lock = directory.readable().ok()?;
    lock.try_lock().ok()?;
    let is_same = parent.has(name, FileIdentity::of(&facts)).ok()?;
    (is_same && (is_marked(&lock) || only_we_write(around))).then_some(lock)
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

    /// What a killed run leaves: its lock is gone with it.
    fn abandon(folder: &Path) -> PathBuf {
        let work = work_in(folder);
        let path = folder.join(work.name());
        fs::write(path.join("half"), "half").unwrap();
        work.lock.unlock().unwrap();
        std::mem::forget(work);
        path
    }

    #[test]
    fn it_goes_with_what_is_in_it_and_so_does_what_a_killed_run_left() {
        let folder = tempfile::tempdir().unwrap();
        let left = abandon(folder.path());
        let work = work_in(folder.path());
        assert!(!left.exists());
        fs::write(folder.path().join(work.name()).join("file"), "").unwrap();
        // Another run leaves it alone while this one works.
        drop(work_in(folder.path()));
        assert_eq!(names(folder.path()), [work.name()]);
        drop(work);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_could_be_a_neighbours_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let place = |letter: &str| folder.path().join(format!("{PREFIX}{}{SUFFIX}", letter.repeat(RANDOM)));
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
