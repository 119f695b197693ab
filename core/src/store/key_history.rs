//! The history of one key, or of several.

use std::collections::{HashMap, HashSet};

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::FullRevision;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::entry::{EntryPlace, KeyEntry};
use crate::store::opened_store::{Store, Work};
use crate::store::query::Query;
use crate::store::range::KeyRange;

/// One put or deletion in a key's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Main and sub revision.
    pub revision: FullRevision,
    /// Whether it deleted the key.
    pub deletion: bool,
    /// Main revision of the put that created the key; 0 for a deletion.
    pub create_revision: Revision,
    /// Puts since the creation, including this one; 0 for a deletion.
    pub version: i64,
    /// Its lease, or 0.
    pub lease: i64,
    /// Length of the value in bytes.
    pub value_len: u64,
    /// Place of the entry.
    pub place: EntryPlace,
}

impl Event {
    /// Creates the event of an entry.
    pub(crate) fn of(entry: &KeyEntry<'_>, message: &KeyValue<'_>) -> Self {
        Self {
            revision: entry.key.revision,
            deletion: entry.key.tombstone,
            create_revision: message.create_revision,
            version: message.version,
            lease: message.lease,
            value_len: message.value.len() as u64,
            place: entry.place,
        }
    }
}

/// All retained events of one key. Entries may be added in any order.
#[derive(Debug, Clone)]
pub struct History {
    query: Query,
    events: Vec<Event>,
}

impl History {
    /// Creates an empty history of `key`.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        let query =
            Query { range: KeyRange::one(key), revision: Revision::MAX, hash_values: false, folders: Vec::new() };
        Self { query, events: Vec::new() }
    }

    /// Adds an entry if it belongs to this key; an undecodable entry might, and goes into `lost`.
    pub fn take(&mut self, entry: &KeyEntry<'_>, lost: &mut LostParts) {
        let Some(message) = self.query.message(entry, lost) else { return };
        self.events.push(Event::of(entry, &message));
    }

    /// Adds the events of `other`.
    pub fn merge(&mut self, other: Self) {
        self.events.extend(other.events);
    }

    /// Returns the events in order.
    #[must_use]
    pub fn into_events(mut self) -> Vec<Event> {
        self.events.sort_unstable_by_key(|event| event.revision);
        self.events
    }
}

impl Accumulator for History {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        store.entries(work, progress, &mut |entry, lost| self.take(entry, lost))
    }
}

/// The events of several keys, by key.
pub type EventsByKey = HashMap<Vec<u8>, Vec<Event>>;

/// All retained events of several keys. Entries may be added in any order. Memory: about 100 bytes per event.
#[derive(Debug)]
pub struct Histories<'k> {
    query: Query,
    keys: &'k HashSet<&'k [u8]>,
    events: EventsByKey,
}

impl<'k> Histories<'k> {
    /// Creates an empty history of `keys` up to the query's revision.
    #[must_use]
    pub fn new(query: Query, keys: &'k HashSet<&'k [u8]>) -> Self {
        Self { query, keys, events: HashMap::new() }
    }

    /// Adds the events of `other`.
    pub fn merge(&mut self, other: Self) {
        for (key, events) in other.events {
            self.events.entry(key).or_default().extend(events);
        }
    }

    /// Returns the events of each key, in order; keys without retained events are left out.
    #[must_use]
    pub fn into_events(mut self) -> EventsByKey {
        self.events.values_mut().for_each(|events| events.sort_unstable_by_key(|event| event.revision));
        self.events
    }
}

impl Accumulator for Histories<'_> {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        store.entries(work, progress, &mut |entry, lost| {
            let message = self.query.message(entry, lost).filter(|message| self.keys.contains(message.key));
            let Some(message) = message else { return };
            let event = Event::of(entry, &message);
            match self.events.get_mut(message.key) {
                Some(events) => events.push(event),
                None => drop(self.events.insert(message.key.to_vec(), vec![event])),
            }
        })
    }
}
