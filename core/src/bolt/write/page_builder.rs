//! Builds the pages of one level of a tree: elements are appended, and full pages are taken off the front.
//!
//! ```text
//! ├ header 16 B ┼ element 16 B × count ┼ key value key value … ┼ zeros up to a whole page ┤
//! ```
//! Pages are split where bbolt splits them, with the fill percentage of 90 % that etcd's defragmentation uses.

use crate::bolt::page_id::PageId;
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::limits::MAX_UNIT;

/// Minimum number of elements that bbolt leaves in a page when it splits one.
const FEWEST: usize = 2;

/// The kind of elements on a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Leaf elements: keys with values.
    Leaf,
    /// Branch elements: the first keys and ids of child pages.
    Branch,
}

/// An element that is not on a finished page yet.
#[derive(Debug, Clone, Copy)]
struct PendingElement {
    /// Flags of a leaf element.
    flags: u32,
    key: u32,
    value: u32,
    /// The page that a branch element points to.
    page: PageId,
}

impl PendingElement {
    fn pair(&self) -> usize {
        (self.key as usize).saturating_add(self.value as usize)
    }
}

/// A finished page: what its parent's element needs, except the page id.
pub(super) struct FinishedPage {
    pub first_key: Vec<u8>,
    /// Number of pages it occupies, overflow pages included.
    pub pages: u64,
}

/// Pending elements of one level. Memory: one page, and at most three elements more.
#[derive(Debug)]
pub(super) struct PageBuilder {
    level: Level,
    page_size: usize,
    slots: Vec<PendingElement>,
    /// Keys and values, back to back.
    data: Vec<u8>,
}

impl PageBuilder {
    pub fn new(level: Level, page_size: u32) -> Self {
        Self { level, page_size: page_size as usize, slots: Vec::new(), data: Vec::new() }
    }

    /// The number of pending elements.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Length of a page with all pending elements, in bytes.
    pub fn len(&self) -> usize {
        HEADER.saturating_add(self.slots.len().saturating_mul(ELEMENT)).saturating_add(self.data.len())
    }

    /// Appends a leaf element. The caller has checked that the lengths fit 32 bits.
    pub fn push_pair(&mut self, flags: u32, key: &[u8], value: &[u8]) {
        self.slots.push(PendingElement { flags, key: length(key), value: length(value), page: PageId::ZERO });
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
    }

    /// Appends a branch element.
    pub fn push_link(&mut self, key: &[u8], page: PageId) {
        self.slots.push(PendingElement { flags: 0, key: length(key), value: 0, page });
        self.data.extend_from_slice(key);
    }

    /// The number of elements at the front that form a page which no later element can change; `None` while later
    /// elements can.
    pub fn full(&self) -> Option<usize> {
        let (index, decided) = self.split()?;
        decided.then_some(index)
    }

    /// Does the same as `full`, for when no element follows.
    pub fn full_at_end(&self) -> Option<usize> {
        self.split().map(|(index, _)| index)
    }

    /// Returns where bbolt splits the page, and whether more elements would leave that split unchanged.
    fn split(&self) -> Option<(usize, bool)> {
        // bbolt does not split a page that fits, nor one with too few elements for two pages of two.
        if self.slots.len() <= FEWEST.saturating_mul(2) || self.len() < self.page_size {
            return None;
        }
        let threshold = self.page_size.saturating_mul(9) / 10;
        let mut size = HEADER;
        let last = self.slots.len().saturating_sub(FEWEST);
        for (index, slot) in self.slots.iter().take(last).enumerate() {
            let next = size.saturating_add(ELEMENT).saturating_add(slot.pair());
            // Keeps every page short enough to be read at once.
            if (index >= FEWEST && next > threshold) || (index > 0 && next as u64 > MAX_UNIT) {
                return Some((index, true));
            }
            size = next;
        }
        Some((last.saturating_sub(1), false))
    }

    /// Removes `count` elements from the front and appends their page to `out`, with the id `id`.
    pub fn take(&mut self, count: usize, id: PageId, out: &mut Vec<u8>) -> FinishedPage {
        let slots: Vec<PendingElement> = self.slots.drain(..count.min(self.slots.len())).collect();
        let bytes = slots.iter().map(PendingElement::pair).fold(0, usize::saturating_add).min(self.data.len());
        let first = slots.first().map_or(0, |slot| slot.key as usize);
        let first_key = self.data.get(..first).unwrap_or_default().to_vec();
        let start = out.len();
        put_header(out, id, self.level, &slots, bytes, self.page_size);
        out.extend_from_slice(self.data.get(..bytes).unwrap_or_default());
        self.data.drain(..bytes);
        let len = out.len().saturating_sub(start);
        let pages = len.div_ceil(self.page_size.max(1)).max(1);
        out.resize(start.saturating_add(pages.saturating_mul(self.page_size)), 0);
        FinishedPage { first_key, pages: pages as u64 }
    }

    /// Encodes all pending elements as an inline page: page id 0, no padding.
    pub fn inline_page(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        put_header(&mut out, PageId::ZERO, self.level, &self.slots, self.data.len(), usize::MAX);
        out.extend_from_slice(&self.data);
        out
    }
}

/// Appends a page's header and element table.
fn put_header(out: &mut Vec<u8>, id: PageId, level: Level, slots: &[PendingElement], data: usize, page_size: usize) {
    let table = slots.len().saturating_mul(ELEMENT);
    let len = HEADER.saturating_add(table).saturating_add(data);
    let overflow = len.div_ceil(page_size.max(1)).saturating_sub(1);
    let flags: u16 = match level {
        Level::Leaf => 0x02,
        Level::Branch => 0x01,
    };
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&u16::try_from(slots.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&u32::try_from(overflow).unwrap_or(u32::MAX).to_le_bytes());
    // The distance from each element to its key.
    let mut distance = table;
    for slot in slots {
        let pos = u32::try_from(distance).unwrap_or(u32::MAX);
        match level {
            Level::Leaf => {
                [slot.flags, pos, slot.key, slot.value]
                    .iter()
                    .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
            }
            Level::Branch => {
                [pos, slot.key].iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
                out.extend_from_slice(&slot.page.to_le_bytes());
            }
        }
        distance = distance.saturating_add(slot.pair()).saturating_sub(ELEMENT);
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
