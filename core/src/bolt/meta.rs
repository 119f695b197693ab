//! The two meta pages: which one is live, and the page size.
//!
//! ```text
//! page 0, page 1:
//!  0       16      20        24          28      32     40         48         56           64     72
//!  ├ header ┼ magic ┼ version ┼ page size ┼ flags ┼ root ┼ sequence ┼ freelist ┼ high water ┼ txid ┼ FNV-1a 64 ┤
//! ```

use crate::bolt::page_id::PageId;
use crate::int_readers::{u16_le, u32_le, u64_le};
use crate::limits::{MAX_PAGE_SIZE, MIN_PAGE_SIZE};

/// Magic number of every bbolt meta page.
pub const MAGIC: u32 = 0xED0C_DAED;
/// The only format version since 2014.
pub const VERSION: u32 = 2;
/// The freelist page id that means: the freelist is not in the file (bbolt's `NoFreelistSync`).
pub const NO_FREELIST: PageId = PageId::new(u64::MAX);
/// End of the meta in a meta page, in bytes: 16 bytes of page header and 64 bytes of meta.
pub const META_END: usize = 80;

/// A decoded meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Page size in bytes.
    pub page_size: u32,
    /// Page id of the root bucket's tree.
    pub root: PageId,
    /// Page id of the freelist, or [`NO_FREELIST`].
    pub freelist: PageId,
    /// High-water mark: the first page id that was never used.
    pub high_water: PageId,
    /// Id of the transaction that wrote this meta page.
    pub txid: u64,
}

impl Meta {
    /// The database's logical size in bytes; `None` if it exceeds 64 bits.
    #[must_use]
    pub fn logical_size(&self) -> Option<u64> {
        self.high_water.get().checked_mul(u64::from(self.page_size))
    }
}

/// Why a meta page is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaDefect {
    /// The file ends before the meta page.
    Short,
    /// The magic number is wrong.
    Magic(u32),
    /// The version is one that bbolt never had.
    Version(u32),
    /// The checksum differs.
    Checksum,
    /// The checksum is right, but the page size is impossible.
    PageSize(u32),
}

impl std::fmt::Display for MetaDefect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short => f.write_str("the file ends before this page"),
            Self::Magic(word) => write!(f, "its magic number is {word:#010x} instead of {MAGIC:#010x}"),
            Self::Version(version) => write!(f, "its version is {version} instead of {VERSION}"),
            Self::Checksum => f.write_str("its checksum is wrong"),
            Self::PageSize(size) => write!(f, "its page size {size} is impossible"),
        }
    }
}

/// Which of the two meta pages determines the tree that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum MetaChoice {
    /// The meta page of the later transaction, as bbolt chooses.
    #[default]
    Newest,
    /// The meta page of the transaction before, if it has another root. A snapshot has no such meta page, because etcd
    /// writes both of its meta pages in one transaction. A copy of `member/snap/db` has one, and its pages are intact
    /// unless the last transaction has already overwritten those that it freed.
    Older,
}

/// Both meta pages of a file.
#[derive(Debug, Clone, Copy)]
pub struct MetaPages {
    /// Meta page 0 and meta page 1.
    pub slots: [Result<Meta, MetaDefect>; 2],
    /// Page size to read the file with, in bytes.
    pub page_size: u32,
    /// The page size in the live meta page, if it contradicts the offset of meta page 1.
    pub claimed_page_size: Option<u32>,
}

impl MetaPages {
    /// Finds the meta pages in the first bytes of a file; `None` if neither is valid.
    ///
    /// `head` must hold [`HEAD_LEN`](crate::limits::HEAD_LEN) bytes or the whole file. If meta page 0 is invalid its
    /// page size is unknown, so meta page 1 is searched for at each power of two.
    #[must_use]
    pub fn find(head: &[u8]) -> Option<Self> {
        let first = parse(head, 0);
        let page_size_of_first = first.ok().map(|meta| meta.page_size);
        let second_at = |size: u32| parse(head, size as usize).ok().filter(|_| page_id(head, size as usize) == Some(1));
        if let Some(size) = page_size_of_first
            && let Some(second) = second_at(size)
        {
            return Some(Self { slots: [first, Ok(second)], page_size: size, claimed_page_size: None });
        }
        let found_second = page_sizes().find_map(|size| second_at(size).map(|second| (size, second)));
        match (page_size_of_first, found_second) {
            (Some(claimed), Some((size, second))) => {
                Some(Self { slots: [first, Ok(second)], page_size: size, claimed_page_size: Some(claimed) })
            }
            (Some(size), None) => {
                Some(Self { slots: [first, parse(head, size as usize)], page_size: size, claimed_page_size: None })
            }
            (None, Some((size, second))) => {
                let claimed_page_size = (second.page_size != size).then_some(second.page_size);
                Some(Self { slots: [first, Ok(second)], page_size: size, claimed_page_size })
            }
            (None, None) => None,
        }
    }

