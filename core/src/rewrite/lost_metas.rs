//! Searches for the page size and root page of a file whose meta pages are lost or lead to no root page.
//!
//! Every page begins with its page id, so a page at offset `n × size` with the id `n` is a vote for that page size. A root page is a leaf that lists bucket `key`. Of several, the newest is the one
//! whose store had applied most of the raft log.

use crate::aligned_buf::AlignedBuf;
use crate::bolt::bucket::{self, BucketLocation};
use crate::bolt::leaf::{BUCKET, Leaf};
use crate::bolt::meta::{Meta, NO_FREELIST};
use crate::bolt::page::{Header, needed_overflow};
use crate::bolt::page_id::PageId;
use crate::bolt::reader::Geometry;
use crate::error::Error;
use crate::int_readers::u64_be;
use crate::limits::{MAX_PAGE_SIZE, MIN_PAGE_SIZE, READ_BLOCK};
use crate::offset::Offset;
use crate::progress::ScanProgress;
use crate::rewrite::intact_tree::{IntactTrees, Visited};
use crate::rewrite::leaf_reader::LeafReader;
use crate::rewrite::stray_pages::{StrayPages, whole_file_geometry};
use crate::source::Source;

/// Number of root pages whose trees are checked for damage: each check is a walk.
const TRIED: usize = 4;

/// Number of root pages that are remembered. Each transaction leaves one until its page is used again.
const REMEMBERED: usize = 64;

