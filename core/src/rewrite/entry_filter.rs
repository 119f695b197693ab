//! What a rewrite asks a filter about the entries of the old file.

use std::borrow::Cow;

use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::finding::Finding;
use crate::store::KeyEntry;

/// Says what becomes of each entry. It is asked in the order of buckets and keys, so all of bucket `key` comes before `lease` and `meta`.
pub trait EntryFilter {
    /// The message that an entry of bucket `key` gets in the new file; none to leave the entry out.
    ///
    /// # Errors
    /// When the entry is damaged, or there is no memory for what is kept of it.
    fn revision<'v>(&mut self, entry: &KeyEntry<'v>) -> Result<Option<Cow<'v, [u8]>>, FilterError>;

    /// Ends bucket `key`: the main revision of an empty entry to be put behind its last one, as a revision bump leaves one, so that the store keeps this revision.
    ///
    /// # Errors
    /// When there is no memory.
    fn end_of_revisions(&mut self) -> Result<Option<Revision>, FilterError> {
        Ok(None)
    }

    /// The value that an entry of another bucket gets; none to leave the entry out.
    fn pair<'v>(&mut self, _bucket: &[u8], _key: &[u8], value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        Some(Cow::Borrowed(value))
    }

    /// The revision to which the mark of the requested compaction is raised, asked after the end of bucket `key`.
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
    /// There is no memory.
    #[error(transparent)]
    Memory(#[from] Error),
}
