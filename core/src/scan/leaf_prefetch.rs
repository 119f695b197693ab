//! Reads the leaves of bucket `key` in file order, before the walk visits them in key order.
//!
//! bbolt reuses freed pages, so in an aged file the leaves are scattered, and a walk would jump around in the file.
//! This module first reads the branch pages, which name the leaves. It then reads the leaves in strips from front to
//! back and digests each, and the walk finds the digest instead of the page. The walk reads the leaves that a strip
//! leaves out (irregular pages, failed reads, exceeded limits) itself: a strip can save work, but not change the
//! result.

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bolt::page::PageKind;
use crate::bolt::reader::{Geometry, PageReader};
use crate::error::Error;
use crate::limits::{MAX_PARTS, READ_AHEAD, SWEEP_DIGEST_BYTES};
use crate::progress::ScanProgress;
use crate::scan::branch_descent::BranchDescent;
use crate::scan::digest::LeafDigest;
use crate::scan::digest_strip::DigestStrip;
use crate::source::Source;

/// Minimum number of leaves in a strip.
const MIN_STRIP: usize = 64;

/// At least one leaf in this many must not follow the one before it for strips to be worth their memory.
const SCATTERED: usize = 16;

/// Bytes between two calls of the progress callback.
const STRIDE: u64 = 512 << 10;

/// Number of digests whose memory is prefetched at once.
pub(crate) const PREFETCHED: usize = 16;

/// Largest distance between the starts of two leaves that one read fetches, in bytes.
const NEAR: u64 = 64 << 10;

/// Page ids of leaves that are scattered in the file, ascending, split into strips; empty if key order is file order.
#[derive(Debug, Default)]
pub(crate) struct ScatteredLeaves {
    pages: Vec<PageId>,
    ranks: Ranks,
    /// Above this revision no revision may be missing; the walk examines the pages where revisions are missing.
    complete_above: Revision,
    /// Memory left for the digests of all strips, in bytes.
    left: AtomicUsize,
}

impl ScatteredLeaves {
    /// Finds the leaves below `roots`; empty if key order is file order already. The walk handles damaged pages.
    ///
    /// # Errors
    /// A read fails, or memory for a few bits per page runs out.
    pub(crate) fn below<S: Source + ?Sized>(
        source: &S,
        geometry: Geometry,
        roots: impl Iterator<Item = PageId>,
        complete_above: Revision,
    ) -> Result<Self, Error> {
        // Only the leaves are needed, not their parents.
        let roots = roots.map(|root| (root, PageId::ZERO));
        let mut pages = BranchDescent::new(source, geometry, roots)?.finish()?.leaves;
        if !scattered(&pages, geometry) {
            return Ok(Self::default());
        }
        pages.sort_unstable();
        pages.dedup();
        pages.retain(|page| *page < geometry.present);
        let left = AtomicUsize::new(SWEEP_DIGEST_BYTES);
        Ok(Self { ranks: Ranks::new(&pages, geometry.present)?, pages, complete_above, left })
    }

    fn strip_len(&self) -> usize {
        self.pages.len().div_ceil(MAX_PARTS).max(MIN_STRIP)
    }

    /// The number of strips.
    pub(crate) fn strips(&self) -> usize {
        self.pages.len().div_ceil(self.strip_len())
    }

    /// Digests the leaves of one strip.
    ///
    /// # Errors
    /// `progress` requests a stop.
    pub(crate) fn digest<S: Source + ?Sized>(
        &self,
        strip: usize,
        source: &S,
        geometry: Geometry,
        progress: &dyn ScanProgress,
    ) -> Result<DigestStrip, Error> {
        let start = strip.saturating_mul(self.strip_len());
        let pages = self.pages.chunks(self.strip_len()).nth(strip).unwrap_or_default();
        let mut reader = PageReader::new(source, geometry);
        let mut digest = LeafDigest::default();
        let mut done = DigestStrip::default();
        done.reserve(pages.len())?;
        let mut unreported = 0u64;
        let mut expected = PageId::ZERO;
        for (index, page) in pages.iter().enumerate() {
            if *page >= expected {
                let reach = reach(pages.get(index..).unwrap_or_default(), geometry);
                reader.announce(usize::try_from(reach.pages_since(*page)).unwrap_or(1));
                expected = reach;
            }
            let next =
                self.pages.get(start.saturating_add(index).saturating_add(1)).copied().unwrap_or(PageId::new(u64::MAX));
            let taken = ends_before(&mut reader, *page, next)
                && match reader.unit(*page) {
                    Ok(Ok((header, bytes))) => {
                        unreported = unreported.saturating_add(bytes.len() as u64);
                        header.id == *page
                            && header.kind() == Some(PageKind::Leaf)
                            && digest.fill(header, bytes, Some(geometry.page_size))
                            && digest.complete_from <= self.complete_above
                            && digest.migrated == 0
                            && self.take(digest.size())
                            && done.reserve_for(&digest)
                    }
                    _ => false,
                };
            done.push(taken.then_some(&digest));
            if unreported >= STRIDE {
                progress.advance(std::mem::take(&mut unreported));
                if progress.cancelled() {
                    return Err(Error::Cancelled);
                }
            }
        }
        progress.advance(unreported);
        done.shrink_to_fit();
        Ok(done)
    }

