//! An entry of bucket `key`, and its place.

use crate::bolt::page_id::PageId;
use crate::etcd::revision_key::RevisionKey;

/// Place of an entry of bucket `key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryPlace {
    /// Page id; 0 for an inline bucket.
    pub page: PageId,
    /// Index of the element on that page.
    pub index: u32,
}

/// An entry of bucket `key`.
#[derive(Debug, Clone, Copy)]
pub struct KeyEntry<'a> {
    /// Revision, and whether the entry is a tombstone.
    pub key: RevisionKey,
    /// The encoded `mvccpb.KeyValue`; empty if a revision bump wrote it.
    pub value: &'a [u8],
    /// Place of the entry.
    pub place: EntryPlace,
}
