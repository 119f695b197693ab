//! Which pages the tree has, as far as a sweep remembers them, and which of those it had no room for.

use crate::bolt::bucket::{self, Place};
use crate::bolt::leaf::{BUCKET, Leaf};
use crate::bolt::page::{Branch, Kind};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::error::Error;
use crate::scan::sweep_cache::Memory;

/// Pages of the tree.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Those that are remembered.
    pub live: PageSet,
    /// Those that went by and for which there was no room: what hangs below them is not known yet.
    pub lacking: PageSet,
    /// Whether there is any of those.
    pub lacks: bool,
}

/// Goes from the root down to the leaves by what is remembered, each page once. What cannot be understood is left to the walk.
///
/// # Errors
/// When there is no memory for a bit a page.
pub(crate) fn survey(memory: &Memory, root: PageId, page_size: u32, present: PageId) -> Result<Survey, Error> {
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
            Some(Kind::Branch) => {
                let branch = Branch::parse(header, bytes, page_size);
                next.extend(branch.children.iter().map(|child| child.page));
            }
            Some(Kind::Leaf) => {
                for bucket in Leaf::new(header, bytes).pairs().filter(|element| element.flags & BUCKET != 0) {
                    if let Ok(Place::Tree(root)) = bucket::parse(bucket.value) {
                        next.push(root);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}
