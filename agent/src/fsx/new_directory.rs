//! A directory that gets its name only when it is complete and synced to the disk.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;

use super::directory_sync::DirectorySync;
use super::output_directory::{check_directory, directory_of};
use super::output_error::OutputError;
use super::work_directory::WorkDirectory;

/// A directory in progress: a [`WorkDirectory`] beside its final name, with files of mode 0600. If dropped before it is finished, it is removed with its contents.
///
/// All operations use the open handles of the directory and of its parent, so that other users who may write to the parent cannot redirect them.
pub struct NewDirectory {
    work: WorkDirectory,
    name: OsString,
    path: PathBuf,
}

impl NewDirectory {
    /// Starts a directory with the final name `path`.
    ///
    /// # Errors
    /// [`OutputError::Exists`] if the name is taken; [`OutputError::Write`] and [`OutputError::Kind`] if nothing can be created there.
    pub fn begin(path: &Path) -> Result<Self, OutputError> {
        let exists = || OutputError::Exists { path: path.to_owned() };
        let name = path.file_name().ok_or_else(exists)?.to_owned();
        let parent = directory_of(path)?;
        check_directory(&parent)?;
        let failed = |cause| OutputError::Write { path: path.to_owned(), cause };
        if parent.stat(Path::new(&name)).map_err(failed)?.is_some() {
            return Err(exists());
        }
        let work = WorkDirectory::new(parent).map_err(failed)?;
        Ok(Self { work, name, path: path.to_owned() })
    }

    /// Returns the final path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a directory in it.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn folder(&self, name: impl AsRef<OsStr>) -> Result<(), OutputError> {
        self.work.directory().make(Path::new(name.as_ref())).map_err(|cause| self.failed(cause))
    }

    /// Creates a file in it or in one of its directories, with these bytes.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn file(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> Result<(), OutputError> {
        let made = self.work.directory().create(Path::new(name.as_ref())).and_then(|mut file| file.write_all(bytes));
        made.map_err(|cause| self.failed(cause))
    }

    /// Syncs it and gives it its name, unless the name is taken by now.
    ///
    /// # Errors
    /// [`OutputError::Exists`] and [`OutputError::Write`]; then it was removed. [`OutputError::InPlace`] if it is complete and has its name, and only the
    /// check of the name or the sync of the parent failed.
    pub fn finish(mut self) -> Result<(), OutputError> {
        let sync = self.work.directory().readable().and_then(|directory| Ok(syncfs(directory)?));
        sync.map_err(|cause| self.failed(cause))?;
        let parent_sync = DirectorySync::prepare(self.work.parent()).map_err(|cause| self.failed(cause))?;
        let taken = || io::Error::other("another user moved the unfinished directory away");
        if !self.work.has_its_name().map_err(|cause| self.failed(cause))? {
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
        let synced = parent_sync.run().map_err(in_place);
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
    fn it_appears_complete_or_not_at_all() {
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
        // The name was taken during the work; an empty directory there also counts.
        assert!(matches!(made.finish(), Err(OutputError::Exists { .. })));
        assert_eq!(names(folder.path()), ["out"]);
        assert!(names(&path).is_empty());
        assert!(matches!(NewDirectory::begin(&folder.path().join("none/out")), Err(OutputError::Write { .. })));
    }
}
