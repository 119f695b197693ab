//! Finds out which pages of the trees a sweep has in its cache, and which did not fit in memory.

use crate::bolt::bucket::{self, BucketLocation};
use crate::bolt::leaf::{BUCKET, Leaf};
use crate::bolt::page::{Branch, PageKind};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::error::Error;
use crate::scan::sweep_cache::SweepCache;

/// The pages of the trees, as far as the cached pages show them.
#[derive(Debug)]
pub(crate) struct KnownPages {
    /// Pages in the cache.
    pub known: PageSet,
    /// Pages that did not fit in memory; their descendants are not known yet.
    pub missing: PageSet,
    /// Whether `missing` has any page.
    pub is_missing_any: bool,
}

/// Follows the cached pages from the root down to the leaves, each page once. Pages with problems are left to the walk.
///
/// # Errors
/// Memory for one bit per page runs out.
pub(crate) fn find_known_pages(
    cache: &SweepCache,
    root: PageId,
    page_size: u32,
    present: PageId,
) -> Result<KnownPages, Error> {
    let mut pages = KnownPages {
        known: PageSet::new(present.get())?,
        missing: PageSet::new(present.get())?,
        is_missing_any: false,
    };
    let mut to_visit = vec![root];
    while let Some(page) = to_visit.pop() {
        if cache.has_digest(page) {
            pages.known.insert(page);
            continue;
        }
        let Some((header, bytes)) = cache.raw(page) else {
            pages.is_missing_any |= cache.has_forgotten(page) && pages.missing.insert(page);
            continue;
        };
        if !pages.known.insert(page) {
            continue;
        }
        match header.kind() {
            Some(PageKind::Branch) => {
                let branch = Branch::parse(header, bytes, page_size);
                to_visit.extend(branch.children.iter().map(|child| child.page));
            }
            Some(PageKind::Leaf) => {
                for bucket in Leaf::new(header, bytes).pairs().filter(|element| element.flags & BUCKET != 0) {
                    if let Ok(BucketLocation::Tree(root)) = bucket::parse(bucket.value) {
                        to_visit.push(root);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(pages)
}
