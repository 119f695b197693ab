//! An entry of bucket `key`, and where it is.

use crate::bolt::page_id::PageId;
use crate::etcd::revision_key::RevisionKey;

/// Where an entry of bucket `key` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// Its page; 0 for a bucket that lies in the root page.
    pub page: PageId,
    /// Its number on that page.
    pub index: u32,
}

/// An entry of bucket `key`.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// When, and whether it deletes.
    pub key: RevisionKey,
    /// The `mvccpb.KeyValue`; empty where a revision bump wrote it.
    pub value: &'a [u8],
    /// Where.
    pub place: Place,
}
