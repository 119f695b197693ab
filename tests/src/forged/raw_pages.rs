//! Writes a bolt file page by page, valid or not.

use crate::build::fnv1a;

/// Size of a page header, of a leaf or branch element, and of a bucket header.
pub const HEADER_LEN: usize = 16;
/// Page flags.
pub const BRANCH: u16 = 1;
pub const LEAF: u16 = 2;
pub const FREELIST: u16 = 0x10;

/// A file whose pages can all be overwritten; both meta pages are valid.
pub struct RawFile {
    pub page_size: usize,
    pub bytes: Vec<u8>,
}

/// An element of a leaf: flags, and the position and size of its key and its value, in bytes from the start of the file.
#[derive(Clone, Copy)]
pub struct RawElement {
    pub flags: u32,
    pub key_at: usize,
    pub key_len: usize,
    pub value_len: usize,
}

impl RawFile {
    /// Creates a file with this many pages, whose root is page 2 and which has no freelist.
    pub fn new(page_size: usize, pages: usize) -> Self {
        Self::with_freelist(page_size, pages, u64::MAX)
    }

    /// Creates the same with a freelist page.
    pub fn with_freelist(page_size: usize, pages: usize, freelist: u64) -> Self {
        let mut raw = Self { page_size, bytes: vec![0; page_size * pages] };
        for meta in 0..2_u64 {
            let at = meta as usize * page_size;
            raw.write_header(at, meta, 0x04, 0, 0);
            let mut fields = Vec::new();
            for word in [0xED0C_DAED, 2, page_size as u32, 0] {
                fields.extend_from_slice(&u32::to_le_bytes(word));
            }
            for word in [2, 0, freelist, pages as u64, 40 + meta] {
                fields.extend_from_slice(&u64::to_le_bytes(word));
            }
            fields.extend_from_slice(&fnv1a(&fields).to_le_bytes());
            raw.put(at + HEADER_LEN, &fields);
        }
        raw
    }

    /// Returns the number of pages.
    pub fn pages(&self) -> usize {
        self.bytes.len() / self.page_size
    }

    /// Returns the offset of a page.
    pub fn offset_of(&self, page: usize) -> usize {
        page * self.page_size
    }

    /// Returns how many overflow pages a page with this many bytes needs.
    pub fn overflow_pages(&self, bytes: usize) -> usize {
        bytes.max(1).div_ceil(self.page_size) - 1
    }

    /// Returns how many elements fit on one page.
    pub fn max_elements(&self) -> usize {
        (self.page_size - HEADER_LEN) / HEADER_LEN
    }

    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes a page header at any offset.
    pub fn write_header(&mut self, at: usize, id: u64, flags: u16, count: usize, overflow: usize) {
        let mut bytes = id.to_le_bytes().to_vec();
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&(count as u16).to_le_bytes());
        bytes.extend_from_slice(&(overflow as u32).to_le_bytes());
        self.put(at, &bytes);
    }

    /// Writes a leaf at any offset, with these elements.
    pub fn write_leaf(
        &mut self,
        at: usize,
        id: u64,
        overflow: usize,
        pairs: impl ExactSizeIterator<Item = RawElement>,
    ) {
        self.write_header(at, id, LEAF, pairs.len(), overflow);
        for (index, pair) in pairs.enumerate() {
            let element = at + HEADER_LEN + index * HEADER_LEN;
            let position = pair.key_at.saturating_sub(element);
            let words = [pair.flags, position as u32, pair.key_len as u32, pair.value_len as u32];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            self.put(element, &bytes);
        }
    }

    /// Writes a branch page with these children: page, position of the separator, its length.
    pub fn write_branch(
        &mut self,
        page: usize,
        overflow: usize,
        children: impl ExactSizeIterator<Item = (u64, usize, usize)>,
    ) {
        let at = self.offset_of(page);
        self.write_header(at, page as u64, BRANCH, children.len(), overflow);
        for (index, (child, key_at, key_len)) in children.enumerate() {
            let element = at + HEADER_LEN + index * HEADER_LEN;
            self.put(element, &((key_at.saturating_sub(element)) as u32).to_le_bytes());
            self.put(element + 4, &(key_len as u32).to_le_bytes());
            self.put(element + 8, &child.to_le_bytes());
        }
    }

    /// Writes a leaf page as bolt does, keys and values back to back; it must fit the file. Returns its number of overflow pages.
    pub fn write_packed_leaf<'p>(
        &mut self,
        page: usize,
        pairs: impl IntoIterator<Item = (u32, &'p [u8], &'p [u8])>,
    ) -> usize {
        let pairs: Vec<_> = pairs.into_iter().collect();
        let at = self.offset_of(page);
        let mut next = at + HEADER_LEN + pairs.len() * HEADER_LEN;
        let mut table = Vec::new();
        for (flags, key, value) in &pairs {
            self.put(next, key);
            self.put(next + key.len(), value);
            table.push(RawElement { flags: *flags, key_at: next, key_len: key.len(), value_len: value.len() });
            next += key.len() + value.len();
        }
        let overflow = self.overflow_pages(next - at);
        self.write_leaf(at, page as u64, overflow, table.into_iter());
        overflow
    }

    /// Writes the root at page 2, with buckets that have their own pages.
    pub fn write_root(&mut self, buckets: &[(&str, u64)]) {
        let mut sorted = buckets.to_vec();
        sorted.sort_unstable();
        let values: Vec<Vec<u8>> = sorted.iter().map(|(_, root)| bucket(*root)).collect();
        self.write_packed_leaf(
            2,
            sorted.iter().zip(&values).map(|((name, _), value)| (1, name.as_bytes(), value.as_slice())),
        );
    }
}

/// Encodes the header of a bucket with this root page; 0 for an inline bucket.
pub fn bucket(root: u64) -> Vec<u8> {
    [root.to_le_bytes(), 0_u64.to_le_bytes()].concat()
}

/// Encodes a revision as a key of bucket `key`.
pub fn revision(main: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..8].copy_from_slice(&main.to_be_bytes());
    key[8] = b'_';
    key
}

/// Encodes a `mvccpb.KeyValue` with these fields.
pub fn key_value(key: &[u8], revision: u64, value: &[u8], lease: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    field(&mut bytes, 1, key);
    for (number, word) in [(2, revision), (3, revision), (4, 1)] {
        bytes.push(number << 3);
        varint(&mut bytes, word);
    }
    field(&mut bytes, 5, value);
    if lease != 0 {
        bytes.push(6 << 3);
        varint(&mut bytes, lease);
    }
    bytes
}

/// Appends a length-delimited field of a message.
pub fn field(bytes: &mut Vec<u8>, number: u8, content: &[u8]) {
    bytes.push((number << 3) | 2);
    varint(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

pub fn varint(bytes: &mut Vec<u8>, mut word: u64) {
    while word >= 0x80 {
        bytes.push(word as u8 | 0x80);
        word >>= 7;
    }
    bytes.push(word as u8);
}
