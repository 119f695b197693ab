//! A tree read with distrust: leaves that are intact and in their place, and the intervals of keys that are lost.
//!
//! A page counts when it carries its own number, is whole by its own structure, was not met before (with its overflow), and has keys between its separator and the next.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Branch, PageFault, PageKind};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::Geometry;
use crate::error::Error;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::limits::MAX_DEPTH;
use crate::rewrite::key_intervals::Interval;
use crate::rewrite::leaf_reader::{LeafReader, harmful};
use crate::source::Source;

/// What is met on the way through a tree, in the order of keys.
pub(super) enum Met<'a> {
    /// An intact leaf in its place.
    Leaf(PageId, Leaf<'a>),
    /// An intact leaf whose keys belong elsewhere.
    Displaced(PageId),
    /// A place that cannot be read, and what is wrong there.
    Missing(Interval, Finding),
}

/// Reads trees of a file; no page is handed out twice.
pub(super) struct IntactTrees<'s, S: Source + ?Sized> {
    leaves: LeafReader<'s, S>,
    /// Pages that were met.
    heads: PageSet,
    /// Overflow pages of those.
    tails: PageSet,
}

impl<'s, S: Source + ?Sized> IntactTrees<'s, S> {
    pub fn new(source: &'s S, geometry: Geometry) -> Result<Self, Error> {
        let (heads, tails) = (PageSet::new(geometry.present.get())?, PageSet::new(geometry.present.get())?);
        Ok(Self { leaves: LeafReader::new(source, geometry), heads, tails })
    }

    /// Goes through the tree below `root`.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn walk(&mut self, root: PageId, take: &mut dyn FnMut(Met<'_>)) -> Result<(), Error> {
        self.page(root, Interval::all(), 0, take)
    }

    fn page(
        &mut self,
        page: PageId,
        bounds: Interval,
        depth: usize,
        take: &mut dyn FnMut(Met<'_>),
    ) -> Result<(), Error> {
        let geometry = self.leaves.pages.geometry();
        let missing = |code, text: String| {
            let finding = Finding::new(code, text).page(page).offset(geometry.offset(page));
            Met::Missing(bounds.clone(), finding)
        };
        if depth > MAX_DEPTH {
            take(missing(Code::TreeDepth, format!("the tree is deeper than {MAX_DEPTH} pages")));
            return Ok(());
        }
        let overflow = match self.leaves.pages.extent(page)? {
            Ok((header, _)) if header.id != page => {
                let text = format!("the page at number {page} carries the number {}", header.id);
                take(missing(Code::PageIdMismatch, text));
                return Ok(());
            }
            Ok((_, overflow)) => overflow,
            Err(fault) => {
                take(missing(fault.code, fault.message));
                return Ok(());
            }
        };
        let fresh = !self.tails.contains(page) && self.heads.insert(page);
        // A page that was met within them stands in a value of this one: `is_overflow` says so at the end.
        if !fresh || !page.with_overflow(overflow).skip(1).all(|page| self.tails.insert(page)) {
            take(missing(Code::PageShared, format!("page {page} is pointed to from several places")));
            return Ok(());
        }
        let (header, bytes) = match self.leaves.pages.unit(page)? {
            Ok(unit) => unit,
            Err(fault) => {
                take(missing(fault.code, fault.message));
                return Ok(());
            }
        };
        match header.kind() {
            Some(PageKind::Leaf) => {
                let leaf = Leaf::new(header, bytes);
                if let Some(fault) = harmful(leaf.faults(header, Some(geometry.page_size))) {
                    take(missing(fault.code, fault.message));
                } else if in_bounds(leaf, &bounds) {
                    take(Met::Leaf(page, leaf));
                } else {
                    take(missing(Code::KeyBounds, format!("the keys of page {page} belong to another place")));
                    take(Met::Displaced(page));
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
                let fault = harmful(branch.faults).or_else(|| {
                    let outside = children.iter().any(|(_, key)| !bounds.holds(key, key));
                    outside.then(|| PageFault::new(Code::KeyBounds, 0, "its separators belong to another place"))
                });
                if let Some(fault) = fault {
                    take(missing(fault.code, fault.message));
                    return Ok(());
                }
                // Keys before the first separator belong to the first child.
                if let Some((_, first)) = children.first_mut() {
                    first.clone_from(&bounds.low);
                }
                let mut next = children.iter().skip(1).map(|(_, key)| key.clone()).collect::<Vec<_>>().into_iter();
                for (child, low) in children {
                    let high = next.next().or_else(|| bounds.high.clone());
                    self.page(child, Interval { low, high }, depth.saturating_add(1), take)?;
                }
                Ok(())
            }
            _ => {
                take(missing(Code::PageType, format!("the tree points here, but this is {}", header.describe())));
                Ok(())
            }
        }
    }

    /// Whether a page is an overflow page of one that was met.
    pub fn is_overflow(&self, page: PageId) -> bool {
        self.tails.contains(page)
    }

    /// Whether a page was met, or is an overflow page of one.
    pub fn was_met(&self, page: PageId) -> bool {
        self.heads.contains(page) || self.tails.contains(page)
    }

    /// The overflow pages of all pages that were met.
    pub fn into_overflow(self) -> PageSet {
        self.tails
    }

    /// A leaf that was handed out before.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn leaf(&mut self, page: PageId) -> Result<Option<Leaf<'_>>, Error> {
        self.leaves.leaf(page)
    }
}

fn in_bounds(leaf: Leaf<'_>, bounds: &Interval) -> bool {
    let first = leaf.pairs().next().map(|element| element.key);
    let last = leaf.pairs().last().map(|element| element.key);
    first.zip(last).is_none_or(|(first, last)| bounds.holds(first, last))
}
