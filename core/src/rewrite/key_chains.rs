//! The last entry of each key so far, in a hash table of 49 bytes for each key.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::etcd::revision::Revision;
use crate::etcd::revision_record::{KeyHash, RevisionRecord};
use crate::store::key_hash::Already;

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

/// A chain that is found by its key alone.
#[derive(Debug)]
struct ByKey(KeyChain);

impl ByKey {
    fn key(&self) -> KeyHash {
        self.0.last.key()
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByKey {}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let KeyHash { high, low } = self.key();
        state.write_u32(low);
        // The truncation is intended: 64 bits are enough for a hash table.
        state.write_u32(high as u32);
    }
}

/// The histories of all keys.
#[derive(Debug, Default)]
pub(super) struct KeyChains(HashSet<ByKey, BuildHasherDefault<Already>>);

impl KeyChains {
    /// Replaces the chain of a key; returns the one before.
    pub fn replace(&mut self, chain: KeyChain) -> Option<KeyChain> {
        self.0.replace(ByKey(chain)).map(|before| before.0)
    }

    /// Iterates over the chains, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &KeyChain> {
        self.0.iter().map(|chain| &chain.0)
    }
}
