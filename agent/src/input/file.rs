//! A file on disk, read at any offset.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use etcdsnap_core::{ReadError, Source};

use crate::error::{Error, plain};

/// A regular file, read by positional reads. Its length is fixed when it is opened.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    path: PathBuf,
    stamp: ChangeStamp,
}

/// Values that change when a file is written: its length, and the time of the last write in seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChangeStamp {
    len: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl FileSource {
    /// Opens a regular file read-only.
    ///
    /// # Errors
    /// An error of the system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::new(File::open(path)?, path)
    }

    /// Wraps an open file; `path` is for messages.
    pub(crate) fn new(file: File, path: &Path) -> io::Result<Self> {
        let stamp = ChangeStamp::of(&file)?;
        Ok(Self { file, path: path.to_owned(), stamp })
    }

    /// Returns the open file, for system calls on the whole file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the path as the caller gave it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if the file was written to since it was opened: the bytes read may then be of different moments.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub(crate) fn assert_unchanged(&self) -> Result<(), Error> {
        match ChangeStamp::of(&self.file) {
            Ok(stamp) if stamp == self.stamp => Ok(()),
            _ => Err(Error::Changed { path: self.path.clone() }),
        }
    }

    /// Returns `outcome`, unless the file was written to meanwhile: then neither results nor damage are meaningful.
    ///
    /// # Errors
    /// Those of `outcome`, or [`Error::Changed`] instead.
    pub(crate) fn unless_changed<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        match outcome {
            Err(Error::Cancelled) => outcome,
            outcome => self.assert_unchanged().and(outcome),
        }
    }
}

impl ChangeStamp {
    fn of(file: &File) -> io::Result<Self> {
        let facts = file.metadata()?;
        Ok(Self { len: facts.len(), seconds: facts.mtime(), nanoseconds: facts.mtime_nsec() })
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.stamp.len
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let end = offset.checked_add(out.len() as u64).ok_or(ReadError::OutOfRange)?;
        if end > self.stamp.len {
            return Err(ReadError::OutOfRange);
        }
        self.file.read_exact_at(out, offset).map_err(|cause| match cause.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Changed,
            _ => ReadError::Medium(plain(&cause)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn reads_only_within_the_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let source = FileSource::open(file.path()).unwrap();
        let mut out = [0; 4];
        source.read_at(6, &mut out).unwrap();
        assert_eq!(&out, b"6789");
        assert_eq!(source.read_at(7, &mut out), Err(ReadError::OutOfRange));
        assert_eq!(source.read_at(u64::MAX, &mut out), Err(ReadError::OutOfRange));
        assert!(source.assert_unchanged().is_ok());
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let source = FileSource::open(file.path()).unwrap();
        file.as_file().set_len(5).unwrap();
        assert_eq!(source.read_at(0, &mut [0; 10]), Err(ReadError::Changed));
        assert!(matches!(source.assert_unchanged(), Err(Error::Changed { .. })));
        assert!(matches!(source.unless_changed(Ok(())), Err(Error::Changed { .. })));
        let defect = source.unless_changed::<()>(Err(Error::Defect("found meanwhile".into())));
        assert!(matches!(defect, Err(Error::Changed { .. })));
        assert!(matches!(source.unless_changed::<()>(Err(Error::Cancelled)), Err(Error::Cancelled)));
    }
}
