//! A directory that has its name only when it is complete and on the disk.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;

use super::directory_sync::DirectorySync;
use super::output_directory::{directory_of, judge_directory};
use super::output_error::OutputError;
use super::work_directory::WorkDirectory;

/// A directory in the making: a [`WorkDirectory`] beside its final name, with files of mode 0600. Dropped before it is finished, it is removed with all that is in it.
///
/// Everything is done by the handles of the directory and of the one around it, so that nobody who may write there can lead it elsewhere.
pub struct NewDirectory {
    work: WorkDirectory,
    name: OsString,
    path: PathBuf,
}

impl NewDirectory {
    /// Begins one that will be called `path`.
    ///
    /// # Errors
    /// [`OutputError::Exists`] when something has that name already; [`OutputError::Write`] and [`OutputError::Kind`] when nothing can be made there.
    pub fn begin(path: &Path) -> Result<Self, OutputError> {
        let exists = || OutputError::Exists { path: path.to_owned() };
        let name = path.file_name().ok_or_else(exists)?.to_owned();
        let parent = directory_of(path)?;
        judge_directory(&parent)?;
        let failed = |cause| OutputError::Write { path: path.to_owned(), cause };
        if parent.look(Path::new(&name)).map_err(failed)?.is_some() {
            return Err(exists());
        }
        let work = WorkDirectory::new(parent).map_err(failed)?;
        Ok(Self { work, name, path: path.to_owned() })
    }

    /// What it will be called.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn folder(&self, name: impl AsRef<OsStr>) -> Result<(), OutputError> {
        self.work.directory().make(Path::new(name.as_ref())).map_err(|cause| self.failed(cause))
    }

    /// Makes a file in it, or in one of its directories, with these bytes.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn file(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> Result<(), OutputError> {
        let made = self.work.directory().create(Path::new(name.as_ref())).and_then(|mut file| file.write_all(bytes));
        made.map_err(|cause| self.failed(cause))
    }

    /// Brings it to the disk and gives it its name, unless something has that name by now.
    ///
    /// # Errors
    /// [`OutputError::Exists`] and [`OutputError::Write`], after which nothing of it is left; [`OutputError::InPlace`] when it is complete and has its name, and only a
    /// look at it, or the way of the name to the disk, failed.
    pub fn finish(mut self) -> Result<(), OutputError> {
        let sync = self.work.directory().readable().and_then(|directory| Ok(syncfs(directory)?));
        sync.map_err(|cause| self.failed(cause))?;
        let around = DirectorySync::prepare(self.work.parent()).map_err(|cause| self.failed(cause))?;
        let taken = || io::Error::other("somebody else took away what is made there");
        if !self.work.is_there().map_err(|cause| self.failed(cause))? {
            return Err(self.failed(taken()));
        }
        let (parent, name) = (self.work.parent(), Path::new(&self.name));
        parent.rename_new(Path::new(self.work.name()), name).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists { path: self.path.clone() },
            _ => self.failed(cause),
        })?;
        let in_place = |cause| OutputError::InPlace { path: self.path.clone(), cause };
        let seen = match parent.has(name, self.work.identity()) {
            Ok(true) => Ok(()),
            Ok(false) => return Err(self.failed(taken())),
            Err(cause) => Err(in_place(cause)),
        };
        let synced = around.run().map_err(in_place);
        self.work.keep();
        seen.and(synced)
    }

    fn failed(&self, cause: io::Error) -> OutputError {
        OutputError::Write { path: self.path.clone(), cause }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn it_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let made = NewDirectory::begin(&path).unwrap();
        made.folder("in").unwrap();
        made.file("in/file", b"bytes").unwrap();
        assert!(!path.exists() && names(folder.path()).len() == 1);
        drop(made);
        assert!(names(folder.path()).is_empty());
        let made = NewDirectory::begin(&path.join("")).unwrap();
        made.folder("in").unwrap();
        made.file("in/file", b"bytes").unwrap();
        made.finish().unwrap();
        assert_eq!(
            (names(folder.path()), fs::read(path.join("in/file")).unwrap()),
            (vec!["out".into()], b"bytes".to_vec())
        );
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let made = NewDirectory::begin(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(NewDirectory::begin(&path), Err(OutputError::Exists { .. })));
        assert!(matches!(NewDirectory::begin(Path::new("/")), Err(OutputError::Exists { .. })));
        // It came while the work went on; an empty directory is no exception.
        assert!(matches!(made.finish(), Err(OutputError::Exists { .. })));
        assert_eq!(names(folder.path()), ["out"]);
        assert!(names(&path).is_empty());
        assert!(matches!(NewDirectory::begin(&folder.path().join("none/out")), Err(OutputError::Write { .. })));
    }
}
