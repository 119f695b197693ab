//! The index of every key at a revision.

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::fingerprint::fingerprint;
use crate::missing_parts::Lost;
use crate::pass::reading::Accumulator;
use crate::progress::Watch;
use crate::source::Source;
use crate::store::chunks::{Chunks, Names};
use crate::store::entry::{EntryPlace, KeyEntry};
use crate::store::key_hash::{ByHash, Short, short};
use crate::store::key_state::{Key, KeyAt, KeyState, entry_bytes};
use crate::store::opened_store::{Page, Store, Work};
use crate::store::query::Query;

/// Number of shards of an index, by the hash of the key: each thread can merge one.
pub(crate) const SHARDS: usize = 64;

/// An index of keys at a revision. Entries may be added in any order, and parts merged in any order.
///
/// Memory: the bytes of each key, and about 130 bytes more; another 16 with hashed values. Several threads can fill one
/// index: see [`SharedIndex`](crate::store::SharedIndex).
#[derive(Debug)]
pub struct Index {
    query: Query,
    shards: Vec<Shard>,
}

/// An entry that matches the query.
struct Wanted<'a> {
    entry: KeyEntry<'a>,
    message: KeyValue<'a>,
    hash: Short,
}

/// The keys of an index that share some bits of their hashes.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    /// Index of a key's state.
    numbers: ByHash<Short, u32>,
    states: Chunks<KeyState>,
    names: Names,
    /// Whether memory ran out for some keys.
    exhausted: bool,
    /// Fingerprint of the value of each state; empty unless the query requests it.
    hashes: Chunks<ValueHash>,
}

