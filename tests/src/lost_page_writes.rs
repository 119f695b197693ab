//! Lost disk writes: a page of bucket `key` keeps its old content while all other pages are new.
//!
//! Bolt never overwrites a page in place, so free pages hold older versions of pages in use. Copying one over the newer version, with its number, creates
//! what a lost write leaves. The SHA-256 is correct, because the server itself would have computed it so.

use std::collections::BTreeSet;

use crate::build::with_trailer;
use crate::read::{BRANCH, File, LEAF, Visit, database_of};

/// The page's position in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The root page of bucket `key`, a branch page.
    Root,
    /// A branch page below the root.
    Branch,
    /// A leaf page.
    Leaf,
}

/// A snapshot with one lost write.
pub struct Stale {
    /// The page with old content.
    pub page: u64,
    /// The free page that held the older version.
    pub older: u64,
    /// Its position in the tree.
    pub role: Role,
    /// The snapshot with its trailer.
    pub file: Vec<u8>,
}

/// Returns every snapshot that one lost write can produce from a good one, as far as the older version survives in a free page.
#[must_use]
pub fn all(snapshot: &[u8]) -> Vec<Stale> {
    let file = File::new(database_of(snapshot).to_vec());
    let free = free_pages(&file);
    let tree = file.visits_of("key");
    let mut found = Vec::new();
    for visit in &tree {
        for older in free.iter().filter(|older| is_older(&file, visit, **older)) {
            let mut stale = file.clone();
            let (extent, at) = (file.extent(*older), file.at(visit.page));
            stale.bytes.copy_within(extent, at);
            stale.put_u64(at, visit.page);
            let role = match (visit.flags, visit.parent) {
                (BRANCH, None) => Role::Root,
                (BRANCH, Some(_)) => Role::Branch,
                _ => Role::Leaf,
            };
            found.push(Stale { page: visit.page, older: *older, role, file: with_trailer(&stale.bytes) });
        }
    }
    found
}

/// Returns valid pages that carry their own number, but to which nothing points.
fn free_pages(file: &File) -> Vec<u64> {
    let mut used = BTreeSet::from([0, 1]);
    for visit in file.visits() {
        used.extend(visit.page..=visit.page + u64::from(file.header(visit.page).overflow));
    }
    let pages = (file.bytes.len() / file.page_size) as u64;
    (2..pages)
        .filter(|page| {
            let header = file.header(*page);
            let last = page.saturating_add(u64::from(header.overflow));
            header.id == *page && last < pages && (*page..=last).all(|page| !used.contains(&page))
        })
        .collect()
}

/// Returns whether a free page may be an older version of a page in use: same size, overlapping keys.
///
/// A page keeps its range of keys while entries are added or compacted away, so its versions overlap.
fn is_older(file: &File, visit: &Visit, free: u64) -> bool {
    let (new, old) = (file.header(visit.page), file.header(free));
    let same_size = new.overflow == old.overflow;
    let (new, old) = (range(file, visit.page), range(file, free));
    same_size
        && new.zip(old).is_some_and(|(new, old)| new.0 <= old.1 && old.0 <= new.1)
        && file.bytes[file.extent(visit.page)][16..] != file.bytes[file.extent(free)][16..]
}

/// Returns the first and the last key of a page of revisions; `None` for any other page.
fn range(file: &File, page: u64) -> Option<(&[u8], &[u8])> {
    let extent = file.extent(page);
    let key = |from: usize, size: usize| {
        let key = file.bytes.get(from..from.checked_add(size)?)?;
        (from >= extent.start && from + size <= extent.end && matches!(size, 17 | 18) && key[8] == b'_').then_some(key)
    };
    let header = file.header(page);
    let at = |index: usize| extent.start + 16 + 16 * index;
    let place = |index: usize| match header.flags {
        BRANCH => key(at(index) + file.u32(at(index)) as usize, file.u32(at(index) + 4) as usize),
        LEAF => key(at(index) + file.u32(at(index) + 4) as usize, file.u32(at(index) + 8) as usize),
        _ => None,
    };
    let last = usize::from(header.count).checked_sub(1).filter(|last| at(*last + 1) <= extent.end)?;
    Some((place(0)?, place(last)?))
}
