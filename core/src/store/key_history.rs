//! What became of one key, or of several.

use std::collections::{HashMap, HashSet};

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::FullRevision;
use crate::missing_parts::Lost;
use crate::pass::reading::Accumulator;
use crate::progress::Watch;
use crate::source::Source;
use crate::store::entry::{Entry, Place};
use crate::store::opened_store::{Store, Work};
use crate::store::query::Query;
use crate::store::range::KeyRange;

/// One event of a key's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub revision: FullRevision,
    /// Whether it deleted the key.
    pub deletion: bool,
    /// Main revision of the put that created the key; 0 for a deletion.
    pub create_revision: Revision,
    /// Puts since the creation, this one counted; 0 for a deletion.
    pub version: i64,
    /// Its lease, or 0.
    pub lease: i64,
    /// Bytes of the value.
    pub value_len: u64,
    /// Where it is.
    pub place: Place,
}

impl Event {
    /// That of an entry.
    pub(crate) fn of(entry: &Entry<'_>, message: &KeyValue<'_>) -> Self {
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

/// All events of one key that are retained. Entries may come in any order.
#[derive(Debug, Clone)]
pub struct History {
    query: Query,
    events: Vec<Event>,
}

impl History {
    /// No events yet.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        let query = Query { range: KeyRange::one(key), revision: Revision::MAX, hash_values: false };
        Self { query, events: Vec::new() }
    }

    /// Takes in an entry, if it is of this key; one that does not parse may be, and goes into `lost`.
    pub fn take(&mut self, entry: &Entry<'_>, lost: &mut Lost) {
        let Some(message) = self.query.message(entry, lost) else { return };
        self.events.push(Event::of(entry, &message));
    }

    /// Both together.
    pub fn merge(&mut self, other: Self) {
        self.events.extend(other.events);
    }

    /// The events in order.
    #[must_use]
    pub fn into_events(mut self) -> Vec<Event> {
        self.events.sort_unstable_by_key(|event| event.revision);
        self.events
    }
}

impl Accumulator for History {
    fn read<S: Source + ?Sized>(&mut self, store: &Store<'_, S>, work: Work, watch: &dyn Watch) -> Result<Lost, Error> {
        store.entries(work, watch, &mut |entry, lost| self.take(entry, lost))
    }
}

/// The events of several keys, by key.
pub type EventsByKey = HashMap<Vec<u8>, Vec<Event>>;

/// All events of several keys that are retained. Entries may come in any order. Memory: some 100 bytes an event.
#[derive(Debug)]
pub struct Histories<'k> {
    query: Query,
    keys: &'k HashSet<&'k [u8]>,
    events: EventsByKey,
}

impl<'k> Histories<'k> {
    /// No events yet of these keys, as far as `query` reaches.
    #[must_use]
    pub fn new(query: Query, keys: &'k HashSet<&'k [u8]>) -> Self {
        Self { query, keys, events: HashMap::new() }
    }

    /// Both together.
    pub fn merge(&mut self, other: Self) {
        for (key, events) in other.events {
            self.events.entry(key).or_default().extend(events);
        }
    }

    /// The events of each key in order. A key that nothing is retained of is not among them.
    #[must_use]
    pub fn into_events(mut self) -> EventsByKey {
        self.events.values_mut().for_each(|events| events.sort_unstable_by_key(|event| event.revision));
        self.events
    }
}

impl Accumulator for Histories<'_> {
    fn read<S: Source + ?Sized>(&mut self, store: &Store<'_, S>, work: Work, watch: &dyn Watch) -> Result<Lost, Error> {
        store.entries(work, watch, &mut |entry, lost| {
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
