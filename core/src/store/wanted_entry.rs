//! An entry that matches a query, and what an index keeps of it.

use crate::etcd::keyvalue::KeyValue;
use crate::fingerprint::fingerprint;
use crate::lost_parts::LostParts;
use crate::store::entry::KeyEntry;
use crate::store::key_hash::{Short, short};
use crate::store::key_state::KeyState;
use crate::store::query::Query;

/// The fingerprint of a value, three of its four words: another value has the same with a probability of 10^-29. 0 for a
/// deleted key.
pub(crate) type ValueHash = [u32; 3];

/// An entry that matches a query.
pub(crate) struct WantedEntry<'a> {
    pub entry: KeyEntry<'a>,
    pub message: KeyValue<'a>,
    /// The hash of its key.
    pub hash: Short,
}

impl<'a> WantedEntry<'a> {
    /// Decodes an entry; `None` if it does not match the query, or cannot be decoded, which goes into `lost`.
    #[inline]
    pub fn of(query: &Query, entry: KeyEntry<'a>, lost: &mut LostParts) -> Option<Self> {
        let message = query.message(&entry, lost)?;
        Some(Self { entry, message, hash: short(message.key) })
    }

    /// The state of its key if the key has no other entry.
    #[inline]
    pub fn state(&self) -> KeyState {
        KeyState::of_entry(&self.message, &self.entry)
    }

    /// The fingerprint of its value.
    pub fn value_hash(&self) -> ValueHash {
        if self.entry.key.tombstone {
            return ValueHash::default();
        }
        let hash = fingerprint(self.message.value);
        // The truncation is intended: only three of the four words are kept.
        [hash as u32, (hash >> 32) as u32, (hash >> 64) as u32]
    }
}
