//! Leaves of bucket `key` read in the order of the file, before the walk comes to them in the order of keys.
//!
//! Bolt hands freed pages out again, so in a file that has lived the leaves lie in no order, and a walk reads the file page by page from everywhere. Here the
//! branch pages alone are read first; they name the leaves. Those are read in strips from front to back, each leaf is digested, and the walk then finds the digest
//! instead of the page. What a strip leaves out (anything odd, a read that failed, a bound reached) the walk reads itself: a strip can save work, not change an answer.

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bolt::page::Kind;
use crate::bolt::reader::{Geometry, Reader};
use crate::error::Error;
use crate::limits::{MAX_PARTS, READ_AHEAD, SWEEP_DIGESTS};
use crate::progress::Watch;
use crate::scan::branch_descent::Descent;
use crate::scan::digest::LeafDigest;
use crate::scan::digest_strip::Strip;
use crate::source::Source;

/// Leaves that a strip has at least.
const MIN_STRIP: usize = 64;

/// One leaf in this many must lie away from the one before it for strips to be worth their memory.
const SCATTERED: usize = 16;

/// Bytes between two calls of the watch.
const STRIDE: u64 = 512 << 10;

/// Digests fetched side by side.
pub(crate) const WARMED: usize = 16;

/// A leaf further than this behind the end of a read is not read along with it, in bytes.
const GAP: u64 = 64 << 10;

/// Page ids of the leaves below some pages, rising, and cut into strips.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    pages: Vec<PageId>,
    ranks: Ranks,
    /// Above this revision none may be missing: a page in which one is goes to the walk.
    complete_above: Revision,
    /// Bytes of digests that all strips may keep together.
    left: AtomicUsize,
}

impl Leaves {
    /// The leaves below `roots`; none when they lie in the order of their keys already. Damaged pages are left to the walk.
    ///
    /// # Errors
    /// When bytes cannot be read, or there is no memory for a few bits a page.
    pub(crate) fn below<S: Source + ?Sized>(
        source: &S,
        geometry: Geometry,
        roots: impl Iterator<Item = PageId>,
        complete_above: Revision,
    ) -> Result<Self, Error> {
        let (mut pages, _) = Descent::new(source, geometry, roots)?.finish()?;
        if !scattered(&pages, geometry) {
            return Ok(Self::default());
        }
        pages.sort_unstable();
        pages.dedup();
        pages.retain(|page| *page < geometry.present);
        let left = AtomicUsize::new(SWEEP_DIGESTS);
        Ok(Self { ranks: Ranks::new(&pages, geometry.present)?, pages, complete_above, left })
    }

    fn strip_len(&self) -> usize {
        self.pages.len().div_ceil(MAX_PARTS).max(MIN_STRIP)
    }

    /// How many strips there are.
    pub(crate) fn strips(&self) -> usize {
        self.pages.len().div_ceil(self.strip_len())
    }

    /// Digests the leaves of one strip.
    ///
    /// # Errors
    /// When the watch asks to stop.
    pub(crate) fn digest<S: Source + ?Sized>(
        &self,
        strip: usize,
        source: &S,
        geometry: Geometry,
        watch: &dyn Watch,
    ) -> Result<Strip, Error> {
        let start = strip.saturating_mul(self.strip_len());
        let pages = self.pages.chunks(self.strip_len()).nth(strip).unwrap_or_default();
        let mut reader = Reader::new(source, geometry);
        let mut digest = LeafDigest::default();
        let mut done = Strip::default();
        done.reserve(pages.len())?;
        let mut unreported = 0u64;
        let mut expected = PageId::ZERO;
        for (index, page) in pages.iter().enumerate() {
            if *page >= expected {
                let reach = reach(pages.get(index..).unwrap_or_default(), geometry);
                reader.expect(usize::try_from(reach.pages_since(*page)).unwrap_or(1));
                expected = reach;
            }
            let next =
                self.pages.get(start.saturating_add(index).saturating_add(1)).copied().unwrap_or(PageId::new(u64::MAX));
            let taken = ends_before(&mut reader, *page, next)
                && match reader.unit(*page) {
                    Ok(Ok((header, bytes))) => {
                        unreported = unreported.saturating_add(bytes.len() as u64);
                        header.id == *page
                            && header.kind() == Some(Kind::Leaf)
                            && digest.fill(header, bytes, Some(geometry.page_size))
                            && digest.complete_from <= self.complete_above
                            && digest.migrated == 0
                            && self.take(digest.size())
                            && done.has_room(&digest)
                    }
                    _ => false,
                };
            done.keep(taken.then_some(&digest));
            if unreported >= STRIDE {
                watch.advance(std::mem::take(&mut unreported));
                if watch.cancelled() {
                    return Err(Error::Cancelled);
                }
            }
        }
        watch.advance(unreported);
        done.shrink_to_fit();
        Ok(done)
    }