/// The fingerprint of a value, upper and lower half; 0 for a deleted key.
pub(crate) type ValueHash = (u64, u64);

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

    /// The shards, in order.
    pub(crate) fn shards_mut(&mut self) -> &mut [Shard] {
        &mut self.shards
    }

    /// Fails if some added keys did not fit in memory.
    fn check(&self) -> Result<(), Error> {
        let bytes = (self.len() as u64).saturating_mul(size_of::<KeyState>() as u64);
        let exhausted = self.shards.iter().any(|shard| shard.exhausted);
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
    ) -> Result<Lost, Error> {
        let mut odd = Lost::default();
        let mut lost = store.entries_at(places, &mut |entry| {
            if let Some(one) = self.wanted(*entry, &mut odd) {
                let number = self.shard(one.hash).and_then(|shard| shard.numbers.get(&one.hash)).copied();
                self.take(&one, number, true);
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
        watch: &dyn Watch,
        take: &mut dyn FnMut(&KeyEntry<'_>, &KeyValue<'_>),
    ) -> Result<Lost, Error> {
        let mut odd = Lost::default();
        let mut lost = store.leaves(work, watch, &mut |page| self.take_page(page, &mut odd, take))?;
        lost.append(odd);
        self.check().map(|()| lost)
    }

    /// Adds a leaf in three rounds. Nearly every table lookup misses the processor's caches; independent lookups miss
    /// in parallel.
    fn take_page(&mut self, page: &Page<'_>, lost: &mut Lost, take: &mut dyn FnMut(&KeyEntry<'_>, &KeyValue<'_>)) {
        let mut odd = Lost::default();
        let wanted: Vec<_> = page.entries(lost).filter_map(|entry| self.wanted(entry, &mut odd)).collect();
        lost.append(odd);
        let numbers: Vec<Option<u32>> = wanted
            .iter()
            .map(|one| self.shard(one.hash).and_then(|shard| shard.numbers.get(&one.hash)).copied())
            .collect();
        let newer: Vec<bool> = wanted
            .iter()
            .zip(&numbers)
            .map(|(one, number)| {
                let state =
                    self.shard(one.hash).zip(*number).and_then(|(shard, number)| shard.states.get(number as usize));
                state.is_none_or(|state| state.is_before(one.entry.key.revision, one.entry.place))
            })
            .collect();
        for ((one, number), newer) in wanted.iter().zip(numbers).zip(newer) {
            self.take(one, number, newer);
            take(&one.entry, &one.message);
        }
    }

    /// An entry that the query asks for.
    #[inline]
    fn wanted<'a>(&self, entry: KeyEntry<'a>, lost: &mut Lost) -> Option<Wanted<'a>> {
        let message = self.query.message(&entry, lost)?;
        Some(Wanted { entry, message, hash: short(message.key) })
    }

    /// Adds an entry. `number` is its key's index, if known before the leaf; `newer` says whether the entry is newer
    /// than the state was then.
    fn take(&mut self, Wanted { entry, message, hash }: &Wanted<'_>, number: Option<u32>, newer: bool) {
        let dead = u32::from(entry.key.tombstone);
        let bytes = entry_bytes(entry);
        let hash_values = self.query.hash_values;
        let Some(shard) = self.shards.get_mut(shard_of(*hash)) else { return };
        let number = number.or_else(|| shard.numbers.get(hash).copied());
        if let Some(state) = number.and_then(|number| shard.states.get_mut(number as usize)) {
            state.bytes = state.bytes.saturating_add(bytes);
            state.revisions = state.revisions.saturating_add(1);
            state.tombstones = state.tombstones.saturating_add(dead);
            if newer && state.is_before(entry.key.revision, entry.place) {
                state.renew(message, entry, bytes);
                if let Some(slot) = number.and_then(|number| shard.hashes.get_mut(number as usize)) {
                    *slot = hash_of(message, entry);
                }
            }
            return;
        }
        let Some(name) = shard.names.add(message.key) else {
            shard.exhausted = true;
            return;
        };
        let mut state = KeyState {
            name,
            revision: entry.key.revision,
            deleted: false,
            create_revision: Revision::ZERO,
            version: 0,
            lease: 0,
            value_len: 0,
            place: entry.place,
            newest_bytes: 0,
            bytes,
            revisions: 1,
            tombstones: dead,
        };
        state.renew(message, entry, bytes);
        shard.insert(*hash, state, hash_values.then(|| hash_of(message, entry)));
    }

    /// Adds the keys of `other`.
    pub fn merge(&mut self, other: Self) {
        for (ours, mut theirs) in self.shards.iter_mut().zip(other.shards) {
            ours.absorb(&mut theirs);
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
        self.shards.iter().map(|shard| shard.states.len()).sum()
    }

    /// Whether the index is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the keys in no particular order, deleted ones included.
    pub fn iter(&self) -> impl Iterator<Item = Key<'_>> {
        self.shards.iter().flat_map(|shard| shard.states.iter().map(|state| Key { key: shard.name(state), state }))
    }

    /// Iterates over the keys and their places in no particular order.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&[u8], KeyAt)> {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        (0u32..).zip(&self.shards).flat_map(move |(shard, keys)| {
            let states = keys.states.iter().enumerate();
            states.map(move |(at, state)| (keys.name(state), KeyAt { shard, number: number(at) }))
        })
    }

    /// Returns the place of a key; `None` if the key is not in the index.
    #[must_use]
    pub fn place(&self, key: &[u8]) -> Option<KeyAt> {
        let hash = short(key);
        let number = *self.shard(hash)?.numbers.get(&hash)?;
        Some(KeyAt { shard: u32::try_from(shard_of(hash)).ok()?, number })
    }

    /// Returns the key at a place of this index.
    #[must_use]
    pub fn at(&self, place: KeyAt) -> Option<Key<'_>> {
        let shard = self.shards.get(place.shard as usize)?;
        let state = shard.states.get(place.number as usize)?;
        Some(Key { key: shard.name(state), state })
    }

    /// Returns the fingerprint of the value of the key at a place; 0 for a deleted key, and without hashed values.
    pub(crate) fn value_hash(&self, place: KeyAt) -> ValueHash {
        let shard = self.shards.get(place.shard as usize);
        shard.and_then(|shard| shard.hashes.get(place.number as usize)).copied().unwrap_or_default()
    }

    /// Looks up one key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Key<'_>> {
        self.at(self.place(key)?)
    }

    /// Does the same as [`Index::sorted`], but reports a lack of memory.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory for the list runs out, 16 bytes per key.
    pub fn try_sorted(&self, wanted: impl Fn(&Key<'_>) -> bool) -> Result<Vec<Key<'_>>, Error> {
        let mut keys = Vec::new();
        let bytes = (self.len() as u64).saturating_mul(size_of::<Key<'_>>() as u64);
        for key in self.iter().filter(wanted) {
            keys.try_reserve(1).map_err(|_| Error::Memory { what: "the keys in their order", bytes })?;
            keys.push(key);
        }
        keys.sort_unstable_by(|a, b| a.key.cmp(b.key));
        Ok(keys)
    }

    /// Returns the keys for which `wanted` is true, in key order.
    #[must_use]
    pub fn sorted(&self, wanted: impl Fn(&Key<'_>) -> bool) -> Vec<Key<'_>> {
        let mut keys: Vec<_> = self.iter().filter(wanted).collect();
        keys.sort_unstable_by(|a, b| a.key.cmp(b.key));
        keys
    }
}

fn hash_of(message: &KeyValue<'_>, entry: &KeyEntry<'_>) -> ValueHash {
    if entry.key.tombstone {
        return (0, 0);
    }
    let hash = fingerprint(message.value);
    // The truncation is intended.
    ((hash >> 64) as u64, hash as u64)
}

fn shard_of(hash: Short) -> usize {
    // The table itself uses other bits.
    hash.0 as usize % SHARDS
}

impl Shard {
    /// Adds a key whose name is stored in this shard.
    fn insert(&mut self, hash: Short, state: KeyState, value_hash: Option<ValueHash>) {
        // No file up to 16 TiB has more keys than 32 bits count.
        let Ok(number) = u32::try_from(self.states.len()) else { return };
        let has_room = self.states.has_room()
            && self.numbers.try_reserve(1).is_ok()
            && (value_hash.is_none() || self.hashes.has_room());
        if !has_room {
            self.exhausted = true;
            return;
        }
        self.numbers.insert(hash, number);
        self.states.push(state);
        if let Some(value_hash) = value_hash {
            self.hashes.push(value_hash);
        }
    }

    /// Moves all keys out of `other`, which keeps its memory.
    pub fn absorb(&mut self, other: &mut Self) {
        self.exhausted |= other.exhausted;
        // Independent lookups miss the processor's caches in parallel.
        let found: Vec<_> =
            other.numbers.drain().map(|(hash, theirs)| (hash, theirs, self.numbers.get(&hash).copied())).collect();
        for (hash, theirs, ours) in found {
            let value_hash = other.hashes.get(theirs as usize).copied();
            let Some(state) = other.states.get(theirs as usize) else { continue };
            let Some(ours) = ours else {
                match self.names.add(other.name(state)) {
                    Some(name) => self.insert(hash, KeyState { name, ..state.clone() }, value_hash),
                    None => self.exhausted = true,
                }
                continue;
            };
            let newer = self.states.get_mut(ours as usize).is_some_and(|ours| ours.merge(state));
            if let (true, Some(slot), Some(value_hash)) = (newer, self.hashes.get_mut(ours as usize), value_hash) {
                *slot = value_hash;
            }
        }
        other.states.clear();
        other.names.clear();
        other.hashes.clear();
    }

    fn name(&self, state: &KeyState) -> &[u8] {
        self.names.get(state.name)
    }
}

impl Accumulator for Index {
    fn read<S: Source + ?Sized>(&mut self, store: &Store<'_, S>, work: Work, watch: &dyn Watch) -> Result<Lost, Error> {
        self.read_with(store, work, watch, &mut |_, _| {})
    }
}