    /// Returns the page id and the contents of the valid meta page with the higher transaction id, as bbolt chooses,
    /// with its page size corrected.
    #[must_use]
    pub fn live(&self) -> (PageId, Meta) {
        let (id, meta) = match self.slots {
            [Ok(first), Ok(second)] if second.txid > first.txid => (PageId::new(1), second),
            [Ok(first), _] => (PageId::ZERO, first),
            [Err(_), Ok(second)] => (PageId::new(1), second),
            // `find` returns `None` in this case.
            [Err(_), Err(_)] => (
                PageId::ZERO,
                Meta { page_size: 0, root: PageId::ZERO, freelist: NO_FREELIST, high_water: PageId::ZERO, txid: 0 },
            ),
        };
        (id, Meta { page_size: self.page_size, ..meta })
    }

    /// Returns the page id and the contents of the chosen meta page; `None` if the older one is chosen and is invalid
    /// or has the same root as the newer one.
    #[must_use]
    pub fn chosen(&self, choice: MetaChoice) -> Option<(PageId, Meta)> {
        let (live_id, live) = self.live();
        if choice == MetaChoice::Newest {
            return Some((live_id, live));
        }
        let [Ok(first), Ok(second)] = self.slots else { return None };
        let (id, older) = if live_id == PageId::ZERO { (PageId::new(1), second) } else { (PageId::ZERO, first) };
        (older.root != live.root).then_some((id, Meta { page_size: self.page_size, ..older }))
    }
}

/// Whether bbolt's magic number, or the page header of a meta page, is at a possible offset of a meta page. Such a file
/// without a valid meta page is a damaged database, not another kind of file.
#[must_use]
pub fn looks_like_bolt(head: &[u8]) -> bool {
    std::iter::once(0).chain(page_sizes().map(|size| size as usize)).any(|at| {
        at.checked_add(16).and_then(|at| u32_le(head, at)) == Some(MAGIC)
            || (u16_le(head, at.saturating_add(8)) == Some(4) && page_id(head, at) == Some(u64::from(at != 0)))
    })
}

fn page_sizes() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(MIN_PAGE_SIZE), |size| size.checked_mul(2)).take_while(|size| *size <= MAX_PAGE_SIZE)
}

fn page_id(head: &[u8], at: usize) -> Option<u64> {
    u64_le(head, at)
}

fn parse(head: &[u8], at: usize) -> Result<Meta, MetaDefect> {
    let page = at.checked_add(META_END).and_then(|end| head.get(at..end)).ok_or(MetaDefect::Short)?;
    let u32_at = |at| u32_le(page, at).ok_or(MetaDefect::Short);
    let u64_at = |at| u64_le(page, at).ok_or(MetaDefect::Short);
    let magic = u32_at(16)?;
    if magic != MAGIC {
        return Err(MetaDefect::Magic(magic));
    }
    let version = u32_at(20)?;
    if version != VERSION {
        return Err(MetaDefect::Version(version));
    }
    let checksummed = page.get(16..72).ok_or(MetaDefect::Short)?;
    if checksum(checksummed) != u64_at(72)? {
        return Err(MetaDefect::Checksum);
    }
    let page_size = u32_at(24)?;
    if !page_size.is_power_of_two() || !(MIN_PAGE_SIZE..=MAX_PAGE_SIZE).contains(&page_size) {
        return Err(MetaDefect::PageSize(page_size));
    }
    let page = |at| u64_at(at).map(PageId::new);
    Ok(Meta { page_size, root: page(32)?, freelist: page(48)?, high_water: page(56)?, txid: u64_at(64)? })
}

/// Computes the checksum of a meta, over its 56 bytes before the checksum: 64-bit FNV-1a, as in Go's `hash/fnv`.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_matches_a_published_value() {
        assert_eq!(checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn zeros_and_empty_files_have_no_meta_pages() {
        assert!(MetaPages::find(&[]).is_none());
        assert!(MetaPages::find(&[0; 8192]).is_none());
        assert!(!looks_like_bolt(&[1; 8192]));
    }
}
