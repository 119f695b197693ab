//! What a sweep remembers of the pages that went by.

use std::collections::HashMap;

use crate::bolt::page::Header;
use crate::limits::{SWEEP_DIGESTS, SWEEP_RAW};
use crate::scan::digest::LeafDigest;

/// Digests per block: growth copies nothing and doubles nothing.
const BLOCK: usize = 1024;

/// Digests of leaf pages of revisions, and the used bytes of other small pages, by page id. Empty for a scan over random access.
#[derive(Debug, Default)]
pub struct Memory {
    raw: HashMap<u64, Box<[u8]>>,
    raw_bytes: usize,
    digests: Vec<Vec<Option<LeafDigest>>>,
    /// Position in `digests` plus one, by page id.
    index: Vec<u32>,
    digest_bytes: usize,
}

impl Memory {
    /// Remembers the used bytes of a page without oddity, unless the bound is reached.
    pub fn keep_raw(&mut self, page: u64, used: &[u8]) {
        let total = self.raw_bytes.saturating_add(used.len()).saturating_add(64);
        if total <= SWEEP_RAW {
            self.raw_bytes = total;
            self.raw.insert(page, used.into());
        }
    }

    /// Remembers a digest, unless the bound is reached.
    pub fn keep_digest(&mut self, page: u64, digest: &LeafDigest) {
        let total = self.digest_bytes.saturating_add(digest.size());
        let Ok(slot) = usize::try_from(page) else { return };
        if total > SWEEP_DIGESTS {
            return;
        }
        self.digest_bytes = total;
        if self.index.len() <= slot {
            // The page's bytes went by, so this grows with what was read, never with what a file claims.
            let more = slot.saturating_add(1).saturating_sub(self.index.len());
            if self.index.try_reserve(more).is_err() {
                return;
            }
            self.index.resize(slot.saturating_add(1), 0);
        }
        if self.digests.last().is_none_or(|block| block.len() >= BLOCK) {
            self.digests.push(Vec::with_capacity(BLOCK));
        }
        let before = self.digests.len().saturating_sub(1).saturating_mul(BLOCK);
        if let Some(block) = self.digests.last_mut() {
            block.push(Some(digest.compact()));
            let position = before.saturating_add(block.len());
            if let (Some(entry), Ok(position)) = (self.index.get_mut(slot), u32::try_from(position)) {
                *entry = position;
            }
        }
    }

    fn slot(&self, page: u64) -> Option<(usize, usize)> {
        let position = *self.index.get(usize::try_from(page).ok()?)?;
        let position = usize::try_from(position.checked_sub(1)?).ok()?;
        Some((position / BLOCK, position % BLOCK))
    }

    /// The digest of a page, if remembered.
    #[must_use]
    pub fn digest(&self, page: u64) -> Option<&LeafDigest> {
        let (block, at) = self.slot(page)?;
        self.digests.get(block)?.get(at)?.as_ref()
    }

    /// Takes the digest of a page out: its memory is free when the walk is past it.
    pub fn take_digest(&mut self, page: u64) -> Option<LeafDigest> {
        let (block, at) = self.slot(page)?;
        self.digests.get_mut(block)?.get_mut(at)?.take()
    }

    /// Header and used bytes of a page, if remembered.
    #[must_use]
    pub fn raw(&self, page: u64) -> Option<(Header, &[u8])> {
        let bytes = self.raw.get(&page)?;
        Some((Header::parse(bytes)?, bytes))
    }
}
