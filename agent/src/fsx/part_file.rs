//! A file that has its name only when it is complete and on the disk: what save and export write to until then.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::directory_sync::sync_directory;
use super::file_identity::is_at;
use super::part_leftovers::{MODE, PREFIX, RANDOM, SUFFIX, is_part_name, mark, remove_leftovers, unmark};
use crate::error::plain;
use crate::printable::printable_path;

/// How often a file is made anew that another run took away.
const TRIES: usize = 100;

/// Why a file did not get its name, or is not known to keep it.
#[derive(Debug, thiserror::Error)]
pub enum PartFileError {
    /// No file may take that name.
    #[error("{}: {reason}", printable_path(path))]
    Target {
        /// The name.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file or directory cannot be written.
    #[error("cannot write to {}: {}", printable_path(path), plain(cause))]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is complete and has its name, but the directory could not be synced.
    #[error(
        "{} is complete and in place, but its directory could not be synced to the disk: {}",
        printable_path(path),
        plain(cause)
    )]
    NotSynced {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl PartFileError {
    /// What to do about it; empty where nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::StorageFull => {
                "Make room, or name another place.".into()
            }
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::NotFound => "Make the directory first.".into(),
            Self::NotSynced { .. } => {
                "After a power cut the old file may be back. See the kernel's log for what is wrong with the disk."
                    .into()
            }
            Self::Target { .. } | Self::Write { .. } => String::new(),
        }
    }
}

/// A file that does not have its final name yet. It is locked, so that no other run takes it for a leftover of a killed one, and marked, so that the next run can
/// prove that a leftover is ours. Dropped, it is removed.
pub(crate) struct PartFile {
    file: File,
    path: PathBuf,
    directory: PathBuf,
    published: bool,
    unproven: Vec<PathBuf>,
}

impl PartFile {
    /// Makes one in `directory` (mode 0600), after having removed those that killed runs left there.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn new(directory: &Path) -> Result<Self, PartFileError> {
        let failed = |cause: io::Error| PartFileError::Write { path: directory.to_owned(), cause };
        let mut unproven = remove_leftovers(directory);
        for _ in 0..TRIES {
            let made = tempfile::Builder::new()
                .prefix(PREFIX)
                .suffix(SUFFIX)
                .rand_bytes(RANDOM)
                .permissions(fs::Permissions::from_mode(MODE))
                .tempfile_in(directory);
            let made = made.map_err(|cause| failed(io::Error::new(cause.kind(), cause.to_string())))?;
            let (file, path) = made.keep().map_err(|cause| failed(cause.error))?;
            // Dropped, it is removed: also when it cannot be told whether it is there still.
            let part = Self { file, path, directory: directory.to_owned(), published: false, unproven };
            mark(&part.file);
            // On a file system without locks, leftovers stay. Another run may have taken the new file for a leftover before it was locked.
            // The directory is not locked against that: others lock it, as in `flock DIR etcdsnap save DIR`.
            if !matches!(part.file.try_lock(), Err(TryLockError::WouldBlock)) && is_at(&part.file, &part.path) {
                return Ok(part);
            }
            unproven = part.unproven.clone();
        }
        Err(failed(io::Error::other("other runs take away what is made here")))
    }

    /// What a person should know of some files of this user that look like leftovers of killed runs and stay, because nothing proves that this program made them.
    pub fn leftover_warning(&self) -> Option<String> {
        let list: Vec<_> = self.unproven.iter().map(|path| printable_path(path)).collect();
        (!list.is_empty()).then(|| {
            format!(
                "Unfinished files of runs that were killed seem to be left, and nothing proves that etcdsnap made them: {}. Remove them if no save or export is running.",
                list.join(", ")
            )
        })
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn len(&self) -> Result<u64, PartFileError> {
        self.file.metadata().map(|facts| facts.len()).map_err(|cause| self.failed(cause))
    }

    /// One more handle to it.
    ///
    /// # Errors
    /// What the system says.
    pub fn handle(&self) -> Result<File, PartFileError> {
        self.file.try_clone().map_err(|cause| self.failed(cause))
    }

    /// An error about it, which names the directory: its own name means nothing to anybody.
    pub fn failed(&self, cause: io::Error) -> PartFileError {
        PartFileError::Write { path: self.directory.clone(), cause }
    }

    /// Waits until its bytes are on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> Result<(), PartFileError> {
        self.file.sync_all().map_err(|cause| self.failed(cause))
    }

    /// Gives it its name, in place of what has that name now.
    ///
    /// # Errors
    /// When `target` cannot be replaced; [`PartFileError::NotSynced`] when it was replaced, and a power cut may bring the old file back.
    pub fn publish(mut self, target: &Path) -> Result<(), PartFileError> {
        check_target(target)?;
        let failed = |cause| PartFileError::Write { path: target.to_owned(), cause };
        fs::rename(&self.path, target).map_err(failed)?;
        self.published = true;
        unmark(&self.file);
        sync_directory(&self.directory).map_err(|cause| PartFileError::NotSynced { path: target.to_owned(), cause })
    }

    /// Gives it its name unless something has that name already, and says whether it did.
    ///
    /// # Errors
    /// As [`PartFile::publish`].
    pub fn publish_new(&mut self, target: &Path) -> Result<bool, PartFileError> {
        check_target(target)?;
        match rename_new(&self.path, target) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            outcome => outcome.map_err(|cause| PartFileError::Write { path: target.to_owned(), cause })?,
        }
        self.published = true;
        unmark(&self.file);
        let synced = sync_directory(&self.directory);
        synced.map_err(|cause| PartFileError::NotSynced { path: target.to_owned(), cause })?;
        Ok(true)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Renames without replacing anything. Where the file system has no such rename, a second name is made and the first removed, and where it has no second names either,
