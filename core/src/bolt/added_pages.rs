//! New pages that an edit appends to the file, and old pages that it frees.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeSet;

use crate::bolt::bucket::BUCKET_HEADER;
use crate::bolt::database::DatabaseError;
use crate::bolt::leaf::BUCKET;
use crate::bolt::node::{LeafItem, Link, NodeElement, cut, encode, page_bytes, pages_for};

/// Pages that an edit appends and frees.
#[derive(Clone)]
pub(super) struct Added {
    page_size: u32,
    /// Id of the next page to append.
    pub(super) next: PageId,
    /// Bytes to write, each with its file offset.
    pub(super) writes: Vec<(Offset, Vec<u8>)>,
    pub(super) freed: BTreeSet<PageId>,
}

impl Added {
    /// Starts an empty list whose first page gets the id `next`.
    pub(super) fn behind(next: PageId, page_size: u32) -> Self {
        Self { page_size, next, writes: Vec::new(), freed: BTreeSet::new() }
    }

    /// Frees a page with its overflow pages.
    pub(super) fn free(&mut self, page: PageId, overflow: u32) -> Result<(), DatabaseError> {
        for page in page.with_overflow(overflow) {
            if !self.freed.insert(page) {
                return Err(DatabaseError::Page { page, message: "two places in the tree point to it".into() });
            }
        }
        Ok(())
    }

    /// Appends one page with its overflow pages; returns its id.
    pub(super) fn write(&mut self, bytes: impl FnOnce(PageId, u32) -> Vec<u8>) -> PageId {
        let id = self.next;
        let bytes = bytes(id, self.page_size);
        self.next = id.plus(pages_for(bytes.len(), self.page_size));
        self.writes.push((id.offset(self.page_size), bytes));
        id
    }

    /// Appends as many pages as `entries` fill; returns a link to each.
    pub(super) fn pages<E: NodeElement>(&mut self, entries: Vec<E>) -> Vec<Link> {
        let pages = cut(entries, self.page_size);
        let write = |entries: Vec<E>| {
            let page = self.write(|id, size| encode(id, &entries, size));
            Link { key: entries.first().map(|first| first.key().to_vec()).unwrap_or_default(), page }
        };
        pages.into_iter().map(write).collect()
    }

    /// Appends branch pages above `links` until a single root is left; an empty leaf if there are no links.
    pub(super) fn root(&mut self, mut links: Vec<Link>) -> PageId {
        while links.len() > 1 {
            links = self.pages(links);
        }
        match links.into_iter().next() {
            Some(link) => link.page,
            None => self.write(|id, size| encode::<LeafItem>(id, &[], size)),
        }
    }

    /// Appends a bucket of these items and returns its element's value: an inline bucket where bbolt would write one.
    pub(super) fn bucket(&mut self, sequence: u64, items: Vec<LeafItem>) -> Vec<u8> {
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
