//! Pages read from a source, by number, with the pages that belong to them.

use crate::aligned_buf::Block;
use crate::bolt::own_overflow::own_overflow;
use crate::bolt::page::{Fault, Header};
use crate::bolt::page_id::PageId;
use crate::error::Error;
use crate::finding_code::Code;
use crate::limits::{MAX_UNIT, READ_AHEAD, READ_WASTE};
use crate::offset::Offset;
use crate::source::Source;

/// A read this close behind the window counts as following it.
const NEAR: u64 = 64 << 10;

/// What a scan knows of the file before it reads a page.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    /// Page size in bytes.
    pub page_size: u32,
    /// First page id that was never used.
    pub high_water: PageId,
    /// First page id that the file does not have whole, at most `high_water`.
    pub present: PageId,
}

impl Geometry {
    /// Where a page begins, in bytes.
    #[must_use]
    pub fn offset(&self, page: PageId) -> Offset {
        page.offset(self.page_size)
    }

    /// Whether a page with its overflow may be read.
    ///
    /// # Errors
    /// The [`Fault`] that a tree has which points there.
    pub fn check(&self, page: PageId, overflow: u32) -> Result<(), Fault> {
        if page < PageId::FIRST || page >= self.high_water {
            let message = format!("page {page} is outside the database's {} pages", self.high_water);
            return Err(Fault::new(Code::PageOutOfRange, 0, message));
        }
        if page >= self.present {
            let fault = Fault::new(Code::PageOutOfRange, 0, format!("page {page} lies behind the end of the file"));
            return Err(Fault { because: Some(Code::FileTruncated), ..fault });
        }
        let last = page.plus(u64::from(overflow));
        let bytes = u64::from(overflow).saturating_add(1).saturating_mul(u64::from(self.page_size));
        if last >= self.present || bytes > MAX_UNIT {
            let message = format!("{overflow} overflow pages lead to page {last} of {}", self.present);
            let is_cut = last < self.high_water && bytes <= MAX_UNIT;
            let because = is_cut.then_some(Code::FileTruncated);
            return Err(Fault { because, ..Fault::new(Code::PageOverflow, 12, message) });
        }
        Ok(())
    }
}

/// Reads pages through a window that grows while reads follow each other.
#[derive(Debug)]
pub struct Reader<'s, S: Source + ?Sized> {
    source: &'s S,
    geometry: Geometry,
    window: Block,
    start: Offset,
    /// Reads in a row that followed the one before.
    streak: u32,
    /// Bytes from the next page on that the caller will ask for.
    expected: usize,
    /// Bytes that were asked for, and bytes that were read for them.
    asked: u64,
    loaded: u64,
}

impl<'s, S: Source + ?Sized> Reader<'s, S> {
    /// A reader with an empty window.
    pub fn new(source: &'s S, geometry: Geometry) -> Self {
        Self {
            source,
            geometry,
            window: Block::default(),
            start: Offset::START,
            streak: 0,
            expected: 0,
            asked: 0,
            loaded: 0,
        }
    }

    /// The page with the overflow pages that are its own: its header and all its bytes.
    ///
    /// # Errors
    /// Outer: the bytes could not be read. Inner: the page cannot be had, for a reason that is a finding.
    pub fn unit(&mut self, page: PageId) -> Result<Result<(Header, &[u8]), Fault>, Error> {
        let (header, overflow) = match self.extent(page)? {
            Ok(extent) => extent,
            Err(fault) => return Ok(Err(fault)),
        };
        Ok(Ok((header, self.pages(page, overflow)?)))
    }

    /// The header of a page, and how many overflow pages are its own ([`own_overflow`]): read before these are, and before their number costs anything.
    ///
    /// # Errors
    /// As [`Reader::unit`].
    pub fn extent(&mut self, page: PageId) -> Result<Result<(Header, u32), Fault>, Error> {
        let geometry = self.geometry;
        let (header, first) = match self.first(page)? {
            Ok(first) => first,
            Err(fault) => return Ok(Err(fault)),
        };
        // The pairs say what a page needs, so a claim beyond the end of the file hides none that lie within.
        let own = own_overflow(header, first, geometry.page_size);
        Ok(own.and_then(|own| geometry.check(page, own).map(|()| (header, own))))
    }

