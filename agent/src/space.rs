//! Whether there is room for what is to be written.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fsx::directory::Directory;

/// A disk has not enough room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lack {
    /// A directory on it.
    pub path: PathBuf,
    /// Bytes needed.
    pub needed: u64,
    /// Bytes free.
    pub available: u64,
}

/// Whether so many bytes are free where each path is or will be; paths on one file system share its room.
pub(crate) fn check(wanted: &[(&Path, u64)]) -> Result<(), Lack> {
    let mut disks: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
    for (path, bytes) in wanted {
        let there = std::path::absolute(path).ok();
        let there = there.and_then(|path| path.ancestors().find(|path| path.exists()).map(Path::to_owned));
        let Some((there, facts)) = there.and_then(|path| path.metadata().ok().map(|facts| (path, facts))) else {
            continue;
        };
        let disk = disks.entry(facts.dev()).or_insert((there, 0));
        disk.1 = disk.1.saturating_add(*bytes);
    }
    for (path, needed) in disks.into_values() {
        let Ok(facts) = rustix::fs::statvfs(&path) else { continue };
        let available = facts.f_bavail.saturating_mul(facts.f_frsize);
        if available < needed {
            return Err(Lack { path, needed, available });
        }
    }
    Ok(())
}

/// Whether so many bytes are free in a directory that is held open.
pub(crate) fn check_in(directory: &Directory, needed: u64) -> Result<(), Lack> {
    let Ok(facts) = rustix::fs::fstatvfs(directory) else { return Ok(()) };
    let available = facts.f_bavail.saturating_mul(facts.f_frsize);
    if available < needed {
        return Err(Lack { path: directory.shown().to_owned(), needed, available });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_one_disk_is_added_up() {
        let directory = tempfile::tempdir().unwrap();
        let facts = rustix::fs::statvfs(directory.path()).unwrap();
        let free = facts.f_bavail * facts.f_frsize;
        let (a, b) = (directory.path().join("a"), directory.path().join("b/c"));
        assert!(check(&[(&a, 1), (&b, 1)]).is_ok());
        let most = free / 2 + free / 4;
        assert!(check(&[(&a, most)]).is_ok());
        assert_eq!(check(&[(&a, most), (&b, most)]).unwrap_err().needed, most * 2);
    }
}
