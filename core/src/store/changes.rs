//! Lists the keys that differ between two indexes, filtered and sorted.

use crate::error::Error;
use crate::store::difference::{ChangeCounts, ChangeKind, KeyDifference};
use crate::store::index::Index;
use crate::store::key_at::KeyAt;
use crate::store::key_state::Key;
use crate::store::sorted_keys::Direction;

/// A key that differs, with its place on either side: 8 bytes.
#[derive(Debug, Clone, Copy)]
pub struct ChangedKey {
    /// Place in the first index; `None` if the key is not there.
    pub before: Option<KeyAt>,
    /// Place in the second index.
    pub after: Option<KeyAt>,
}

impl ChangedKey {
    /// How the key differs.
    #[must_use]
    pub fn kind(self) -> ChangeKind {
        match (self.before, self.after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        }
    }

    /// Returns the key's states in the compared indexes.
    fn difference<'k>(self, a: &'k Index, b: &'k Index) -> Option<KeyDifference<'k>> {
        let (before, after) = (self.before.and_then(|at| a.at(at)), self.after.and_then(|at| b.at(at)));
        match (before, after) {
            (None, new) => new.map(KeyDifference::Added),
            (Some(old), None) => Some(KeyDifference::Removed(old)),
            (Some(old), Some(new)) => Some(KeyDifference::Changed(old, new)),
        }
    }
}

/// Sort criterion of a list of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRank {
    /// The bytes of the key.
    Key,
    /// The kind of change: added, removed, changed.
    Kind,
    /// The revision on the later side, or on the earlier one if the key was removed.
    Revision,
    /// Length of the value, on the same side.
    ValueLen,
    /// Growth of the value in bytes.
    Growth,
}

/// Order of a list of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeOrder {
    /// Sort criterion.
    pub by: ChangeRank,
    /// Sort direction.
    pub way: Direction,
    /// Whether the second side counts as the earlier one for sorting.
    pub turned: bool,
}

/// The keys that differ, in key order.
#[derive(Debug, Default)]
pub struct Changes(Vec<ChangedKey>);

impl Changes {
    /// Compares the live keys of two indexes, both with hashed values.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory for the list runs out, 32 bytes per change while it is sorted.
    pub fn between(a: &Index, b: &Index) -> Result<Self, Error> {
        fn live(index: &Index, at: KeyAt) -> Option<Key<'_>> {
            index.at(at).filter(|key| !key.deleted)
        }
        // The place in `index` of the living key at a place of `other`.
        let place =
            |index: &Index, other: &Index, at: KeyAt| index.place_of(other, at).filter(|at| live(index, *at).is_some());
        let content = |index: &Index, at| index.at(at).map(|key| (index.value_hash(at), key.value_len, key.lease));
        let gone = a.places().filter_map(|old| {
            let key = live(a, old)?.key;
            place(b, a, old).is_none().then_some((key, ChangedKey { before: Some(old), after: None }))
        });
        let other = b.places().filter_map(|new| {
            let key = live(b, new)?.key;
            let before = place(a, b, new);
            let is_alike = before.is_some_and(|old| content(a, old) == content(b, new));
            (!is_alike).then_some((key, ChangedKey { before, after: Some(new) }))
        });
        // Names are stored beside the changes during the sort: otherwise each comparison would miss the processor's
        // caches.
        let mut named = Vec::new();
        let count = a.len().saturating_add(b.len()) as u64;
        let memory = |_| Error::Memory { what: "the differences", bytes: count.saturating_mul(32) };
        for change in gone.chain(other) {
            named.try_reserve(1).map_err(memory)?;
            named.push(change);
        }
        named.sort_unstable_by_key(|(name, _)| *name);
        let mut changes = Vec::new();
        changes.try_reserve_exact(named.len()).map_err(memory)?;
        changes.extend(named.into_iter().map(|(_, change)| change));
        Ok(Self(changes))
    }

    /// Iterates over the changes in key order. `a` and `b` are the compared indexes.
    pub fn iter<'k>(&self, a: &'k Index, b: &'k Index) -> impl Iterator<Item = KeyDifference<'k>> {
        self.0.iter().filter_map(|change| change.difference(a, b))
    }

    /// Keeps the changes for which `wanted` is true, until it fails. `a` and `b` are the compared indexes.
    ///
    /// # Errors
    /// Those of `wanted`.
    pub fn try_retain<E>(
        &mut self,
        a: &Index,
        b: &Index,
        mut wanted: impl FnMut(&KeyDifference<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut outcome = Ok(());
        self.0.retain(|change| {
            if outcome.is_err() {
                return true;
            }
            let is_wanted = change.difference(a, b).map_or(Ok(false), |change| wanted(&change));
            is_wanted.unwrap_or_else(|cause| {
                outcome = Err(cause);
                true
            })
        });
        outcome
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The numbers of changes by kind.
    #[must_use]
    pub fn counts(&self) -> ChangeCounts {
        let mut counts = ChangeCounts::default();
        self.0.iter().for_each(|change| counts.add(change.kind()));
        counts
    }

    /// The key's states in the compared indexes `a` and `b`, for the change at index `number`.
    #[must_use]
    pub fn difference<'k>(&self, number: u32, a: &'k Index, b: &'k Index) -> Option<KeyDifference<'k>> {
        self.get(number)?.difference(a, b)
    }

    /// The change at index `number`.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<ChangedKey> {
        self.0.get(number as usize).copied()
    }

    /// Returns the indexes of the changes for which `wanted` is true, in order; equal ones stay in key order. `a` and
    /// `b` are the compared indexes.
    #[must_use]
    pub fn ordered(
        &self,
        a: &Index,
        b: &Index,
        order: ChangeOrder,
        mut wanted: impl FnMut(u32, &KeyDifference<'_>) -> bool,
    ) -> Vec<u32> {
        let rank = |change: &KeyDifference<'_>| {
            let [first, second] = change.states();
            let (before, after) = if order.turned { (second, first) } else { (first, second) };
            let last = after.or(before);
            let bytes = |key: Option<Key<'_>>| key.map_or(0, |key| i64::from(key.value_len));
            match order.by {
                ChangeRank::Key => 0,
                ChangeRank::Kind => match (before.is_some(), after.is_some()) {
                    (false, _) => 0,
                    (_, false) => 1,
                    _ => 2,
                },
                ChangeRank::Revision => last.map_or(0, |key| key.revision.main.get()),
                ChangeRank::ValueLen => bytes(last),
                ChangeRank::Growth => bytes(after).saturating_sub(bytes(before)),
            }
        };
        let mut ranked: Vec<(i64, u32)> = (0u32..)
            .zip(&self.0)
            .filter_map(|(number, change)| {
                let change = change.difference(a, b)?;
                wanted(number, &change).then(|| (order.way.turn(rank(&change)), number))
            })
            .collect();
        if order.by != ChangeRank::Key {
            ranked.sort_unstable();
        } else if order.way == Direction::Down {
            ranked.reverse();
        }
        ranked.into_iter().map(|(_, number)| number).collect()
    }
}
