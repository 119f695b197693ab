//! What two indexes do not have alike, chosen and put in order.

use crate::store::difference::{Change, compare};
use crate::store::index::Index;
use crate::store::key_state::{Key, KeyAt};
use crate::store::sorted_keys::Direction;

/// What became of a key from one side to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only the second side has it.
    Added,
    /// Only the first side has it.
    Removed,
    /// Another value or lease on the second side.
    Changed,
}

/// Where a key that is not alike is on either side.
#[derive(Debug, Clone, Copy)]
pub struct ChangedKey {
    /// In the first index; none where it is not.
    pub before: Option<KeyAt>,
    /// In the second one.
    pub after: Option<KeyAt>,
}

impl ChangedKey {
    /// What became of it.
    #[must_use]
    pub fn kind(self) -> ChangeKind {
        match (self.before, self.after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        }
    }
}

/// What changes are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRank {
    /// The bytes of the key.
    Key,
    /// What became of it: added, removed, changed.
    Kind,
    /// The revision of the later side, or of the earlier one where the key was removed.
    Revision,
    /// Bytes of the value, likewise.
    ValueLen,
    /// By how much the value grew.
    Growth,
}

/// Which changes are wanted, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeOrder {
    /// Of these kinds.
    pub kinds: Vec<ChangeKind>,
    /// By this.
    pub by: ChangeRank,
    /// In this direction.
    pub way: Direction,
    /// The second side counts as the earlier one for what is ranked.
    pub turned: bool,
}

/// The keys that are not alike, in order.
#[derive(Debug, Default)]
pub struct Changes(Vec<ChangedKey>);

impl Changes {
    /// Between the keys that live in two indexes, whose values both were hashed.
    #[must_use]
    pub fn between(a: &Index, b: &Index) -> Self {
        let places = |change: &Change<'_>| match change {
            Change::Added(new) => ChangedKey { before: None, after: b.place(new.key) },
            Change::Removed(old) => ChangedKey { before: a.place(old.key), after: None },
            Change::Changed(old, new) => ChangedKey { before: a.place(old.key), after: b.place(new.key) },
        };
        Self(compare(a, b).iter().map(places).collect())
    }

    /// How many there are of a kind.
    #[must_use]
    pub fn count(&self, kind: ChangeKind) -> usize {
        self.0.iter().filter(|change| change.kind() == kind).count()
    }

    /// One by its number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<ChangedKey> {
        self.0.get(number as usize).copied()
    }

    /// The numbers of those that are wanted, in their order: those that are alike in it stay in the order of the keys. `a` and `b` are the indexes that were compared.
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
