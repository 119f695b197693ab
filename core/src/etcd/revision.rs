//! Revisions: the numbers of transactions.

use serde::{Deserialize, Serialize};

/// The number of a transaction that changed the store, and of the state behind it: what etcd's clients call revision, and etcd itself main revision.
///
/// Files claim any number. Those of keys in bucket `key` are never negative ([`RevisionKey::parse`](crate::etcd::revision_key::RevisionKey::parse) sees to it), those in
/// messages may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(i64);

impl Revision {
    /// What stands where there is none: below each that etcd gives. etcd itself says so of a compaction that never was.
    pub const NONE: Self = Self(-1);
    /// What stands where none is named: in a message, in a question about the latest, for a file without entries.
    pub const ZERO: Self = Self(0);
    /// The lowest: that of a store into which nothing was written. The first write makes the next one.
    pub const FIRST: Self = Self(1);
    /// The largest there can be.
    pub const MAX: Self = Self(i64::MAX);

    /// The revision of this number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The next one; the largest for the largest.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The one before.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The one so many revisions further on, if there are so many.
    #[must_use]
    pub const fn checked_add(self, revisions: u64) -> Option<Self> {
        match self.0.checked_add_unsigned(revisions) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The one so many revisions further on; the largest when there are not so many.
    #[must_use]
    pub const fn plus(self, revisions: u64) -> Self {
        Self(self.0.saturating_add_unsigned(revisions))
    }

    /// How many revisions this one lies behind `other`; 0 when it lies before.
    #[must_use]
    pub const fn since(self, other: Self) -> u64 {
        if self.0 < other.0 { 0 } else { self.0.abs_diff(other.0) }
    }

    /// How many revisions there are from this one to `last`, both counted; 0 when `last` lies before.
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
    fn revisions_end_at_the_largest_number() {
        assert_eq!(Revision::NONE.next().next(), Revision::FIRST);
        assert_eq!(Revision::MAX.next(), Revision::MAX);
        assert_eq!(Revision::new(i64::MIN).previous(), Revision::new(i64::MIN));
        assert_eq!(Revision::FIRST.checked_add(i64::MAX as u64 - 1), Some(Revision::MAX));
        assert_eq!(Revision::FIRST.checked_add(i64::MAX as u64), None);
    }

    #[test]
    fn ranges_are_counted_with_both_ends() {
        let count = |from, to| Revision::new(from).count_to(Revision::new(to));
        assert_eq!([count(4, 8), count(4, 4), count(5, 4), count(5, -1)], [5, 1, 0, 0]);
        assert_eq!([count(i64::MIN, i64::MAX), count(1, i64::MAX)], [u64::MAX, i64::MAX as u64]);
    }

    #[test]
    fn it_is_written_as_its_number() {
        assert_eq!(serde_json::to_string(&[Revision::new(7), Revision::NONE]).unwrap(), "[7,-1]");
        assert_eq!(format!("{:>4}|{:<3}|", Revision::new(7), Revision::NONE), "   7|-1 |");
    }
}
