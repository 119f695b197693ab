//! One side of a comparison.

use etcdsnap::core::store::{Index, Key, Store};
use etcdsnap::{FileSource, Snapshot};

use crate::cli::failure::Failure;

/// One side of a comparison: only what is not alike is in its index.
pub struct ComparedSide<'s> {
    /// The file.
    pub snapshot: &'s Snapshot,
    /// What is in it.
    pub store: &'s Store<'s, FileSource>,
    /// The keys that are not alike.
    pub index: Index,
}

impl ComparedSide<'_> {
    /// The value of a key, opened if it is encrypted and can be.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn value(&self, key: &Key<'_>) -> Result<Vec<u8>, Failure> {
        Ok(self.snapshot.value(self.store, key.place)?)
    }
}
