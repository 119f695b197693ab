//! Finds the leaf pages of trees by reading only their branch pages, level by level from the roots.
//!
//! All pages of a level are known before the first of them is read, so a caller that fetches bytes remotely can request
//! several at once.

use crate::bolt::page::{Branch, PageKind};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::{Geometry, PageReader};
use crate::error::Error;
use crate::limits::MAX_DEPTH;
use crate::source::Source;

/// A search for leaf pages in progress.
pub(crate) struct BranchDescent<'s, S: Source + ?Sized> {
    reader: PageReader<'s, S>,
    /// Pages that were read, with their overflow pages. No page is read twice, so the file's size limits all reads.
    seen: PageSet,
    /// Pages of the current level in key order, and how many of them were read.
    level: Vec<PageId>,
    pages_read: usize,
    /// Pages of the next level known so far.
    next_level: Vec<PageId>,
    depth: usize,
    leaves: Vec<PageId>,
    is_damaged: bool,
}

impl<'s, S: Source + ?Sized> BranchDescent<'s, S> {
    /// Starts at these root pages; reads nothing yet.
    pub(crate) fn new(source: &'s S, geometry: Geometry, roots: impl Iterator<Item = PageId>) -> Result<Self, Error> {
        Ok(Self {
            reader: PageReader::new(source, geometry),
            seen: PageSet::new(geometry.present.get())?,
            level: roots.collect(),
            pages_read: 0,
            next_level: Vec::new(),
            depth: 0,
            leaves: Vec::new(),
            is_damaged: false,
        })
    }

    /// The pages of the current level that are not read yet, in reading order; empty at the end.
    pub(crate) fn next_pages(&self) -> &[PageId] {
        self.level.get(self.pages_read..).unwrap_or_default()
    }

    /// Reads the next page.
    ///
    /// # Errors
    /// A read fails.
    pub(crate) fn step(&mut self) -> Result<(), Error> {
        let Some(page) = self.level.get(self.pages_read).copied() else { return Ok(()) };
        let kind = if self.seen.insert(page) { self.kind(page)? } else { None };
        match kind {
            Some(PageKind::Branch) => self.take_children(page)?,
            Some(PageKind::Leaf) => self.leaves.push(page),
            _ => self.is_damaged = true,
        }
        self.pages_read = self.pages_read.saturating_add(1);
        if self.pages_read < self.level.len() {
            return Ok(());
        }
        self.depth = self.depth.saturating_add(1);
        self.pages_read = 0;
        self.level = std::mem::take(&mut self.next_level);
        // All leaves of a bbolt tree have the same depth, so all pages of a level have the same type.
        let has_branches = match self.level.first().copied() {
            Some(page) => self.kind(page)? == Some(PageKind::Branch),
            None => false,
        };
        if !has_branches || self.depth >= MAX_DEPTH {
            self.leaves.append(&mut self.level);
        }
        Ok(())
    }

    /// Reads the remaining pages; returns the leaves in key order, and whether a page on the path to them is damaged.
    ///
    /// # Errors
    /// A read fails.
    pub(crate) fn finish(mut self) -> Result<(Vec<PageId>, bool), Error> {
        while !self.next_pages().is_empty() {
            self.step()?;
        }
        Ok((self.leaves, self.is_damaged))
    }

    fn kind(&mut self, page: PageId) -> Result<Option<PageKind>, Error> {
        Ok(self.reader.first(page)?.ok().and_then(|(header, _)| header.kind()))
    }

    /// Adds the children of a branch page to the next level, unless their pages were read before.
    fn take_children(&mut self, page: PageId) -> Result<(), Error> {
        let page_size = self.reader.geometry().page_size;
        let Ok((_, overflow)) = self.reader.extent(page)? else {
            self.is_damaged = true;
            return Ok(());
        };
        let mut overflow_pages = page.with_overflow(overflow).skip(1);
        if !overflow_pages.all(|page| self.seen.insert(page)) {
            self.is_damaged = true;
            return Ok(());
        }
        match self.reader.unit(page)? {
            Ok((header, bytes)) => {
                let branch = Branch::parse(header, bytes, page_size);
                self.is_damaged |= !branch.is_readable();
                self.next_level.extend(branch.children.iter().map(|child| child.page));
            }
            _ => self.is_damaged = true,
        }
        Ok(())
    }
}
