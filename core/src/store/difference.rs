//! Compares two snapshots, or two revisions of one.

use crate::store::index::Index;
use crate::store::key_state::Key;

/// A key that differs between the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyDifference<'k> {
    /// Only the second side has it.
    Added(Key<'k>),
    /// Only the first side has it.
    Removed(Key<'k>),
    /// The second side has another value or lease.
    Changed(Key<'k>, Key<'k>),
}

impl<'k> KeyDifference<'k> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &'k [u8] {
        match self {
            Self::Added(key) | Self::Removed(key) | Self::Changed(key, _) => key.key,
        }
    }
}

/// Compares the live keys of two indexes, both with hashed values; returns the differences in key order.
#[must_use]
pub fn compare<'k>(a: &'k Index, b: &'k Index) -> Vec<KeyDifference<'k>> {
    let live = |index: &'k Index, key: &[u8]| {
        let place = index.place(key)?;
        index.at(place).filter(|key| !key.deleted).map(|key| (key, index.value_hash(place)))
    };
    let content = |(key, hash): &(Key<'_>, _)| (*hash, key.value_len, key.lease);
    let gone = a.iter().filter(|old| !old.deleted && live(b, old.key).is_none()).map(KeyDifference::Removed);
    let other = b.places().filter_map(|(_, place)| {
        let new = b.at(place).filter(|new| !new.deleted)?;
        match live(a, new.key) {
            None => Some(KeyDifference::Added(new)),
            Some(old) if content(&old) != content(&(new, b.value_hash(place))) => {
                Some(KeyDifference::Changed(old.0, new))
            }
            Some(_) => None,
        }
    });
    let mut changes: Vec<_> = gone.chain(other).collect();
    changes.sort_unstable_by(|a, b| a.key().cmp(b.key()));
    changes
}
