//! The directory that contains an output: opened and checked before any work.

use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, StatxAttributes, StatxFlags, accessat, statx};
use rustix::io::Errno;

use super::directory::Directory;
use super::directory_sync::DirectorySync;
use super::output_error::OutputError;

/// Checks that a file can be created in `directory`, and that its entries can be synced.
///
/// # Errors
/// [`OutputError::Write`], [`OutputError::Kind`].
pub(crate) fn check_directory(directory: &Directory) -> Result<(), OutputError> {
    let path = || directory.display_path().to_owned();
    let failed = |cause: io::Error| OutputError::Write { path: path(), cause };
    let refuse = |reason| Err(OutputError::Kind { path: path(), reason });
    if is_inside_a_member(directory) {
        return refuse("contains the database or the log of an etcd member, which must not be changed");
    }
    match accessat(directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        // An old kernel may not know the flag.
        Ok(()) | Err(Errno::NOSYS | Errno::INVAL) => {}
        Err(cause) => return Err(failed(cause.into())),
    }
    if attributes(directory, Path::new(""), AtFlags::EMPTY_PATH).contains(StatxAttributes::APPEND) {
        return refuse("is append-only (chattr +a), so no file in it can get its final name");
    }
    DirectorySync::prepare(directory).map(drop).map_err(failed)
}

/// Opens the directory that contains `path`.
///
/// # Errors
/// [`OutputError::Write`] if there is none, or the path contains a link that another user may have planted.
pub(crate) fn directory_of(path: &Path) -> Result<Directory, OutputError> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Directory::open(directory).map_err(|cause| OutputError::Write { path: directory.to_owned(), cause })
}

/// Returns attributes that prevent replacing or renaming a file: those of the file system, and whether it is a mount point, as single files in containers can be.
pub(super) fn attributes(directory: &Directory, name: &Path, flags: AtFlags) -> StatxAttributes {
    statx(directory, name, flags, StatxFlags::TYPE).map_or(StatxAttributes::empty(), |facts| facts.stx_attributes)
}

/// Whether a directory belongs to a member's data, under any name: etcd reads every file in `member/wal`, and `member/snap/db` is its database.
fn is_inside_a_member(directory: &Directory) -> bool {
    let is_called = |directory: &Directory, parent: &Directory, names: &[&str]| {
        let identity = directory.identity()?;
        Ok::<_, io::Error>(names.iter().any(|name| parent.has(Path::new(name), identity).is_ok_and(|has| has)))
    };
    let is_inside = || {
        let member = directory.follow(Path::new(".."))?;
        let data = member.follow(Path::new(".."))?;
        Ok::<_, io::Error>(is_called(directory, &member, &["snap", "wal"])? && is_called(&member, &data, &["member"])?)
    };
    is_inside().is_ok_and(|inside| inside)
}
