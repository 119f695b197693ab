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
    /// The parents of the pages of the current level, and of the next level known so far: index of the first child in
    /// the level, and the parent.
    level_parents: Vec<(usize, PageId)>,
    next_level_parents: Vec<(usize, PageId)>,
    parents: TreeParents,
    is_damaged: bool,
}

/// The parent of each page of a tree. Memory: 32 bytes per branch page.
#[derive(Debug, Default)]
pub(crate) struct TreeParents {
    /// Each branch page and its parent.
    branches: Vec<(PageId, PageId)>,
    /// Rank of the first leaf below a branch page, and that page; leaves between two of these ranks have one parent.
    leaves: Vec<(usize, PageId)>,
}

impl TreeParents {
    /// Adds a branch page.
    pub(crate) fn add_branch(&mut self, page: PageId, parent: PageId) {
        self.branches.push((page, parent));
    }

    /// Sorts the branch pages, so that they can be searched.
    pub(crate) fn sort(&mut self) {
        self.branches.sort_unstable();
        self.branches.dedup();
        self.branches.shrink_to_fit();
    }

    /// Each branch page and its parent, in the order of the pages after `sort`.
    pub(crate) fn branches(&self) -> &[(PageId, PageId)] {
        &self.branches
    }

    /// The parent of the leaf with this rank.
    pub(crate) fn of_leaf(&self, rank: usize) -> Option<PageId> {
        parent_at(&self.leaves, rank)
    }
}

/// Returns the parent of the child at an index, given the index of the first child of each parent.
fn parent_at(parents: &[(usize, PageId)], index: usize) -> Option<PageId> {
    let behind = parents.partition_point(|(first, _)| *first <= index);
    parents.get(behind.checked_sub(1)?).map(|(_, parent)| *parent)
}

/// The pages that a descent found.
#[derive(Debug)]
pub(crate) struct Descended {
    /// The leaves in key order.
    pub leaves: Vec<PageId>,
    /// The parents of leaves and branch pages.
    pub parents: TreeParents,
    /// Whether a page on the path to the leaves is damaged.
    pub is_damaged: bool,
}

impl<'s, S: Source + ?Sized> BranchDescent<'s, S> {
    /// Starts at these root pages, each with the page that points to it; reads nothing yet.
    pub(crate) fn new(
        source: &'s S,
        geometry: Geometry,
        roots: impl Iterator<Item = (PageId, PageId)>,
    ) -> Result<Self, Error> {
        let (level, parents): (Vec<PageId>, Vec<PageId>) = roots.unzip();
        Ok(Self {
            reader: PageReader::new(source, geometry),
            seen: PageSet::new(geometry.present.get())?,
            level,
            level_parents: parents.into_iter().enumerate().collect(),
            next_level_parents: Vec::new(),
            parents: TreeParents::default(),
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
            Some(PageKind::Branch) => {
                if let Some(parent) = parent_at(&self.level_parents, self.pages_read) {
                    self.parents.add_branch(page, parent);
                }
                self.take_children(page)?;
            }
            Some(PageKind::Leaf) => {
                if let Some(parent) = parent_at(&self.level_parents, self.pages_read) {
                    self.parents.leaves.push((self.leaves.len(), parent));
                }
                self.leaves.push(page);
            }
            _ => self.is_damaged = true,
        }
        self.pages_read = self.pages_read.saturating_add(1);
        if self.pages_read < self.level.len() {
            return Ok(());
        }
        self.depth = self.depth.saturating_add(1);
        self.pages_read = 0;
        self.level = std::mem::take(&mut self.next_level);
        self.level_parents = std::mem::take(&mut self.next_level_parents);
        // All leaves of a bbolt tree have the same depth, so all pages of a level have the same type.
        let has_branches = match self.level.first().copied() {
            Some(page) => self.kind(page)? == Some(PageKind::Branch),
            None => false,
        };
        if !has_branches || self.depth >= MAX_DEPTH {
            let before = self.leaves.len();
            let parents = self.level_parents.drain(..);
            self.parents.leaves.extend(parents.map(|(first, parent)| (before.saturating_add(first), parent)));
            self.leaves.append(&mut self.level);
        }
        Ok(())
    }

    /// Reads the remaining pages.
    ///
    /// # Errors
    /// A read fails.
    pub(crate) fn finish(mut self) -> Result<Descended, Error> {
        while !self.next_pages().is_empty() {
            self.step()?;
        }
        Ok(Descended { leaves: self.leaves, parents: self.parents, is_damaged: self.is_damaged })
    }

    fn kind(&mut self, page: PageId) -> Result<Option<PageKind>, Error> {
        Ok(self.reader.first(page)?.ok().and_then(|(header, _)| header.kind()))
    }

    /// Adds the children of a branch page to the next level, unless their pages were read before.
    fn take_children(&mut self, page: PageId) -> Result<(), Error> {
        let page_size = self.reader.geometry().page_size;
        let Ok((_, overflow)) = self.reader.header_and_overflow(page)? else {
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
                self.next_level_parents.push((self.next_level.len(), page));
                self.next_level.extend(branch.children.iter().map(|child| child.page));
            }
            _ => self.is_damaged = true,
        }
        Ok(())
    }
}
