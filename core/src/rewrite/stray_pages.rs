//! Finds stray leaf pages: intact leaves that no tree uses, and that are not part of a value.
//!
//! A free page keeps its old contents, and so does a page whose parent is lost. But a value that is longer than a page lies on overflow pages, and any client may write a value that looks
//! like a page. So if a page's header carries the id of the place where the page lies, its overflow pages are excluded, even if no tree uses it.
//!
//! A page that was written later may have replaced some overflow pages of a free page. The first of the replaced pages then carries its own id, because every page starts with its id. So a
//! page with overflow is excluded if one of its overflow pages carries its own id.

use crate::bolt::own_overflow::own_overflow;
use crate::bolt::page::PageKind;
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::{Geometry, PageReader};
use crate::error::Error;
use crate::progress::ScanProgress;
use crate::source::Source;

/// Number of pages between two calls of the progress callback.
const STRIDE: u64 = 128;

/// The stray leaf pages of a file.
pub(super) struct StrayPages {
    /// Leaf pages that carry their own page id. Those that are in one of the other sets do not count.
    candidates: PageSet,
    /// Overflow pages of the pages that carry their own page id.
    overflow: PageSet,
    /// Pages with a replaced overflow page.
    partly_overwritten: PageSet,
    end: PageId,
}

/// Returns the geometry of all complete pages of a file, whatever its meta pages say.
pub(super) fn whole_file_geometry<S: Source + ?Sized>(source: &S, page_size: u32) -> Geometry {
    let end = PageId::new(source.len().checked_div(u64::from(page_size)).unwrap_or(0));
    Geometry { page_size, high_water: end, present: end }
}

impl StrayPages {
    /// Looks at all pages of the file. Skips pages for which `is_used` is true: those that a tree uses, including their overflow pages.
    ///
    /// # Errors
    /// When bytes cannot be read, there is not enough memory for the page sets (three bits per page), or `progress` requests a stop.
    pub fn find<S: Source + ?Sized>(
        source: &S,
        page_size: u32,
        is_used: &dyn Fn(PageId) -> bool,
        progress: &dyn ScanProgress,
    ) -> Result<Self, Error> {
        let geometry = whole_file_geometry(source, page_size);
        let end = geometry.present;
        let set = || PageSet::new(end.get());
        let found = Self { candidates: set()?, overflow: set()?, partly_overwritten: set()?, end };
        // The last page with overflow, and the first page after its overflow.
        let mut open: Option<(PageId, PageId)> = None;
        let mut reader = PageReader::new(source, geometry);
        for (number, page) in (0_u64..).zip(PageId::FIRST.up_to(end)) {
            if number.checked_rem(STRIDE) == Some(0) {
                progress.advance(STRIDE.saturating_mul(u64::from(page_size)));
                if progress.cancelled() {
                    return Err(Error::Cancelled);
                }
            }
            let mut overwrites = || {
                if let Some((owner, _)) = open.take().filter(|(_, behind)| page < *behind) {
                    found.partly_overwritten.insert(owner);
                }
            };
            if is_used(page) {
                overwrites();
                continue;
            }
            let Ok((header, bytes)) = reader.first(page)? else { continue };
            let kind = header.kind().filter(|_| header.id == page);
            if kind.is_some() {
                overwrites();
            }
            if !matches!(kind, Some(PageKind::Leaf | PageKind::Branch)) {
                continue;
            }
            let Ok(overflow) = own_overflow(header, bytes, page_size) else { continue };
            // Overflow that leads out of the file is incomplete, but its pages in the file are still part of a value.
            page.with_overflow(overflow).skip(1).take_while(|page| *page < end).for_each(|page| {
                found.overflow.insert(page);
            });
            open = (overflow > 0).then(|| (page, page.plus(u64::from(overflow)).next()));
            if kind == Some(PageKind::Leaf) {
                found.candidates.insert(page);
            }
        }
        Ok(found)
    }

    /// Iterates over the stray leaf pages, in the order of the file.
    pub fn leaves(&self) -> impl Iterator<Item = PageId> {
        let doubtful = |page| self.overflow.contains(page) || self.partly_overwritten.contains(page);
        PageId::FIRST.up_to(self.end).filter(move |page| self.candidates.contains(*page) && !doubtful(*page))
    }
}
