//! A part of an index: the keys that share some bits of their hashes.
//!
//! A key takes a row of 56 bytes, the bytes of its name, and 6 to 12 bytes in a hash table that holds only numbers of
//! rows. What few keys have is beside the rows: leases, states whose numbers are too large for a row, hashes of values.

use hashbrown::HashTable;

use crate::store::chunks::{Chunks, Names};
use crate::store::entry_batch::EntryBatch;
use crate::store::index_row::{IndexRow, PackedState};
use crate::store::key_at::MOST_IN_SHARD;
use crate::store::key_hash::Short;
use crate::store::key_state::{Key, KeyState};
use crate::store::wanted_entry::ValueHash;

/// The keys of an index that share some bits of their hashes.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    /// Numbers of the rows, by the hashes in them.
    numbers: HashTable<u32>,
    rows: Chunks<IndexRow>,
    names: Names,
    /// The lease of each row; empty while no key has one.
    leases: Chunks<i64>,
    /// States that do not fit into rows.
    whole: Chunks<KeyState>,
    /// Fingerprint of the value of each row; empty unless the query requests it.
    hashes: Chunks<ValueHash>,
    /// Whether memory ran out for some keys.
    exhausted: bool,
}

/// Bits of a hash that choose neither the shard nor, in a [`partitioned fold`](crate::store::partitioned_fold), the
/// partition.
#[inline]
fn table_hash(hash: Short) -> u64 {
    u64::from(hash.2) << 32 | u64::from(hash.1)
}

impl Shard {
    /// Whether memory ran out for some keys.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The numbers of all keys.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        // No shard has more: see `insert`.
        0..u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// The number of a key, by its hash.
    #[inline]
    pub fn find(&self, hash: Short) -> Option<u32> {
        let is_same = |number: &u32| self.rows.get(*number as usize).is_some_and(|row| row.hash == hash);
        self.numbers.find(table_hash(hash), is_same).copied()
    }

    /// The bytes of a key.
    #[inline]
    pub fn name(&self, number: u32) -> Option<&[u8]> {
        self.rows.get(number as usize).map(|row| self.names.get(row.name()))
    }

    /// The hash of a key.
    pub fn hash(&self, number: u32) -> Option<Short> {
        self.rows.get(number as usize).map(|row| row.hash)
    }

