//! Builds the tree of one bucket from its entries in key order. Each level has one unfinished page; all earlier pages
//! of the level are written already.

use crate::bolt::bucket::BUCKET_HEADER;
use crate::bolt::leaf::BUCKET;
use crate::bolt::page_id::PageId;
use crate::bolt::write::page_builder::{LevelKind, PageBuilder};

/// Where finished pages are appended.
pub(super) struct PageOutput<'o> {
    /// Id of the next page.
    pub next: &'o mut PageId,
    /// Bytes of finished pages.
    pub out: &'o mut Vec<u8>,
}

/// A bucket whose entries are still being appended.
#[derive(Debug)]
pub(super) struct TreeBuilder {
    page_size: u32,
    /// The leaves, and the levels of branch pages above them.
    levels: Vec<PageBuilder>,
    /// bbolt's counter for `NextSequence`.
    sequence: u64,
    /// The last key; the next must be greater.
    last_key: Option<Vec<u8>>,
    /// Whether an entry is a nested bucket: such a bucket is never inline.
    has_buckets: bool,
}

impl TreeBuilder {
    pub fn new(page_size: u32, sequence: u64) -> Self {
        let levels = vec![PageBuilder::new(LevelKind::Leaf, page_size)];
        Self { page_size, levels, sequence, last_key: None, has_buckets: false }
    }

    /// Whether `key` is greater than all keys so far.
    pub fn is_next_key(&self, key: &[u8]) -> bool {
        self.last_key.as_deref().is_none_or(|last_key| last_key < key)
    }

    /// Appends an entry.
    pub fn push(&mut self, flags: u32, key: &[u8], value: &[u8], pages: &mut PageOutput<'_>) {
        self.has_buckets |= flags & BUCKET != 0;
        let last_key = self.last_key.get_or_insert_default();
        last_key.clear();
        last_key.extend_from_slice(key);
        if let Some(leaves) = self.levels.first_mut() {
            leaves.push_pair(flags, key, value);
        }
        let mut level = 0;
        while self.write_full_pages(level, PageBuilder::full_page_elements, pages) {
            level = level.saturating_add(1);
        }
    }

    /// Writes the full pages of a level and adds them to the level above; returns whether there was one. `full` returns
    /// the number of elements of the next full page.
    fn write_full_pages(
        &mut self,
        level: usize,
        full: impl Fn(&PageBuilder) -> Option<usize>,
        pages: &mut PageOutput<'_>,
    ) -> bool {
        let mut has_written = false;
        while let Some(count) = self.levels.get(level).and_then(&full) {
            self.write_page(level, count, pages);
            has_written = true;
        }
        has_written
    }

    fn write_page(&mut self, level: usize, count: usize, pages: &mut PageOutput<'_>) {
        let Some(builder) = self.levels.get_mut(level) else { return };
        let id = *pages.next;
        let finished = builder.take_page(count, id, pages.out);
        *pages.next = id.plus(finished.pages);
        let parent_level = level.saturating_add(1);
        if self.levels.len() == parent_level {
            self.levels.push(PageBuilder::new(LevelKind::Branch, self.page_size));
        }
        if let Some(parent) = self.levels.get_mut(parent_level) {
            parent.push_link(&finished.first_key, id);
        }
    }

    /// Writes the remaining pages; returns the id of the root page.
    pub fn write_remaining_pages(&mut self, pages: &mut PageOutput<'_>) -> PageId {
        let mut level = 0;
        loop {
            self.write_full_pages(level, PageBuilder::full_page_elements_at_end, pages);
            let is_top = self.levels.len() == level.saturating_add(1);
            let count = self.levels.get(level).map_or(0, PageBuilder::count);
            let id = *pages.next;
            // A split leaves at least three elements, so no branch page gets a single child.
            self.write_page(level, count, pages);
            if is_top {
                return id;
            }
            level = level.saturating_add(1);
        }
    }

    /// Finishes the bucket; returns the value of its element. As in bbolt, a bucket is inline if its only leaf takes at
    /// most a quarter of a page.
    pub fn finish(mut self, pages: &mut PageOutput<'_>) -> Vec<u8> {
        let leaf = self.levels.first().filter(|_| self.levels.len() == 1 && !self.has_buckets);
        let inline = leaf.filter(|leaf| leaf.len() <= self.page_size as usize / 4).map(PageBuilder::inline_page);
        let root = if inline.is_some() { PageId::ZERO } else { self.write_remaining_pages(pages) };
        let mut value = Vec::with_capacity(BUCKET_HEADER);
        value.extend_from_slice(&root.to_le_bytes());
        value.extend_from_slice(&self.sequence.to_le_bytes());
        value.extend(inline.unwrap_or_default());
        value
    }
}
