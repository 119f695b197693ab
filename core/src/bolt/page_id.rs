//! Page ids.

use serde::Serialize;

use crate::offset::Offset;

/// The id of a page: its offset in the file divided by the page size.
///
/// Source: `common.Pgid` in bbolt's `internal/common/types.go`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct PageId(u64);

impl PageId {
    /// The first page after the two meta pages.
    pub const FIRST: Self = Self(2);
    /// The root page id of an inline bucket, and the id of the first meta page.
    pub const ZERO: Self = Self(0);

    /// Creates a page id from its number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The page `pages` pages later.
    #[must_use]
    pub const fn plus(self, pages: u64) -> Self {
        Self(self.0.saturating_add(pages))
    }

    /// The next page.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The previous page; page 0 for page 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Iterates over the page and its overflow pages.
    pub fn with_overflow(self, overflow: u32) -> impl Iterator<Item = Self> + Clone {
        self.up_to(self.plus(u64::from(overflow)).next())
    }

    /// Iterates over the pages from this one up to, but not including, `end`.
    pub fn up_to(self, end: Self) -> impl Iterator<Item = Self> + Clone {
        (self.0..end.0).map(Self)
    }

    /// The page's offset in the file.
    #[must_use]
    pub fn offset(self, page_size: u32) -> Offset {
        Offset::new(self.0.saturating_mul(u64::from(page_size)))
    }

    /// The page's place in a bitmap of 64-bit words: the index of the word, and a mask with the page's bit. `None` if
    /// the index does not fit in memory.
    pub(crate) fn in_bitmap(self) -> Option<(usize, u64)> {
        Some((usize::try_from(self.0 >> 6).ok()?, 1 << (self.0 & 63)))
    }

    /// The number as an index; `None` if it does not fit `usize`.
    pub(crate) fn as_index(self) -> Option<usize> {
        usize::try_from(self.0).ok()
    }

    /// How many pages `self` comes after `other`; 0 if it comes before.
    #[must_use]
    pub const fn pages_since(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }

    /// Encodes the number as bbolt writes it.
    #[must_use]
    pub const fn to_le_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

impl From<u64> for PageId {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl From<PageId> for u64 {
    fn from(page: PageId) -> Self {
        page.0
    }
}

impl std::fmt::Display for PageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
