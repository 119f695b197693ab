//! A file that gets its name only when it is complete and synced to the disk; save and export write to it until then.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::iter::repeat_with;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::distr::Alphanumeric;
use rustix::fs::{AtFlags, FileType, readlinkat, statat};

use super::directory::Directory;
use super::directory_sync::DirectorySync;
use super::file_identity::FileIdentity;
use super::part_file_error::PartFileError;
use super::part_leftovers::{PREFIX, RANDOM_LEN, SUFFIX, is_part_name, mark, remove_leftovers, unmark};
use crate::printable::printable_path;

/// How many times the file is created again if its name is taken or another run removed it.
const MAX_TRIES: usize = 100;

/// A file without its final name. It is locked, so that no other run takes it for a leftover, and marked, so that the next run can
/// prove that a leftover is ours. If dropped, it is removed.
///
/// Others may have write access to the directory. So all operations use the open handles of the file and of the directory, and before and after each use of a name, the name is
/// checked to be this file.
pub(crate) struct PartFile {
    file: File,
    identity: FileIdentity,
    directory: Directory,
    name: OsString,
    /// Syncs the name.
    sync: DirectorySync,
    renamed: bool,
    unproven: Vec<PathBuf>,
}

impl PartFile {
    /// Creates a part file in `directory` (mode 0600), after removing those that killed runs left there.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn new(directory: &Directory) -> Result<Self, PartFileError> {
        let failed = |cause: io::Error| PartFileError::Write { path: directory.display_path().to_owned(), cause };
        let mut unproven = remove_leftovers(directory);
        for _ in 0..MAX_TRIES {
            let again = directory.try_clone().map_err(failed)?;
            let sync = DirectorySync::prepare(directory).map_err(failed)?;
            let name = random_name();
            let file = match directory.create(Path::new(&name)) {
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(failed)?,
            };
            let identity = file.metadata().map(|facts| FileIdentity::of(&facts)).map_err(|cause| {
                let _ = directory.remove(Path::new(&name), false);
                failed(cause)
            })?;
            // From here on it is removed when it is dropped, even if it is unknown whether it still exists.
            let part = Self { file, identity, directory: again, name, sync, renamed: false, unproven };
            mark(&part.file);
            // On a file system without locks, leftovers stay. Another run may have taken the new file for a leftover before it was locked.
            // Locking the directory would prevent that, but others lock it, as in `flock DIR etcdsnap save DIR`.
            if !matches!(part.file.try_lock(), Err(TryLockError::WouldBlock)) && part.has_its_name() {
                return Ok(part);
            }
            unproven = part.unproven.clone();
        }
        Err(failed(io::Error::other("other runs keep removing the temporary file")))
    }

    /// Warns of files of this user that look like leftovers of killed runs but stay, because nothing proves that this program created them.
    pub fn leftover_warning(&self) -> Option<String> {
        let list: Vec<_> = self.unproven.iter().map(|path| printable_path(path)).collect();
        (!list.is_empty()).then(|| {
            format!(
                "These files seem to be left by killed runs, but nothing proves that etcdsnap created them: {}. Remove them if no save or export is running.",
                list.join(", ")
            )
        })
    }

    /// Returns the directory that contains it.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Returns its temporary path, for messages.
    pub fn display_path(&self) -> PathBuf {
        self.directory.path_of(&self.name)
    }

    fn has_its_name(&self) -> bool {
        self.directory.has(Path::new(&self.name), self.identity).is_ok_and(|has| has)
    }

    /// Returns its length in bytes.
    ///
    /// # Errors
    /// An error of the system.
    pub fn len(&self) -> Result<u64, PartFileError> {
        self.file.metadata().map(|facts| facts.len()).map_err(|cause| self.failed(cause))
    }

    /// Duplicates its handle.
    ///
    /// # Errors
    /// An error of the system.
    pub fn handle(&self) -> Result<File, PartFileError> {
        self.file.try_clone().map_err(|cause| self.failed(cause))
    }

    /// Makes an error about it that names the directory; its temporary name would mean nothing to users.
    pub fn failed(&self, cause: io::Error) -> PartFileError {
        PartFileError::Write { path: self.directory.display_path().to_owned(), cause }
    }

    /// Waits until its bytes are on the disk.
    ///
    /// # Errors
    /// An error of the system.
    pub fn sync(&self) -> Result<(), PartFileError> {
        self.file.sync_all().map_err(|cause| self.failed(cause))
    }

    /// Gives it its final name in its directory, replacing an existing file; `shown` is the path for messages.
    ///
    /// # Errors
    /// When the existing file cannot be replaced; [`PartFileError::Taken`] if another user moved the file away, [`PartFileError::Swapped`] if another user's file
    /// has the name now; [`PartFileError::NotSeen`] if that is unknown; [`PartFileError::NotSynced`] if it was replaced, but a power failure may bring the old file back.
    pub fn publish(mut self, name: &Path, shown: &Path) -> Result<(), PartFileError> {
        self.give_name(name, shown, Directory::rename)
    }

    /// Gives it its final name unless the name is taken; returns whether it did.
    ///
    /// # Errors
    /// As [`PartFile::publish`].
    pub fn publish_new(&mut self, name: &Path, shown: &Path) -> Result<bool, PartFileError> {
        match self.give_name(name, shown, Directory::rename_new) {
            Err(PartFileError::Write { cause, .. }) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    fn give_name(
        &mut self,
        name: &Path,
        shown: &Path,
        rename: impl FnOnce(&Directory, &Path, &Path) -> io::Result<()>,
    ) -> Result<(), PartFileError> {
        let path = || shown.to_owned();
        check_target(&self.directory, name, shown)?;
        let failed = |cause| PartFileError::Write { path: path(), cause };
        if !self.directory.has(Path::new(&self.name), self.identity).map_err(failed)? {
            return Err(PartFileError::Taken { path: path() });
        }
        rename(&self.directory, Path::new(&self.name), name).map_err(failed)?;
        self.renamed = true;
        match self.directory.has(name, self.identity) {
            Ok(true) => {}
            Ok(false) => return Err(PartFileError::Swapped { path: path() }),
            Err(cause) => return Err(PartFileError::NotSeen { path: path(), cause }),
        }
        unmark(&self.file);
        // The caller may hold another handle to it.
        let _ = self.file.unlock();
        self.sync.run().map_err(|cause| PartFileError::NotSynced { path: path(), cause })
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if self.renamed {
            return;
        }
        match self.directory.has(Path::new(&self.name), self.identity) {
            // If another user gave it another name, it is at least emptied, so that it takes no space.
            Ok(false) => drop(self.file.set_len(0)),
            Ok(true) | Err(_) => drop(self.directory.remove(Path::new(&self.name), false)),
        }
    }
}

/// Makes a random name for a part file.
fn random_name() -> OsString {
    let mut random = rand::rng();
    let letters = repeat_with(|| char::from(random.sample(Alphanumeric))).take(RANDOM_LEN);
    format!("{PREFIX}{}{SUFFIX}", letters.collect::<String>()).into()
}

/// Checks that a file may take that name. A rename replaces the existing entry, but a device or a pipe must not be replaced: `/dev/null`, or `/dev/stdout`, which links
/// to an open file of the process.
fn check_target(directory: &Directory, name: &Path, shown: &Path) -> Result<(), PartFileError> {
    let refuse = |reason: &str| Err(PartFileError::Target { path: shown.to_owned(), reason: reason.to_owned() });
    if readlinkat(directory, name, Vec::new()).is_ok_and(|to| to.as_bytes().starts_with(b"/proc/")) {
        return refuse(
            "it leads to an open file of a process; only a file on a disk can be verified before it gets its name",
        );
    }
    match statat(directory, name, AtFlags::NO_AUTOMOUNT).map(|facts| FileType::from_raw_mode(facts.st_mode)) {
        Ok(FileType::Directory) => refuse("it is a directory"),
        Ok(kind) if kind != FileType::RegularFile => {
            refuse("it exists and is not a regular file, so it may not be replaced")
        }
        _ => Ok(()),
    }
}

/// Protects a snapshot that has the name of a leftover from removal while it is read: holds a lock as long as the returned file is open.
pub(crate) fn protect_from_removal(input: &Path) -> Option<File> {
    let named = input.file_name().is_some_and(is_part_name);
    let regular = || fs::symlink_metadata(input).is_ok_and(|facts| facts.is_file());
    let file = (named && regular()).then(|| File::open(input).ok())??;
    file.try_lock_shared().is_ok().then_some(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn part(directory: &Path) -> PartFile {
        PartFile::new(&Directory::open(directory).unwrap()).unwrap()
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn leftovers_are_removed_and_files_in_use_stay() {
        let directory = tempfile::tempdir().unwrap();
        let at_work = part(directory.path());
        let leftover = directory.path().join(".etcdsnap-leftover.part");
        fs::write(&leftover, "half").unwrap();
        fs::set_permissions(&leftover, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(directory.path().join("other.part"), "not ours").unwrap();
        let second = part(directory.path());
        assert_eq!(names(directory.path()).len(), 3, "{:?}", names(directory.path()));
        assert!(at_work.display_path().exists() && second.display_path().exists());
        drop((at_work, second));
        assert_eq!(names(directory.path()), ["other.part"]);
    }

    /// `flock DIR etcdsnap save DIR` must not wait for itself.
    #[test]
    fn a_lock_of_another_program_on_the_directory_does_not_block() {
        let directory = tempfile::tempdir().unwrap();
        let lock = File::open(directory.path()).unwrap();
        lock.lock().unwrap();
        part(directory.path());
    }

    #[test]
    fn concurrent_runs_keep_their_own_files() {
        let directory = tempfile::tempdir().unwrap();
        let make = || {
            for _ in 0..50 {
                let part = part(directory.path());
                assert!(part.display_path().exists());
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(make))));
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn only_regular_files_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("directory")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
        std::os::unix::fs::symlink("/proc/self/fd/1", at("stdout")).unwrap();
        std::os::unix::fs::symlink(at("socket"), at("link")).unwrap();
        for name in ["directory", "socket", "stdout", "link"] {
            let error = part(directory.path()).publish(Path::new(name), &at(name)).unwrap_err();
            assert!(matches!(error, PartFileError::Target { .. }), "{name}: {error}");
            assert!(!fs::symlink_metadata(at(name)).unwrap().is_file(), "{name}");
        }
        assert_eq!(names(directory.path()).len(), 4);
        fs::write(at("file"), "old").unwrap();
        std::os::unix::fs::symlink(at("file"), at("latest")).unwrap();
        part(directory.path()).publish(Path::new("latest"), &at("latest")).unwrap();
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "old");
    }

    #[test]
    fn a_published_file_replaces_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("backup.db");
        fs::write(&target, "old").unwrap();
        let part = part(directory.path());
        io::Write::write_all(&mut part.handle().unwrap(), b"new").unwrap();
        part.publish(Path::new("backup.db"), &target).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(directory.path()), ["backup.db"]);
    }

    /// Tests what another user can do to the unfinished file in a shared directory.
    #[test]
    fn another_users_file_gets_no_name() {
        type Swap = fn(&Path);
        let swaps: [(&str, Swap); 4] = [
            ("moved away", |_| {}),
            ("file", |path| fs::write(path, "evil").unwrap()),
            ("link", |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap()),
            ("fifo", |path| {
                rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, 0o666.into(), 0).unwrap();
            }),
        ];
        for (what, swap) in swaps {
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            let part = part(directory.path());
            io::Write::write_all(&mut part.handle().unwrap(), b"ours").unwrap();
            let unfinished = part.display_path();
            fs::rename(&unfinished, at("stolen")).unwrap();
            swap(&unfinished);
            let planted = fs::symlink_metadata(&unfinished).ok().map(|facts| facts.file_type());
            let error = part.publish(Path::new("backup.db"), &at("backup.db")).unwrap_err();
            assert!(matches!(error, PartFileError::Taken { .. }), "{what}: {error}");
            assert!(!at("backup.db").exists(), "{what}");
            // Another user's file stays, and a moved file takes no space.
            assert_eq!(fs::symlink_metadata(&unfinished).ok().map(|facts| facts.file_type()), planted, "{what}");
            assert_eq!(fs::metadata(at("stolen")).unwrap().len(), 0, "{what}");
        }
    }

    #[test]
    fn a_directory_that_is_swapped_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        fs::create_dir(at("precious")).unwrap();
        let part = part(&at("real"));
        fs::rename(at("real"), at("moved")).unwrap();
        std::os::unix::fs::symlink("precious", at("real")).unwrap();
        part.publish(Path::new("backup.db"), &at("real/backup.db")).unwrap();
        assert_eq!((names(&at("moved")), names(&at("precious"))), (vec!["backup.db".to_owned()], Vec::new()));
    }
}
