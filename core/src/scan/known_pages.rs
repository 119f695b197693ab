//! The pages of the tree known to a sweep, and the pages that did not fit in its memory.

use crate::bolt::bucket::{self, BucketLocation};
use crate::bolt::leaf::{BUCKET, Leaf};
use crate::bolt::page::{Branch, PageKind};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::error::Error;
use crate::scan::sweep_cache::SweepCache;

/// Known pages of the tree.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Pages in the cache.
    pub live: PageSet,
    /// Pages that passed but did not fit in memory: their descendants are not known yet.
    pub lacking: PageSet,
    /// Whether `lacking` has any page.
    pub lacks: bool,
}

/// Follows the cached pages from the root down to the leaves, each page once. The walk handles whatever is not
/// understood here.
///
/// # Errors
/// Memory for one bit per page runs out.
pub(crate) fn survey(memory: &SweepCache, root: PageId, page_size: u32, present: PageId) -> Result<Survey, Error> {
    let mut found = Survey { live: PageSet::new(present.get())?, lacking: PageSet::new(present.get())?, lacks: false };
    let mut next = vec![root];
    while let Some(page) = next.pop() {
        if memory.has_digest(page) {
            found.live.insert(page);
            continue;
        }
        let Some((header, bytes)) = memory.raw(page) else {
            found.lacks |= memory.has_forgotten(page) && found.lacking.insert(page);
            continue;
        };
        if !found.live.insert(page) {
            continue;
        }
        match header.kind() {
            Some(PageKind::Branch) => {
                let branch = Branch::parse(header, bytes, page_size);
                next.extend(branch.children.iter().map(|child| child.page));
            }
            Some(PageKind::Leaf) => {
                for bucket in Leaf::new(header, bytes).pairs().filter(|element| element.flags & BUCKET != 0) {
                    if let Ok(BucketLocation::Tree(root)) = bucket::parse(bucket.value) {
                        next.push(root);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}
