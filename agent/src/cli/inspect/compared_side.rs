//! One of the two sides of a comparison.

use etcdsnap::core::store::{Index, Key, Store};
use etcdsnap::{FileSource, Snapshot};

use crate::cli::failure::Failure;

/// One of the two sides of a comparison.
pub struct ComparedSide<'s> {
    /// The open file.
    pub snapshot: &'s Snapshot,
    /// The store of `snapshot`.
    pub store: &'s Store<'s, FileSource>,
    /// The keys that differ between the sides.
    pub index: Index,
}

impl ComparedSide<'_> {
    /// Returns the value of a key, decrypted if possible.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn value(&self, key: &Key<'_>) -> Result<Vec<u8>, Failure> {
        Ok(self.snapshot.value(self.store, key.place)?)
    }
}
