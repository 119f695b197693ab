//! The pages that an edit appends to the file, and those that it frees.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeSet;

use crate::bolt::bucket::BUCKET_HEADER;
use crate::bolt::database::DatabaseError;
use crate::bolt::leaf::BUCKET;
use crate::bolt::node::{BranchItem, LeafItem, NodeElement, encode_page, page_count, page_length, split_into_pages};

/// The pages that an edit appends to the file, and those that it frees.
#[derive(Clone)]
pub(super) struct AddedPages {
    page_size: u32,
    /// Id of the next page to append.
    pub(super) next_page: PageId,
    /// Bytes to write, each with its file offset.
    pub(super) writes: Vec<(Offset, Vec<u8>)>,
    pub(super) freed: BTreeSet<PageId>,
}

impl AddedPages {
    /// Starts an empty list whose first page gets the id `next_page`.
    pub(super) fn starting_at(next_page: PageId, page_size: u32) -> Self {
        Self { page_size, next_page, writes: Vec::new(), freed: BTreeSet::new() }
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

    /// Appends one page with its overflow pages; returns its id. `bytes` encodes it, given its id and the page size.
    pub(super) fn append_page(&mut self, bytes: impl FnOnce(PageId, u32) -> Vec<u8>) -> PageId {
        let id = self.next_page;
        let bytes = bytes(id, self.page_size);
        self.next_page = id.plus(page_count(bytes.len(), self.page_size));
        self.writes.push((id.offset(self.page_size), bytes));
        id
    }

    /// Appends as many pages as `entries` fill; returns the parent page's item for each.
    pub(super) fn append_pages<E: NodeElement>(&mut self, entries: Vec<E>) -> Vec<BranchItem> {
        let pages = split_into_pages(entries, self.page_size);
        let append = |entries: Vec<E>| {
            let page = self.append_page(|id, size| encode_page(id, &entries, size));
            BranchItem { key: entries.first().map(|first| first.key().to_vec()).unwrap_or_default(), page }
        };
        pages.into_iter().map(append).collect()
    }

    /// Appends branch pages above `links` until one root page is left; returns its id. Without links the root is an
    /// empty leaf page.
    pub(super) fn append_root(&mut self, mut links: Vec<BranchItem>) -> PageId {
        while links.len() > 1 {
            links = self.append_pages(links);
        }
        match links.into_iter().next() {
            Some(link) => link.page,
            None => self.append_page(|id, size| encode_page::<LeafItem>(id, &[], size)),
        }
    }

    /// Appends a bucket of these items; returns the value of its element. If bbolt would write an inline bucket, the
    /// value contains the items and no page is appended.
    pub(super) fn append_bucket(&mut self, sequence: u64, items: Vec<LeafItem>) -> Vec<u8> {
        let quarter = usize::try_from(self.page_size >> 2).unwrap_or(0);
        if page_length(&items) <= quarter && items.iter().all(|item| item.flags & BUCKET == 0) {
            let mut value = encode_bucket_header(PageId::ZERO, sequence);
            value.extend_from_slice(&encode_page(PageId::ZERO, &items, 0));
            return value;
        }
        let links = self.append_pages(items);
        encode_bucket_header(self.append_root(links), sequence)
    }
}

/// Encodes the value of a bucket with its own pages: page id of the root, and the counter for `NextSequence`.
pub(super) fn encode_bucket_header(root: PageId, sequence: u64) -> Vec<u8> {
    let mut value = Vec::with_capacity(BUCKET_HEADER);
    value.extend_from_slice(&root.to_le_bytes());
    value.extend_from_slice(&sequence.to_le_bytes());
    value
}
