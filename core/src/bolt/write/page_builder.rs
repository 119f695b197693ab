//! Builds the pages of one level of a tree: elements are appended at the end, and full pages are taken from the front.
//!
//! ```text
//! ├ header 16 B ┼ element 16 B × count ┼ key value key value … ┼ zeros up to a whole page ┤
//! ```
//! Pages are split where bbolt splits them, with the fill percentage of 90 % that etcd's defragmentation uses.

use crate::bolt::page_id::PageId;
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::limits::MAX_PAGE_LEN;

/// Minimum number of elements that bbolt leaves in a page when it splits one.
const MIN_ELEMENTS: usize = 2;

/// The kind of pages on a level of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LevelKind {
    /// Leaf pages, with keys and values.
    Leaf,
    /// Branch pages, with the first keys and the ids of child pages.
    Branch,
}

/// An element that no finished page contains yet; its key and value are in [`PageBuilder::data`].
#[derive(Debug, Clone, Copy)]
struct PendingElement {
    /// Flags of a leaf element.
    flags: u32,
    key_len: u32,
    value_len: u32,
    /// The page that a branch element points to.
    page: PageId,
}

impl PendingElement {
    fn entry_len(&self) -> usize {
        (self.key_len as usize).saturating_add(self.value_len as usize)
    }
}

/// A finished page: what its element in the parent page needs besides the page id.
pub(super) struct FinishedPage {
    pub first_key: Vec<u8>,
    /// Number of pages it occupies, overflow pages included.
    pub pages: u64,
}

/// The pending elements of one level. Memory: one page, and at most three elements more.
#[derive(Debug)]
pub(super) struct PageBuilder {
    kind: LevelKind,
    page_size: usize,
    elements: Vec<PendingElement>,
    /// Keys and values, back to back.
    data: Vec<u8>,
}

impl PageBuilder {
    pub fn new(kind: LevelKind, page_size: u32) -> Self {
        Self { kind, page_size: page_size as usize, elements: Vec::new(), data: Vec::new() }
    }

    /// The number of pending elements.
    pub fn count(&self) -> usize {
        self.elements.len()
    }

    /// Length of a page with all pending elements, in bytes.
    pub fn len(&self) -> usize {
        HEADER.saturating_add(self.elements.len().saturating_mul(ELEMENT)).saturating_add(self.data.len())
    }

    /// Appends a leaf element. The caller has checked that the lengths fit 32 bits.
    pub fn push_pair(&mut self, flags: u32, key: &[u8], value: &[u8]) {
        self.elements.push(PendingElement {
            flags,
            key_len: length_u32(key),
            value_len: length_u32(value),
            page: PageId::ZERO,
        });
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
    }

    /// Appends a branch element.
    pub fn push_link(&mut self, key: &[u8], page: PageId) {
        self.elements.push(PendingElement { flags: 0, key_len: length_u32(key), value_len: 0, page });
        self.data.extend_from_slice(key);
    }

    /// The number of elements at the front that fill a page; `None` while a later element could still change where the
    /// page ends.
    pub fn full_page_elements(&self) -> Option<usize> {
        let (index, is_final) = self.split_point()?;
        is_final.then_some(index)
    }

    /// Does the same as `full_page_elements` if no more elements follow; `None` if the rest fits one page.
    pub fn full_page_elements_at_end(&self) -> Option<usize> {
        self.split_point().map(|(index, _)| index)
    }

    /// Returns the number of elements before the point where bbolt splits the page, and whether that point is final
    /// even if more elements follow.
    fn split_point(&self) -> Option<(usize, bool)> {
        // bbolt does not split a page that fits, nor one with too few elements for two pages of two.
        if self.elements.len() <= MIN_ELEMENTS.saturating_mul(2) || self.len() < self.page_size {
            return None;
        }
        let threshold = self.page_size.saturating_mul(9) / 10;
        let mut size = HEADER;
        let last = self.elements.len().saturating_sub(MIN_ELEMENTS);
        for (index, element) in self.elements.iter().take(last).enumerate() {
            let next = size.saturating_add(ELEMENT).saturating_add(element.entry_len());
            // The second condition keeps every page short enough to be read at once.
            if (index >= MIN_ELEMENTS && next > threshold) || (index > 0 && next as u64 > MAX_PAGE_LEN) {
                return Some((index, true));
            }
            size = next;
        }
        Some((last.saturating_sub(1), false))
    }

    /// Removes `count` elements from the front and appends their page, with the page id `id`, to `out`.
    pub fn take_page(&mut self, count: usize, id: PageId, out: &mut Vec<u8>) -> FinishedPage {
        let elements: Vec<PendingElement> = self.elements.drain(..count.min(self.elements.len())).collect();
        let bytes = elements.iter().map(PendingElement::entry_len).fold(0, usize::saturating_add).min(self.data.len());
        let first = elements.first().map_or(0, |element| element.key_len as usize);
        let first_key = self.data.get(..first).unwrap_or_default().to_vec();
        let start = out.len();
        append_header_and_table(out, id, self.kind, &elements, bytes, self.page_size);
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
        append_header_and_table(&mut out, PageId::ZERO, self.kind, &self.elements, self.data.len(), usize::MAX);
        out.extend_from_slice(&self.data);
        out
    }
}

/// Appends a page's header and element table.
fn append_header_and_table(
    out: &mut Vec<u8>,
    id: PageId,
    kind: LevelKind,
    elements: &[PendingElement],
    data: usize,
    page_size: usize,
) {
    let table = elements.len().saturating_mul(ELEMENT);
    let len = HEADER.saturating_add(table).saturating_add(data);
    let overflow = len.div_ceil(page_size.max(1)).saturating_sub(1);
    let flags: u16 = match kind {
        LevelKind::Leaf => 0x02,
        LevelKind::Branch => 0x01,
    };
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&u16::try_from(elements.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&u32::try_from(overflow).unwrap_or(u32::MAX).to_le_bytes());
    // The distance from each element to its key.
    let mut distance = table;
    for element in elements {
        let pos = u32::try_from(distance).unwrap_or(u32::MAX);
        match kind {
            LevelKind::Leaf => {
                [element.flags, pos, element.key_len, element.value_len]
                    .iter()
                    .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
            }
            LevelKind::Branch => {
                [pos, element.key_len].iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
                out.extend_from_slice(&element.page.to_le_bytes());
            }
        }
        distance = distance.saturating_add(element.entry_len()).saturating_sub(ELEMENT);
    }
}

fn length_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
