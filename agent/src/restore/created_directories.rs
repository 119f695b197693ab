//! Creates missing parent directories for a restore, and makes errors about paths that could not be created.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use rustix::fs::Dir;

use super::owner::Owner;
use super::restore_error::RestoreError;
use crate::fsx::directory::Directory;
use crate::fsx::directory_sync::DirectorySync;
use crate::fsx::file_identity::FileIdentity;

/// Missing directories that were created. If dropped before they are kept, those that are still empty are removed.
#[derive(Default)]
pub(super) struct CreatedDirectories(Vec<Made>);

struct Made {
    parent: Directory,
    name: OsString,
    directory: Option<(Directory, FileIdentity)>,
}

impl CreatedDirectories {
    /// Opens the directory at `names` below `base`, outermost first; creates missing ones with mode 0700.
    pub fn make(&mut self, base: Directory, names: &[OsString]) -> Result<Directory, RestoreError> {
        let mut inner = base;
        for name in names {
            let path = Path::new(name);
            let shown = inner.path_of(name);
            let failed = |cause| failed(&shown, cause);
            match inner.make(path) {
                // Another run created it, or this run did so for its other target.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                    inner = inner.open_below(path).map_err(failed)?;
                    continue;
                }
                made => made.map_err(failed)?,
            }
            self.0.push(Made {
                parent: inner.try_clone().map_err(|cause| {
                    let _ = inner.remove(path, true);
                    failed(cause)
                })?,
                name: name.clone(),
                directory: None,
            });
            let made = inner.open_below(path).map_err(failed)?;
            check_empty(&made).map_err(failed)?;
            if let Some(last) = self.0.last_mut() {
                last.directory = Some((made.try_clone().map_err(failed)?, made.identity().map_err(failed)?));
            }
            inner = made;
        }
        Ok(inner)
    }

    /// Sets their owner, who must be able to enter them, and syncs them.
    pub fn set_owner_and_sync(&self, owner: Option<Owner>) -> Result<(), RestoreError> {
        for Made { parent, name, directory } in self.0.iter().rev() {
            let settle = || {
                if let (Some(owner), Some((directory, _))) = (owner, directory) {
                    owner.set_on(directory)?;
                }
                DirectorySync::prepare(parent)?.run()
            };
            settle().map_err(|cause| failed(&parent.path_of(name), cause))?;
        }
        Ok(())
    }

    /// Keeps them when this value is dropped.
    pub fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for CreatedDirectories {
    fn drop(&mut self) {
        for Made { parent, name, directory } in self.0.iter().rev() {
            let path = Path::new(name);
            if directory.as_ref().is_none_or(|(_, made)| parent.has(path, *made).is_ok_and(|ours| ours)) {
                let _ = parent.remove(path, true);
            }
        }
    }
}

/// Checks that a new directory is empty: if another user has put a different one in its place, its owner must not be changed.
fn check_empty(made: &Directory) -> io::Result<()> {
    for entry in Dir::read_from(made.readable()?)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Err(io::Error::other("another user replaced the new directory"));
        }
    }
    Ok(())
}

/// Makes an error about a path that could not be created or written.
pub(super) fn failed(path: &Path, cause: io::Error) -> RestoreError {
    RestoreError::Write { path: path.to_owned(), cause }
}
