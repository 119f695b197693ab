//! Reads single leaf pages, wherever they are in the file.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{PageDefect, PageKind};
use crate::bolt::page_id::PageId;
use crate::bolt::reader::{Geometry, PageReader};
use crate::error::Error;
use crate::finding_code::Code;
use crate::source::Source;

/// Reads leaves by their page ids.
pub(super) struct LeafReader<'s, S: Source + ?Sized> {
    pub pages: PageReader<'s, S>,
}

impl<'s, S: Source + ?Sized> LeafReader<'s, S> {
    pub fn new(source: &'s S, geometry: Geometry) -> Self {
        Self { pages: PageReader::new(source, geometry) }
    }

    /// Returns a leaf that was found intact before; `None` if it can no longer be read, for example because the file changed.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn leaf(&mut self, page: PageId) -> Result<Option<Leaf<'_>>, Error> {
        Ok(self.pages.unit(page)?.ok().map(|(header, bytes)| Leaf::new(header, bytes)))
    }

    /// Returns a page that is a leaf by itself, without overflow.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn single_leaf(&mut self, page: PageId) -> Result<Option<Leaf<'_>>, Error> {
        let Ok((header, bytes)) = self.pages.first(page)? else { return Ok(None) };
        let is_leaf = header.id == page && header.kind() == Some(PageKind::Leaf) && header.overflow == 0;
        Ok(is_leaf.then(|| Leaf::new(header, bytes)))
    }

    /// Returns a leaf; `None` if its structure is damaged, or its header carries another page id.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn intact_leaf(&mut self, page: PageId) -> Result<Option<Leaf<'_>>, Error> {
        let page_size = self.pages.geometry().page_size;
        let Ok((header, bytes)) = self.pages.unit(page)? else { return Ok(None) };
        let leaf = Leaf::new(header, bytes);
        let is_leaf = header.id == page && header.kind() == Some(PageKind::Leaf);
        Ok((is_leaf && first_serious_defect(leaf.defects(header, Some(page_size))).is_none()).then_some(leaf))
    }
}

/// Returns the first defect that casts doubt on the contents of the page.
pub(super) fn first_serious_defect(defects: Vec<PageDefect>) -> Option<PageDefect> {
    let harmless = [Code::KeySize, Code::BranchOfOne, Code::PageOverflow];
    defects.into_iter().find(|defect| !harmless.contains(&defect.code))
}
