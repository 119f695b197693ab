//! The other side of a comparison, and the filter and order of its changes.

use etcdsnap_core::Source;
use etcdsnap_core::store::changes::{ChangeKind, ChangeOrder, ChangeRank, Changes};
use etcdsnap_core::store::{Direction, Index, Store};
use serde::Deserialize;

/// The other side of a comparison, and the differences.
pub(crate) struct Comparison<'s, S: Source + ?Sized> {
    /// The other store; none if the other side is another revision of the same file.
    pub(super) store: Option<Store<'s, S>>,
    pub(super) index: Index,
    pub(super) changes: Changes,
    /// The last request, and the changes that match it, in order.
    pub(super) shown: Option<(Differing, Vec<u32>)>,
}

/// The filter and order that the page requests; same as `Differing` in `calls.ts`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Differing {
    pub kinds: Vec<String>,
    pub by: Column,
    pub down: bool,
    /// Whether the other side is shown as the earlier one.
    pub turned: bool,
}

/// A column to sort changes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Column {
    Key,
    Kind,
    /// The revision of the later side, or of the earlier one where the key was removed.
    Revision,
    /// Bytes of the value on the same side.
    Size,
    /// The growth of the value.
    Growth,
}

/// Returns the page's name for a kind of change.
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
