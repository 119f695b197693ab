//! Tree pages as lists of items, for edits: a page is decoded as a whole, changed, and split into new pages.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Branch, Header, PageKind};
use crate::bolt::page_id::PageId;
use crate::bolt::sizes::{ELEMENT, HEADER};

/// An owned element of a leaf page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeafItem {
    pub flags: u32,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// An owned element of a branch page: a child and its first key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BranchItem {
    pub key: Vec<u8>,
    pub page: PageId,
}

/// A decoded tree page.
pub(crate) enum BoltNode {
    Leaf(Vec<LeafItem>),
    Branch(Vec<BranchItem>),
}

impl BoltNode {
    /// Decodes a page with its overflow pages; an error describes the damage.
    pub fn parse(header: Header, bytes: &[u8], page_size: u32) -> Result<Self, String> {
        match header.kind() {
            Some(PageKind::Leaf) => {
                let leaf = Leaf::new(header, bytes);
                let items = leaf.elements().map(|element| {
                    let element = element.map_err(|defect| leaf.page_defect(defect).message)?;
                    Ok(LeafItem { flags: element.flags, key: element.key.to_vec(), value: element.value.to_vec() })
                });
                let items: Vec<LeafItem> = items.collect::<Result<_, String>>()?;
                check_ascending(items.iter().map(|item| item.key.as_slice()))?;
                Ok(Self::Leaf(items))
            }
            Some(PageKind::Branch) => {
                let branch = Branch::parse(header, bytes, page_size);
                if branch.children.len() != usize::from(header.count) || branch.children.is_empty() {
                    return Err(branch.defects.into_iter().next().map(|defect| defect.message).unwrap_or_default());
                }
                let links: Vec<BranchItem> = branch
                    .children
                    .into_iter()
                    .map(|child| BranchItem {
                        key: bytes.get(child.key).unwrap_or_default().to_vec(),
                        page: child.page,
                    })
                    .collect();
                check_ascending(links.iter().map(|link| link.key.as_slice()))?;
                Ok(Self::Branch(links))
            }
            _ => Err(format!("it is {} instead of a branch or leaf page", header.describe())),
        }
    }
}

fn check_ascending<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Result<(), String> {
    let mut previous: Option<&[u8]> = None;
    for key in keys {
        if previous.is_some_and(|previous| previous >= key) {
            return Err("a key is not greater than the one before it".into());
        }
        previous = Some(key);
    }
    Ok(())
}

/// An element of a branch or leaf page that can be encoded.
pub(crate) trait NodeElement {
    /// Flags of a page with such elements.
    const FLAGS: u16;
    /// Minimum number of elements per page. A branch page needs two: with one child each, a level would have as many
    /// pages as the level below it.
    const MIN_ENTRIES: usize;
    fn key(&self) -> &[u8];
    fn value(&self) -> &[u8];
    /// Encodes the 16 bytes in the element table; `distance` is the number of bytes from them to the key.
    fn element(&self, distance: u32) -> Vec<u8>;
    fn size(&self) -> usize {
        ELEMENT.saturating_add(self.key().len()).saturating_add(self.value().len())
    }
}

impl NodeElement for LeafItem {
    const FLAGS: u16 = 0x02;
    const MIN_ENTRIES: usize = 1;
    fn key(&self) -> &[u8] {
        &self.key
    }
    fn value(&self) -> &[u8] {
        &self.value
    }
    fn element(&self, distance: u32) -> Vec<u8> {
        [self.flags, distance, length_u32(&self.key), length_u32(&self.value)]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect()
    }
}

impl NodeElement for BranchItem {
    const FLAGS: u16 = 0x01;
    const MIN_ENTRIES: usize = 2;
    fn key(&self) -> &[u8] {
        &self.key
    }
    fn value(&self) -> &[u8] {
        &[]
    }
    fn element(&self, distance: u32) -> Vec<u8> {
        let words = [distance, length_u32(&self.key)].into_iter().flat_map(u32::to_le_bytes);
        words.chain(self.page.to_le_bytes()).collect()
    }
}

fn length_u32(bytes: &[u8]) -> u32 {
    // Fits: a page with its overflow pages is at most MAX_UNIT long, and a new value is shorter still.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The length of a page with these elements, in bytes, without padding.
pub(crate) fn page_length<E: NodeElement>(entries: &[E]) -> usize {
    entries.iter().map(NodeElement::size).fold(HEADER, usize::saturating_add)
}

/// Splits elements into pages that hold as many as fit. An element too large for a page gets a page with overflow
/// pages of its own.
pub(crate) fn split_into_pages<E: NodeElement>(entries: Vec<E>, page_size: u32) -> Vec<Vec<E>> {
    let capacity = usize::try_from(page_size).unwrap_or(usize::MAX);
    let mut pages: Vec<Vec<E>> = Vec::new();
    let mut page: Vec<E> = Vec::new();
    let mut size = HEADER;
    for entry in entries {
        if page.len() >= E::MIN_ENTRIES && size.saturating_add(entry.size()) > capacity {
            pages.push(std::mem::take(&mut page));
            size = HEADER;
        }
        size = size.saturating_add(entry.size());
        page.push(entry);
    }
    match pages.last_mut() {
        Some(last) if page.len() < E::MIN_ENTRIES => last.append(&mut page),
        _ if page.is_empty() => {}
        _ => pages.push(page),
    }
    pages
}

/// Encodes a page with its overflow pages, padded to a multiple of the page size. A `page_size` of 0 means an inline
/// page, which has no padding.
pub(crate) fn encode_page<E: NodeElement>(id: PageId, entries: &[E], page_size: u32) -> Vec<u8> {
    let mut data = element_table(entries);
    for entry in entries {
        data.extend_from_slice(entry.key());
        data.extend_from_slice(entry.value());
    }
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
    assemble_page(id, E::FLAGS, count, data, page_size)
}

fn element_table<E: NodeElement>(entries: &[E]) -> Vec<u8> {
    let mut element_table = Vec::new();
    let mut distance = entries.len().saturating_mul(ELEMENT);
    for entry in entries {
        element_table.extend_from_slice(&entry.element(u32::try_from(distance).unwrap_or(u32::MAX)));
        let pair = entry.key().len().saturating_add(entry.value().len());
        distance = distance.saturating_sub(ELEMENT).saturating_add(pair);
    }
    element_table
}

/// Builds a page from its header fields and its `data`, with zeros up to a multiple of the page size.
pub(crate) fn assemble_page(id: PageId, flags: u16, count: u16, data: Vec<u8>, page_size: u32) -> Vec<u8> {
    let len = HEADER.saturating_add(data.len());
    let pages = page_count(len, page_size);
    let mut page = Vec::with_capacity(len);
    page.extend_from_slice(&id.to_le_bytes());
    page.extend_from_slice(&flags.to_le_bytes());
    page.extend_from_slice(&count.to_le_bytes());
    page.extend_from_slice(&u32::try_from(pages.saturating_sub(1)).unwrap_or(u32::MAX).to_le_bytes());
    page.extend_from_slice(&data);
    if page_size > 0 {
        let whole = pages.saturating_mul(u64::from(page_size));
        page.resize(usize::try_from(whole).unwrap_or(len), 0);
    }
    page
}

/// The number of pages that `len` bytes need; 1 for an inline page (`page_size` 0).
pub(crate) fn page_count(len: usize, page_size: u32) -> u64 {
    if page_size == 0 { 1 } else { (len as u64).div_ceil(u64::from(page_size)).max(1) }
}
