//! Opens a store: at once, or in steps, for callers that fetch the bytes of a file before they are read.

use crate::bolt::meta::MetaChoice;
use crate::error::Error;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::offset::Offset;
use crate::report::Report;
use crate::scan::branch_descent::{BranchDescent, Descended, TreeParents};
use crate::scan::scanner::{Opened, Scan};
use crate::source::Source;
use crate::store::opened_store::Store;

/// Result of opening a file.
pub enum OpenedStore<'s, S: Source + ?Sized> {
    /// An open store.
    Store(Box<Store<'s, S>>),
    /// The report about a file that is not a database, or has no valid meta page.
    Refused(Box<Report>),
}

/// Result of the first step of opening a file.
pub enum Begun<'s, S: Source + ?Sized> {
    /// A store whose leaves are not known yet.
    Opening(Box<Opening<'s, S>>),
    /// The report about a file that is not a database, or has no valid meta page.
    Refused(Box<Report>),
}

impl<'s, S: Source + ?Sized> Store<'s, S> {
    /// Reads everything except the leaves of bucket `key`.
    ///
    /// # Errors
    /// A read fails, or memory for a few words per page runs out.
    pub fn open(source: &'s S) -> Result<OpenedStore<'s, S>, Error> {
        Self::open_by(source, MetaChoice::Newest)
    }

    /// Does the same with the chosen meta page.
    ///
    /// # Errors
    /// The same errors as [`Store::open`], and [`Error::NoOlderMeta`].
    pub fn open_by(source: &'s S, meta: MetaChoice) -> Result<OpenedStore<'s, S>, Error> {
        match Opening::begin_by(source, meta)? {
            Begun::Opening(opening) => Ok(OpenedStore::Store(Box::new(opening.finish()?))),
            Begun::Refused(report) => Ok(OpenedStore::Refused(report)),
        }
    }
}

/// A store whose branch pages of bucket `key` are still to be read.
pub struct Opening<'s, S: Source + ?Sized> {
    scan: Scan<'s, S>,
    descent: BranchDescent<'s, S>,
}

impl<'s, S: Source + ?Sized> Opening<'s, S> {
    /// Reads everything except the tree of bucket `key`.
    ///
    /// # Errors
    /// A read fails, or memory for a few words per page runs out.
    pub fn begin(source: &'s S) -> Result<Begun<'s, S>, Error> {
        Self::begin_by(source, MetaChoice::Newest)
    }

    /// Does the same with the chosen meta page.
    ///
    /// # Errors
    /// The same errors as [`Opening::begin`], and [`Error::NoOlderMeta`].
    pub fn begin_by(source: &'s S, meta: MetaChoice) -> Result<Begun<'s, S>, Error> {
        let scan = match Scan::open_by(source, meta)? {
            Opened::Scan(scan) => *scan,
            Opened::Refused(report) => return Ok(Begun::Refused(report)),
        };
        let roots = scan.part_subtrees.iter().flatten().map(|subtree| (subtree.page, subtree.pointer.0));
        let descent = BranchDescent::new(source, scan.geometry, roots)?;
        Ok(Begun::Opening(Box::new(Self { scan, descent })))
    }

    /// The page size in bytes.
    #[must_use]
    pub fn page_size(&self) -> u32 {
        self.scan.geometry.page_size
    }

    /// Offsets of the pages to be read next, in reading order, without pages that the file lacks; empty if all are
    /// read. Overflow pages may follow a page.
    pub fn ahead(&self) -> impl Iterator<Item = Offset> {
        let geometry = self.scan.geometry;
        self.descent
            .next_pages()
            .iter()
            .filter(move |page| **page < geometry.present)
            .map(move |page| geometry.offset(*page))
    }

    /// Reads up to `pages` pages.
    ///
    /// # Errors
    /// A read fails.
    pub fn step(&mut self, pages: usize) -> Result<(), Error> {
        (0..pages).try_for_each(|_| self.descent.step())
    }

    /// Whether all branch pages are read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.descent.next_pages().is_empty()
    }

    /// Reads the remaining pages and returns the store.
    ///
    /// # Errors
    /// The same errors as [`Opening::begin`].
    pub fn finish(self) -> Result<Store<'s, S>, Error> {
        let Descended { leaves, mut parents, is_damaged } = self.descent.finish()?;
        let mut scan = self.scan;
        add_upper_branches(&scan, &mut parents);
        parents.sort();
        if is_damaged && scan.damage.affecting(&["key"]).places == 0 {
            scan.damage.add_finding("key", Finding::new(Code::PageType, "a branch page of bucket `key` is damaged"));
        }
        Store::new(scan, &leaves, parents)
    }
}

/// Adds the branch pages of bucket `key` that the scan read before it split the tree.
fn add_upper_branches<S: Source + ?Sized>(scan: &Scan<'_, S>, parents: &mut TreeParents) {
    let Some(bucket) = &scan.key_entry else { return };
    for subtree in scan.part_subtrees.iter().flatten() {
        let mut parent = bucket.at.0;
        for page in subtree.ancestors.iter() {
            parents.add_branch(*page, parent);
            parent = *page;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_any_length_lead_to_the_store_that_opens_at_once() {
        let bytes: &[u8] = include_bytes!("../../../samples/sample.db");
        let begin = || match Opening::begin(bytes).unwrap() {
            Begun::Opening(opening) => *opening,
            Begun::Refused(report) => panic!("{report:?}"),
        };
        let at_once = begin().finish().unwrap();
        let spans = |store: &Store<'_, _>| store.work().map(|work| store.span(work)).collect::<Vec<_>>();
        for pages in [1, 2, 7, 1000] {
            let mut opening = begin();
            let mut steps = 0;
            while !opening.is_done() {
                assert!(opening.ahead().all(|offset| offset.get() % 4096 == 0 && offset.get() < bytes.len() as u64));
                opening.step(pages).unwrap();
                steps += 1;
            }
            assert!(steps > 0);
            let stepped = opening.finish().unwrap();
            assert_eq!((spans(&stepped), stepped.current()), (spans(&at_once), at_once.current()));
        }
    }
}
