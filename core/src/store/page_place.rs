//! Finds the place of a page in the database: the bucket whose tree contains it, and the page that points to it.
//!
//! The tree of bucket `key` is known since the store was opened. The other trees are small, and are read again for each
//! answer.

use serde::Serialize;

use crate::bolt::bucket::{self, BucketLocation};
use crate::bolt::meta::{MetaPages, NO_FREELIST};
use crate::bolt::page::PageKind;
use crate::bolt::page_id::PageId;
use crate::bolt::reader::PageReader;
use crate::error::Error;
use crate::key_syntax::key_text;
use crate::scan::branch_descent::{BranchDescent, Descended, TreeParents};
use crate::scan::trailer_hash::head;
use crate::source::Source;
use crate::store::opened_store::{KEY, Store};

/// The place of a page in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PagePlace {
    /// The part of the database that contains the page.
    pub part: DatabasePart,
    /// The bucket whose tree contains the page.
    pub bucket: Option<String>,
    /// The page that points to this one, or to the one that it continues.
    pub parent: Option<PageId>,
    /// The page that this one continues, if it is an overflow page.
    pub continues: Option<PageId>,
}

/// A part of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DatabasePart {
    /// The two meta pages.
    Meta,
    /// The pages that contain the ids of free pages.
    Freelist,
    /// The tree that lists the buckets.
    BucketList,
    /// The tree of a bucket.
    Bucket,
    /// The pages in the freelist; without one, all pages in no tree, because bbolt then builds it from the trees.
    Free,
    /// Pages that no tree and no freelist contains.
    Lost,
    /// Pages that continue others or are lost.
    Unknown,
    /// Pages outside the database.
    Outside,
}

/// The pages of a tree, without overflow pages.
#[derive(Default)]
pub(super) struct PageTree {
    /// The leaves with their ranks, in file order.
    pub leaves: Vec<(PageId, usize)>,
    /// Its branch pages, and all parents.
    pub parents: TreeParents,
}

/// A page of a tree, and its parent.
struct TreePage {
    first: PageId,
    parent: Option<PageId>,
}

impl<S: Source + ?Sized> Store<'_, S> {
    /// Finds the place of a page.
    ///
    /// # Errors
    /// A read fails, or memory for one bit per page runs out.
    pub fn page_place(&self, page: PageId) -> Result<PagePlace, Error> {
        let plain = |part| PagePlace { part, bucket: None, parent: None, continues: None };
        if page >= self.geometry.present {
            return Ok(plain(DatabasePart::Outside));
        }
        if page < PageId::FIRST {
            return Ok(plain(DatabasePart::Meta));
        }
        let place = |part, bucket: Option<&[u8]>, found: &TreePage| PagePlace {
            part,
            bucket: bucket.map(key_text),
            parent: found.parent,
            continues: (found.first != page).then_some(found.first),
        };
        if let Some(found) = self.tree_page(page, &self.leaves, &self.parents)? {
            return Ok(place(DatabasePart::Bucket, Some(KEY.as_bytes()), &found));
        }
        let head = head(self.source)?;
        let Some((meta_page, meta)) = MetaPages::find(&head).and_then(|metas| metas.chosen(self.meta)) else {
            return Ok(plain(DatabasePart::Lost));
        };
        // No page of a file is read more than once for all trees together, even if forged buckets share a tree.
        let mut steps = self.geometry.present.get();
        let list = self.tree(meta.root, meta_page, &mut steps)?;
        if let Some(found) = self.tree_page(page, &list.leaves, &list.parents)? {
            return Ok(place(DatabasePart::BucketList, None, &found));
        }
        for entry in self.listed.iter().filter(|entry| *entry.name != *KEY.as_bytes()) {
            let Ok(BucketLocation::Tree(root)) = bucket::parse(&entry.value) else { continue };
            let tree = self.tree(root, entry.at.0, &mut steps)?;
            if let Some(found) = self.tree_page(page, &tree.leaves, &tree.parents)? {
                return Ok(place(DatabasePart::Bucket, Some(&entry.name), &found));
            }
        }
        let freelist = TreePage { first: meta.freelist, parent: Some(meta_page) };
        if self.contains(meta.freelist, page)? {
            return Ok(place(DatabasePart::Freelist, None, &freelist));
        }
        let is_free = meta.freelist == NO_FREELIST || self.free.contains(page);
        Ok(plain(if is_free { DatabasePart::Free } else { DatabasePart::Lost }))
    }

    /// Reads the branch pages of the tree with this root. Gives up after `steps` pages, which it counts down.
    pub(super) fn tree(&self, root: PageId, parent: PageId, steps: &mut u64) -> Result<PageTree, Error> {
        let mut descent = BranchDescent::new(self.source, self.geometry, std::iter::once((root, parent)))?;
        while !descent.next_pages().is_empty() {
            let Some(left) = steps.checked_sub(1) else { return Ok(PageTree::default()) };
            *steps = left;
            descent.step()?;
        }
        let Descended { leaves, mut parents, .. } = descent.finish()?;
        parents.sort();
        let mut leaves: Vec<(PageId, usize)> = leaves.into_iter().zip(0..).collect();
        leaves.sort_unstable();
        Ok(PageTree { leaves, parents })
    }

    /// Finds a page among the pages of a tree, given its leaves with their ranks, in file order.
    fn tree_page(
        &self,
        page: PageId,
        leaves: &[(PageId, usize)],
        parents: &TreeParents,
    ) -> Result<Option<TreePage>, Error> {
        let branches = parents.branches();
        let leaf = leaves.get(..leaves.partition_point(|(leaf, _)| *leaf <= page)).and_then(|before| before.last());
        let branch =
            branches.get(..branches.partition_point(|(branch, _)| *branch <= page)).and_then(|before| before.last());
        let leaf = leaf.map(|(first, rank)| TreePage { first: *first, parent: parents.of_leaf(*rank) });
        let branch = branch.map(|(first, parent)| TreePage { first: *first, parent: Some(*parent) });
        // Only the nearer one can contain the page.
        let nearest = leaf.into_iter().chain(branch).max_by_key(|found| found.first);
        match nearest {
            Some(found) if self.contains(found.first, page)? => Ok(Some(found)),
            _ => Ok(None),
        }
    }

    /// Whether `page` is the page `first` or one of its overflow pages.
    fn contains(&self, first: PageId, page: PageId) -> Result<bool, Error> {
        if page <= first || first < PageId::FIRST {
            return Ok(page == first);
        }
        let mut reader = PageReader::new(self.source, self.geometry);
        Ok(page <= first.plus(u64::from(overflow_of(&mut reader, first)?)))
    }
}

