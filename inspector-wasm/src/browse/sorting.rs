//! The order of the list of keys.

use etcdsnap_core::store::{Direction, Rank};
use serde::Deserialize;

/// The order that the page requests; same as `Order` in `calls.ts`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Ordering {
    pub by: Column,
    pub down: bool,
}

/// A column that the list is sorted by.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Column {
    #[default]
    Key,
    Size,
    Revision,
    Created,
    Version,
    Lease,
}

impl Ordering {
    pub(crate) fn rank(self) -> Rank {
        match self.by {
            Column::Key => Rank::Key,
            Column::Size => Rank::ValueLen,
            Column::Revision => Rank::Revision,
            Column::Created => Rank::CreateRevision,
            Column::Version => Rank::Version,
            Column::Lease => Rank::Lease,
        }
    }

    pub(crate) fn way(self) -> Direction {
        if self.down { Direction::Down } else { Direction::Up }
    }
}