    /// Takes `bytes` from the memory left; returns false if too little is left.
    fn take(&self, bytes: usize) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// Whether a page with its overflow pages ends before the next leaf. A page that does not is irregular, and the walk
/// decides which page owns the bytes; reading overlapping pages here would cost more than the file.
fn ends_before<S: Source + ?Sized>(reader: &mut PageReader<'_, S>, page: PageId, next: PageId) -> bool {
    match reader.header_and_overflow(page) {
        Ok(Ok((_, overflow))) => page.plus(u64::from(overflow)) < next,
        _ => false,
    }
}

/// Whether reading the leaves in key order makes a reader jump around in the file.
fn scattered(pages: &[PageId], geometry: Geometry) -> bool {
    let near = NEAR.checked_div(u64::from(geometry.page_size)).unwrap_or(0);
    let jumps =
        pages.iter().zip(pages.iter().skip(1)).filter(|(page, next)| next < page || next.pages_since(**page) > near);
    jumps.count().saturating_mul(SCATTERED) > pages.len()
}

/// Returns the page after the last of `pages` that one read may fetch along with the first.
pub(crate) fn reach(pages: &[PageId], geometry: Geometry) -> PageId {
    let per = |bytes: u64| bytes.checked_div(u64::from(geometry.page_size)).unwrap_or(0);
    let (near, most) = (per(NEAR), per(READ_AHEAD as u64));
    let Some(first) = pages.first() else { return PageId::ZERO };
    let mut last = *first;
    for page in pages.iter().skip(1) {
        if page.pages_since(last) > near.max(1) || page.pages_since(*first) >= most {
            break;
        }
        last = *page;
    }
    last.next()
}

/// A rank structure over the leaves: which pages are leaves, and how many leaves precede a page. 16 bytes for 64 pages.
#[derive(Debug, Default)]
struct Ranks {
    /// One bit per page, and the number of leaves before the word's first page.
    words: Vec<(u64, u32)>,
}

impl Ranks {
    /// Builds the ranks of ascending page ids below `present`.
    fn new(pages: &[PageId], present: PageId) -> Result<Self, Error> {
        let count = if pages.is_empty() { 0 } else { present.get().div_ceil(64) };
        let mut words = Vec::new();
        let memory = Error::Memory { what: "two bits per page", bytes: count.saturating_mul(16) };
        words.try_reserve_exact(usize::try_from(count).map_err(|_| memory.clone())?).map_err(|_| memory)?;
        let mut rest = pages.iter().peekable();
        let mut before = 0u32;
        for word in 0..count {
            let mut bits = 0u64;
            while let Some((_, bit)) = rest.next_if(|page| page.get() >> 6 == word).and_then(|page| page.in_bitmap()) {
                bits |= bit;
            }
            words.push((bits, before));
            before = before.saturating_add(bits.count_ones());
        }
        Ok(Self { words })
    }

    /// The number of leaves before `page`; `None` if `page` is not a leaf.
    fn of(&self, page: PageId) -> Option<usize> {
        let (word, bit) = page.in_bitmap()?;
        let (bits, before) = self.words.get(word)?;
        let below = (bits & bit.wrapping_sub(1)).count_ones();
        (bits & bit != 0).then(|| before.saturating_add(below) as usize)
    }
}

/// The digests of all strips, found by page id.
#[derive(Debug, Default)]
pub struct PrefetchedDigests {
    ranks: Ranks,
    strip_len: usize,
    strips: Vec<DigestStrip>,
}

impl PrefetchedDigests {
    /// Joins all strips of `leaves`, in order.
    pub(crate) fn new(leaves: ScatteredLeaves, strips: Vec<DigestStrip>) -> Self {
        Self { strip_len: leaves.strip_len(), ranks: leaves.ranks, strips }
    }

    /// Fills `into` with the digest of a page; returns false if there is none.
    pub(crate) fn load(&self, page: PageId, into: &mut LeafDigest) -> bool {
        self.place(page).and_then(|(strip, at)| strip.load(at, into)).is_some()
    }

