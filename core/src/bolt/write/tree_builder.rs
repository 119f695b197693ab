//! Builds one bucket's tree from its entries in order: one page of each level is unfinished, all others are written.

use crate::bolt::bucket::BUCKET_HEADER;
use crate::bolt::leaf::BUCKET;
use crate::bolt::page_id::PageId;
use crate::bolt::write::page_builder::{Level, PageBuilder};

/// Destination of finished pages.
pub(super) struct PageOutput<'o> {
    /// Id of the next page.
    pub next: &'o mut PageId,
    /// Bytes of finished pages.
    pub out: &'o mut Vec<u8>,
}

/// An unfinished bucket.
#[derive(Debug)]
pub(super) struct TreeBuilder {
    page_size: u32,
    /// The leaves, and the levels of branch pages above them.
    levels: Vec<PageBuilder>,
    /// bbolt's counter for `NextSequence`.
    sequence: u64,
    /// The last key; the next must be greater.
    last: Option<Vec<u8>>,
    /// Whether an entry is a nested bucket: such a bucket is never inline.
    has_buckets: bool,
}

impl TreeBuilder {
    pub fn new(page_size: u32, sequence: u64) -> Self {
        let levels = vec![PageBuilder::new(Level::Leaf, page_size)];
        Self { page_size, levels, sequence, last: None, has_buckets: false }
    }

    /// Whether `key` is greater than all keys so far.
    pub fn takes(&self, key: &[u8]) -> bool {
        self.last.as_deref().is_none_or(|last| last < key)
    }

    /// Appends an entry.
    pub fn push(&mut self, flags: u32, key: &[u8], value: &[u8], pages: &mut PageOutput<'_>) {
        self.has_buckets |= flags & BUCKET != 0;
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        if let Some(leaves) = self.levels.first_mut() {
            leaves.push_pair(flags, key, value);
        }
        let mut level = 0;
        while self.cut(level, PageBuilder::full, pages) {
            level = level.saturating_add(1);
        }
    }

    /// Writes the first page of a level if it is `full`, and links it from the level above.
    fn cut(&mut self, level: usize, full: impl Fn(&PageBuilder) -> Option<usize>, pages: &mut PageOutput<'_>) -> bool {
        let mut any = false;
        while let Some(count) = self.levels.get(level).and_then(&full) {
            self.write(level, count, pages);
            any = true;
        }
        any
    }

    fn write(&mut self, level: usize, count: usize, pages: &mut PageOutput<'_>) {
        let Some(builder) = self.levels.get_mut(level) else { return };
        let id = *pages.next;
        let cut = builder.take(count, id, pages.out);
        *pages.next = id.plus(cut.pages);
        let above = level.saturating_add(1);
        if self.levels.len() == above {
            self.levels.push(PageBuilder::new(Level::Branch, self.page_size));
        }
        if let Some(above) = self.levels.get_mut(above) {
            above.push_link(&cut.first_key, id);
        }
    }

    /// Writes the remaining pages; returns the id of the root page.
    pub fn root(&mut self, pages: &mut PageOutput<'_>) -> PageId {
        let mut level = 0;
        loop {
            self.cut(level, PageBuilder::full_at_end, pages);
            let is_top = self.levels.len() == level.saturating_add(1);
            let count = self.levels.get(level).map_or(0, PageBuilder::count);
            let id = *pages.next;
            // A split leaves at least three elements, so the level below a new one never gets a page with a single
            // link.
            self.write(level, count, pages);
            if is_top {
                return id;
            }
            level = level.saturating_add(1);
        }
    }

    /// Finishes the bucket; returns the value of its element. A bucket whose only leaf is at most a quarter of a page
    /// is inline, as in bbolt.
    pub fn finish(mut self, pages: &mut PageOutput<'_>) -> Vec<u8> {
        let leaf = self.levels.first().filter(|_| self.levels.len() == 1 && !self.has_buckets);
        let inline = leaf.filter(|leaf| leaf.len() <= self.page_size as usize / 4).map(PageBuilder::inline_page);
        let root = if inline.is_some() { PageId::ZERO } else { self.root(pages) };
        let mut value = Vec::with_capacity(BUCKET_HEADER);
        value.extend_from_slice(&root.to_le_bytes());
        value.extend_from_slice(&self.sequence.to_le_bytes());
        value.extend(inline.unwrap_or_default());
        value
    }
}
