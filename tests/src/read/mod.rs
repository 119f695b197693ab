//! A plain reader of bolt files for the tests: it expects a valid file, finds positions in it by name, and lets tests change them.

mod edit;
mod read_contents;
mod walk;

pub use walk::{Leaf, Visit};

/// Page flags.
pub const BRANCH: u16 = 0x01;
pub const LEAF: u16 = 0x02;
pub const META: u16 = 0x04;
pub const FREELIST: u16 = 0x10;

/// A database in memory, without its trailer.
#[derive(Debug, Clone)]
pub struct File {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its page size.
    pub page_size: usize,
}

/// A page header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub id: u64,
    pub flags: u16,
    pub count: u16,
    pub overflow: u32,
}

/// The fields of a meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    pub root: u64,
    pub sequence: u64,
    pub freelist: u64,
    pub pages: u64,
    pub txid: u64,
}

/// Offsets of the fields within a meta page.
pub mod meta {
    pub const MAGIC: usize = 16;
    pub const VERSION: usize = 20;
    pub const PAGE_SIZE: usize = 24;
    pub const ROOT: usize = 32;
    pub const FREELIST: usize = 48;
    pub const PAGES: usize = 56;
    pub const TXID: usize = 64;
    pub const CHECKSUM: usize = 72;
}

/// Returns a snapshot without its trailer, if it has one.
#[must_use]
pub fn database_of(snapshot: &[u8]) -> &[u8] {
    if snapshot.len() % 512 == 32 { &snapshot[..snapshot.len() - 32] } else { snapshot }
}

impl File {
    /// Opens a valid database.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut file = Self { bytes, page_size: 0 };
        file.page_size = file.u32(meta::PAGE_SIZE) as usize;
        file
    }

    #[must_use]
    pub fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes[at..at + 2].try_into().unwrap())
    }

    #[must_use]
    pub fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    #[must_use]
    pub fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    /// Returns the offset of a page.
    #[must_use]
    pub fn at(&self, page: u64) -> usize {
        page as usize * self.page_size
    }

    /// Returns the header of a page.
    #[must_use]
    pub fn header(&self, page: u64) -> Header {
        let at = self.at(page);
        Header { id: self.u64(at), flags: self.u16(at + 8), count: self.u16(at + 10), overflow: self.u32(at + 12) }
    }

    /// Returns the byte range of a page, including its overflow.
    #[must_use]
    pub fn extent(&self, page: u64) -> std::ops::Range<usize> {
        self.at(page)..self.at(page + 1 + u64::from(self.header(page).overflow))
    }

    /// Returns the number of the live meta page.
    #[must_use]
    pub fn live_meta(&self) -> u64 {
        u64::from(self.u64(self.at(1) + meta::TXID) > self.u64(self.at(0) + meta::TXID))
    }

    /// Returns the live meta page.
    #[must_use]
    pub fn meta(&self) -> Meta {
        let at = self.at(self.live_meta());
        Meta {
            root: self.u64(at + meta::ROOT),
            sequence: self.u64(at + meta::ROOT + 8),
            freelist: self.u64(at + meta::FREELIST),
            pages: self.u64(at + meta::PAGES),
            txid: self.u64(at + meta::TXID),
        }
    }

    /// Returns whether there is a freelist page.
    #[must_use]
    pub fn has_freelist(&self) -> bool {
        self.meta().freelist != u64::MAX
    }

    /// Returns the offsets of the page ids in the freelist.
    #[must_use]
    pub fn freelist_slots(&self) -> Vec<usize> {
        let page = self.meta().freelist;
        let count = self.header(page).count;
        let first = self.at(page) + 16;
        if count == 0xFFFF {
            let count = self.u64(first) as usize;
            return (0..count).map(|i| first + 8 + 8 * i).collect();
        }
        (0..usize::from(count)).map(|i| first + 8 * i).collect()
    }
}
