//! Hashes of keys, and hash tables keyed by them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::fingerprint::fingerprint;

/// 96 bits of a key's fingerprint: two of ten million keys collide with a probability of about 10^-15.
pub(crate) type Short = (u32, u32, u32);

pub(crate) fn short(key: &[u8]) -> Short {
    let hash = fingerprint(key);
    // The truncation is intended: only three of the four words are kept.
    (hash as u32, (hash >> 32) as u32, (hash >> 64) as u32)
}

/// A hash table whose keys are hashes already.
pub(crate) type ByHash<K, V> = HashMap<K, V, BuildHasherDefault<Already>>;

/// A hasher that uses the lower half of a hash unchanged.
#[derive(Debug, Default)]
pub(crate) struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, hash: u128) {
        // The truncation is intended.
        self.0 = hash as u64;
    }
    fn write_u32(&mut self, word: u32) {
        self.0 = self.0.rotate_left(32) ^ u64::from(word);
    }
}