    /// A page with so many overflow pages, which must be in the file.
    ///
    /// # Errors
    /// [`Error::Read`] when the source fails.
    pub fn pages(&mut self, page: PageId, overflow: u32) -> Result<&[u8], Error> {
        let pages = usize::try_from(overflow).unwrap_or(usize::MAX).saturating_add(1);
        self.bytes(self.geometry.offset(page), pages.saturating_mul(self.geometry.page_size as usize))
    }

    /// The first page of a unit alone, header and bytes, whatever it claims of overflow.
    ///
    /// # Errors
    /// As [`Reader::unit`].
    pub fn first(&mut self, page: PageId) -> Result<Result<(Header, &[u8]), Fault>, Error> {
        if let Err(fault) = self.geometry.check(page, 0) {
            return Ok(Err(fault));
        }
        let bytes = self.bytes(self.geometry.offset(page), self.geometry.page_size as usize)?;
        Ok(Header::parse(bytes)
            .map(|header| (header, bytes))
            .ok_or_else(|| Fault::new(Code::PageType, 0, "a page without a header")))
    }

    /// Says that the next `pages` pages to be asked for lie one after the other: one read can take them all.
    pub fn expect(&mut self, pages: usize) {
        self.expected = pages.saturating_mul(self.geometry.page_size as usize);
    }

    /// `len` bytes at `offset`, which must lie in the file.
    ///
    /// # Errors
    /// [`Error::Read`] when the source fails.
    pub fn bytes(&mut self, offset: Offset, len: usize) -> Result<&[u8], Error> {
        self.asked = self.asked.saturating_add(len as u64);
        let inside = |start: Offset, window: &[u8]| {
            let at = usize::try_from(offset.bytes_since(start)?).ok()?;
            let end = at.checked_add(len)?;
            (end <= window.len()).then_some(at..end)
        };
        if let Some(range) = inside(self.start, &self.window) {
            return Ok(self.window.get(range).unwrap_or_default());
        }
        self.fill(offset, len)?;
        let range = inside(self.start, &self.window).unwrap_or(0..0);
        Ok(self.window.get(range).unwrap_or_default())
    }

    fn fill(&mut self, offset: Offset, len: usize) -> Result<(), Error> {
        let window_end = self.start.plus(self.window.len() as u64);
        let follows = offset >= self.start && offset <= window_end.plus(NEAR);
        self.streak = if follows { self.streak.saturating_add(1) } else { 0 };
        // Two pages that happen to be neighbours are no sequence yet: reading ahead in vain costs as much as it saves.
        let doublings = self.streak.saturating_sub(1).min(16);
        let ahead = len.saturating_mul(1usize << doublings).max(self.expected).min(READ_AHEAD.max(len));
        let left = usize::try_from(self.source.len().saturating_sub(offset.get())).unwrap_or(usize::MAX);
        let ahead = ahead.min(left);
        let wasteful = self.loaded > self.asked.saturating_mul(READ_WASTE).saturating_add(READ_AHEAD as u64);
        if ahead > len && !wasteful && self.load(offset, ahead).is_ok() {
            return Ok(());
        }
        // Reading ahead may fail where the page itself can be had: behind it lies a bad sector, or what a stream does not keep.
        self.load(offset, len)
    }

    fn load(&mut self, offset: Offset, len: usize) -> Result<(), Error> {
        self.start = offset;
        self.loaded = self.loaded.saturating_add(len as u64);
        // A window of another length holds nothing that is kept.
        if self.window.try_resize(len).is_err() {
            return Err(Error::Memory { what: "a page with its overflow", bytes: len as u64 });
        }
        self.source.read_at(offset.get(), &mut self.window).map_err(|cause| {
            self.window = Block::default();
            Error::Read { offset, len: len as u64, cause }
        })
    }

    /// The geometry it reads by.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }
}