/// it is looked up first whether the name is free.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        outcome => return outcome.map_err(Into::into),
    }
    match fs::hard_link(from, to) {
        Ok(()) => return fs::remove_file(from),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Err(cause),
        Err(_) => {}
    }
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
        Err(cause) => Err(cause),
    }
}

/// Whether a file may take that name. A rename replaces whatever has it, and a device or a pipe is not to be replaced: `/dev/null`, or `/dev/stdout`, which is a link
/// to a file of the process.
///
/// # Errors
/// [`PartFileError::Target`].
pub(crate) fn check_target(target: &Path) -> Result<(), PartFileError> {
    let refuse = |reason: &str| Err(PartFileError::Target { path: target.to_owned(), reason: reason.to_owned() });
    if fs::read_link(target).is_ok_and(|to| to.starts_with("/proc")) {
        return refuse("it leads to a file of a process; only a file on a disk can be proven before it gets its name");
    }
    match fs::metadata(target) {
        Ok(facts) if facts.is_dir() => refuse("it is a directory"),
        Ok(facts) if !facts.is_file() => refuse("it is there and no regular file, which alone may be replaced"),
        _ => Ok(()),
    }
}

/// Keeps a snapshot that is one of those leftovers from being removed while it is read: locked, as long as the file that is returned is open.
pub(crate) fn kept(input: &Path) -> Option<File> {
    let named = input.file_name().is_some_and(is_part_name);
    let regular = || fs::symlink_metadata(input).is_ok_and(|facts| facts.is_file());
    let file = (named && regular()).then(|| File::open(input).ok())??;
    file.try_lock_shared().is_ok().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn leftovers_go_and_files_at_work_stay() {
        let directory = tempfile::tempdir().unwrap();
        let at_work = PartFile::new(directory.path()).unwrap();
        let leftover = directory.path().join(".etcdsnap-leftover.part");
        fs::write(&leftover, "half").unwrap();
        fs::set_permissions(&leftover, fs::Permissions::from_mode(MODE)).unwrap();
        fs::write(directory.path().join("other.part"), "not ours").unwrap();
        let second = PartFile::new(directory.path()).unwrap();
        assert_eq!(names(directory.path()).len(), 3, "{:?}", names(directory.path()));
        assert!(at_work.path().exists() && second.path().exists());
        drop((at_work, second));
        assert_eq!(names(directory.path()), ["other.part"]);
    }

    /// `flock DIR etcdsnap save DIR` must not wait for itself.
    #[test]
    fn a_lock_of_somebody_else_on_the_directory_is_no_hindrance() {
        let directory = tempfile::tempdir().unwrap();
        let lock = File::open(directory.path()).unwrap();
        lock.lock().unwrap();
        PartFile::new(directory.path()).unwrap();
    }

    #[test]
    fn many_at_once_keep_what_is_theirs() {
        let directory = tempfile::tempdir().unwrap();
        let make = || {
            for _ in 0..50 {
                let part = PartFile::new(directory.path()).unwrap();
                assert!(part.path().exists());
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(make))));
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("directory")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
        std::os::unix::fs::symlink("/proc/self/fd/1", at("stdout")).unwrap();
        std::os::unix::fs::symlink(at("socket"), at("link")).unwrap();
        for name in ["directory", "socket", "stdout", "link"] {
            let error = PartFile::new(directory.path()).unwrap().publish(&at(name)).unwrap_err();
            assert!(matches!(error, PartFileError::Target { .. }), "{name}: {error}");
            assert!(!fs::symlink_metadata(at(name)).unwrap().is_file(), "{name}");
        }
        assert_eq!(names(directory.path()).len(), 4);
        fs::write(at("file"), "old").unwrap();
        std::os::unix::fs::symlink(at("file"), at("latest")).unwrap();
        PartFile::new(directory.path()).unwrap().publish(&at("latest")).unwrap();
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "old");
    }

    #[test]
    fn a_name_that_is_taken_is_left_alone_when_nothing_may_be_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "old").unwrap();
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        let mut part = PartFile::new(directory.path()).unwrap();
        for name in ["file", "link"] {
            assert!(!part.publish_new(&at(name)).unwrap(), "{name}");
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "old");
        assert!(part.publish_new(&at("new")).unwrap());
        drop(part);
        let mut left = names(directory.path());
        left.sort();
        assert_eq!(left, ["file", "link", "new"]);
    }

    #[test]
    fn a_published_file_replaces_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("backup.db");
        fs::write(&target, "old").unwrap();
        let part = PartFile::new(directory.path()).unwrap();
        io::Write::write_all(&mut part.handle().unwrap(), b"new").unwrap();
        part.publish(&target).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(directory.path()), ["backup.db"]);
    }
}
