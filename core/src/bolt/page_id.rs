//! Numbers of pages.

use serde::Serialize;

use crate::offset::Offset;

/// The number of a page: its offset in the file divided by the page size.
///
/// Source: `common.Pgid` in bbolt's `internal/common/types.go`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct PageId(u64);

impl PageId {
    /// The first page behind the two meta pages.
    pub const FIRST: Self = Self(2);
    /// What stands where a bucket has no page of its own, and the number of the first meta page.
    pub const ZERO: Self = Self(0);

    /// The page of this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The page so many pages further on.
    #[must_use]
    pub const fn plus(self, pages: u64) -> Self {
        Self(self.0.saturating_add(pages))
    }

    /// The next page.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The page before; page 0 for page 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The page and its overflow pages, in the order of the file.
    pub fn with_overflow(self, overflow: u32) -> impl Iterator<Item = Self> + Clone {
        self.up_to(self.plus(u64::from(overflow)).next())
    }

    /// The pages from this one up to `end`, without `end`.
    pub fn up_to(self, end: Self) -> impl Iterator<Item = Self> + Clone {
        (self.0..end.0).map(Self)
    }

    /// Where the page begins in the file.
    #[must_use]
    pub fn offset(self, page_size: u32) -> Offset {
        Offset::new(self.0.saturating_mul(u64::from(page_size)))
    }

    /// Where a bitmap of pages in words of 64 bits has the page: the word, and the bit in it. `None` where memory has no such place.
    pub(crate) fn in_bitmap(self) -> Option<(usize, u64)> {
        Some((usize::try_from(self.0 >> 6).ok()?, 1 << (self.0 & 63)))
    }

    /// The number as an index into memory; `None` where it does not fit.
    pub(crate) fn as_index(self) -> Option<usize> {
        usize::try_from(self.0).ok()
    }

    /// How many pages `self` lies behind `other`; 0 when it lies before.
    #[must_use]
    pub const fn pages_since(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }

    /// The bytes of the number as bolt writes it.
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
