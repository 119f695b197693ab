//! A directory that has its name only when it is complete and on the disk.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::distr::Alphanumeric;
use rustix::fs::syncfs;

use super::directory::Directory;
use super::directory_sync::DirectorySync;
use super::file_identity::FileIdentity;
use super::output_directory::{directory_of, judge_directory};
use super::output_error::OutputError;
use super::remove_tree::remove_tree;

/// A directory in the making: `.etcdsnap-<random>` beside its final name, mode 0700, with files of mode 0600. Dropped before it is finished, it is removed with all that is in it.
///
/// Everything is done by the handles of the directory and of the one around it, so that nobody who may write there can lead it elsewhere.
pub struct NewDirectory {
    parent: Directory,
    /// Its name for now.
    stage: OsString,
    directory: Directory,
    identity: FileIdentity,
    name: OsString,
    path: PathBuf,
    finished: bool,
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
        let random: String = rand::rng().sample_iter(Alphanumeric).take(16).map(char::from).collect();
        let stage = OsString::from(format!(".etcdsnap-{random}"));
        let stage_path = Path::new(&stage);
        parent.make(stage_path).map_err(failed)?;
        let opened = parent.open_below(stage_path).and_then(|directory| Ok((directory.identity()?, directory)));
        match opened {
            Ok((identity, directory)) => {
                Ok(Self { parent, stage, directory, identity, name, path: path.to_owned(), finished: false })
            }
            Err(cause) => {
                let _ = parent.remove(stage_path, true);
                Err(failed(cause))
            }
        }
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
        self.directory.make(Path::new(name.as_ref())).map_err(|cause| self.failed(cause))
    }

    /// Makes a file in it, or in one of its directories, with these bytes.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn file(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> Result<(), OutputError> {
        let made = self.directory.create(Path::new(name.as_ref())).and_then(|mut file| file.write_all(bytes));
        made.map_err(|cause| self.failed(cause))
    }

    /// Brings it to the disk and gives it its name, unless something has that name by now.
    ///
    /// # Errors
    /// [`OutputError::Exists`], [`OutputError::Write`]; nothing of it is left then, unless it was in place already and only the way to the disk failed.
    pub fn finish(mut self) -> Result<(), OutputError> {
        let sync = self.directory.readable().and_then(|directory| Ok(syncfs(directory)?));
        sync.map_err(|cause| self.failed(cause))?;
        let around = DirectorySync::prepare(&self.parent).map_err(|cause| self.failed(cause))?;
        let taken = || io::Error::other("somebody else took away what is made there");
        let has = |name: &OsStr| self.parent.has(Path::new(name), self.identity);
        if !has(&self.stage).map_err(|cause| self.failed(cause))? {
            return Err(self.failed(taken()));
        }
        self.parent.rename_new(Path::new(&self.stage), Path::new(&self.name)).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists { path: self.path.clone() },
            _ => self.failed(cause),
        })?;
        if !has(&self.name).map_err(|cause| self.failed(cause))? {
            return Err(self.failed(taken()));
        }
        self.finished = true;
        around.run().map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: io::Error) -> OutputError {
        OutputError::Write { path: self.path.clone(), cause }
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        let stage = Path::new(&self.stage);
        if !self.finished && self.parent.has(stage, self.identity).is_ok_and(|has| has) {
            let _ = remove_tree(&self.parent, stage);
        }
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
