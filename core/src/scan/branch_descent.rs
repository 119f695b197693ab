//! The way from the roots of trees down to their leaves by the branch pages alone, level by level.
//!
//! A level is known whole before its first page is read, so whoever feeds the source from afar can have several pages on their way at once.

use crate::bolt::page::{Branch, Kind};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::{Geometry, Reader};
use crate::error::Error;
use crate::limits::MAX_DEPTH;
use crate::source::Source;

/// A descent in progress.
pub(crate) struct Descent<'s, S: Source + ?Sized> {
    reader: Reader<'s, S>,
    /// Pages that were read, with the overflow pages that are their own: none is read twice, so all that is read is bounded by the file.
    seen: PageSet,
    /// Pages of this level, in the order of their keys, of which so many were read.
    level: Vec<PageId>,
    read: usize,
    /// The level below, as far as it is known.
    below: Vec<PageId>,
    depth: usize,
    leaves: Vec<PageId>,
    lost: bool,
}

impl<'s, S: Source + ?Sized> Descent<'s, S> {
    /// Of which nothing was read yet.
    pub(crate) fn new(source: &'s S, geometry: Geometry, roots: impl Iterator<Item = PageId>) -> Result<Self, Error> {
        Ok(Self {
            reader: Reader::new(source, geometry),
            seen: PageSet::new(geometry.present.get())?,
            level: roots.collect(),
            read: 0,
            below: Vec::new(),
            depth: 0,
            leaves: Vec::new(),
            lost: false,
        })
    }

    /// The pages that come next, in the order in which they are read; none at the end.
    pub(crate) fn ahead(&self) -> &[PageId] {
        self.level.get(self.read..).unwrap_or_default()
    }

    /// Reads the next page.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub(crate) fn step(&mut self) -> Result<(), Error> {
        let Some(page) = self.level.get(self.read).copied() else { return Ok(()) };
        let kind = if self.seen.insert(page) { self.kind(page)? } else { None };
        match kind {
            Some(Kind::Branch) => self.take_children(page)?,
            Some(Kind::Leaf) => self.leaves.push(page),
            _ => self.lost = true,
        }
        self.read = self.read.saturating_add(1);
        if self.read < self.level.len() {
            return Ok(());
        }
        self.depth = self.depth.saturating_add(1);
        self.read = 0;
        self.level = std::mem::take(&mut self.below);
        // All leaves of a bolt tree are equally deep, so one child tells of all.
        let branches = match self.level.first().copied() {
            Some(page) => self.kind(page)? == Some(Kind::Branch),
            None => false,
        };
        if !branches || self.depth >= MAX_DEPTH {
            self.leaves.append(&mut self.level);
        }
        Ok(())
    }

    /// Reads what is left: the leaves in the order of their keys, and whether a page on the way to them is damaged.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub(crate) fn finish(mut self) -> Result<(Vec<PageId>, bool), Error> {
        while !self.ahead().is_empty() {
            self.step()?;
        }
        Ok((self.leaves, self.lost))
    }

    fn kind(&mut self, page: PageId) -> Result<Option<Kind>, Error> {
        Ok(self.reader.first(page)?.ok().and_then(|(header, _)| header.kind()))
    }

    /// Puts the children of a branch page on the level below, unless pages of it were read before.
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
