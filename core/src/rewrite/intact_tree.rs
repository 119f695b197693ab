//! Reads a tree of a damaged file: finds the leaves that are intact and in their place, and the ranges of keys that are lost.
//!
//! A page is used if its header carries its own page id, its structure is sound, neither it nor one of its overflow pages was reached before, and its keys are in the range that its parent page gives it.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Branch, PageDefect, PageKind};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::Geometry;
use crate::error::Error;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::limits::MAX_DEPTH;
use crate::rewrite::key_intervals::KeyInterval;
use crate::rewrite::leaf_reader::{LeafReader, first_serious_defect};
use crate::source::Source;

/// What a walk finds in a tree, in the order of keys.
pub(super) enum Visited<'a> {
    /// An intact leaf in its place.
    Leaf(PageId, Leaf<'a>),
    /// An intact leaf whose keys belong to another place of the tree.
    Displaced(PageId),
    /// A range of keys that cannot be read, and what is wrong there.
    Missing(KeyInterval, Finding),
}

/// Walks over trees of a file; visits no page twice.
pub(super) struct IntactTrees<'s, S: Source + ?Sized> {
    leaves: LeafReader<'s, S>,
    /// Pages that were visited.
    visited_pages: PageSet,
    /// Their overflow pages.
    overflow: PageSet,
}

impl<'s, S: Source + ?Sized> IntactTrees<'s, S> {
    pub fn new(source: &'s S, geometry: Geometry) -> Result<Self, Error> {
        let (visited_pages, overflow) = (PageSet::new(geometry.present.get())?, PageSet::new(geometry.present.get())?);
        Ok(Self { leaves: LeafReader::new(source, geometry), visited_pages, overflow })
    }

    /// Visits the tree below `root`.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn walk(&mut self, root: PageId, take: &mut dyn FnMut(Visited<'_>)) -> Result<(), Error> {
        self.page(root, KeyInterval::all(), 0, take)
    }

    fn page(
        &mut self,
        page: PageId,
        bounds: KeyInterval,
        depth: usize,
        take: &mut dyn FnMut(Visited<'_>),
    ) -> Result<(), Error> {
        let geometry = self.leaves.pages.geometry();
        let missing = |code, text: String| {
            let finding = Finding::new(code, text).page(page).offset(geometry.offset(page));
            Visited::Missing(bounds.clone(), finding)
        };
        if depth > MAX_DEPTH {
            take(missing(Code::TreeDepth, format!("the tree is deeper than {MAX_DEPTH} pages")));
            return Ok(());
        }
        let overflow = match self.leaves.pages.header_and_overflow(page)? {
            Ok((header, _)) if header.id != page => {
                take(missing(Code::PageIdMismatch, header.wrong_id(page)));
                return Ok(());
            }
            Ok((_, overflow)) => overflow,
            Err(defect) => {
                take(missing(defect.code, defect.message));
                return Ok(());
            }
        };
        let fresh = !self.overflow.contains(page) && self.visited_pages.insert(page);
        // A page that was visited before and lies in this overflow is part of a value. `is_overflow` tells that after the walk.
        if !fresh || !page.with_overflow(overflow).skip(1).all(|page| self.overflow.insert(page)) {
            take(missing(Code::PageShared, format!("page {page} is pointed to from several places")));
            return Ok(());
        }
        let (header, bytes) = match self.leaves.pages.unit(page)? {
            Ok(unit) => unit,
            Err(defect) => {
                take(missing(defect.code, defect.message));
                return Ok(());
            }
        };
        match header.kind() {
            Some(PageKind::Leaf) => {
                let leaf = Leaf::new(header, bytes);
                if let Some(defect) = first_serious_defect(leaf.defects(header, Some(geometry.page_size))) {
                    take(missing(defect.code, defect.message));
                } else if in_bounds(leaf, &bounds) {
                    take(Visited::Leaf(page, leaf));
                } else {
                    take(missing(Code::KeyBounds, format!("the keys of page {page} belong to another place")));
                    take(Visited::Displaced(page));
                }
                Ok(())
            }
            Some(PageKind::Branch) => {
                let branch = Branch::parse(header, bytes, geometry.page_size);
                let mut children: Vec<(PageId, Vec<u8>)> = branch
                    .children
                    .iter()
                    .map(|child| (child.page, bytes.get(child.key.clone()).unwrap_or_default().to_vec()))
                    .collect();
                let defect = first_serious_defect(branch.defects).or_else(|| {
                    let outside = children.iter().any(|(_, key)| !bounds.holds(key, key));
                    outside.then(|| PageDefect::new(Code::KeyBounds, 0, "its separators belong to another place"))
                });
                if let Some(defect) = defect {
                    take(missing(defect.code, defect.message));
                    return Ok(());
                }
                // Keys before the first separator belong to the first child, too.
                if let Some((_, first)) = children.first_mut() {
                    first.clone_from(&bounds.low);
                }
                let mut next = children.iter().skip(1).map(|(_, key)| key.clone()).collect::<Vec<_>>().into_iter();
                for (child, low) in children {
                    let high = next.next().or_else(|| bounds.high.clone());
                    self.page(child, KeyInterval { low, high }, depth.saturating_add(1), take)?;
                }
                Ok(())
            }
            _ => {
                take(missing(Code::PageType, header.wrong_type()));
                Ok(())
            }
        }
    }

    /// Whether a page is an overflow page of a visited page.
    pub fn is_overflow(&self, page: PageId) -> bool {
        self.overflow.contains(page)
    }

    /// Whether a page was visited, or is an overflow page of a visited one.
    pub fn was_visited(&self, page: PageId) -> bool {
        self.visited_pages.contains(page) || self.overflow.contains(page)
    }

    /// Returns the overflow pages of all visited pages.
    pub fn into_overflow(self) -> PageSet {
        self.overflow
    }

    /// Reads a leaf that was visited before.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn leaf(&mut self, page: PageId) -> Result<Option<Leaf<'_>>, Error> {
        self.leaves.leaf(page)
    }
}

fn in_bounds(leaf: Leaf<'_>, bounds: &KeyInterval) -> bool {
    let first = leaf.pairs().next().map(|element| element.key);
    let last = leaf.pairs().last().map(|element| element.key);
    first.zip(last).is_none_or(|(first, last)| bounds.holds(first, last))
}
