//! The other side of a comparison, and the filter and order of its changes.

use etcdsnap_core::Source;
use etcdsnap_core::kubernetes::change_groups::ChangeLines;
use etcdsnap_core::kubernetes::noisy_changes::NoisyChanges;
use etcdsnap_core::kubernetes::resources::Resources;
use etcdsnap_core::store::changes::{ChangeOrder, ChangeRank, Changes};
use etcdsnap_core::store::difference::ChangeKind;
use etcdsnap_core::store::{Direction, Index, Store};
use serde::Deserialize;

/// The other side of a comparison, and the differences.
pub(crate) struct Comparison<'s, S: Source + ?Sized> {
    /// The other store; none if the other side is another revision of the same file.
    pub(super) store: Option<Store<'s, S>>,
    pub(super) index: Index,
    pub(super) changes: Changes,
    pub(super) noise: NoisyChanges,
    /// Number of changed objects whose values were requested, to compare them.
    pub(super) requested: usize,
    /// The built-in types, to name those of changed objects.
    pub(super) resources: Resources,
    pub(super) listed: ListedChanges,
    /// Groups that the user opened or closed, by name and namespace.
    pub(super) toggled: Vec<((String, String), bool)>,
}

/// The lines of the list.
pub(super) enum ListedChanges {
    /// Changes by their numbers.
    Flat(Vec<u32>),
    Grouped(ChangeLines),
}

/// The filter and order that the page requests; same as `Differing` in `calls.ts`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Differing {
    pub kinds: Vec<String>,
    /// A search for keys.
    pub text: String,
    /// Whether noise is listed.
    pub noise: bool,
    /// Whether changes are grouped by type and namespace.
    pub grouped: bool,
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
    pub(super) fn kinds(&self) -> Vec<ChangeKind> {
        let all = [ChangeKind::Added, ChangeKind::Removed, ChangeKind::Changed];
        all.into_iter().filter(|kind| self.kinds.iter().any(|wanted| wanted == word(*kind))).collect()
    }

    pub(super) fn order(&self) -> ChangeOrder {
        ChangeOrder {
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
