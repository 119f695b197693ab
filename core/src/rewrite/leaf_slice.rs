//! Leaves of bucket `key`, and parts of leaves, whose entries a salvage takes.

use crate::bolt::leaf::Leaf;
use crate::bolt::page_id::PageId;
use crate::etcd::gap::complete_from;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::RevisionRecord;

/// Where a leaf was found, which decides how far its entries can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeafOrigin {
    /// In the tree by which the file is read.
    Tree,
    /// In the tree of the older meta page.
    OlderTree,
    /// In no tree. Entries of such a page are taken only if no readable tree covers their place, or if the tree shows that something is missing there.
    StrayPages {
        /// Whether no readable tree covers their place.
        unread: bool,
        /// Whether more than a single page has them.
        proven: bool,
    },
}

impl LeafOrigin {
    /// Whether an entry may have been deleted or replaced later. At or below the last compaction an old state proves nothing, because a compaction removes tombstones.
    pub fn is_unproven(self, main: Revision, last_compaction: Revision) -> bool {
        match self {
            Self::Tree => false,
            Self::OlderTree => main <= last_compaction,
            Self::StrayPages { proven, .. } => !proven || main <= last_compaction,
        }
    }

    /// Whether the leaf is in no tree.
    pub fn is_stray(self) -> bool {
        matches!(self, Self::StrayPages { .. })
    }
}

/// An entry that a leaf holds.
pub(super) struct LeafEntry<'a> {
    pub key: RevisionKey,
    pub value: &'a [u8],
    /// `None` for the empty value that a revision bump writes.
    pub record: Option<RevisionRecord>,
    pub origin: LeafOrigin,
    /// Whether it is the first of its slice.
    pub begins_slice: bool,
    /// The main revision of the next entry in the same page.
    pub next_in_page: Option<Revision>,
}

/// The location of a leaf of bucket `key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeafLocation {
    Page(PageId),
    /// Inside the value of the bucket's own element.
    Inline,
}

impl LeafLocation {
    pub fn page(self) -> Option<PageId> {
        match self {
            Self::Page(page) => Some(page),
            Self::Inline => None,
        }
    }
}

/// The entries of a leaf from one key to another, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeafSlice {
    pub first: RevisionKey,
    pub last: RevisionKey,
    pub location: LeafLocation,
    pub origin: LeafOrigin,
    /// The lowest revision above which no revision is missing between the entries of the whole leaf.
    pub complete_from: Revision,
    /// Whether this slice counts the entries of its page that are not revisions. Only one slice of a page does.
    pub counts_malformed: bool,
}

impl LeafSlice {
    /// Creates a slice of all entries of a leaf; `None` if it holds no revision.
    pub fn whole(leaf: Leaf<'_>, location: LeafLocation, origin: LeafOrigin) -> Option<Self> {
        let mut keys = leaf.pairs().filter_map(|element| RevisionKey::parse(element.key));
        let first = keys.next()?;
        let (mut last, mut gap) = (first, Revision::ZERO);
        for key in keys {
            gap = gap.max(complete_from(Some(last.revision), key.revision));
            last = key;
        }
        Some(Self { first, last, location, origin, complete_from: gap, counts_malformed: true })
    }

    /// Whether a key lies between its first and last key.
    pub fn spans(&self, key: RevisionKey) -> bool {
        self.first <= key && key <= self.last
    }

    /// Splits off the entries before `from` and after `to`, which both lie in the slice.
    pub fn around(self, from: FullRevision, to: FullRevision) -> (Self, Self) {
        let last = RevisionKey { revision: before(from), tombstone: true };
        let first = RevisionKey { revision: behind(to), tombstone: false };
        (Self { last, ..self }, Self { first, counts_malformed: false, ..self })
    }
}

fn before(revision: FullRevision) -> FullRevision {
    match revision.sub.checked_sub(1).filter(|sub| *sub >= 0) {
        Some(sub) => FullRevision { sub, ..revision },
        None => FullRevision { main: revision.main.previous(), sub: i64::MAX },
    }
}

fn behind(revision: FullRevision) -> FullRevision {
    match revision.sub.checked_add(1) {
        Some(sub) => FullRevision { sub, ..revision },
        None => FullRevision { main: revision.main.next(), sub: 0 },
    }
}
