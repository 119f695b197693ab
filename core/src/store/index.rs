//! The index of every key at a revision.

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::entry::{EntryPlace, KeyEntry};
use crate::store::index_row::IndexRow;
use crate::store::index_shard::Shard;
use crate::store::key_at::{KeyAt, SHARDS, shard_of};
use crate::store::key_hash::{Short, short};
use crate::store::key_state::Key;
use crate::store::opened_store::{Page, Store, Work};
use crate::store::query::Query;
use crate::store::wanted_entry::{ValueHash, WantedEntry};

/// An index of keys at a revision. Entries may be added in any order, and parts merged in any order.
///
/// Memory: the bytes of each key, and about 65 bytes more; another 12 with hashed values, and 8 if keys have leases.
/// Several threads can fill one index: see [`SharedIndex`](crate::store::SharedIndex).
#[derive(Debug)]
pub struct Index {
    query: Query,
    shards: Vec<Shard>,
}

impl Index {
    /// Creates an empty index.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self { query, shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }

    /// The query that the index answers.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Joins all shards, in order, into an index.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory ran out for some keys.
    pub(crate) fn of_shards(query: Query, shards: Vec<Shard>) -> Result<Self, Error> {
        let index = Self { query, shards };
        index.check().map(|()| index)
    }

    /// Fails if some added keys did not fit in memory.
    fn check(&self) -> Result<(), Error> {
        let bytes = (self.len() as u64).saturating_mul(size_of::<IndexRow>() as u64);
        let exhausted = self.shards.iter().any(Shard::is_exhausted);
        if exhausted { Err(Error::Memory { what: "the keys of the file", bytes }) } else { Ok(()) }
    }

    fn shard(&self, hash: Short) -> Option<&Shard> {
        self.shards.get(shard_of(hash))
    }

    /// Adds the entries at some places. The space used by their keys then covers only these entries.
    ///
    /// # Errors
    /// The same errors as [`Store::entries`].
    pub fn read_places<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        places: Vec<EntryPlace>,
    ) -> Result<LostParts, Error> {
        let mut odd = LostParts::default();
        let mut lost = store.entries_at(places, &mut |entry| {
            if let Some(one) = WantedEntry::of(&self.query, *entry, &mut odd) {
                self.take(&one, None);
            }
        })?;
        lost.append(odd);
        self.check().map(|()| lost)
    }

    /// Adds the leaves of one piece of work, and calls `take` with each entry that matches the query.
    pub(crate) fn read_with<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
        take: &mut dyn FnMut(&KeyEntry<'_>, &KeyValue<'_>),
    ) -> Result<LostParts, Error> {
        let mut odd = LostParts::default();
        let mut lost = store.leaves(work, progress, &mut |page| self.take_page(page, &mut odd, take))?;
        lost.append(odd);
        self.check().map(|()| lost)
    }

    /// Adds a leaf in rounds. Nearly every lookup misses the processor's caches; independent lookups miss in parallel.
    fn take_page(&mut self, page: &Page<'_>, lost: &mut LostParts, take: &mut dyn FnMut(&KeyEntry<'_>, &KeyValue<'_>)) {
        let mut odd = LostParts::default();
        let wanted: Vec<_> =
            page.entries(lost).filter_map(|entry| WantedEntry::of(&self.query, entry, &mut odd)).collect();
        lost.append(odd);
        let numbers: Vec<Option<u32>> =
            wanted.iter().map(|one| self.shard(one.hash).and_then(|shard| shard.find(one.hash))).collect();
        for (one, number) in wanted.iter().zip(numbers) {
            self.take(one, number);
            take(&one.entry, &one.message);
        }
    }

    /// Adds an entry. `number` is that of its key, if the key was known before the leaf.
    fn take(&mut self, one: &WantedEntry<'_>, number: Option<u32>) {
        let Some(shard) = self.shards.get_mut(shard_of(one.hash)) else { return };
        match number.or_else(|| shard.find(one.hash)) {
            Some(number) => shard.merge(number, &one.state(), || one.value_hash()),
            None => {
                let value_hash = self.query.hash_values.then(|| one.value_hash());
                shard.insert(one.hash, one.message.key, &one.state(), value_hash);
            }
        }
    }

    /// Adds the keys of `other`.
    pub fn merge(&mut self, other: Self) {
        for (ours, theirs) in self.shards.iter_mut().zip(other.shards) {
            ours.absorb(&theirs);
        }
    }

    /// The main revision of the index.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.query.revision
    }

    /// The number of keys, deleted ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// Whether the index is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the keys in no particular order, deleted ones included.
    pub fn iter(&self) -> impl Iterator<Item = Key<'_>> {
        self.shards.iter().flat_map(|shard| shard.numbers().filter_map(|number| shard.key(number)))
    }

    /// Iterates over the names of all keys in no particular order, deleted ones included.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.shards.iter().flat_map(|shard| shard.numbers().filter_map(|number| shard.name(number)))
    }

    /// Iterates over the places of all keys in no particular order.
    pub(crate) fn places(&self) -> impl Iterator<Item = KeyAt> {
        let shards = self.shards.iter().enumerate();
        shards.flat_map(|(at, shard)| shard.numbers().filter_map(move |number| KeyAt::new(at, number)))
    }

    /// Returns the place of a key; `None` if the key is not in the index.
    #[must_use]
    pub fn place(&self, key: &[u8]) -> Option<KeyAt> {
        self.place_by_hash(short(key))
    }

    /// Returns the place here of the key at a place of another index.
    pub(crate) fn place_of(&self, other: &Self, place: KeyAt) -> Option<KeyAt> {
        self.place_by_hash(other.shards.get(place.shard())?.hash(place.number())?)
    }

    fn place_by_hash(&self, hash: Short) -> Option<KeyAt> {
        KeyAt::new(shard_of(hash), self.shard(hash)?.find(hash)?)
    }

    /// Returns the key at a place of this index.
    #[must_use]
    pub fn at(&self, place: KeyAt) -> Option<Key<'_>> {
        self.shards.get(place.shard())?.key(place.number())
    }

    /// Returns the bytes of the key at a place of this index; no bytes for a place of another one.
    #[must_use]
    pub fn name(&self, place: KeyAt) -> &[u8] {
        self.shards.get(place.shard()).and_then(|shard| shard.name(place.number())).unwrap_or_default()
    }

    /// Returns the fingerprint of the value of the key at a place; 0 for a deleted key, and without hashed values.
    pub(crate) fn value_hash(&self, place: KeyAt) -> ValueHash {
        self.shards.get(place.shard()).map(|shard| shard.value_hash(place.number())).unwrap_or_default()
    }

    /// Looks up one key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Key<'_>> {
        self.at(self.place(key)?)
    }
}

impl Accumulator for Index {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        self.read_with(store, work, progress, &mut |_, _| {})
    }
}
