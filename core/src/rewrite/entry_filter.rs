//! The interface of filters that change or leave out entries while a file is rewritten.

use std::borrow::Cow;

use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::finding::Finding;
use crate::store::KeyEntry;

/// Keeps, changes or drops each entry. The methods are called in the order of buckets and keys, so all of bucket `key` comes before `lease` and `meta`.
pub trait EntryFilter {
    /// Returns the value of an entry of bucket `key` in the new file; `None` leaves the entry out.
    ///
    /// # Errors
    /// When the entry is damaged, or there is not enough memory for what the filter remembers of it.
    fn revision<'v>(&mut self, entry: &KeyEntry<'v>) -> Result<Option<Cow<'v, [u8]>>, FilterError>;

    /// Called after the last entry of bucket `key`. Returns the main revision of an empty entry to append, as a revision bump writes one, so that the store keeps this revision; `None`
    /// appends nothing.
    ///
    /// # Errors
    /// When there is not enough memory.
    fn end_of_revisions(&mut self) -> Result<Option<Revision>, FilterError> {
        Ok(None)
    }

    /// Returns the value of an entry of another bucket in the new file; `None` leaves the entry out.
    fn pair<'v>(&mut self, _bucket: &[u8], _key: &[u8], value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        Some(Cow::Borrowed(value))
    }

    /// Returns the new revision of the requested compaction (`scheduledCompactRev`); `None` leaves it as it is. Called after the end of bucket `key`.
    fn scheduled_mark(&self) -> Option<Revision> {
        None
    }
}

/// Why a filter cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// An entry is damaged.
    #[error("{}", .0.message)]
    Damaged(Finding),
    /// There is not enough memory.
    #[error(transparent)]
    Memory(#[from] Error),
}
