//! The cache of pages that a sweep has seen.

use crate::bolt::page_id::PageId;
use std::collections::HashMap;

use crate::bolt::page::Header;
use crate::bolt::page_set::PageSet;
use crate::limits::{SWEEP_DIGEST_BYTES, SWEEP_RAW_BYTES};
use crate::scan::digest::LeafDigest;
use crate::scan::digest_strip::DigestStrip;

/// Number of digests in one strip. Its memory is freed when the last of them was taken.
const DIGESTS_PER_STRIP: usize = 1024;

/// Memory of a page's entry in the hash map besides the page's bytes, in bytes.
const MAP_ENTRY_BYTES: usize = 64;

/// Memory limits of a sweep's first pass, in bytes. Most pages of a file may be stale, and only after the last page is
/// it known which pages the tree needs. Needed pages that did not fit are kept in the next pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepLimits {
    /// Limit for the used bytes of branch pages and of leaves of small buckets.
    pub raw: usize,
    /// Limit for digests of leaves of bucket `key`.
    pub digests: usize,
}

impl Default for SweepLimits {
    fn default() -> Self {
        Self { raw: SWEEP_RAW_BYTES, digests: SWEEP_DIGEST_BYTES }
    }
}

/// Digests of leaf pages of bucket `key`, and the used bytes of branch pages and other leaf pages, by page id. Empty
/// for a scan with random access.
#[derive(Debug, Default)]
pub struct SweepCache {
    limits: SweepLimits,
    raw: HashMap<PageId, Box<[u8]>>,
    raw_bytes: usize,
    strips: Vec<CachedStrip>,
    /// Position among all digests plus one, by page id; 0 for a page without a digest.
    index: Vec<u32>,
    digest_bytes: usize,
    forgotten: Forgotten,
}

#[derive(Debug)]
struct CachedStrip {
    strip: DigestStrip,
    /// Number of digests not taken yet.
    remaining_digests: usize,
}

/// Pages that did not fit in memory, as one bit per page.
#[derive(Debug, Default)]
struct Forgotten(Vec<u64>);

impl Forgotten {
    fn add(&mut self, page: PageId) {
        let Some((word, bit)) = page.in_bitmap() else { return };
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }

    fn contains(&self, page: PageId) -> bool {
        page.in_bitmap().is_some_and(|(word, bit)| self.0.get(word).is_some_and(|bits| bits & bit != 0))
    }
}

impl SweepCache {
    /// Creates an empty cache with the given memory limits.
    #[must_use]
    pub fn with_limits(limits: SweepLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Changes the memory limits; cached pages stay.
    pub fn set_limits(&mut self, limits: SweepLimits) {
        self.limits = limits;
    }

    /// Caches the used bytes of a regular page, if they fit.
    pub fn keep_raw(&mut self, page: PageId, used: &[u8]) {
        let total = self.raw_bytes.saturating_add(used.len()).saturating_add(MAP_ENTRY_BYTES);
        if total > self.limits.raw {
            self.forgotten.add(page);
            return;
        }
        self.raw_bytes = total;
        self.raw.insert(page, used.into());
    }

    /// Caches a digest, if it fits.
    pub fn keep_digest(&mut self, page: PageId, digest: &LeafDigest) {
        let total = self.digest_bytes.saturating_add(DigestStrip::size_of(digest));
        let Some(slot) = page.as_index() else { return };
        if total > self.limits.digests {
            self.forgotten.add(page);
            return;
        }
        // The bytes of this page were read, so the list grows with the bytes read, never with a number in the file.
        let new_slots = slot.saturating_add(1).saturating_sub(self.index.len());
        if self.index.try_reserve(new_slots).is_err() {
            self.forgotten.add(page);
            return;
        }
        if self.strips.last().is_none_or(|last| last.strip.len() >= DIGESTS_PER_STRIP) {
            if let Some(full) = self.strips.last_mut() {
                full.strip.shrink_to_fit();
            }
            self.strips.push(CachedStrip { strip: DigestStrip::with_steps(), remaining_digests: 0 });
        }
        let before = self.strips.len().saturating_sub(1).saturating_mul(DIGESTS_PER_STRIP);
        let Some(last) = self.strips.last_mut() else { return };
        if !last.strip.reserve_for(digest) {
            self.forgotten.add(page);
            return;
        }
        if !last.strip.push(Some(digest)) {
            return;
        }
        last.remaining_digests = last.remaining_digests.saturating_add(1);
        self.digest_bytes = total;
        if new_slots > 0 {
            self.index.resize(slot.saturating_add(1), 0);
        }
        let position = before.saturating_add(last.strip.len());
        if let (Some(entry), Ok(position)) = (self.index.get_mut(slot), u32::try_from(position)) {
            *entry = position;
        }
    }

    /// Marks a page as one that did not fit in memory.
    pub fn forget(&mut self, page: PageId) {
        self.forgotten.add(page);
    }

    /// Whether a page was left out only because it did not fit in memory.
    #[must_use]
    pub fn has_forgotten(&self, page: PageId) -> bool {
        self.forgotten.contains(page)
    }

    /// Whether the cache has a digest of a page.
    #[must_use]
    pub fn has_digest(&self, page: PageId) -> bool {
        page.as_index().and_then(|page| self.index.get(page)).is_some_and(|position| *position != 0)
    }

    /// Fills `into` with the digest of a page and removes it from the cache, so that the walk frees memory as it
    /// proceeds. Returns false if the page has no digest.
    pub fn take_digest(&mut self, page: PageId, into: &mut LeafDigest) -> bool {
        let entry = page.as_index().and_then(|page| self.index.get_mut(page));
        let Some(position) = entry.and_then(|entry| usize::try_from(std::mem::take(entry)).ok()?.checked_sub(1)) else {
            return false;
        };
        let Some(digests) = self.strips.get_mut(position / DIGESTS_PER_STRIP) else { return false };
        let taken = digests.strip.load(position % DIGESTS_PER_STRIP, into).is_some();
        digests.remaining_digests = digests.remaining_digests.saturating_sub(1);
        // The last strip may still grow.
        if digests.remaining_digests == 0 && digests.strip.len() >= DIGESTS_PER_STRIP {
            digests.strip = DigestStrip::default();
        }
        taken
    }

    /// Returns header and used bytes of a page, if cached.
    #[must_use]
    pub fn raw(&self, page: PageId) -> Option<(Header, &[u8])> {
        let bytes = self.raw.get(&page)?;
        Some((Header::parse(bytes)?, bytes))
    }

    /// Drops every page that is not in `wanted`. Ignores the memory limits for the others, and then resets the limits
    /// to their defaults.
    #[must_use]
    pub fn keep_only(mut self, wanted: &PageSet) -> Self {
        let mut remaining = Self { limits: SweepLimits { raw: usize::MAX, digests: usize::MAX }, ..Self::default() };
        // Digests are moved one by one, so that the memory of each is freed before the next is copied.
        for (page, bytes) in self.raw.drain().filter(|(page, _)| wanted.contains(*page)) {
            remaining.raw_bytes = remaining.raw_bytes.saturating_add(bytes.len()).saturating_add(MAP_ENTRY_BYTES);
            remaining.raw.insert(page, bytes);
        }
        let mut digest = LeafDigest::default();
        for page in PageId::ZERO.up_to(PageId::new(self.index.len() as u64)) {
            if self.has_digest(page) && self.take_digest(page, &mut digest) && wanted.contains(page) {
                remaining.keep_digest(page, &digest);
            }
        }
        remaining.limits = SweepLimits::default();
        remaining.forgotten = std::mem::take(&mut self.forgotten);
        remaining
    }
}
