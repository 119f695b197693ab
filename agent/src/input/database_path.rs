//! Finds the database in a data directory of etcd.

use std::path::{Path, PathBuf};

/// Whether a path is a member's data directory, or its `member` folder.
#[must_use]
pub fn is_data_dir(path: &Path) -> bool {
    member_folder(path).is_some()
}

/// Returns the folder of a data directory that contains `snap` or `wal`: `member`, or the directory itself.
pub(crate) fn member_folder(path: &Path) -> Option<PathBuf> {
    let has_parts = |folder: &PathBuf| folder.join("snap").is_dir() || folder.join("wal").is_dir();
    [path.join("member"), path.to_owned()].into_iter().find(has_parts)
}

/// Returns the path of the database in a directory.
pub(crate) fn database_of(directory: &Path) -> Option<PathBuf> {
    let paths = ["member/snap/db", "snap/db", "db"].map(|below| directory.join(below));
    paths.into_iter().find(|path| path.is_file())
}
