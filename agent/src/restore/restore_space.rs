//! How much room a restore needs, so that a full disk is told in bytes, by a dry run and by one that writes alike.

use std::io::ErrorKind::{QuotaExceeded, StorageFull};
use std::path::{Path, PathBuf};

use super::RestoreError;
use crate::free_space::{self, Lack, Location};

/// What a restore is going to write, and what was missing for it before it wrote anything.
pub(super) struct Room {
    wanted: Vec<(PathBuf, u64)>,
    lack: Option<Lack>,
}

impl Room {
    /// Looks how much is free where so many bytes are going to be written.
    ///
    /// A lack is no error yet: where the file system shares the blocks of the snapshot, a copy takes nothing.
    pub fn before_writing(wanted: &[(&Path, u64)]) -> Self {
        let owned = wanted.iter().map(|(path, bytes)| ((*path).to_owned(), *bytes)).collect();
        let places = wanted.iter().map(|(path, bytes)| (Location::Path(path), *bytes));
        Self { wanted: owned, lack: free_space::check(places).err() }
    }

    /// An error about a full disk with the bytes that were needed and free; any other as it is.
    pub fn explain(&self, error: RestoreError) -> RestoreError {
        match error {
            RestoreError::Write { path, cause } if matches!(cause.kind(), StorageFull | QuotaExceeded) => {
                match &self.lack {
                    Some(lack) => lack.clone().into(),
                    // Others filled it meanwhile, or this user may not take so much.
                    None => {
                        let needed = self.wanted.iter().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
                        RestoreError::Full { path, needed, cause }
                    }
                }
            }
            error => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_full_disk_is_told_in_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let full = || RestoreError::Write { path: "db".into(), cause: io::ErrorKind::StorageFull.into() };
        let small = Room::before_writing(&[(folder.path(), 1)]);
        assert!(matches!(small.explain(full()), RestoreError::Full { needed: 1, .. }));
        let large = Room::before_writing(&[(folder.path(), u64::MAX)]);
        assert!(matches!(large.explain(full()), RestoreError::Space { needed: u64::MAX, .. }));
        let other = RestoreError::Write { path: "db".into(), cause: io::ErrorKind::PermissionDenied.into() };
        assert!(matches!(large.explain(other), RestoreError::Write { .. }));
    }
}
