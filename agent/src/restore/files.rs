//! Files and directories as a restore makes them: for their owner alone, synced, and gone when nothing comes of them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::RestoreError;
use crate::fsx::directory_sync::sync_directory;

/// A new file, which its owner alone may read.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a directory of mode 0700.
pub(super) fn make_directory(path: &Path) -> Result<(), RestoreError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).create(path).map_err(|cause| failed(path, cause))
}

/// Makes a directory and those around it that are missing, which join `made`, outermost first; none of them stays when one cannot be made.
pub(super) fn make_all(path: &Path, made: &mut Vec<PathBuf>) -> Result<(), RestoreError> {
    let missing: Vec<_> = path
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .map(Path::to_owned)
        .collect();
    for path in missing.into_iter().rev() {
        if let Err(error) = make_directory(&path) {
            remove_made(made);
            return Err(error);
        }
        made.push(path);
    }
    Ok(())
}

/// Removes those that are still empty.
pub(super) fn remove_made(made: &[PathBuf]) {
    for path in made.iter().rev() {
        let _ = fs::remove_dir(path);
    }
}

/// Syncs a directory's entries.
pub(super) fn fsync_directory(path: &Path) -> Result<(), RestoreError> {
    sync_directory(path).map_err(|cause| failed(path, cause))
}

/// Syncs the entries of the directory that something is in.
pub(super) fn fsync_parent(path: &Path) -> Result<(), RestoreError> {
    fsync_directory(path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// What could not be made or written.
pub(super) fn failed(path: &Path, cause: io::Error) -> RestoreError {
    RestoreError::Write { path: path.to_owned(), cause }
}

/// As [`failed`], to be mapped over.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> RestoreError + use<> {
    let path = path.to_owned();
    move |cause| failed(&path, cause)
}
