//! Page size and root of a file that has lost both of its meta pages, or whose meta pages lead to no root: found by search.
//!
//! Every page begins with its own number, so a page that begins at byte `n × size` and carries the number `n` votes for the size. A root page is a leaf that lists bucket `key`; of those
//! that are left, the one whose store had applied most of the log is the newest.

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
use crate::progress::Watch;
use crate::rewrite::intact_tree::{IntactTrees, Met};
use crate::rewrite::leaf_reader::LeafReader;
use crate::rewrite::stray_pages::{StrayPages, all_pages};
use crate::source::Source;

/// Roots of which it is looked whether their trees are whole: each costs a walk.
const TRIED: usize = 4;

/// Roots that are remembered; each transaction leaves one until its page is used again.
const REMEMBERED: usize = 64;

/// The page size that most pages of a file vote for; none when there is no page in it.
///
/// # Errors
/// When bytes cannot be read, or the watch asks to stop.
pub(super) fn page_size<S: Source + ?Sized>(source: &S, watch: &dyn Watch) -> Result<Option<u32>, Error> {
    let mut votes = Votes::default();
    let mut block = AlignedBuf::new(READ_BLOCK);
    let mut at = 0_u64;
    while at < source.len() {
        if watch.cancelled() {
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

/// Pages of each size, and where the last page of that size ends: what lies within it is part of a value, perhaps.
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
            // A leaf with overflow has few elements, and their table lies in these bytes; what it claims beyond its pairs is not believed.
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
    /// How much of raft's log the store had applied.
    applied: u64,
    page: PageId,
    /// Root page of bucket `key`; none when the bucket lies in the root page.
    key: Option<PageId>,
}

/// Roots of a file of this page size, the best first: the newest whose tree of bucket `key` is whole, then the newest that is left.
///
/// # Errors
/// When bytes cannot be read, or the watch asks to stop.
pub(super) fn roots<S: Source + ?Sized>(source: &S, page_size: u32, watch: &dyn Watch) -> Result<Vec<Meta>, Error> {
    let geometry = all_pages(source, page_size);
    let mut found: Vec<Root> = Vec::new();
    let mut pages = LeafReader::new(source, geometry);
    for page in StrayPages::find(source, page_size, &|_| false, watch)?.leaves() {
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
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
        if is_whole(source, geometry, root.key)? {
            whole = Some(at);
            break;
        }
    }
    // The first whole one comes before all others.
    if let Some(upto_whole) = whole.and_then(|at| found.get_mut(..=at)) {
        upto_whole.rotate_right(1);
    }
    let meta = |root: Root| Meta { root: root.page, ..without_root(source, page_size) };
    Ok(found.into_iter().map(meta).collect())
}

/// What a meta page would say of a file that has lost its root, too.
pub(super) fn without_root<S: Source + ?Sized>(source: &S, page_size: u32) -> Meta {
    let high_water = all_pages(source, page_size).high_water;
    Meta { page_size, root: PageId::ZERO, freelist: NO_FREELIST, high_water, txid: 1 }
}

fn newest_first(roots: &mut Vec<Root>) {
    roots.sort_by_key(|root| std::cmp::Reverse((root.applied, root.page)));
    roots.truncate(REMEMBERED);
}

/// Where the applied index of a root stands.
enum Where {
    Applied(u64),
    Below(PageId),
}

/// The root that a leaf page is, and where its applied index is; none when it is no root.
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

/// `consistent_index` in a leaf of bucket `meta`; 0 when it is not there.
fn applied_in(leaf: Leaf<'_>) -> u64 {
    let mut found = leaf.pairs().filter(|element| element.key == b"consistent_index");
    found.next().and_then(|element| u64_be(element.value, 0)).unwrap_or(0)
}

fn is_whole<S: Source + ?Sized>(source: &S, geometry: Geometry, root: Option<PageId>) -> Result<bool, Error> {
    let Some(root) = root else { return Ok(true) };
    let mut whole = true;
    IntactTrees::new(source, geometry)?.walk(root, &mut |met| whole &= matches!(met, Met::Leaf(..)))?;
    Ok(whole)
}
