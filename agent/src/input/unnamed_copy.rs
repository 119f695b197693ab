//! Copies of streams in files without a name, which vanish with the process however it ends.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::error::Error;
use crate::input::FileSource;

/// A temporary copy in progress.
pub(crate) struct Spool {
    file: File,
}

impl Spool {
    /// Creates a copy in the directory for temporary files (`TMPDIR`); if `needed` is known, that many bytes must be free there.
    ///
    /// # Errors
    /// [`Error::Spool`].
    pub fn new(needed: Option<u64>) -> Result<Self, Error> {
        let file = tempfile::tempfile().map_err(Self::failed)?;
        if let (Some(needed), Some(available)) = (needed, free_space(&file))
            && needed > available
        {
            let directory = env::temp_dir();
            return Err(Error::Spool { directory, needed: Some(needed), available: Some(available), cause: None });
        }
        Ok(Self { file })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`Error::Spool`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(Self::failed)
    }

    /// Returns what was written so far, for reading.
    ///
    /// # Errors
    /// [`Error::Spool`].
    pub fn so_far(&self, path: &Path) -> Result<FileSource, Error> {
        self.file.try_clone().and_then(|file| FileSource::new(file, path)).map_err(Self::failed)
    }

    /// Returns the file, for writing at any offset; [`Spool::failed`] converts errors.
    pub fn into_file(self) -> File {
        self.file
    }

    /// Converts an error about a copy that cannot be created or written.
    pub fn failed(cause: io::Error) -> Error {
        Error::Spool { directory: env::temp_dir(), needed: None, available: None, cause: Some(cause) }
    }

    /// Finishes the copy; `path` is its name in messages.
    ///
    /// # Errors
    /// [`Error::Spool`].
    pub fn finish(self, path: &Path) -> Result<FileSource, Error> {
        FileSource::new(self.file, path).map_err(Self::failed)
    }
}

/// Returns the bytes free to this user on the file system of `file`; `None` if the system does not say.
fn free_space(file: &File) -> Option<u64> {
    let facts = rustix::fs::fstatvfs(file).ok()?;
    facts.f_bavail.checked_mul(facts.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_cannot_fit_is_refused_before_it_starts() {
        let error = Spool::new(Some(u64::MAX)).err().unwrap();
        assert!(error.to_string().contains("18,446,744,073,709,551,615 bytes), but only "), "{error}");
        assert!(error.advice().contains("TMPDIR"));
    }
}
