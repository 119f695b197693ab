//! Checks which of the given keys exist at a revision.

use std::collections::HashMap;

use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::opened_store::Work;
use crate::store::{KeyRange, Query, Store};

/// Finds the newest entry of each given key. Leaf pages may be added in any order, and parts may be merged in any
/// order.
#[derive(Debug, Clone)]
pub struct KeyPresence {
    query: Query,
    newest: HashMap<Vec<u8>, Option<RevisionKey>>,
}

impl KeyPresence {
    /// Starts a search for `keys` at a main revision.
    #[must_use]
    pub fn new(keys: &[Vec<u8>], at: Revision) -> Self {
        let query = Query { range: KeyRange::all(), revision: at, hash_values: false, folders: Vec::new() };
        Self { query, newest: keys.iter().map(|key| (key.clone(), None)).collect() }
    }

    /// Adds the results of `other`.
    pub fn merge(&mut self, other: Self) {
        for (key, newest) in other.newest {
            if let Some(slot) = self.newest.get_mut(&key) {
                *slot = (*slot).max(newest);
            }
        }
    }

    /// Returns the keys that do not exist at the revision, because they were deleted or never put, in key order.
    #[must_use]
    pub fn absent(self) -> Vec<Vec<u8>> {
        let absent = self.newest.into_iter().filter(|(_, newest)| newest.is_none_or(|newest| newest.tombstone));
        let mut absent: Vec<Vec<u8>> = absent.map(|(key, _)| key).collect();
        absent.sort_unstable();
        absent
    }
}

impl Accumulator for KeyPresence {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        store.entries(work, progress, &mut |entry, lost| {
            let Some(message) = self.query.message(entry, lost) else { return };
            if let Some(newest) = self.newest.get_mut(message.key) {
                *newest = (*newest).max(Some(entry.key));
            }
        })
    }
}