    /// Whether there is memory left for so many bytes, which are then taken.
    fn take(&self, bytes: usize) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// Whether a page with its overflow ends before the next leaf. One that does not is odd, and the walk says whose pages are whose; read here, pages that reach into each other would
/// cost more than the file.
fn ends_before<S: Source + ?Sized>(reader: &mut Reader<'_, S>, page: PageId, next: PageId) -> bool {
    match reader.extent(page) {
        Ok(Ok((_, overflow))) => page.plus(u64::from(overflow)) < next,
        _ => false,
    }
}

/// Whether leaves in the order of their keys make a reader jump about in the file.
fn scattered(pages: &[PageId], geometry: Geometry) -> bool {
    let near = GAP.checked_div(u64::from(geometry.page_size)).unwrap_or(0);
    let jumps =
        pages.iter().zip(pages.iter().skip(1)).filter(|(page, next)| next < page || next.pages_since(**page) > near);
    jumps.count().saturating_mul(SCATTERED) > pages.len()
}

/// The page behind the last of `pages` that one read may take along with the first.
pub(crate) fn reach(pages: &[PageId], geometry: Geometry) -> PageId {
    let per = |bytes: u64| bytes.checked_div(u64::from(geometry.page_size)).unwrap_or(0);
    let (near, most) = (per(GAP), per(READ_AHEAD as u64));
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

/// Which pages are leaves, and how many of them lie before one: 16 bytes for 64 pages.
#[derive(Debug, Default)]
struct Ranks {
    /// A bit a page, and the leaves before the first of them.
    words: Vec<(u64, u32)>,
}

impl Ranks {
    /// Of page ids that rise and are below `present`.
    fn new(pages: &[PageId], present: PageId) -> Result<Self, Error> {
        let count = if pages.is_empty() { 0 } else { present.get().div_ceil(64) };
        let mut words = Vec::new();
        let memory = Error::Memory { what: "two bits a page", bytes: count.saturating_mul(16) };
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

    /// How many leaves lie before this one; none when it is not among them.
    fn of(&self, page: PageId) -> Option<usize> {
        let (word, bit) = page.in_bitmap()?;
        let (bits, before) = self.words.get(word)?;
        let below = (bits & bit.wrapping_sub(1)).count_ones();
        (bits & bit != 0).then(|| before.saturating_add(below) as usize)
    }
}

/// All that was read ahead, to look digests up in by page.
#[derive(Debug, Default)]
pub struct Ahead {
    ranks: Ranks,
    strip_len: usize,
    strips: Vec<Strip>,
}

impl Ahead {
    /// All strips of `leaves` in their order.
    pub(crate) fn new(leaves: Leaves, strips: Vec<Strip>) -> Self {
        Self { strip_len: leaves.strip_len(), ranks: leaves.ranks, strips }
    }

    /// Fills `into` with the digest of a page; false when there is none.
    pub(crate) fn load(&self, page: PageId, into: &mut LeafDigest) -> bool {
        self.place(page).and_then(|(strip, at)| strip.load(at, into)).is_some()
    }

    /// Has the processor fetch what `load` is going to read of the first [`WARMED`] pages.
    ///
    /// Digests lie in the order of the file and are asked for in the order of keys, so nearly each is a miss of all caches. Side by side those of several pages cost little more than one;
    /// one after the other, between the work on them, they took a fifth of the time of a status.
    pub(crate) fn warm(&self, pages: impl Iterator<Item = PageId>) {
        let mut places = [None; WARMED];
        for (place, page) in places.iter_mut().zip(pages) {
            *place = self.place(page);
        }
        let mut starts = [None; WARMED];
        for (start, (strip, at)) in starts.iter_mut().zip(places.iter().flatten()) {
            *start = Some((*strip, strip.records_start(*at)));
        }
        let touched = starts.iter().flatten().filter_map(|(strip, start)| strip.record(*start));
        // Used for nothing, which is not to be found out.
        std::hint::black_box(touched.fold(0, |sum, record| sum ^ record.key().high));
    }

    /// The strip that has a page, and its place there.
    fn place(&self, page: PageId) -> Option<(&Strip, usize)> {
        let rank = self.ranks.of(page)?;
        Some((self.strips.get(rank.checked_div(self.strip_len)?)?, rank.checked_rem(self.strip_len)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc::Run;
    use crate::etcd::revision_key::{FullRevision, RevisionKey};
    use crate::etcd::revision_record::Record;
    use crate::key_tally::KeyTally;
    use crate::needed_key::{NeededKey, Provider};

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
    fn a_read_takes_along_what_is_near() {
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
        let record = Record::new(&crate::etcd::keyvalue::KeyValue { key: b"a", ..Default::default() }, true);
        let needs = |main| {
            let mut needs = KeyTally::default();
            if main % 3 == 0 {
                needs.add(&NeededKey { provider: Provider::AesGcm, name: format!("key{main}") }, 1);
            }
            needs
        };
        let digest = |main: i64| LeafDigest {
            run: Run { crc: main as u32, len: 77 },
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
        let mut strips = [Strip::default(), Strip::default()];
        for main in 0..64 {
            strips[0].keep((main != 7).then(|| digest(main)).as_ref());
        }
        strips[1].keep(Some(&digest(64)));
        let pages: Vec<PageId> = (0..65).map(|i| PageId::new(100 + i * 3)).collect();
        let leaves = Leaves { ranks: Ranks::new(&pages, PageId::new(1000)).unwrap(), pages, ..Leaves::default() };
        let ahead = Ahead::new(leaves, strips.into());
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
