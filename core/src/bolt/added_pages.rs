//! Pages that an edit adds behind the others, and those that it gives up.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeSet;

use crate::bolt::bucket::BUCKET_HEADER;
use crate::bolt::database::DatabaseError;
use crate::bolt::leaf::BUCKET;
use crate::bolt::node::{Entry, Item, Link, cut, encode, page_bytes, pages_for};

/// Pages that are added, and those that are given up.
#[derive(Clone)]
pub(super) struct Added {
    page_size: u32,
    /// The number of the next page.
    pub(super) next: PageId,
    /// Bytes and where they go.
    pub(super) writes: Vec<(Offset, Vec<u8>)>,
    pub(super) freed: BTreeSet<PageId>,
}

impl Added {
    /// None yet; the first will have the number `next`.
    pub(super) fn behind(next: PageId, page_size: u32) -> Self {
        Self { page_size, next, writes: Vec::new(), freed: BTreeSet::new() }
    }

    /// Gives up a page with its overflow.
    pub(super) fn free(&mut self, page: PageId, overflow: u32) -> Result<(), DatabaseError> {
        for page in page.with_overflow(overflow) {
            if !self.freed.insert(page) {
                return Err(DatabaseError::Page { page, message: "two places of the tree point to it".into() });
            }
        }
        Ok(())
    }

    /// Adds one page with its overflow at the end.
    pub(super) fn write(&mut self, bytes: impl FnOnce(PageId, u32) -> Vec<u8>) -> PageId {
        let id = self.next;
        let bytes = bytes(id, self.page_size);
        self.next = id.plus(pages_for(bytes.len(), self.page_size));
        self.writes.push((id.offset(self.page_size), bytes));
        id
    }

    /// Adds as many pages as these entries fill.
    pub(super) fn pages<E: Entry>(&mut self, entries: Vec<E>) -> Vec<Link> {
        let pages = cut(entries, self.page_size);
        let write = |entries: Vec<E>| {
            let page = self.write(|id, size| encode(id, &entries, size));
            Link { key: entries.first().map(|first| first.key().to_vec()).unwrap_or_default(), page }
        };
        pages.into_iter().map(write).collect()
    }

    /// Branch pages above these until one is left; an empty leaf when there are none.
    pub(super) fn root(&mut self, mut links: Vec<Link>) -> PageId {
        while links.len() > 1 {
            links = self.pages(links);
        }
        match links.into_iter().next() {
            Some(link) => link.page,
            None => self.write(|id, size| encode::<Item>(id, &[], size)),
        }
    }

    /// A bucket of these items: inline where bolt would have it so.
    pub(super) fn bucket(&mut self, sequence: u64, items: Vec<Item>) -> Vec<u8> {
        let quarter = usize::try_from(self.page_size >> 2).unwrap_or(0);
        if page_bytes(&items) <= quarter && items.iter().all(|item| item.flags & BUCKET == 0) {
            let mut value = bucket_header(PageId::ZERO, sequence);
            value.extend_from_slice(&encode(PageId::ZERO, &items, 0));
            return value;
        }
        let links = self.pages(items);
        bucket_header(self.root(links), sequence)
    }
}

pub(super) fn bucket_header(root: PageId, sequence: u64) -> Vec<u8> {
    let mut value = Vec::with_capacity(BUCKET_HEADER);
    value.extend_from_slice(&root.to_le_bytes());
    value.extend_from_slice(&sequence.to_le_bytes());
    value
}
