//! Computes the space that a restore needs, so that both a dry run and a real run can report a full disk in bytes.

use std::io::ErrorKind::{QuotaExceeded, StorageFull};
use std::path::{Path, PathBuf};

use super::RestoreError;
use crate::free_space::{self, Location, NotEnoughSpace};

/// The space that a restore needs, and what was missing before it started writing.
pub(super) struct SpaceNeeds {
    wanted: Vec<(PathBuf, u64)>,
    missing: Option<NotEnoughSpace>,
}

impl SpaceNeeds {
    /// Checks the free space at each place before writing.
    ///
    /// Too little space is not an error yet: if the copy shares the blocks of the snapshot, it takes no space.
    pub fn before_writing(wanted: &[(&Path, u64)]) -> Self {
        let owned = wanted.iter().map(|(path, bytes)| ((*path).to_owned(), *bytes)).collect();
        let places = wanted.iter().map(|(path, bytes)| (Location::Path(path), *bytes));
        Self { wanted: owned, missing: free_space::check(places).err() }
    }

    /// Adds the needed and free bytes to an error about a full disk; returns other errors unchanged.
    pub fn explain(&self, error: RestoreError) -> RestoreError {
        match error {
            RestoreError::Write { path, cause } if matches!(cause.kind(), StorageFull | QuotaExceeded) => {
                match &self.missing {
                    Some(missing) => missing.clone().into(),
                    // Another program filled the disk meanwhile, or this user's quota is exhausted.
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
    fn a_full_disk_is_reported_in_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let full = || RestoreError::Write { path: "db".into(), cause: io::ErrorKind::StorageFull.into() };
        let small = SpaceNeeds::before_writing(&[(folder.path(), 1)]);
        assert!(matches!(small.explain(full()), RestoreError::Full { needed: 1, .. }));
        let large = SpaceNeeds::before_writing(&[(folder.path(), u64::MAX)]);
        assert!(matches!(large.explain(full()), RestoreError::Space { needed: u64::MAX, .. }));
        let other = RestoreError::Write { path: "db".into(), cause: io::ErrorKind::PermissionDenied.into() };
        assert!(matches!(large.explain(other), RestoreError::Write { .. }));
    }
}
