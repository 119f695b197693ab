//! Lists the keys that differ between two indexes, filtered and sorted.

use crate::store::difference::{KeyDifference, compare};
use crate::store::index::Index;
use crate::store::key_state::{Key, KeyAt};
use crate::store::sorted_keys::Direction;

/// How a key differs between the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only the second side has it.
    Added,
    /// Only the first side has it.
    Removed,
    /// The second side has another value or lease.
    Changed,
}

/// A key that differs, with its place on either side.
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

/// Selection and order of a list of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeOrder {
    /// Kinds to list.
    pub kinds: Vec<ChangeKind>,
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
    #[must_use]
    pub fn between(a: &Index, b: &Index) -> Self {
        let places = |change: &KeyDifference<'_>| match change {
            KeyDifference::Added(new) => ChangedKey { before: None, after: b.place(new.key) },
            KeyDifference::Removed(old) => ChangedKey { before: a.place(old.key), after: None },
            KeyDifference::Changed(old, new) => ChangedKey { before: a.place(old.key), after: b.place(new.key) },
        };
        Self(compare(a, b).iter().map(places).collect())
    }

    /// The number of changes of a kind.
    #[must_use]
    pub fn count(&self, kind: ChangeKind) -> usize {
        self.0.iter().filter(|change| change.kind() == kind).count()
    }

    /// The change at index `number`.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<ChangedKey> {
        self.0.get(number as usize).copied()
    }

    /// Returns the indexes of the selected changes in the wanted order; equal ones stay in key order. `a` and `b` are
    /// the compared indexes.
    #[must_use]
    pub fn ordered(&self, a: &Index, b: &Index, order: &ChangeOrder) -> Vec<u32> {
        let rank = |change: &ChangedKey| {
            let (first, second) = (change.before.and_then(|at| a.at(at)), change.after.and_then(|at| b.at(at)));
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
        let chosen = (0u32..).zip(&self.0).filter(|(_, change)| order.kinds.contains(&change.kind()));
        let mut ranked: Vec<(i64, u32)> =
            chosen.map(|(number, change)| (order.way.turn(rank(change)), number)).collect();
        if order.by != ChangeRank::Key {
            ranked.sort_unstable();
        } else if order.way == Direction::Down {
            ranked.reverse();
        }
        ranked.into_iter().map(|(_, number)| number).collect()
    }
}
