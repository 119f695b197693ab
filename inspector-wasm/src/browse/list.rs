//! Which keys a list shows.

use etcdsnap_core::store::{Direction, Key, Rank};
use etcdsnap_core::words::key_bytes;
use memchr::memmem::Finder;
use serde::Deserialize;

/// What the page asks for; as `Filter` in `calls.ts`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    pub text: String,
    pub prefix: bool,
    pub show: Show,
    pub leased: bool,
    pub min_bytes: Option<f64>,
    pub max_bytes: Option<f64>,
    pub min_revision: Option<i64>,
    pub max_revision: Option<i64>,
}

/// In which order the page wants them; as `Order` in `calls.ts`.
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

/// Which of the two states of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Show {
    #[default]
    Live,
    Deleted,
    All,
}

impl Filter {
    /// The filter, ready to be asked of many keys.
    pub(crate) fn matcher(&self) -> impl Fn(&Key<'_>) -> bool + '_ {
        // Half a quoted key is no key yet: it is looked for as it stands.
        let part = key_bytes(&self.text).unwrap_or_else(|| self.text.as_bytes().to_vec());
        let finder = Finder::new(&part).into_owned();
        move |key| {
            let shown = match self.show {
                Show::Live => !key.deleted,
                Show::Deleted => key.deleted,
                Show::All => true,
            };
            let size = f64::from(key.value_len);
            let revision = key.revision.main;
            shown
                && (!self.leased || key.lease != 0)
                && self.min_bytes.is_none_or(|least| size >= least)
                && self.max_bytes.is_none_or(|most| size <= most)
                && self.min_revision.is_none_or(|least| revision >= least)
                && self.max_revision.is_none_or(|most| revision <= most)
                && if self.prefix { key.key.starts_with(&part) } else { finder.find(key.key).is_some() }
        }
    }
}