/// Returns the number of overflow pages that belong to a page of any type.
pub(super) fn overflow_of<S: Source + ?Sized>(reader: &mut PageReader<'_, S>, page: PageId) -> Result<u32, Error> {
    let geometry = reader.geometry();
    let Ok((header, overflow)) = reader.header_and_overflow(page)? else { return Ok(0) };
    let is_freelist = header.kind() == Some(PageKind::Freelist) && geometry.check(page, header.overflow).is_ok();
    Ok(if is_freelist { header.overflow } else { overflow })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::incremental_open::OpenedStore;
    use crate::store::page_dissect::PageView;

    fn sample() -> Store<'static, [u8]> {
        let bytes: &[u8] = include_bytes!("../../../samples/sample.db");
        match Store::open(bytes).unwrap() {
            OpenedStore::Store(store) => *store,
            OpenedStore::Refused(report) => panic!("{report:?}"),
        }
    }

    fn links(view: &PageView) -> Vec<PageId> {
        view.fields.iter().filter_map(|field| field.link).collect()
    }

    #[test]
    fn every_page_of_the_sample_has_its_place_and_its_parent_points_to_it() {
        let store = sample();
        let mut buckets = std::collections::BTreeMap::new();
        for number in 0..store.pages() {
            let page = PageId::new(number);
            let place = store.page_place(page).unwrap();
            assert_ne!(place.part, DatabasePart::Lost, "page {page}");
            assert_eq!(place.part == DatabasePart::Free, place.parent.is_none() && number > 1);
            if let Some(parent) = place.parent {
                let parent = store.page_view(parent).unwrap();
                assert!(links(&parent).contains(&place.continues.unwrap_or(page)), "page {page}");
            }
            *buckets.entry(place.bucket).or_insert(0u64) += 1;
        }
        assert!(buckets[&Some("key".to_owned())] > 10);
        assert_eq!(store.page_place(PageId::ZERO).unwrap().part, DatabasePart::Meta);
        assert_eq!(store.page_place(PageId::new(1 << 40)).unwrap().part, DatabasePart::Outside);
    }
}
