//! The cache of pages that a sweep has seen.

use crate::bolt::page_id::PageId;
use std::collections::HashMap;

use crate::bolt::page::Header;
use crate::bolt::page_set::PageSet;
use crate::limits::{SWEEP_DIGESTS, SWEEP_RAW};
use crate::scan::digest::LeafDigest;
use crate::scan::digest_strip::Strip;

/// Number of digests in one strip, whose memory is freed together when the last one was taken.
const STRIP: usize = 1024;

/// Memory of a page's map entry besides the page's bytes.
const ENTRY: usize = 64;

/// Memory limits of a sweep for the pages that pass, in bytes. Nearly all pages can be obsolete, and which ones is
/// known only after the last one has passed; needed pages that did not fit then pass again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepRoom {
    /// Limit for the used bytes of branch pages and of leaves of small buckets.
    pub raw: usize,
    /// Limit for digests of leaves of bucket `key`.
    pub digests: usize,
}

impl Default for SweepRoom {
    fn default() -> Self {
        Self { raw: SWEEP_RAW, digests: SWEEP_DIGESTS }
    }
}

/// Digests of leaf pages of bucket `key`, and the used bytes of other small pages, by page id. Empty for a scan with
/// random access.
#[derive(Debug, Default)]
pub struct SweepCache {
    room: SweepRoom,
    raw: HashMap<PageId, Box<[u8]>>,
    raw_bytes: usize,
    strips: Vec<Digests>,
    /// Position among all digests plus one, by page id; 0 for a page without a digest.
    index: Vec<u32>,
    digest_bytes: usize,
    forgotten: Forgotten,
}

#[derive(Debug)]
struct Digests {
    strip: Strip,
    /// Number of digests not taken yet.
    left: usize,
}

/// Pages that did not fit in memory: one bit per page that passed.
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
    pub fn within(room: SweepRoom) -> Self {
        Self { room, ..Self::default() }
    }

    /// Changes the memory limits; cached pages stay.
    pub fn set_room(&mut self, room: SweepRoom) {
        self.room = room;
    }

    /// Caches the used bytes of a regular page, if they fit.
    pub fn keep_raw(&mut self, page: PageId, used: &[u8]) {
        let total = self.raw_bytes.saturating_add(used.len()).saturating_add(ENTRY);
        if total > self.room.raw {
            self.forgotten.add(page);
            return;
        }
        self.raw_bytes = total;
        self.raw.insert(page, used.into());
    }

    /// Caches a digest, if it fits.
    pub fn keep_digest(&mut self, page: PageId, digest: &LeafDigest) {
        let total = self.digest_bytes.saturating_add(Strip::size_of(digest));
        let Some(slot) = page.as_index() else { return };
        if total > self.room.digests {
            self.forgotten.add(page);
            return;
        }
        // The page's bytes have passed, so this grows with the bytes read, never with a number in the file.
        let more = slot.saturating_add(1).saturating_sub(self.index.len());
        if self.index.try_reserve(more).is_err() {
            self.forgotten.add(page);
            return;
        }
        if self.strips.last().is_none_or(|last| last.strip.len() >= STRIP) {
            if let Some(full) = self.strips.last_mut() {
                full.strip.shrink_to_fit();
            }
            self.strips.push(Digests { strip: Strip::with_steps(), left: 0 });
        }
        let before = self.strips.len().saturating_sub(1).saturating_mul(STRIP);
        let Some(last) = self.strips.last_mut() else { return };
        if !last.strip.has_room(digest) {
            self.forgotten.add(page);
            return;
        }
        if !last.strip.keep(Some(digest)) {
            return;
        }
        last.left = last.left.saturating_add(1);
        self.digest_bytes = total;
        if more > 0 {
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

    /// Whether a page passed that was left out only for lack of memory.
    #[must_use]
    pub fn has_forgotten(&self, page: PageId) -> bool {
        self.forgotten.contains(page)
    }

    /// Whether the cache has a digest of a page.
    #[must_use]
    pub fn has_digest(&self, page: PageId) -> bool {
        page.as_index().and_then(|page| self.index.get(page)).is_some_and(|position| *position != 0)
    }

    /// Fills `into` with the digest of a page and removes it from the cache: its memory is free once the walk has
    /// passed it. Returns false if there is none.
    pub fn take_digest(&mut self, page: PageId, into: &mut LeafDigest) -> bool {
        let entry = page.as_index().and_then(|page| self.index.get_mut(page));
        let Some(position) = entry.and_then(|entry| usize::try_from(std::mem::take(entry)).ok()?.checked_sub(1)) else {
            return false;
        };
        let Some(digests) = self.strips.get_mut(position / STRIP) else { return false };
        let taken = digests.strip.load(position % STRIP, into).is_some();
        digests.left = digests.left.saturating_sub(1);
        // Digests may be taken from the last strip while it still grows.
        if digests.left == 0 && digests.strip.len() >= STRIP {
            digests.strip = Strip::default();
        }
        taken
    }

    /// Returns header and used bytes of a page, if cached.
    #[must_use]
    pub fn raw(&self, page: PageId) -> Option<(Header, &[u8])> {
        let bytes = self.raw.get(&page)?;
        Some((Header::parse(bytes)?, bytes))
    }

    /// Drops every page that is not in `live`. The remaining pages are kept whatever the memory limits, which are then
    /// reset to their defaults.
    #[must_use]
    pub fn reduced(mut self, live: &PageSet) -> Self {
        let mut kept = Self { room: SweepRoom { raw: usize::MAX, digests: usize::MAX }, ..Self::default() };
        // Moves digests one by one, so that memory is freed before the next digest is copied.
        for (page, bytes) in self.raw.drain().filter(|(page, _)| live.contains(*page)) {
            kept.raw_bytes = kept.raw_bytes.saturating_add(bytes.len()).saturating_add(ENTRY);
            kept.raw.insert(page, bytes);
        }
        let mut digest = LeafDigest::default();
        for page in PageId::ZERO.up_to(PageId::new(self.index.len() as u64)) {
            if self.has_digest(page) && self.take_digest(page, &mut digest) && live.contains(page) {
                kept.keep_digest(page, &digest);
            }
        }
        kept.room = SweepRoom::default();
        kept.forgotten = std::mem::take(&mut self.forgotten);
        kept
    }
}
