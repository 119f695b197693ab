//! Bytes of a bolt file, written page by page, whatever they mean.

use crate::build::fnv1a;

/// Page header, element of a leaf or a branch, header of a bucket.
pub const HEAD: usize = 16;
/// Flags of pages.
pub const BRANCH: u16 = 1;
pub const LEAF: u16 = 2;
pub const FREELIST: u16 = 0x10;

/// A file of which every page can be written anew; both metas are right.
pub struct Paper {
    pub page_size: usize,
    pub bytes: Vec<u8>,
}

/// A pair of a leaf: flags, and where its key and its value stand, in bytes from the start of the file.
#[derive(Clone, Copy)]
pub struct Pair {
    pub flags: u32,
    pub key_at: usize,
    pub key_len: usize,
    pub value_len: usize,
}

impl Paper {
    /// A file of so many pages whose root is page 2, and which has no freelist.
    pub fn new(page_size: usize, pages: usize) -> Self {
        Self::with(page_size, pages, u64::MAX)
    }

    /// The same with a freelist at a page.
    pub fn with(page_size: usize, pages: usize, freelist: u64) -> Self {
        let mut paper = Self { page_size, bytes: vec![0; page_size * pages] };
        for meta in 0..2_u64 {
            let at = meta as usize * page_size;
            paper.head(at, meta, 0x04, 0, 0);
            let mut fields = Vec::new();
            for word in [0xED0C_DAED, 2, page_size as u32, 0] {
                fields.extend_from_slice(&u32::to_le_bytes(word));
            }
            for word in [2, 0, freelist, pages as u64, 40 + meta] {
                fields.extend_from_slice(&u64::to_le_bytes(word));
            }
            fields.extend_from_slice(&fnv1a(&fields).to_le_bytes());
            paper.put(at + HEAD, &fields);
        }
        paper
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        self.bytes.len() / self.page_size
    }

    /// Where a page begins.
    pub fn at(&self, page: usize) -> usize {
        page * self.page_size
    }

    /// Overflow pages that a page needs to hold so many bytes.
    pub fn overflow(&self, bytes: usize) -> usize {
        bytes.max(1).div_ceil(self.page_size) - 1
    }

    /// How many elements the table of one page can have.
    pub fn table(&self) -> usize {
        (self.page_size - HEAD) / HEAD
    }

    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// A page header at any place.
    pub fn head(&mut self, at: usize, id: u64, flags: u16, count: usize, overflow: usize) {
        let mut bytes = id.to_le_bytes().to_vec();
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&(count as u16).to_le_bytes());
        bytes.extend_from_slice(&(overflow as u32).to_le_bytes());
        self.put(at, &bytes);
    }

    /// A leaf at any place, with these pairs in its table.
    pub fn leaf(&mut self, at: usize, id: u64, overflow: usize, pairs: impl ExactSizeIterator<Item = Pair>) {
        self.head(at, id, LEAF, pairs.len(), overflow);
        for (index, pair) in pairs.enumerate() {
            let element = at + HEAD + index * HEAD;
            let position = pair.key_at.saturating_sub(element);
            let words = [pair.flags, position as u32, pair.key_len as u32, pair.value_len as u32];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            self.put(element, &bytes);
        }
    }

    /// A branch page, with these children: page, place of the separator, its length.
    pub fn branch(
        &mut self,
        page: usize,
        overflow: usize,
        children: impl ExactSizeIterator<Item = (u64, usize, usize)>,
    ) {
        let at = self.at(page);
        self.head(at, page as u64, BRANCH, children.len(), overflow);
        for (index, (child, key_at, key_len)) in children.enumerate() {
            let element = at + HEAD + index * HEAD;
            self.put(element, &((key_at.saturating_sub(element)) as u32).to_le_bytes());
            self.put(element + 4, &(key_len as u32).to_le_bytes());
            self.put(element + 8, &child.to_le_bytes());
        }
    }

    /// A leaf page as bolt writes it, pairs back to back; it must fit the file. Says how many overflow pages it has.
    pub fn packed<'p>(&mut self, page: usize, pairs: impl IntoIterator<Item = (u32, &'p [u8], &'p [u8])>) -> usize {
        let pairs: Vec<_> = pairs.into_iter().collect();
        let at = self.at(page);
        let mut next = at + HEAD + pairs.len() * HEAD;
        let mut table = Vec::new();
        for (flags, key, value) in &pairs {
            self.put(next, key);
            self.put(next + key.len(), value);
            table.push(Pair { flags: *flags, key_at: next, key_len: key.len(), value_len: value.len() });
            next += key.len() + value.len();
        }
        let overflow = self.overflow(next - at);
        self.leaf(at, page as u64, overflow, table.into_iter());
        overflow
    }

    /// The root at page 2, with buckets that have pages of their own.
    pub fn roots(&mut self, buckets: &[(&str, u64)]) {
        let mut sorted = buckets.to_vec();
        sorted.sort_unstable();
        let values: Vec<Vec<u8>> = sorted.iter().map(|(_, root)| bucket(*root)).collect();
        self.packed(2, sorted.iter().zip(&values).map(|((name, _), value)| (1, name.as_bytes(), value.as_slice())));
    }
}

/// The header of a bucket with pages of its own, or of an inline one.
pub fn bucket(root: u64) -> Vec<u8> {
    [root.to_le_bytes(), 0_u64.to_le_bytes()].concat()
}

/// A revision as a key of bucket `key`.
pub fn revision(main: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..8].copy_from_slice(&main.to_be_bytes());
    key[8] = b'_';
    key
}

/// A `mvccpb.KeyValue` with these fields.
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

/// Delimited bytes of a message.
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
