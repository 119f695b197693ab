//! Which of some keys have a value of which a search is true: their value at the revision, or for a deleted key its last one.

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

/// A search in the values of some keys on its way through a file. Memory: some 40 bytes a key.
#[derive(Debug)]
pub struct ValueSearch {
    search: KeySearch,
    keys: HashMap<KeyAt, Newest>,
    /// Keys that are left out, because whether a text is in a secret is a question that guesses it letter by letter.
    secrets: u64,
}

/// What the newest put so far says.
#[derive(Debug, Clone, Copy, Default)]
struct Newest {
    revision: Option<FullRevision>,
    holds: bool,
}

impl ValueSearch {
    /// Nothing was read yet of the keys with these numbers.
    ///
    /// # Errors
    /// [`Error::Memory`] when there is none.
    pub fn new(search: KeySearch, index: &Index, order: &Order, numbers: &[u32]) -> Result<Self, Error> {
        let mut keys = HashMap::new();
        let mut secrets = 0_u64;
        let bytes = (numbers.len() as u64).saturating_mul(40);
        keys.try_reserve(numbers.len()).map_err(|_| Error::Memory { what: "the keys that are searched", bytes })?;
        for at in numbers.iter().filter_map(|number| order.at(*number as usize)) {
            if index.at(at).is_some_and(|key| is_secret(key.key)) {
                secrets = secrets.saturating_add(1);
            } else {
                keys.insert(at, Newest::default());
            }
        }
        Ok(Self { search, keys, secrets })
    }

    /// Takes in the leaves of one piece of work; what it lacks of them is returned.
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
                Newest { revision: Some(revision), holds: is_readable && self.search.holds_of_value(message.value) };
        })
    }

    /// Those of the numbers whose values have what is looked for, and how many secrets were left out.
    #[must_use]
    pub fn finish(self, order: &Order, mut numbers: Vec<u32>) -> (Vec<u32>, u64) {
        let holds = |number: u32| order.at(number as usize).and_then(|at| self.keys.get(&at));
        numbers.retain(|number| holds(*number).is_some_and(|newest| newest.holds));
        (numbers, self.secrets)
    }
}
