//! Finds values that contain given bytes, such as the uid of an object.

use std::collections::BTreeMap;

use memchr::memmem::Finder;

use crate::error::Error;
use crate::etcd::revision_key::FullRevision;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::entry::EntryPlace;
use crate::store::opened_store::{Store, Work};
use crate::store::query::Query;

/// Maximum number of keys that are kept. An object owns some dozens of others, and has as many Events.
const MAX_KEYS: usize = 10_000;

/// The newest put of a key whose value contains the bytes. The key may have a newer put without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    /// Its revision.
    pub revision: FullRevision,
    /// Its place.
    pub place: EntryPlace,
}

/// Finds the keys whose values contain given bytes.
#[derive(Debug)]
pub struct Mentions {
    query: Query,
    bytes: Finder<'static>,
    found: BTreeMap<Vec<u8>, Mention>,
    is_cut: bool,
}

impl Mentions {
    /// Starts a search for `bytes` in the entries that match `query`.
    #[must_use]
    pub fn of(query: Query, bytes: &[u8]) -> Self {
        Self { query, bytes: Finder::new(bytes).into_owned(), found: BTreeMap::new(), is_cut: false }
    }

    /// Returns the keys in order, with the newest matching put of each.
    #[must_use]
    pub fn into_found(self) -> BTreeMap<Vec<u8>, Mention> {
        self.found
    }

    /// Whether there were more keys than the maximum.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn add(&mut self, key: &[u8], mention: Mention) {
        let is_full = self.found.len() >= MAX_KEYS;
        match self.found.get_mut(key) {
            Some(known) if known.revision >= mention.revision => {}
            Some(known) => *known = mention,
            None if is_full => self.is_cut = true,
            None => drop(self.found.insert(key.to_vec(), mention)),
        }
    }
}

impl Accumulator for Mentions {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        store.entries(work, progress, &mut |entry, lost| {
            if entry.key.tombstone || self.bytes.find(entry.value).is_none() {
                return;
            }
            let Some(message) = self.query.message(entry, lost) else { return };
            if self.bytes.find(message.value).is_some() {
                self.add(message.key, Mention { revision: entry.key.revision, place: entry.place });
            }
        })
    }
}
