//! Whether there is room for what is to be written.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfs;

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
        lack(rustix::fs::statvfs(&path), path, needed)?;
    }
    Ok(())
}

/// Whether so many bytes are free where each open file lies; `path` is the file's.
pub(crate) fn check_files<'f>(wanted: impl Iterator<Item = (&'f File, &'f Path, u64)>) -> Result<(), Lack> {
    let mut disks: BTreeMap<u64, (&File, &Path, u64)> = BTreeMap::new();
    for (file, path, bytes) in wanted {
        let Ok(facts) = file.metadata() else { continue };
        let disk = disks.entry(facts.dev()).or_insert((file, path, 0));
        disk.2 = disk.2.saturating_add(bytes);
    }
    for (file, path, needed) in disks.into_values() {
        lack(rustix::fs::fstatvfs(file), path.to_owned(), needed)?;
    }
    Ok(())
}

/// Whether so many bytes are free in a directory that is held open.
pub(crate) fn check_in(directory: &Directory, needed: u64) -> Result<(), Lack> {
    lack(rustix::fs::fstatvfs(directory), directory.shown().to_owned(), needed)
}

fn lack(facts: rustix::io::Result<StatVfs>, path: PathBuf, needed: u64) -> Result<(), Lack> {
    // Where the system does not say it, writing will.
    let Ok(facts) = facts else { return Ok(()) };
    let available = facts.f_bavail.saturating_mul(facts.f_frsize);
    if available < needed { Err(Lack { path, needed, available }) } else { Ok(()) }
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
        let file = File::create(&a).unwrap();
        assert!(check_files([(&file, a.as_path(), most)].into_iter()).is_ok());
        assert_eq!(check_files([(&file, a.as_path(), most); 2].into_iter()).unwrap_err().needed, most * 2);
    }
}
