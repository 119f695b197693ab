//! Which keys a list shows.

use etcdsnap_core::Revision;
use etcdsnap_core::key_syntax::key_bytes;
use etcdsnap_core::store::filter::{self, Field, Operator, Part};
use etcdsnap_core::store::{Direction, Rank};
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
    pub min_revision: Option<Revision>,
    pub max_revision: Option<Revision>,
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
    /// The conditions that it stands for.
    pub(crate) fn conditions(&self) -> Vec<filter::Filter> {
        // Half a quoted key is no key yet: it is looked for as it stands.
        let part = key_bytes(&self.text).unwrap_or_else(|| self.text.as_bytes().to_vec());
        let key = match () {
            () if part.is_empty() => None,
            () if self.prefix => Some(filter::Filter::KeyStart(part)),
            () => Some(filter::Filter::Key(Part::new(&part), true)),
        };
        let shown = match self.show {
            Show::Live => Some(filter::Filter::Deleted(false)),
            Show::Deleted => Some(filter::Filter::Deleted(true)),
            Show::All => None,
        };
        let number = |field, operator, number: Option<i128>| {
            number.map(|number| filter::Filter::Number(field, operator, number))
        };
        // Part of a byte more or less is none.
        let (least, most) =
            (self.min_bytes.map(|least| least.ceil() as i128), self.max_bytes.map(|most| most.floor() as i128));
        let numbers = [
            number(Field::Lease, Operator::Unequal, self.leased.then_some(0)),
            number(Field::Size, Operator::MoreOrEqual, least),
            number(Field::Size, Operator::LessOrEqual, most),
            number(Field::Mod, Operator::MoreOrEqual, self.min_revision.map(i128::from)),
            number(Field::Mod, Operator::LessOrEqual, self.max_revision.map(i128::from)),
        ];
        [shown].into_iter().chain(numbers).chain([key]).flatten().collect()
    }
}
