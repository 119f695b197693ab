//! An open directory: operations by its handle stay in it, even if its path later leads elsewhere.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, Stat, linkat, mkdirat, openat, renameat, renameat_with, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::careful_walk::{WalkDirectory, WalkEnd, path_below, walk};
use super::file_identity::FileIdentity;

/// An open directory. Names passed to its methods are relative to it; if the last component of a name is a link, it is not followed.
#[derive(Debug)]
pub(crate) struct Directory {
    /// Opened with `O_PATH`, which works even without read permission.
    handle: File,
    /// Its path, for messages.
    shown: PathBuf,
}

impl Directory {
    /// Opens the directory at `path`. Links are followed, except those that another user may have planted ([`ForeignLink`](super::other_users::ForeignLink)).
    ///
    /// # Errors
    /// An error of the system; a foreign link.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::at_end(walk(Self::here()?.into_walk(), path)?).map(|directory| directory.with_display_path(path))
    }

    /// Opens the working directory.
    fn here() -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self::from_handle(openat(CWD, ".", flags, Mode::empty())?.into(), ".".into()))
    }

    /// Opens the directory `name`, which must not be a link.
    ///
    /// # Errors
    /// An error of the system.
    pub fn open_below(&self, name: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self::from_handle(openat(self, name, flags, Mode::empty())?.into(), self.path_of(name)))
    }

    /// Opens the directory that `name` leads to from here, like [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn follow(&self, name: &Path) -> io::Result<Self> {
        Self::at_end(walk(self.try_clone()?.into_walk(), name)?)
            .map(|directory| directory.with_display_path(&self.path_of(name)))
    }

    /// Follows `name` to something that is not a directory. Returns the directory that contains it, its name there, and its metadata.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn follow_to_file(&self, name: &Path) -> io::Result<(Self, OsString, Metadata)> {
        match walk(self.try_clone()?.into_walk(), name)? {
            WalkEnd::Other { directory, name, facts } => Ok((Self::of_walk(directory), name, facts)),
            WalkEnd::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn at_end(end: WalkEnd) -> io::Result<Self> {
        match end {
            WalkEnd::Directory(directory) => Ok(Self::of_walk(directory)),
            WalkEnd::Other { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn of_walk(spot: WalkDirectory) -> Self {
        Self::from_handle(spot.file, spot.shown)
    }

    fn into_walk(self) -> WalkDirectory {
        WalkDirectory { file: self.handle, shown: self.shown }
    }

    /// Wraps a handle, which may be opened with `O_PATH`; `shown` is its path, for messages.
    fn from_handle(handle: File, shown: PathBuf) -> Self {
        Self { handle, shown }
    }

    /// Wraps a directory that was opened for reading; `shown` is its path, for messages.
    pub fn from_readable(handle: File, shown: PathBuf) -> Self {
        Self { handle, shown }
    }

    /// Opens the directory itself for reading, locking or syncing.
    ///
    /// # Errors
    /// An error of the system, for example without read permission.
    pub fn readable(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(self, ".", flags, Mode::empty())?.into())
    }

    /// Creates a directory with mode 0700.
    ///
    /// # Errors
    /// An error of the system.
    pub fn make(&self, name: &Path) -> io::Result<()> {
        Ok(mkdirat(self, name, Mode::RWXU)?)
    }

    /// Creates a file that only its owner may read and write.
    ///
    /// # Errors
    /// An error of the system.
    pub fn create(&self, name: &Path) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(self, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Opens the file `name`, which must not be a link. Does not block on a FIFO or a device.
    ///
    /// # Errors
    /// An error of the system.
    pub fn open_file(&self, name: &Path, access: OFlags) -> io::Result<File> {
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(openat(self, name, flags, Mode::empty())?.into())
    }

    /// Lists the names in it.
    ///
    /// # Errors
    /// An error of the system, for example without read permission.
    pub fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>>> {
        let entries = Dir::read_from(self.readable()?)?;
        Ok(entries.map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned())))
    }

    /// Renames an entry, replacing any file with the new name.
    ///
    /// # Errors
    /// An error of the system.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(renameat(self, from, self, to)?)
    }

    /// Renames an entry, unless the new name is taken: then the error is `AlreadyExists`. If the file system has no such rename, it makes a hard link and
    /// removes the old name; without hard links, it first checks that the new name is free.
    ///
    /// # Errors
    /// An error of the system.
    pub fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(self, from, self, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            outcome => return Ok(outcome?),
        }
        match linkat(self, from, self, to, AtFlags::empty()) {
            Ok(()) => return self.remove(from, false),
            Err(Errno::EXIST) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => {}
        }
        match self.stat(to)? {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => self.rename(from, to),
        }
    }

    /// Creates a file without a name, which vanishes with its handle; `None` if the file system does not support that.
    ///
    /// # Errors
    /// An error of the system, for example without write permission.
    pub fn nameless_file(&self) -> io::Result<Option<File>> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(self, ".", flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::NOTSUP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => Ok(None),
            opened => Ok(Some(opened?.into())),
        }
    }

    /// Returns the metadata of `name` without following a link; `None` if it does not exist.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn stat(&self, name: &Path) -> io::Result<Option<Stat>> {
        match statat(self, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT) {
            Ok(facts) => Ok(Some(facts)),
            Err(Errno::NOENT) => Ok(None),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Whether `name` is the given file.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn has(&self, name: &Path, file: FileIdentity) -> io::Result<bool> {
        Ok(self.stat(name)?.is_some_and(|facts| FileIdentity::of_stat(&facts) == file))
    }

    /// Removes a file, a link, or, if `is_directory`, an empty directory. A missing one is not an error.
    ///
    /// # Errors
    /// An error of the system.
    pub fn remove(&self, name: &Path, is_directory: bool) -> io::Result<()> {
        let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match unlinkat(self, name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Returns owner, mode, device and inode of the directory itself.
    ///
    /// # Errors
    /// An error of the system.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.handle.metadata()
    }

    /// Returns the identity of the directory.
    ///
    /// # Errors
    /// An error of the system.
    pub fn identity(&self) -> io::Result<FileIdentity> {
        Ok(FileIdentity::of(&self.metadata()?))
    }

    /// Returns its path, for messages.
    pub fn display_path(&self) -> &Path {
        &self.shown
    }

    /// Returns the path of an entry, for messages.
    pub fn path_of(&self, name: impl AsRef<OsStr>) -> PathBuf {
        path_below(&self.shown, Path::new(name.as_ref()))
    }

    /// Changes the path that messages show.
    pub fn with_display_path(self, shown: &Path) -> Self {
        let shown = if shown.as_os_str().is_empty() { Path::new(".") } else { shown };
        Self { shown: shown.to_owned(), ..self }
    }

    /// Duplicates the handle.
    ///
    /// # Errors
    /// An error of the system.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { handle: self.handle.try_clone()?, shown: self.shown.clone() })
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn still_works_after_the_directory_was_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("a")).unwrap();
        let directory = Directory::open(&at("a")).unwrap();
        fs::rename(at("a"), at("b")).unwrap();
        symlink("b", at("a")).unwrap();
        directory.make(Path::new("made")).unwrap();
        directory.create(Path::new("made/file")).unwrap();
        assert_eq!(fs::metadata(at("b/made/file")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(at("b/made")).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(directory.create(Path::new("made/file")).is_err());
        directory.remove(Path::new("made/file"), false).unwrap();
        directory.remove(Path::new("made"), true).unwrap();
        directory.remove(Path::new("made"), true).unwrap();
        assert!(directory.stat(Path::new("made")).unwrap().is_none());
        assert_eq!(directory.path_of("x"), at("a/x"));
    }

    #[test]
    fn links_are_not_followed_unless_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink("real", at("link")).unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        assert!(directory.open_below(Path::new("link")).is_err());
        let real = directory.open_below(Path::new("real")).unwrap();
        let followed = directory.follow(Path::new("link")).unwrap();
        assert_eq!(real.identity().unwrap(), followed.identity().unwrap());
        assert!(directory.has(Path::new("real"), real.identity().unwrap()).unwrap());
        assert!(!directory.has(Path::new("link"), real.identity().unwrap()).unwrap());
    }
}
