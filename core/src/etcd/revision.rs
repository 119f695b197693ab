//! Main revisions: the numbers of transactions.

use serde::{Deserialize, Serialize};

/// The number of a transaction that changed the store, and of the state of the store after it. etcd's API calls it
/// revision; etcd's source calls it main revision.
///
/// Files can claim any number. Revisions in keys of bucket `key` are never negative
/// ([`RevisionKey::parse`](crate::etcd::revision_key::RevisionKey::parse) ensures that), those in messages may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(i64);

impl Revision {
    /// Stands for "no revision", below every revision that etcd assigns. etcd uses it for "never compacted".
    pub const NONE: Self = Self(-1);
    /// Stands for an unset revision: in a message, in a request for the latest revision, and for a file without
    /// entries.
    pub const ZERO: Self = Self(0);
    /// The revision of a store without writes, the lowest one. The first write gets the next one.
    pub const FIRST: Self = Self(1);
    /// The largest possible revision.
    pub const MAX: Self = Self(i64::MAX);

    /// Creates a revision from its number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The next revision; the largest stays the largest.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The previous revision.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The revision `revisions` later; `None` if it exceeds the largest.
    #[must_use]
    pub const fn checked_add(self, revisions: u64) -> Option<Self> {
        match self.0.checked_add_unsigned(revisions) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The revision `revisions` later, but at most the largest.
    #[must_use]
    pub const fn plus(self, revisions: u64) -> Self {
        Self(self.0.saturating_add_unsigned(revisions))
    }

    /// How many revisions this one comes after `other`; 0 if it comes before.
    #[must_use]
    pub const fn since(self, other: Self) -> u64 {
        if self.0 < other.0 { 0 } else { self.0.abs_diff(other.0) }
    }

    /// The number of revisions from this one to `last`, both included; 0 if `last` comes before.
    #[must_use]
    pub const fn count_to(self, last: Self) -> u64 {
        if last.0 < self.0 { 0 } else { last.since(self).saturating_add(1) }
    }
}

impl From<Revision> for serde_json::Value {
    fn from(revision: Revision) -> Self {
        revision.0.into()
    }
}

impl From<Revision> for i128 {
    fn from(revision: Revision) -> Self {
        revision.0.into()
    }
}

impl std::str::FromStr for Revision {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_the_largest_revision() {
        assert_eq!(Revision::NONE.next().next(), Revision::FIRST);
        assert_eq!(Revision::MAX.next(), Revision::MAX);
        assert_eq!(Revision::new(i64::MIN).previous(), Revision::new(i64::MIN));
        assert_eq!(Revision::FIRST.checked_add(i64::MAX as u64 - 1), Some(Revision::MAX));
        assert_eq!(Revision::FIRST.checked_add(i64::MAX as u64), None);
    }

    #[test]
    fn count_to_includes_both_ends() {
        let count = |from, to| Revision::new(from).count_to(Revision::new(to));
        assert_eq!([count(4, 8), count(4, 4), count(5, 4), count(5, -1)], [5, 1, 0, 0]);
        assert_eq!([count(i64::MIN, i64::MAX), count(1, i64::MAX)], [u64::MAX, i64::MAX as u64]);
    }

    #[test]
    fn a_revision_is_formatted_as_a_number() {
        assert_eq!(serde_json::to_string(&[Revision::new(7), Revision::NONE]).unwrap(), "[7,-1]");
        assert_eq!(format!("{:>4}|{:<3}|", Revision::new(7), Revision::NONE), "   7|-1 |");
    }
}
