//! Checks that a disk has enough free space for an output.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{StatVfs, fstat, fstatvfs, statvfs};

use crate::fsx::directory::Directory;

/// A disk has too little free space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotEnoughSpace {
    /// A directory on that disk.
    pub path: PathBuf,
    /// Bytes needed.
    pub needed: u64,
    /// Bytes free.
    pub available: u64,
}

/// A location on a file system.
#[derive(Clone, Copy)]
pub(crate) enum Location<'p> {
    /// A path that exists, or will.
    Path(&'p Path),
    /// An open file or directory, and its path.
    Open(BorrowedFd<'p>, &'p Path),
}

impl<'p> Location<'p> {
    /// Wraps an open directory.
    pub fn of_directory(directory: &'p Directory) -> Self {
        Self::Open(directory.as_fd(), directory.display_path())
    }

    /// Returns the device number of its file system, the free space, and an existing path on it. `None` if the system does not say; then only writing shows whether there is enough.
    fn disk(self) -> Option<(u64, StatVfs, PathBuf)> {
        match self {
            Self::Path(path) => {
                let path = std::path::absolute(path).ok()?;
                let there = path.ancestors().find(|path| path.exists())?;
                Some((there.metadata().ok()?.dev(), statvfs(there).ok()?, there.to_owned()))
            }
            Self::Open(handle, path) => Some((fstat(handle).ok()?.st_dev, fstatvfs(handle).ok()?, path.to_owned())),
        }
    }
}

/// Checks that this many bytes are free at each location; locations on one file system share its free space.
pub(crate) fn check<'p>(wanted: impl IntoIterator<Item = (Location<'p>, u64)>) -> Result<(), NotEnoughSpace> {
    let mut disks: BTreeMap<u64, NotEnoughSpace> = BTreeMap::new();
    for (place, bytes) in wanted {
        let Some((number, facts, path)) = place.disk() else { continue };
        let available = facts.f_bavail.saturating_mul(facts.f_frsize);
        let disk = disks.entry(number).or_insert(NotEnoughSpace { path, needed: 0, available });
        disk.needed = disk.needed.saturating_add(bytes);
    }
    disks.into_values().find(|lack| lack.available < lack.needed).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_on_one_disk_are_added_up() {
        let directory = tempfile::tempdir().unwrap();
        let facts = rustix::fs::statvfs(directory.path()).unwrap();
        let free = facts.f_bavail * facts.f_frsize;
        let (a, b) = (directory.path().join("a"), directory.path().join("b/c"));
        let at = |path| Location::Path(path);
        assert!(check([(at(&a), 1), (at(&b), 1)]).is_ok());
        let most = free / 2 + free / 4;
        assert!(check([(at(&a), most)]).is_ok());
        assert_eq!(check([(at(&a), most), (at(&b), most)]).unwrap_err().needed, most * 2);
        let file = std::fs::File::create(&a).unwrap();
        let open = Location::Open(file.as_fd(), &a);
        assert!(check([(open, most)]).is_ok());
        assert_eq!(check([(open, most), (at(&b), most)]).unwrap_err().needed, most * 2);
    }
}
