//! Finds the last put of some keys, which shows what a deleted key held.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::Error;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::key_history::Event;
use crate::store::opened_store::{Store, Work};
use crate::store::query::Query;

/// The last puts of some keys. Entries may be added in any order, and parts merged in any order.
#[derive(Debug)]
pub struct LastPuts<'k> {
    query: Query,
    keys: Arc<HashSet<Cow<'k, [u8]>>>,
    puts: HashMap<Vec<u8>, Event>,
}

impl<'k> LastPuts<'k> {
    /// Starts a search for the last puts of `keys` up to the query's revision.
    #[must_use]
    pub fn new(query: Query, keys: Arc<HashSet<Cow<'k, [u8]>>>) -> Self {
        Self { query, keys, puts: HashMap::new() }
    }

    /// Adds the puts of `other`.
    pub fn merge(&mut self, other: Self) {
        other.puts.into_iter().for_each(|(key, event)| self.add(&key, event));
    }

    /// Returns the puts, by key. A key without one was put before the compaction.
    #[must_use]
    pub fn into_puts(self) -> HashMap<Vec<u8>, Event> {
        self.puts
    }

    fn add(&mut self, key: &[u8], event: Event) {
        match self.puts.get_mut(key) {
            Some(known) if known.revision >= event.revision => {}
            Some(known) => *known = event,
            None => drop(self.puts.insert(key.to_vec(), event)),
        }
    }
}

impl Accumulator for LastPuts<'_> {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        store.entries(work, progress, &mut |entry, lost| {
            let Some(message) = self.query.message(entry, lost) else { return };
            if !entry.key.tombstone && self.keys.contains(message.key) {
                let event = Event::of(entry, &message);
                self.add(message.key, event);
            }
        })
    }
}
