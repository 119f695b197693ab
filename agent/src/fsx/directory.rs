//! A directory held open: what is done by its handle happens in it, wherever its path leads by then.

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

use super::careful_walk::{End, Spot, path_below, walk};
use super::file_identity::FileIdentity;

/// An open directory. Names given to its methods are relative to it; the last component of a name is never followed when it is a link.
#[derive(Debug)]
pub(crate) struct Directory {
    /// Opened with `O_PATH`, which a directory that may not be read allows, too.
    handle: File,
    /// For messages.
    shown: PathBuf,
}

impl Directory {
    /// Opens the directory that `path` leads to. Links are followed, but for those that another user may have planted ([`ForeignLink`](super::other_users::ForeignLink)).
    ///
    /// # Errors
    /// What the system says; a foreign link.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::ended(walk(Self::here()?.into_spot(), path)?).map(|directory| directory.shown_as(path))
    }

    /// The working directory.
    fn here() -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self::from_handle(openat(CWD, ".", flags, Mode::empty())?.into(), ".".into()))
    }

    /// Opens the directory `name`, which must be no link.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_below(&self, name: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self::from_handle(openat(self, name, flags, Mode::empty())?.into(), self.path_of(name)))
    }

    /// Opens the directory that `name` leads to from here, as [`open`](Self::open) does.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn follow(&self, name: &Path) -> io::Result<Self> {
        Self::ended(walk(self.again()?.into_spot(), name)?).map(|directory| directory.shown_as(&self.path_of(name)))
    }

    /// Follows `name`, which leads to something that is no directory, in the same way: the directory that this is in, its name there, and what it is.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn trace(&self, name: &Path) -> io::Result<(Self, OsString, Metadata)> {
        match walk(self.again()?.into_spot(), name)? {
            End::Other { directory, name, facts } => Ok((Self::of_spot(directory), name, facts)),
            End::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn ended(end: End) -> io::Result<Self> {
        match end {
            End::Directory(directory) => Ok(Self::of_spot(directory)),
            End::Other { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn of_spot(spot: Spot) -> Self {
        Self::from_handle(spot.file, spot.shown)
    }

    fn into_spot(self) -> Spot {
        Spot { file: self.handle, shown: self.shown }
    }

    /// One that is open already, if only by name (`O_PATH`); `shown` is its path, for messages.
    fn from_handle(handle: File, shown: PathBuf) -> Self {
        Self { handle, shown }
    }

    /// A directory that is open already to be read; `shown` is its path, for messages.
    pub fn from_readable(handle: File, shown: PathBuf) -> Self {
        Self { handle, shown }
    }

    /// The directory itself, opened to be read, locked or synced.
    ///
    /// # Errors
    /// What the system says, such as that it may not be read.
    pub fn readable(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(self, ".", flags, Mode::empty())?.into())
    }

    /// Makes a directory of mode 0700.
    ///
    /// # Errors
    /// What the system says.
    pub fn make(&self, name: &Path) -> io::Result<()> {
        Ok(mkdirat(self, name, Mode::RWXU)?)
    }

    /// Makes a file that only its owner may read and write.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(&self, name: &Path) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(self, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Opens the file `name`, which must be no link. A FIFO or a device is not waited for.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_file(&self, name: &Path, access: OFlags) -> io::Result<File> {
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(openat(self, name, flags, Mode::empty())?.into())
    }

    /// The names in it, one after the other.
    ///
    /// # Errors
    /// What the system says, such as that it may not be read.
    pub fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>>> {
        let entries = Dir::read_from(self.readable()?)?;
        Ok(entries.map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned())))
    }

    /// Renames something in it, in place of a file that has the other name.
    ///
    /// # Errors
    /// What the system says.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(renameat(self, from, self, to)?)
    }

    /// Renames something in it, unless something has the other name: then the error is `AlreadyExists`. Where the file system has no such rename, a second name is made and
    /// the first removed, and where it has no second names either, it is looked up first whether the name is free.
    ///
    /// # Errors
    /// What the system says.
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
        match self.look(to)? {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => self.rename(from, to),
        }
    }

    /// A file without a name in this directory, which vanishes with its handle; `None` where the file system has no such files.
    ///
    /// # Errors
    /// What the system says, such as that nothing may be made here.
    pub fn nameless_file(&self) -> io::Result<Option<File>> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(self, ".", flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::NOTSUP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => Ok(None),
            opened => Ok(Some(opened?.into())),
        }
    }

    /// What has that name, without following a link; `None` when nothing has.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn look(&self, name: &Path) -> io::Result<Option<Stat>> {
        match statat(self, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT) {
            Ok(facts) => Ok(Some(facts)),
            Err(Errno::NOENT) => Ok(None),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Whether `name` is that file.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn has(&self, name: &Path, file: FileIdentity) -> io::Result<bool> {
        Ok(self.look(name)?.is_some_and(|facts| FileIdentity::of_stat(&facts) == file))
    }

    /// Removes a file, a link, or, if `is_directory`, an empty directory. What is not there is removed already.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, name: &Path, is_directory: bool) -> io::Result<()> {
        let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match unlinkat(self, name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Owner, mode, device and inode of the directory itself.
    ///
    /// # Errors
    /// What the system says.
    pub fn facts(&self) -> io::Result<Metadata> {
        self.handle.metadata()
    }

    /// Which directory it is.
    ///
    /// # Errors
    /// What the system says.
    pub fn identity(&self) -> io::Result<FileIdentity> {
        Ok(FileIdentity::of(&self.facts()?))
    }

    /// Its path, for messages.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// The path of something in it, for messages.
    pub fn path_of(&self, name: impl AsRef<OsStr>) -> PathBuf {
        path_below(&self.shown, Path::new(name.as_ref()))
    }

    /// The same directory under another path for messages.
    pub fn shown_as(self, shown: &Path) -> Self {
        let shown = if shown.as_os_str().is_empty() { Path::new(".") } else { shown };
        Self { shown: shown.to_owned(), ..self }
    }

    /// One more handle to it.
    ///
    /// # Errors
    /// What the system says.
    pub fn again(&self) -> io::Result<Self> {
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
    fn works_on_in_a_directory_that_was_renamed() {
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
        assert!(directory.look(Path::new("made")).unwrap().is_none());
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
