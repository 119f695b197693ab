//! Brings the entries of a directory to the disk, so that a rename survives a power cut.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::io::Errno;

/// Waits until the entries of `directory` are on the disk.
///
/// A directory that may be written but not read (mode 0333 or 0300) cannot be opened for `fsync`, and some file systems refuse `fsync` of a directory.
/// In both cases the whole file system is synced by way of a temporary file in the directory.
///
/// # Errors
/// What the system says; nothing is known then about what reached the disk.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory).and_then(|opened| opened.sync_all()) {
        Err(cause) if needs_another_way(&cause) => sync_file_system(directory),
        outcome => outcome,
    }
}

/// Syncs the directory that `path` is in, as [`sync_directory`] does.
///
/// # Errors
/// As [`sync_directory`].
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    sync_directory(path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Fails when [`sync_directory`] could not work in `directory`, so that a run is refused before anything has its final name.
///
/// # Errors
/// What the system says.
pub(crate) fn check_syncable(directory: &Path) -> io::Result<()> {
    match File::open(directory) {
        Err(cause) if needs_another_way(&cause) => tempfile::tempfile_in(directory).map(drop),
        outcome => outcome.map(drop),
    }
}

fn needs_another_way(cause: &io::Error) -> bool {
    let errno = Errno::from_io_error(cause);
    matches!(errno, Some(Errno::ACCESS | Errno::PERM | Errno::INVAL | Errno::NOTSUP | Errno::NOSYS))
}

fn sync_file_system(directory: &Path) -> io::Result<()> {
    let file = tempfile::tempfile_in(directory)?;
    Ok(rustix::fs::syncfs(&file)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn syncs_directories_and_reports_missing_ones() {
        let directory = tempfile::tempdir().unwrap();
        sync_directory(directory.path()).unwrap();
        sync_parent(&directory.path().join("file")).unwrap();
        sync_parent(Path::new("file")).unwrap();
        sync_file_system(directory.path()).unwrap();
        check_syncable(directory.path()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let missing = directory.path().join("missing");
        assert_eq!(sync_directory(&missing).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(check_syncable(&missing).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