    /// Makes the processor prefetch the memory that `load` will read for the first [`PREFETCHED`] pages.
    ///
    /// Digests are stored in file order and read in key order, so nearly each misses all caches. Prefetching several at
    /// once costs little more than one; fetching them one after the other took a fifth of the time of a status.
    #[inline(never)]
    pub(crate) fn prefetch(&self, pages: impl Iterator<Item = PageId>) {
        let mut places = [None; PREFETCHED];
        for (place, page) in places.iter_mut().zip(pages) {
            *place = self.place(page);
        }
        let mut starts = [None; PREFETCHED];
        for (start, (strip, at)) in starts.iter_mut().zip(places.iter().flatten()) {
            *start = Some((*strip, strip.records_start(*at)));
        }
        let touched = starts.iter().flatten().filter_map(|(strip, start)| strip.record(*start));
        // The value is unused; `black_box` keeps the compiler from removing the read.
        std::hint::black_box(touched.fold(0, |sum, record| sum ^ record.key().high));
    }

    /// Finds the strip with a page, and the page's index in the strip.
    fn place(&self, page: PageId) -> Option<(&DigestStrip, usize)> {
        let rank = self.ranks.of(page)?;
        Some((self.strips.get(rank.checked_div(self.strip_len)?)?, rank.checked_rem(self.strip_len)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc::PartialCrc;
    use crate::etcd::revision_key::{FullRevision, RevisionKey};
    use crate::etcd::revision_record::RevisionRecord;
    use crate::needed_key::{NeededKey, Provider};
    use crate::needed_key_counts::NeededKeyCounts;

    const GEOMETRY: Geometry =
        Geometry { page_size: 4096, high_water: PageId::new(10_000), present: PageId::new(10_000) };

    #[test]
    fn leaves_in_the_order_of_the_file_need_no_strips() {
        let rising: Vec<PageId> = (2..1000).map(|page| PageId::new(page * 3)).collect();
        let shuffled: Vec<PageId> = (0..997).map(|i| PageId::new(2 + i * 500 % 997)).collect();
        assert!(!scattered(&rising, GEOMETRY));
        assert!(scattered(&shuffled, GEOMETRY));
    }

    #[test]
    fn one_read_fetches_near_leaves() {
        let behind = |pages: &[u64]| reach(&pages.iter().copied().map(PageId::new).collect::<Vec<_>>(), GEOMETRY).get();
        assert_eq!(behind(&[10, 11, 13, 29, 46]), 30);
        assert_eq!(behind(&[10]), 11);
        let many: Vec<u64> = (100..300).collect();
        assert_eq!(behind(&many), 100 + 64);
    }

    #[test]
    fn a_digest_comes_back_as_it_was_kept() {
        let key =
            |main, tombstone| RevisionKey { revision: FullRevision { main: Revision::new(main), sub: 3 }, tombstone };
        let record = RevisionRecord::new(&crate::etcd::keyvalue::KeyValue { key: b"a", ..Default::default() }, true);
        let needs = |main| {
            let mut needs = NeededKeyCounts::default();
            if main % 3 == 0 {
                needs.add(&NeededKey { provider: Provider::AesGcm, name: format!("key{main}") }, 1);
            }
            needs
        };
        let digest = |main: i64| LeafDigest {
            run: PartialCrc { crc: main as u32, len: 77 },
            pages: 2,
            entries: 1,
            tombstones: 1,
            ends: Some((key(main, false), key(main, true))),
            records: vec![record],
            steps: None,
            leased: vec![(0, main)],
            complete_from: Revision::ZERO,
            migrated: 0,
            encrypted: needs(main),
        };
        let mut strips = [DigestStrip::default(), DigestStrip::default()];
        for main in 0..64 {
            strips[0].push((main != 7).then(|| digest(main)).as_ref());
        }
        strips[1].push(Some(&digest(64)));
        let pages: Vec<PageId> = (0..65).map(|i| PageId::new(100 + i * 3)).collect();
        let leaves = ScatteredLeaves {
            ranks: Ranks::new(&pages, PageId::new(1000)).unwrap(),
            pages,
            ..ScatteredLeaves::default()
        };
        let ahead = PrefetchedDigests::new(leaves, strips.into());
        let mut loaded = LeafDigest::default();
        for main in (0..65).filter(|main| *main != 7) {
            assert!(ahead.load(PageId::new(100 + main as u64 * 3), &mut loaded));
            assert_eq!(format!("{loaded:?}"), format!("{:?}", digest(main)));
        }
        for page in [0, 99, 101, 121, 295, 1000, u64::MAX] {
            assert!(!ahead.load(PageId::new(page), &mut loaded), "{page}");
        }
    }
}