/// Returns the page size with the most votes; `None` if the file has no page.
///
/// # Errors
/// When bytes cannot be read, or `progress` requests a stop.
pub(super) fn page_size<S: Source + ?Sized>(source: &S, progress: &dyn ScanProgress) -> Result<Option<u32>, Error> {
    let mut votes = Votes::default();
    let mut block = AlignedBuf::new(READ_BLOCK);
    let mut at = 0_u64;
    while at < source.len() {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let left = usize::try_from(source.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = block.get_mut(..left.min(READ_BLOCK)).unwrap_or_default();
        let len = bytes.len() as u64;
        source.read_at(at, bytes).map_err(|cause| Error::Read { offset: Offset::new(at), len, cause })?;
        for (place, page) in (at..).step_by(MIN_PAGE_SIZE as usize).zip(bytes.chunks(MIN_PAGE_SIZE as usize)) {
            votes.take(place, page);
        }
        at = at.saturating_add(len);
    }
    Ok(votes.winner())
}

/// For each page size, the number of votes and the end of the last page that voted: what lies before that end may be part of a value.
#[derive(Default)]
struct Votes([(u64, u64); 8]);

impl Votes {
    fn take(&mut self, place: u64, page: &[u8]) {
        let Some(header) = Header::parse(page) else { return };
        let size = place.checked_div(header.id.get()).and_then(|size| u32::try_from(size).ok());
        let Some(size) = size.filter(|size| size.is_power_of_two() && place == header.id.offset(*size).get()) else {
            return;
        };
        if header.count == 0 || header.id < PageId::FIRST || header.kind().is_none() {
            return;
        }
        let rank =
            size.checked_div(MIN_PAGE_SIZE).and_then(u32::checked_ilog2).and_then(|rank| usize::try_from(rank).ok());
        let Some((count, end)) = rank.and_then(|rank| self.0.get_mut(rank)) else { return };
        if place >= *end {
            *count = count.saturating_add(1);
            // A leaf with overflow has few elements, whose table lies in these bytes. Overflow pages beyond its entries are not counted.
            let filled = Leaf::new(header, page).packed_end().map_or(0, |end| needed_overflow(end, size));
            *end = header.id.plus(filled.min(u64::from(header.overflow))).next().offset(size).get();
        }
    }

    fn winner(&self) -> Option<u32> {
        let sizes = std::iter::successors(Some(MIN_PAGE_SIZE), |size| size.checked_mul(2));
        let counted = sizes.take_while(|size| *size <= MAX_PAGE_SIZE).zip(&self.0);
        counted.filter(|(_, (count, _))| *count > 0).max_by_key(|(_, (count, _))| *count).map(|(size, _)| size)
    }
}

/// A root page.
#[derive(Clone, Copy)]
struct Root {
    /// The raft index up to which the store had applied the log.
    applied: u64,
    page: PageId,
    /// Root page of bucket `key`; `None` if the bucket lies in the root page itself.
    key: Option<PageId>,
}

/// Returns meta pages for the root pages of a file, the best first: the newest one whose tree of bucket `key` is complete, then the others from the newest on.
///
/// # Errors
/// When bytes cannot be read, or `progress` requests a stop.
pub(super) fn roots<S: Source + ?Sized>(
    source: &S,
    page_size: u32,
    progress: &dyn ScanProgress,
) -> Result<Vec<Meta>, Error> {
    let geometry = whole_file_geometry(source, page_size);
    let mut found: Vec<Root> = Vec::new();
    let mut pages = LeafReader::new(source, geometry);
    for page in StrayPages::find(source, page_size, &|_| false, progress)?.leaves() {
        let Some((root, meta)) = pages.intact_leaf(page)?.and_then(|leaf| root_of(page, leaf)) else { continue };
        let applied = match meta {
            Where::Applied(applied) => applied,
            Where::Below(tree) => pages.single_leaf(tree)?.map_or(0, applied_in),
        };
        found.push(Root { applied, ..root });
        if found.len() > REMEMBERED.saturating_mul(2) {
            newest_first(&mut found);
        }
    }
    newest_first(&mut found);
    let mut whole = None;
    for (at, root) in found.iter().enumerate().take(TRIED) {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        if is_whole(source, geometry, root.key)? {
            whole = Some(at);
            break;
        }
    }
    // The newest complete one comes first.
    if let Some(upto_whole) = whole.and_then(|at| found.get_mut(..=at)) {
        upto_whole.rotate_right(1);
    }
    let meta = |root: Root| Meta { root: root.page, ..without_root(source, page_size) };
    Ok(found.into_iter().map(meta).collect())
}

/// Returns a meta page for a file without any root page.
pub(super) fn without_root<S: Source + ?Sized>(source: &S, page_size: u32) -> Meta {
    let high_water = whole_file_geometry(source, page_size).high_water;
    Meta { page_size, root: PageId::ZERO, freelist: NO_FREELIST, high_water, txid: 1 }
}

fn newest_first(roots: &mut Vec<Root>) {
    roots.sort_by_key(|root| std::cmp::Reverse((root.applied, root.page)));
    roots.truncate(REMEMBERED);
}

/// Where the applied index of a store is.
enum Where {
    Applied(u64),
    Below(PageId),
}

/// Reads a leaf page as a root page; `None` if it is not one.
fn root_of(page: PageId, leaf: Leaf<'_>) -> Option<(Root, Where)> {
    let mut key = None;
    let mut applied = Where::Applied(0);
    for element in leaf.pairs() {
        if element.flags & BUCKET == 0 {
            return None;
        }
        match (element.key, bucket::parse(element.value)) {
            (b"key", Ok(BucketLocation::Tree(root))) => key = Some(Some(root)),
            (b"key", Ok(BucketLocation::Inline(..))) => key = Some(None),
            (b"meta", Ok(BucketLocation::Tree(root))) => applied = Where::Below(root),
            (b"meta", Ok(BucketLocation::Inline(header, bytes))) => {
                applied = Where::Applied(applied_in(Leaf::new(header, bytes)))
            }
            _ => {}
        }
    }
    Some((Root { applied: 0, page, key: key? }, applied))
}

/// Returns `consistent_index` from a leaf of bucket `meta`; 0 if it has none.
fn applied_in(leaf: Leaf<'_>) -> u64 {
    let mut found = leaf.pairs().filter(|element| element.key == b"consistent_index");
    found.next().and_then(|element| u64_be(element.value, 0)).unwrap_or(0)
}

fn is_whole<S: Source + ?Sized>(source: &S, geometry: Geometry, root: Option<PageId>) -> Result<bool, Error> {
    let Some(root) = root else { return Ok(true) };
    let mut whole = true;
    IntactTrees::new(source, geometry)?.walk(root, &mut |met| whole &= matches!(met, Visited::Leaf(..)))?;
    Ok(whole)
}
