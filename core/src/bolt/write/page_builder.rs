//! The pages of one level of a tree: elements go in at the end, full pages come out at the front.
//!
//! ```text
//! ├ header 16 B ┼ element 16 B × count ┼ key value key value … ┼ zeros up to a whole page ┤
//! ```
//! Where a page ends is decided as bolt decides it, with the fill of nine tenths that etcd's defragmentation asks for.
//! Source: `node.splitTwo` and `node.splitIndex` in bbolt, `defragdb` in etcd's `server/storage/backend/backend.go`.

use crate::bolt::page_id::PageId;
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::limits::MAX_UNIT;

/// Fewest elements that bolt leaves in a page when it splits one.
const FEWEST: usize = 2;

/// What the elements of a page are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Keys with values.
    Leaf,
    /// First keys of pages with the pages' numbers.
    Branch,
}

/// An element that waits for its page.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Flags of a leaf element.
    flags: u32,
    key: u32,
    value: u32,
    /// The page that a branch element points to.
    page: PageId,
}

impl Slot {
    fn pair(&self) -> usize {
        (self.key as usize).saturating_add(self.value as usize)
    }
}

/// A page without its number, and the first key in it.
pub(super) struct Cut {
    pub first_key: Vec<u8>,
    /// Pages that it takes, overflow included.
    pub pages: u64,
}

/// Elements of one level. Memory: what fits a page, and at most three elements more.
#[derive(Debug)]
pub(super) struct PageBuilder {
    level: Level,
    page_size: usize,
    slots: Vec<Slot>,
    /// Keys and values, back to back.
    data: Vec<u8>,
}

impl PageBuilder {
    pub fn new(level: Level, page_size: u32) -> Self {
        Self { level, page_size: page_size as usize, slots: Vec::new(), data: Vec::new() }
    }

    /// How many elements wait.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of a page with all that waits.
    pub fn len(&self) -> usize {
        HEADER.saturating_add(self.slots.len().saturating_mul(ELEMENT)).saturating_add(self.data.len())
    }

    /// Adds a pair. The lengths were checked to fit 32 bits.
    pub fn push_pair(&mut self, flags: u32, key: &[u8], value: &[u8]) {
        self.slots.push(Slot { flags, key: length(key), value: length(value), page: PageId::ZERO });
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
    }

    /// Adds a link to a page.
    pub fn push_link(&mut self, key: &[u8], page: PageId) {
        self.slots.push(Slot { flags: 0, key: length(key), value: 0, page });
        self.data.extend_from_slice(key);
    }

    /// How many elements at the front make a page that no later element can change; none while that is open.
    pub fn full(&self) -> Option<usize> {
        let (index, decided) = self.split()?;
        decided.then_some(index)
    }

    /// The same when no element follows.
    pub fn full_at_end(&self) -> Option<usize> {
        self.split().map(|(index, _)| index)
    }

    /// Where bolt splits the page, and whether more elements would leave that as it is.
    fn split(&self) -> Option<(usize, bool)> {
        // A page that fits is not split, nor one of which two pages of two elements cannot be made.
        if self.slots.len() <= FEWEST.saturating_mul(2) || self.len() < self.page_size {
            return None;
        }
        let threshold = self.page_size.saturating_mul(9) / 10;
        let mut size = HEADER;
        let last = self.slots.len().saturating_sub(FEWEST);
        for (index, slot) in self.slots.iter().take(last).enumerate() {
            let next = size.saturating_add(ELEMENT).saturating_add(slot.pair());
            // No page becomes so long that it could not be read at once.
            if (index >= FEWEST && next > threshold) || (index > 0 && next as u64 > MAX_UNIT) {
                return Some((index, true));
            }
            size = next;
        }
        Some((last.saturating_sub(1), false))
    }

    /// Takes `count` elements off the front and appends their page to `out`, under the number `id`.
    pub fn take(&mut self, count: usize, id: PageId, out: &mut Vec<u8>) -> Cut {
        let slots: Vec<Slot> = self.slots.drain(..count.min(self.slots.len())).collect();
        let bytes = slots.iter().map(Slot::pair).fold(0, usize::saturating_add).min(self.data.len());
        let first = slots.first().map_or(0, |slot| slot.key as usize);
        let first_key = self.data.get(..first).unwrap_or_default().to_vec();
        let start = out.len();
        put_header(out, id, self.level, &slots, bytes, self.page_size);
        out.extend_from_slice(self.data.get(..bytes).unwrap_or_default());
        self.data.drain(..bytes);
        let len = out.len().saturating_sub(start);
        let pages = len.div_ceil(self.page_size.max(1)).max(1);
        out.resize(start.saturating_add(pages.saturating_mul(self.page_size)), 0);
        Cut { first_key, pages: pages as u64 }
    }

    /// All that waits as the page inside a bucket's value: number 0, and not a byte longer than it must be.
    pub fn inline_page(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        put_header(&mut out, PageId::ZERO, self.level, &self.slots, self.data.len(), usize::MAX);
        out.extend_from_slice(&self.data);
        out
    }
}

/// Appends a page up to the end of its table.
fn put_header(out: &mut Vec<u8>, id: PageId, level: Level, slots: &[Slot], data: usize, page_size: usize) {
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
    // From each element to its key.
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
