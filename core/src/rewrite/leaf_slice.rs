//! Where entries of bucket `key` lie that a salvage takes: leaves, and parts of leaves.

use crate::bolt::leaf::Leaf;
use crate::bolt::page_id::PageId;
use crate::etcd::gap::complete_from;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::RevisionRecord;

/// What says that an entry belongs to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// The tree that the file is read by.
    Tree,
    /// The tree of the older meta page.
    OlderTree,
    /// Pages that hang in no tree, where nothing readable says what belongs there (`unread`), or where the tree shows that something is missing.
    StrayPages {
        /// Whether no readable tree covers the place.
        unread: bool,
        /// Whether more than a single page says so.
        proven: bool,
    },
}

impl Basis {
    /// Whether an entry may have been deleted or replaced since. At or below the last compaction an old state proves nothing: the tombstone of a key that was deleted since is gone.
    pub fn is_unproven(self, main: Revision, last_compaction: Revision) -> bool {
        match self {
            Self::Tree => false,
            Self::OlderTree => main <= last_compaction,
            Self::StrayPages { proven, .. } => !proven || main <= last_compaction,
        }
    }

    /// Whether it comes from a page that hangs in no tree.
    pub fn is_stray(self) -> bool {
        matches!(self, Self::StrayPages { .. })
    }
}

/// An entry on its way into the new file.
pub(super) struct Entry<'a> {
    pub key: RevisionKey,
    pub value: &'a [u8],
    /// None for the empty value that a revision bump writes.
    pub record: Option<RevisionRecord>,
    pub basis: Basis,
    /// Whether it is the first of its leaf, or of its part of a leaf.
    pub begins_slice: bool,
    /// The main revision of the entry behind it in the same page.
    pub next_in_page: Option<Revision>,
}

/// Where a leaf of bucket `key` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    Page(PageId),
    /// In the value of the bucket's own element.
    Inline,
}

impl Spot {
    pub fn page(self) -> Option<PageId> {
        match self {
            Self::Page(page) => Some(page),
            Self::Inline => None,
        }
    }
}

/// The entries of a leaf from one key to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeafSlice {
    pub first: RevisionKey,
    pub last: RevisionKey,
    pub spot: Spot,
    pub basis: Basis,
    /// Nothing is missing between its entries if history is complete only above this revision.
    pub complete_from: Revision,
    /// Whether what is no revision in the page is counted here: once a page.
    pub counts_malformed: bool,
}

impl LeafSlice {
    /// All of a leaf; none when it holds no revision.
    pub fn whole(leaf: Leaf<'_>, spot: Spot, basis: Basis) -> Option<Self> {
        let mut keys = leaf.pairs().filter_map(|element| RevisionKey::parse(element.key));
        let first = keys.next()?;
        let (mut last, mut gap) = (first, Revision::ZERO);
        for key in keys {
            gap = gap.max(complete_from(Some(last.revision), key.revision));
            last = key;
        }
        Some(Self { first, last, spot, basis, complete_from: gap, counts_malformed: true })
    }

    /// Whether a key lies between its ends.
    pub fn spans(&self, key: RevisionKey) -> bool {
        self.first <= key && key <= self.last
    }

    /// What lies before and behind the keys from `from` to `to`, which lie within it.
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