    /// A key with its state.
    pub fn key(&self, number: u32) -> Option<Key<'_>> {
        let row = self.rows.get(number as usize)?;
        Some(Key { key: self.names.get(row.name()), state: self.state(number, &row.state)? })
    }

    /// The fingerprint of the value of a key; 0 without fingerprints.
    pub fn value_hash(&self, number: u32) -> ValueHash {
        self.hashes.get(number as usize).copied().unwrap_or_default()
    }

    #[inline]
    fn state(&self, number: u32, packed: &PackedState) -> Option<KeyState> {
        match packed.whole_number() {
            Some(whole) => self.whole.get(whole as usize).copied(),
            None => Some(packed.unpack(self.lease(number))),
        }
    }

    #[inline]
    fn lease(&self, number: u32) -> i64 {
        self.leases.get(number as usize).copied().unwrap_or_default()
    }

    /// Adds the facts about the key with this number from other entries; `value_hash` is for the newest of those.
    #[inline]
    pub fn merge(&mut self, number: u32, other: &KeyState, value_hash: impl FnOnce() -> ValueHash) {
        let Some(row) = self.rows.get_mut(number as usize) else { return };
        let packed = PackedState::pack(other, row.state.name_len).and_then(|other| row.state.merge(&other));
        let newer = packed.unwrap_or_else(|| self.merge_unpacked(number, other));
        self.renew(newer, number, other.lease, value_hash);
    }

    /// Adds the facts about the key with this number from a row of another shard.
    #[inline]
    fn merge_row(&mut self, number: u32, other: &Self, theirs: u32) {
        let Some(row) = self.rows.get_mut(number as usize) else { return };
        let Some(state) = other.rows.get(theirs as usize).map(|row| &row.state) else { return };
        match row.state.merge(state) {
            Some(newer) => self.renew(newer, number, other.lease(theirs), || other.value_hash(theirs)),
            None => {
                let Some(state) = other.state(theirs, state) else { return };
                self.merge(number, &state, || other.value_hash(theirs));
            }
        }
    }

    /// Stores what is beside the rows, if the newest entry of the key is another one now.
    #[inline]
    fn renew(&mut self, newer: bool, number: u32, lease: i64, value_hash: impl FnOnce() -> ValueHash) {
        if newer {
            self.exhausted |= !self.store_lease(number, lease);
            if let Some(slot) = self.hashes.get_mut(number as usize) {
                *slot = value_hash();
            }
        }
    }

    /// Does the same as [`PackedState::merge`] for a state that does not fit into a row, or will not.
    #[cold]
    fn merge_unpacked(&mut self, number: u32, other: &KeyState) -> bool {
        let Some(mut row) = self.rows.get(number as usize).copied() else { return false };
        let Some(mut state) = self.state(number, &row.state) else { return false };
        let newer = state.merge(other);
        if let Some(slot) = row.state.whole_number().and_then(|whole| self.whole.get_mut(whole as usize)) {
            *slot = state;
            return newer;
        }
        let name_len = row.state.name_len;
        match PackedState::pack(&state, name_len).or_else(|| self.keep_whole(&state, name_len)) {
            Some(packed) => row.state = packed,
            None => self.exhausted = true,
        }
        if let Some(slot) = self.rows.get_mut(number as usize) {
            *slot = row;
        }
        newer
    }

    /// Keeps a state that does not fit into a row; `None` if memory runs out.
    #[cold]
    fn keep_whole(&mut self, state: &KeyState, name_len: u16) -> Option<PackedState> {
        let number = u32::try_from(self.whole.len()).ok()?;
        self.whole.has_room().then(|| {
            self.whole.push(*state);
            PackedState::whole(number, name_len)
        })
    }

    /// Sets the lease of a row; returns false if memory runs out.
    #[inline]
    fn store_lease(&mut self, number: u32, lease: i64) -> bool {
        if let Some(slot) = self.leases.get_mut(number as usize) {
            *slot = lease;
            return true;
        }
        lease == 0 || self.first_lease(number, lease)
    }

    /// Sets the first lease other than 0; returns false if memory runs out.
    #[cold]
    fn first_lease(&mut self, number: u32, lease: i64) -> bool {
        while self.leases.len() < self.rows.len() {
            if !self.leases.has_room() {
                return false;
            }
            self.leases.push(0);
        }
        match self.leases.get_mut(number as usize) {
            Some(slot) => *slot = lease,
            None => return false,
        }
        true
    }

    /// Adds a key that is not here yet.
    pub fn insert(&mut self, hash: Short, name: &[u8], state: &KeyState, value_hash: Option<ValueHash>) {
        self.exhausted |= self.try_insert(hash, name, state, value_hash).is_none();
    }

    /// Adds a key; `None` if memory runs out or the shard is full.
    fn try_insert(&mut self, hash: Short, name: &[u8], state: &KeyState, value_hash: Option<ValueHash>) -> Option<()> {
        let number = u32::try_from(self.rows.len()).ok().filter(|number| (*number as usize) < MOST_IN_SHARD)?;
        let has_leases = self.leases.len() > 0;
        let has_room = self.rows.has_room()
            && (!has_leases || self.leases.has_room())
            && (value_hash.is_none() || self.hashes.has_room());
        if !has_room {
            return None;
        }
        let name = self.names.add(name)?;
        let packed = PackedState::pack(state, name.len).or_else(|| self.keep_whole(state, name.len))?;
        let Self { numbers, rows, .. } = self;
        let rehash = |number: &u32| rows.get(*number as usize).map_or(0, |row| table_hash(row.hash));
        numbers.try_reserve(1, rehash).ok()?;
        numbers.insert_unique(table_hash(hash), number, rehash);
        self.rows.push(IndexRow { hash, name_at: name.at, state: packed });
        if has_leases {
            self.leases.push(0);
        }
        if let Some(value_hash) = value_hash {
            self.hashes.push(value_hash);
        }
        self.store_lease(number, state.lease).then_some(())
    }

    /// Adds the entries of a batch that belong to this shard, whose number is `number`.
    pub fn add(&mut self, batch: &EntryBatch, number: usize) {
        let entries = batch.shard(number);
        // Independent lookups miss the processor's caches in parallel.
        let found: Vec<Option<u32>> = entries.iter().map(|entry| self.find(entry.hash)).collect();
        for (entry, found) in entries.iter().zip(found) {
            match found.or_else(|| self.find(entry.hash)) {
                Some(known) => self.merge(known, &entry.state, || entry.value_hash.unwrap_or_default()),
                None => self.insert(entry.hash, batch.name(entry), &entry.state, entry.value_hash),
            }
        }
    }

    /// Adds the keys of `other`.
    pub fn absorb(&mut self, other: &Self) {
        self.exhausted |= other.exhausted;
        // Independent lookups miss the processor's caches in parallel.
        let found: Vec<Option<u32>> = other.rows.iter().map(|row| self.find(row.hash)).collect();
        for ((theirs, ours), row) in other.numbers().zip(found).zip(other.rows.iter()) {
            match ours {
                Some(ours) => self.merge_row(ours, other, theirs),
                None => {
                    let Some(state) = other.state(theirs, &row.state) else { continue };
                    let value_hash = other.hashes.get(theirs as usize).copied();
                    self.insert(row.hash, other.names.get(row.name()), &state, value_hash);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::bolt::page_id::PageId;
    use crate::etcd::revision::Revision;
    use crate::etcd::revision_key::FullRevision;
    use crate::store::entry::EntryPlace;
    use crate::store::key_hash::short;

    /// A state of one entry; every seventh has a number too large for a row, and every third key a lease now and then.
    fn state(key: u64, number: u64) -> KeyState {
        let is_large = number.is_multiple_of(7);
        let place = EntryPlace { page: PageId::new(if is_large { 1 << 40 } else { 5 } + number % 3), index: 1 };
        KeyState {
            revision: FullRevision { main: Revision::new((number / 2).cast_signed()), sub: 0 },
            deleted: number.is_multiple_of(5),
            create_revision: Revision::new(2),
            version: if is_large { -1 } else { 4 },
            lease: if key.is_multiple_of(3) { (number % 4).cast_signed() } else { 0 },
            value_len: 10,
            place,
            newest_bytes: 60,
            bytes: 60,
            revisions: 1,
            tombstones: 1,
        }
    }

    #[test]
    fn large_numbers_leases_and_merged_shards_change_no_answer() {
        let mut shards = [Shard::default(), Shard::default(), Shard::default()];
        let mut expected: HashMap<Vec<u8>, (KeyState, ValueHash)> = HashMap::new();
        for number in 0..6000_u64 {
            let number = number.wrapping_mul(2_654_435_761) % 6011;
            let (key, hash) = (number * number % 601, [number as u32, 1, 2]);
            let name = format!("key {key}").into_bytes();
            let state = state(key, number);
            let shard = &mut shards[number as usize % 3];
            match shard.find(short(&name)) {
                Some(at) => shard.merge(at, &state, || hash),
                None => shard.insert(short(&name), &name, &state, Some(hash)),
            }
            let known = expected.entry(name).or_insert((state, hash));
            if known.0 != state || known.1 != hash {
                let newer = known.0.merge(&state);
                known.1 = if newer { hash } else { known.1 };
            }
        }
        let [mut all, two, three] = shards;
        all.absorb(&two);
        all.absorb(&three);
        assert_eq!((all.len(), all.is_exhausted()), (expected.len(), false));
        assert!(all.whole.len() > 10 && all.leases.len() == all.len());
        for number in all.numbers() {
            let key = all.key(number).unwrap();
            assert_eq!((key.state, all.value_hash(number)), expected[key.key]);
            assert_eq!(all.find(short(key.key)), Some(number));
        }
    }
}
