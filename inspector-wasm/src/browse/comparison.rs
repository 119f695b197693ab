//! The other side of a comparison, and which of its changes are asked for in which order.

use etcdsnap_core::Source;
use etcdsnap_core::store::{Direction, Index, Key, KeyAt, Store};
use serde::Deserialize;

/// The other side, and how it differs.
pub(crate) struct Comparison<'s, S: Source + ?Sized> {
    /// None when the other side is another revision of the same file.
    pub(super) store: Option<Store<'s, S>>,
    pub(super) index: Index,
    pub(super) changes: Vec<Changed>,
    /// What was asked for last, and the changes that are of it, in its order.
    pub(super) shown: Option<(Differing, Vec<u32>)>,
}

/// Which changes the page wants, and in which order; as `Differing` in `calls.ts`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Differing {
    pub kinds: Vec<String>,
    pub by: Column,
    pub down: bool,
    /// The other side is shown as the earlier one.
    pub turned: bool,
}

/// A column that they are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Column {
    Key,
    Kind,
    /// The revision of the later side, or of the earlier one where the key was removed.
    Revision,
    /// Bytes of the value, likewise.
    Size,
    /// By how much the value grew.
    Growth,
}

#[derive(Clone, Copy)]
pub(super) struct Changed {
    pub(super) before: Option<KeyAt>,
    pub(super) after: Option<KeyAt>,
}

impl Changed {
    pub(super) fn kind(self) -> &'static str {
        match (self.before, self.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        }
    }
}

impl<S: Source + ?Sized> Comparison<'_, S> {
    /// The changes that are asked for, in their order: those that are alike in it stay in the order of the keys.
    pub(super) fn places(&self, index: &Index, differing: &Differing) -> Vec<u32> {
        let Differing { kinds, by, down, turned } = differing;
        let wanted = |(_, change): &(u32, &Changed)| kinds.iter().any(|kind| kind == change.kind());
        let way = if *down { Direction::Down } else { Direction::Up };
        let rank = |change: &Changed| {
            let (here, there) =
                (change.before.and_then(|at| index.at(at)), change.after.and_then(|at| self.index.at(at)));
            let (before, after) = if *turned { (there, here) } else { (here, there) };
            let last = after.or(before);
            let bytes = |key: Option<Key<'_>>| key.map_or(0, |key| i64::from(key.value_len));
            match by {
                Column::Key => 0,
                Column::Kind => match (before.is_some(), after.is_some()) {
                    (false, _) => 0,
                    (_, false) => 1,
                    _ => 2,
                },
                Column::Revision => last.map_or(0, |key| key.revision.main),
                Column::Size => bytes(last),
                Column::Growth => bytes(after).saturating_sub(bytes(before)),
            }
        };
        let chosen = (0u32..).zip(&self.changes).filter(wanted);
        let mut ranked: Vec<(i64, u32)> = chosen.map(|(place, change)| (way.turn(rank(change)), place)).collect();
        if *by == Column::Key {
            if *down {
                ranked.reverse();
            }
        } else {
            ranked.sort_unstable();
        }
        ranked.into_iter().map(|(_, place)| place).collect()
    }
}
