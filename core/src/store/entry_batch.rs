//! Entries of one piece of work, sorted by shard of an index.

use crate::error::Error;
use crate::store::key_at::{SHARDS, shard_of};
use crate::store::key_hash::Short;
use crate::store::key_state::KeyState;
use crate::store::wanted_entry::{ValueHash, WantedEntry};

/// An entry that an index does not have yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewEntry {
    pub hash: Short,
    pub state: KeyState,
    /// The fingerprint of its value, if the query requests it.
    pub value_hash: Option<ValueHash>,
    /// Where the name of its key starts among the names, and the length of the name.
    name: (u32, u32),
}

/// Entries by shard, with the names of their keys.
#[derive(Debug)]
pub(crate) struct EntryBatch {
    names: Vec<u8>,
    shards: Vec<Vec<NewEntry>>,
    /// Whether memory ran out for some entries.
    exhausted: bool,
}

impl EntryBatch {
    /// Creates an empty batch.
    pub fn new() -> Self {
        Self { names: Vec::new(), shards: vec![Vec::new(); SHARDS], exhausted: false }
    }

    /// Adds an entry; with the fingerprint of its value if `hash_value` is true.
    #[inline]
    pub fn push(&mut self, one: &WantedEntry<'_>, hash_value: bool) {
        self.exhausted |= self.try_push(one, hash_value).is_none();
    }

    #[inline]
    fn try_push(&mut self, one: &WantedEntry<'_>, hash_value: bool) -> Option<()> {
        let key = one.message.key;
        let name = (u32::try_from(self.names.len()).ok()?, u32::try_from(key.len()).ok()?);
        let shard = self.shards.get_mut(shard_of(one.hash))?;
        shard.try_reserve(1).ok()?;
        self.names.try_reserve(key.len()).ok()?;
        self.names.extend_from_slice(key);
        let value_hash = hash_value.then(|| one.value_hash());
        shard.push(NewEntry { hash: one.hash, state: one.state(), value_hash, name });
        Some(())
    }

    /// The entries of a shard.
    pub fn shard(&self, number: usize) -> &[NewEntry] {
        self.shards.get(number).map(Vec::as_slice).unwrap_or_default()
    }

    /// The name of the key of an entry.
    #[inline]
    pub fn name(&self, entry: &NewEntry) -> &[u8] {
        let (start, len) = (entry.name.0 as usize, entry.name.1 as usize);
        self.names.get(start..start.saturating_add(len)).unwrap_or_default()
    }

    /// Removes all entries and keeps their memory.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory ran out for some of them.
    pub fn clear(&mut self) -> Result<(), Error> {
        let bytes = self.names.len() as u64;
        self.names.clear();
        self.shards.iter_mut().for_each(Vec::clear);
        let exhausted = std::mem::take(&mut self.exhausted);
        if exhausted { Err(Error::Memory { what: "the keys of a part of the file", bytes }) } else { Ok(()) }
    }
}
