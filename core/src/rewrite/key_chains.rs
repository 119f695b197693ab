//! The last entry of each key so far, in a hash table of 49 bytes for each key.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::etcd::revision::Revision;
use crate::etcd::revision_record::{KeyHash, RevisionRecord};

/// Numbers of entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct EntryCounts {
    pub all: u32,
    /// Those from stray pages.
    pub stray: u32,
    /// Those that may have been deleted since.
    pub unproven: u32,
}

impl EntryCounts {
    /// Returns the sum.
    pub fn plus(self, other: Self) -> Self {
        Self {
            all: self.all.saturating_add(other.all),
            stray: self.stray.saturating_add(other.stray),
            unproven: self.unproven.saturating_add(other.unproven),
        }
    }
}

/// The history of a key up to an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyChain {
    /// The entry.
    pub last: RevisionRecord,
    /// Its main revision.
    pub main: Revision,
    /// The entries of the key since the last gap in its history, this one among them.
    pub counts: EntryCounts,
}

/// The histories of all keys.
#[derive(Debug, Default)]
pub(super) struct KeyChains(HashTable<KeyChain>);

impl KeyChains {
    /// Returns the place of the chain of a key.
    pub fn entry(&mut self, key: KeyHash) -> Entry<'_, KeyChain> {
        self.0.entry(table_hash(key), |chain| chain.last.key() == key, |chain| table_hash(chain.last.key()))
    }

    /// Iterates over the chains, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &KeyChain> {
        self.0.iter()
    }
}

/// Returns the hash for the table: 64 bits of the hash of a key are enough.
fn table_hash(key: KeyHash) -> u64 {
    // The truncation is intended.
    u64::from(key.low) << 32 | u64::from(key.high as u32)
}
