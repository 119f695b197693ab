//! Damage that may make an answer incomplete.

use crate::finding::Finding;

/// Damaged pages and entries that may make an answer incomplete. A failed read is an [`Error`](crate::Error) instead.
#[derive(Debug, Clone, Default)]
pub struct LostParts {
    /// Number of damaged pages or entries.
    pub places: u64,
    /// The first damage found.
    pub first: Option<Finding>,
    /// The first damage found that does not affect the answer, such as that of the freelist.
    pub elsewhere: Option<Finding>,
}

impl LostParts {
    pub(crate) fn add(&mut self, finding: Finding) {
        self.add_with(|| finding);
    }

    /// Does the same as `add`, but creates the finding only if it is the first.
    pub(crate) fn add_with(&mut self, finding: impl FnOnce() -> Finding) {
        self.places = self.places.saturating_add(1);
        self.first.get_or_insert_with(finding);
    }

    /// Adds the damage in `other`.
    pub fn append(&mut self, other: Self) {
        self.places = self.places.saturating_add(other.places);
        self.first = self.first.take().or(other.first);
        self.elsewhere = self.elsewhere.take().or(other.elsewhere);
    }
}
