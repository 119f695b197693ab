//! Reads pages with their overflow pages from a source, by page id.

use crate::aligned_buf::AlignedBuf;
use crate::bolt::own_overflow::own_overflow;
use crate::bolt::page::{Header, PageDefect};
use crate::bolt::page_id::PageId;
use crate::error::Error;
use crate::finding_code::Code;
use crate::limits::{MAX_PAGE_LEN, READ_AHEAD, READ_AHEAD_FACTOR};
use crate::offset::Offset;
use crate::source::Source;

/// Longest distance from the end of the buffer to a read that still counts as sequential, in bytes.
const SEQUENTIAL_GAP: u64 = 64 << 10;

/// Page size and page counts of a file.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    /// Page size in bytes.
    pub page_size: u32,
    /// High-water mark: the first page id that was never used.
    pub high_water: PageId,
    /// First page id that is missing or incomplete in the file, at most `high_water`.
    pub present: PageId,
}

impl Geometry {
    /// The offset of a page in the file.
    #[must_use]
    pub fn offset(&self, page: PageId) -> Offset {
        page.offset(self.page_size)
    }

    /// Checks that a page with its overflow pages lies within the database and the file.
    ///
    /// # Errors
    /// A [`PageDefect`] if it does not, or if it is longer than [`MAX_PAGE_LEN`].
    pub fn check(&self, page: PageId, overflow: u32) -> Result<(), PageDefect> {
        if page < PageId::FIRST || page >= self.high_water {
            let message = format!("page {page} lies outside the database, which has {} pages", self.high_water);
            return Err(PageDefect::new(Code::PageOutOfRange, 0, message));
        }
        if page >= self.present {
            let defect =
                PageDefect::new(Code::PageOutOfRange, 0, format!("page {page} lies beyond the end of the file"));
            return Err(PageDefect { because: Some(Code::FileTruncated), ..defect });
        }
        let last = page.plus(u64::from(overflow));
        let bytes = u64::from(overflow).saturating_add(1).saturating_mul(u64::from(self.page_size));
        if last >= self.present || bytes > MAX_PAGE_LEN {
            let message = format!(
                "the page claims {overflow} overflow pages, up to page {last}, but only {} pages exist",
                self.present
            );
            let is_cut = last < self.high_water && bytes <= MAX_PAGE_LEN;
            let because = is_cut.then_some(Code::FileTruncated);
            return Err(PageDefect { because, ..PageDefect::new(Code::PageOverflow, 12, message) });
        }
        Ok(())
    }
}

/// Reads pages through a buffer that grows while reads are sequential.
#[derive(Debug)]
pub struct PageReader<'s, S: Source + ?Sized> {
    source: &'s S,
    geometry: Geometry,
    window: AlignedBuf,
    start: Offset,
    /// Number of sequential reads in a row.
    sequential_reads: u32,
    /// Number of contiguous bytes, from the next page on, that the caller announced to read.
    announced: usize,
    /// Total bytes that the caller requested, and total bytes read from the source for them.
    requested_bytes: u64,
    read_bytes: u64,
}

impl<'s, S: Source + ?Sized> PageReader<'s, S> {
    /// Creates a reader with an empty buffer.
    pub fn new(source: &'s S, geometry: Geometry) -> Self {
        Self {
            source,
            geometry,
            window: AlignedBuf::default(),
            start: Offset::START,
            sequential_reads: 0,
            announced: 0,
            requested_bytes: 0,
            read_bytes: 0,
        }
    }

    /// Reads a page with its own overflow pages ([`own_overflow`]); returns its header and all its bytes.
    ///
    /// # Errors
    /// Outer: the bytes could not be read. Inner: the page is damaged so that it cannot be read.
    pub fn unit(&mut self, page: PageId) -> Result<Result<(Header, &[u8]), PageDefect>, Error> {
        let (header, overflow) = match self.header_and_overflow(page)? {
            Ok(extent) => extent,
            Err(defect) => return Ok(Err(defect)),
        };
        Ok(Ok((header, self.pages(page, overflow)?)))
    }

