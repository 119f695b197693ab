//! Descends from the roots of trees to their leaves through the branch pages alone, level by level.
//!
//! All pages of a level are known before the first is read, so a caller that fetches bytes remotely can request several
//! at once.

use crate::bolt::page::{Branch, PageKind};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::{Geometry, PageReader};
use crate::error::Error;
use crate::limits::MAX_DEPTH;
use crate::source::Source;

/// A descent in progress.
pub(crate) struct Descent<'s, S: Source + ?Sized> {
    reader: PageReader<'s, S>,
    /// Pages that were read, with their own overflow pages: no page is read twice, so the file's size bounds all reads.
    seen: PageSet,
    /// Pages of this level in key order, and how many of them were read.
    level: Vec<PageId>,
    read: usize,
    /// Pages of the next level known so far.
    below: Vec<PageId>,
    depth: usize,
    leaves: Vec<PageId>,
    lost: bool,
}

impl<'s, S: Source + ?Sized> Descent<'s, S> {
    /// Starts a descent; reads nothing yet.
    pub(crate) fn new(source: &'s S, geometry: Geometry, roots: impl Iterator<Item = PageId>) -> Result<Self, Error> {
        Ok(Self {
            reader: PageReader::new(source, geometry),
            seen: PageSet::new(geometry.present.get())?,
            level: roots.collect(),
            read: 0,
            below: Vec::new(),
            depth: 0,
            leaves: Vec::new(),
            lost: false,
        })
    }

    /// The pages to be read next, in reading order; empty at the end.
    pub(crate) fn ahead(&self) -> &[PageId] {
        self.level.get(self.read..).unwrap_or_default()
    }

    /// Reads the next page.
    ///
    /// # Errors
    /// A read fails.
    pub(crate) fn step(&mut self) -> Result<(), Error> {
        let Some(page) = self.level.get(self.read).copied() else { return Ok(()) };
        let kind = if self.seen.insert(page) { self.kind(page)? } else { None };
        match kind {
            Some(PageKind::Branch) => self.take_children(page)?,
            Some(PageKind::Leaf) => self.leaves.push(page),
            _ => self.lost = true,
        }
        self.read = self.read.saturating_add(1);
        if self.read < self.level.len() {
            return Ok(());
        }
        self.depth = self.depth.saturating_add(1);
        self.read = 0;
        self.level = std::mem::take(&mut self.below);
        // All leaves of a bbolt tree have the same depth, so the type of one child is that of all.
        let branches = match self.level.first().copied() {
            Some(page) => self.kind(page)? == Some(PageKind::Branch),
            None => false,
        };
        if !branches || self.depth >= MAX_DEPTH {
            self.leaves.append(&mut self.level);
        }
        Ok(())
    }

    /// Reads the remaining pages; returns the leaves in key order, and whether a page on the path to them is damaged.
    ///
    /// # Errors
    /// A read fails.
    pub(crate) fn finish(mut self) -> Result<(Vec<PageId>, bool), Error> {
        while !self.ahead().is_empty() {
            self.step()?;
        }
        Ok((self.leaves, self.lost))
    }

    fn kind(&mut self, page: PageId) -> Result<Option<PageKind>, Error> {
        Ok(self.reader.first(page)?.ok().and_then(|(header, _)| header.kind()))
    }

    /// Adds the children of a branch page to the next level, unless their pages were read before.
    fn take_children(&mut self, page: PageId) -> Result<(), Error> {
        let page_size = self.reader.geometry().page_size;
        let Ok((_, overflow)) = self.reader.extent(page)? else {
            self.lost = true;
            return Ok(());
        };
        let mut behind = page.with_overflow(overflow).skip(1);
        if !behind.all(|page| self.seen.insert(page)) {
            self.lost = true;
            return Ok(());
        }
        match self.reader.unit(page)? {
            Ok((header, bytes)) => {
                let branch = Branch::parse(header, bytes, page_size);
                self.lost |= !branch.is_readable();
                self.below.extend(branch.children.iter().map(|child| child.page));
            }
            _ => self.lost = true,
        }
        Ok(())
    }
}
