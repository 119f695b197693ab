//! Leaf pages that hang in no tree: which of them are pages, and not part of somebody's value.
//!
//! A free page keeps what it held, and so does a page whose way from the root is lost. A value that is longer than a page lies on overflow pages, and any client may write one that looks like a
//! page. So the overflow pages of every page that carries its own number are set aside, whether it hangs in a tree or not, and a page counts only when it is none of them.
//!
//! A free page with overflow may have lost some of it to a page that was written later. Of the pages that were, the first has its own number: whoever wrote to it and to the page before it wrote
//! over the number of the first. So a page with overflow counts only when no page in it carries its own number.

use crate::bolt::own_overflow::own_overflow;
use crate::bolt::page::PageKind;
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::{Geometry, PageReader};
use crate::error::Error;
use crate::progress::Watch;
use crate::source::Source;

/// Pages between two calls of the watch.
const STRIDE: u64 = 128;

/// The leaf pages of a file that no tree uses and that are part of no other page.
pub(super) struct StrayPages {
    leaves: PageSet,
    /// Overflow pages of any page.
    overflow: PageSet,
    /// Pages some of whose overflow was written over.
    partly_overwritten: PageSet,
    end: PageId,
}

/// All pages that a file has whole, whatever its meta pages say.
pub(super) fn all_pages<S: Source + ?Sized>(source: &S, page_size: u32) -> Geometry {
    let end = PageId::new(source.len().checked_div(u64::from(page_size)).unwrap_or(0));
    Geometry { page_size, high_water: end, present: end }
}

impl StrayPages {
    /// Goes through all pages of the file. `is_used` says of a page that a tree uses it, as a page or as part of one: such a page is passed over.
    ///
    /// # Errors
    /// When bytes cannot be read, there is no memory for two bits a page, or the watch asks to stop.
    pub fn find<S: Source + ?Sized>(
        source: &S,
        page_size: u32,
        is_used: &dyn Fn(PageId) -> bool,
        watch: &dyn Watch,
    ) -> Result<Self, Error> {
        let geometry = all_pages(source, page_size);
        let end = geometry.present;
        let set = || PageSet::new(end.get());
        let found = Self { leaves: set()?, overflow: set()?, partly_overwritten: set()?, end };
        // The last page with overflow, and the page behind it.
        let mut open: Option<(PageId, PageId)> = None;
        let mut reader = PageReader::new(source, geometry);
        for (number, page) in (0_u64..).zip(PageId::FIRST.up_to(end)) {
            if number.checked_rem(STRIDE) == Some(0) {
                watch.advance(STRIDE.saturating_mul(u64::from(page_size)));
                if watch.cancelled() {
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
            // What leads out of the file is no longer whole, but what is left of it is still no page.
            page.with_overflow(overflow).skip(1).take_while(|page| *page < end).for_each(|page| {
                found.overflow.insert(page);
            });
            open = (overflow > 0).then(|| (page, page.plus(u64::from(overflow)).next()));
            if kind == Some(PageKind::Leaf) {
                found.leaves.insert(page);
            }
        }
        Ok(found)
    }

    /// The pages, in the order of the file.
    pub fn leaves(&self) -> impl Iterator<Item = PageId> {
        let doubtful = |page| self.overflow.contains(page) || self.partly_overwritten.contains(page);
        PageId::FIRST.up_to(self.end).filter(move |page| self.leaves.contains(*page) && !doubtful(*page))
    }
}
