//! The other side of a comparison, and which of its changes are asked for in which order.

use etcdsnap_core::Source;
use etcdsnap_core::store::changes::{ChangeKind, ChangeOrder, ChangeRank, Changes};
use etcdsnap_core::store::{Direction, Index, Store};
use serde::Deserialize;

/// The other side, and how it differs.
pub(crate) struct Comparison<'s, S: Source + ?Sized> {
    /// None when the other side is another revision of the same file.
    pub(super) store: Option<Store<'s, S>>,
    pub(super) index: Index,
    pub(super) changes: Changes,
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

/// The word of the page for a kind.
pub(super) fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Changed => "changed",
    }
}

impl Differing {
    pub(super) fn order(&self) -> ChangeOrder {
        let kinds = [ChangeKind::Added, ChangeKind::Removed, ChangeKind::Changed];
        ChangeOrder {
            kinds: kinds.into_iter().filter(|kind| self.kinds.iter().any(|wanted| wanted == word(*kind))).collect(),
            by: match self.by {
                Column::Key => ChangeRank::Key,
                Column::Kind => ChangeRank::Kind,
                Column::Revision => ChangeRank::Revision,
                Column::Size => ChangeRank::ValueLen,
                Column::Growth => ChangeRank::Growth,
            },
            way: if self.down { Direction::Down } else { Direction::Up },
            turned: self.turned,
        }
    }
}
