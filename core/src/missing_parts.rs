//! What an answer may lack, because the file is damaged.

use crate::finding::Finding;

/// Pages and entries that are damaged, so that an answer may lack them. A read that fails is an [`Error`](crate::Error) instead.
#[derive(Debug, Clone, Default)]
pub struct Lost {
    /// How many places: pages, or entries.
    pub places: u64,
    /// The first that was met.
    pub first: Option<Finding>,
    /// Damage that was met and takes nothing from the answer, such as that of the freelist: the first.
    pub elsewhere: Option<Finding>,
}

impl Lost {
    pub(crate) fn add(&mut self, finding: Finding) {
        self.add_with(|| finding);
    }

    /// The same, where only the first finding is worth the making.
    pub(crate) fn add_with(&mut self, finding: impl FnOnce() -> Finding) {
        self.places = self.places.saturating_add(1);
        self.first.get_or_insert_with(finding);
    }

    /// Both together.
    pub fn append(&mut self, other: Self) {
        self.places = self.places.saturating_add(other.places);
        self.first = self.first.take().or(other.first);
        self.elsewhere = self.elsewhere.take().or(other.elsewhere);
    }
}