    /// Reads the header of a page; returns it with the number of overflow pages that belong to the page
    /// ([`own_overflow`]). Does not read the overflow pages, so a false claim costs nothing.
    ///
    /// # Errors
    /// The same errors as [`PageReader::unit`].
    pub fn header_and_overflow(&mut self, page: PageId) -> Result<Result<(Header, u32), PageDefect>, Error> {
        let geometry = self.geometry;
        let (header, first) = match self.first(page)? {
            Ok(first) => first,
            Err(defect) => return Ok(Err(defect)),
        };
        // The entries determine the overflow pages that the page needs, so entries within the file are read even if the
        // header claims pages beyond its end.
        let own = own_overflow(header, first, geometry.page_size);
        Ok(own.and_then(|own| geometry.check(page, own).map(|()| (header, own))))
    }

    /// Reads a page with `overflow` overflow pages, which must be in the file.
    ///
    /// # Errors
    /// [`Error::Read`] if the source fails.
    pub fn pages(&mut self, page: PageId, overflow: u32) -> Result<&[u8], Error> {
        let pages = usize::try_from(overflow).unwrap_or(usize::MAX).saturating_add(1);
        self.bytes(self.geometry.offset(page), pages.saturating_mul(self.geometry.page_size as usize))
    }

    /// Reads a page without its overflow pages; returns its header and bytes.
    ///
    /// # Errors
    /// The same errors as [`PageReader::unit`].
    pub fn first(&mut self, page: PageId) -> Result<Result<(Header, &[u8]), PageDefect>, Error> {
        if let Err(defect) = self.geometry.check(page, 0) {
            return Ok(Err(defect));
        }
        let bytes = self.bytes(self.geometry.offset(page), self.geometry.page_size as usize)?;
        Ok(Header::parse(bytes)
            .map(|header| (header, bytes))
            .ok_or_else(|| PageDefect::new(Code::PageType, 0, "the page has no complete header")))
    }

    /// Announces that the next `pages` pages to be read are contiguous, so that one read can fetch them all.
    pub fn announce(&mut self, pages: usize) {
        self.announced = pages.saturating_mul(self.geometry.page_size as usize);
    }

    /// Reads `len` bytes at `offset`, which must lie in the file.
    ///
    /// # Errors
    /// [`Error::Read`] if the source fails.
    pub fn bytes(&mut self, offset: Offset, len: usize) -> Result<&[u8], Error> {
        self.requested_bytes = self.requested_bytes.saturating_add(len as u64);
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
        let is_sequential = offset >= self.start && offset <= window_end.plus(SEQUENTIAL_GAP);
        self.sequential_reads = if is_sequential { self.sequential_reads.saturating_add(1) } else { 0 };
        // Two adjacent pages are no sequence yet: an unused read-ahead costs as much as a useful one saves.
        let doublings = self.sequential_reads.saturating_sub(1).min(16);
        let ahead = len.saturating_mul(1usize << doublings).max(self.announced).min(READ_AHEAD.max(len));
        let left = usize::try_from(self.source.len().saturating_sub(offset.get())).unwrap_or(usize::MAX);
        let ahead = ahead.min(left);
        let reads_too_much =
            self.read_bytes > self.requested_bytes.saturating_mul(READ_AHEAD_FACTOR).saturating_add(READ_AHEAD as u64);
        if ahead > len && !reads_too_much && self.load(offset, ahead).is_ok() {
            return Ok(());
        }
        // Read-ahead may fail although the page itself can be read, because of a bad sector after the page, or because
        // the source is a stream that kept only some of its bytes.
        self.load(offset, len)
    }

    fn load(&mut self, offset: Offset, len: usize) -> Result<(), Error> {
        self.start = offset;
        self.read_bytes = self.read_bytes.saturating_add(len as u64);
        if self.window.try_resize(len).is_err() {
            return Err(Error::Memory { what: "a page with its overflow pages", bytes: len as u64 });
        }
        self.source.read_at(offset.get(), &mut self.window).map_err(|cause| {
            self.window = AlignedBuf::default();
            Error::Read { offset, len: len as u64, cause }
        })
    }

    /// The geometry that the reader was created with.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }
}
