//! Searches the values of chosen keys: the value at the revision, or for a deleted key its last one.

use std::collections::HashMap;

use crate::error::Error;
use crate::etcd::revision_key::FullRevision;
use crate::kubernetes::key_search::KeySearch;
use crate::kubernetes::value_changes::is_concealed;
use crate::lost_parts::LostParts;
use crate::progress::ScanProgress;
use crate::secret_keys::is_secret;
use crate::source::Source;
use crate::store::{Index, KeyAt, Order, Store, Work};

/// A search in the values of chosen keys, which reads a file part by part. Memory: about 40 bytes per key.
#[derive(Debug)]
pub struct ValueSearch {
    search: KeySearch,
    keys: HashMap<KeyAt, NewestPut>,
    /// Number of keys that are left out, because searching a secret would let a user guess it letter by letter.
    secrets: u64,
}

/// The newest put of a key that was read so far.
#[derive(Debug, Clone, Copy, Default)]
struct NewestPut {
    revision: Option<FullRevision>,
    holds: bool,
}

impl ValueSearch {
    /// Creates a search in the keys with these indexes.
    ///
    /// # Errors
    /// [`Error::Memory`] if there is not enough memory.
    pub fn new(search: KeySearch, index: &Index, order: &Order, numbers: &[u32]) -> Result<Self, Error> {
        let mut keys = HashMap::new();
        let mut secrets = 0_u64;
        let bytes = (numbers.len() as u64).saturating_mul(40);
        keys.try_reserve(numbers.len()).map_err(|_| Error::Memory { what: "the keys that are searched", bytes })?;
        for at in numbers.iter().filter_map(|number| order.at(*number as usize)) {
            if index.at(at).is_some_and(|key| is_secret(key.key)) {
                secrets = secrets.saturating_add(1);
            } else {
                keys.insert(at, NewestPut::default());
            }
        }
        Ok(Self { search, keys, secrets })
    }

    /// Reads the leaves of one piece of work; returns the parts that could not be read.
    ///
    /// # Errors
    /// As [`Store::entries`].
    pub fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        index: &Index,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        store.entries(work, progress, &mut |entry, lost| {
            let Some(message) = index.query().message(entry, lost).filter(|_| !entry.key.tombstone) else { return };
            let Some(at) = index.place(message.key) else { return };
            let (Some(newest), Some(key)) = (self.keys.get_mut(&at), index.at(at)) else { return };
            let revision = entry.key.revision;
            let is_old = if key.deleted { newest.revision >= Some(revision) } else { key.revision != revision };
            if is_old {
                return;
            }
            let is_readable = !is_concealed(message.value);
            *newest =
                NewestPut { revision: Some(revision), holds: is_readable && self.search.holds_of_value(message.value) };
        })
    }

    /// Returns those of the indexes whose values match, and the number of secrets that were left out.
    #[must_use]
    pub fn finish(self, order: &Order, mut numbers: Vec<u32>) -> (Vec<u32>, u64) {
        let holds = |number: u32| order.at(number as usize).and_then(|at| self.keys.get(&at));
        numbers.retain(|number| holds(*number).is_some_and(|newest| newest.holds));
        (numbers, self.secrets)
    }
}
