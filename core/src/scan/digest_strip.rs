//! Stores the digests of many leaf pages in a few large lists, instead of three small lists for each leaf.

use crate::crc::PartialCrc;
use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::RevisionRecord;
use crate::needed_key_counts::NeededKeyCounts;
use crate::scan::digest::LeafDigest;

/// A digest without its lists, in 48 bytes.
#[derive(Debug, Default)]
struct StoredDigest {
    crc: u32,
    len: u32,
    /// Main revisions of the first and the last entry, then their sub-revisions.
    mains: (Revision, Revision),
    subs: (u32, u32),
    /// End of its records in the strip's list; they begin where those of the previous leaf end.
    records_end: u32,
    leased_end: u32,
    pages: u16,
    entries: u16,
    tombstones: u16,
    /// Whether the first and the last key are tombstones.
    ends_are_tombstones: (bool, bool),
}

/// Additional data of a sweep, which does not know yet at which revision the file is compacted: the main revisions of
/// the records (see [`LeafDigest::steps`]), and facts about the history within each leaf.
#[derive(Debug, Default)]
struct RevisionSteps {
    bytes: Vec<u8>,
    /// End of each leaf's steps.
    ends: Vec<u32>,
    /// [`LeafDigest::complete_from`] and [`LeafDigest::migrated`] of each leaf.
    histories: Vec<(Revision, u32)>,
}

/// The digests of leaves that follow each other in the file.
#[derive(Debug, Default)]
pub struct DigestStrip {
    /// One per leaf; without entries if the leaf has no digest.
    digests: Vec<StoredDigest>,
    records: Vec<RevisionRecord>,
    leased: Vec<(u32, i64)>,
    steps: Option<RevisionSteps>,
    /// Encryption keys that the values of a leaf need, with the leaf's index in the strip; only for leaves with
    /// encrypted values.
    encrypted: Vec<(u32, NeededKeyCounts)>,
}

impl DigestStrip {
    /// Creates a strip that also keeps the steps of its digests.
    pub(crate) fn with_steps() -> Self {
        Self { steps: Some(RevisionSteps::default()), ..Self::default() }
    }

    /// Reserves memory for `leaves` leaves, without their records.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub(crate) fn reserve(&mut self, leaves: usize) -> Result<(), Error> {
        let bytes = leaves.saturating_mul(size_of::<StoredDigest>()) as u64;
        let memory = |_| Error::Memory { what: "digests of leaf pages", bytes };
        self.digests.try_reserve_exact(leaves).map_err(memory)
    }

    /// The number of leaves, including those without a digest.
    pub(crate) fn len(&self) -> usize {
        self.digests.len()
    }

    /// Memory of a digest in a strip, in bytes.
    pub(crate) fn size_of(digest: &LeafDigest) -> usize {
        let lists = size_of_val(digest.records.as_slice()).saturating_add(size_of_val(digest.leased.as_slice()));
        let steps =
            digest.steps.as_ref().map_or(0, |steps| steps.len().saturating_add(size_of::<(u32, Revision, u32)>()));
        let encrypted = if digest.encrypted.is_empty() {
            0
        } else {
            digest.encrypted.size().saturating_add(size_of::<(u32, NeededKeyCounts)>())
        };
        size_of::<StoredDigest>().saturating_add(lists).saturating_add(steps).saturating_add(encrypted)
    }

    /// Reserves memory for one more digest; returns false if memory runs out. The walk then reads that leaf again.
    pub(crate) fn reserve_for(&mut self, digest: &LeafDigest) -> bool {
        let steps = digest.steps.as_ref().map_or(0, Vec::len);
        self.records.try_reserve(digest.records.len()).is_ok()
            && self.leased.try_reserve(digest.leased.len()).is_ok()
            && self.encrypted.try_reserve(1).is_ok()
            && self.steps.as_mut().is_none_or(|kept| kept.bytes.try_reserve(steps).is_ok())
    }

    /// Releases the spare capacity of the lists: the strip is complete.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.digests.shrink_to_fit();
        self.records.shrink_to_fit();
        self.leased.shrink_to_fit();
        self.encrypted.shrink_to_fit();
        if let Some(steps) = &mut self.steps {
            steps.bytes.shrink_to_fit();
            steps.ends.shrink_to_fit();
            steps.histories.shrink_to_fit();
        }
    }

    /// Adds the next leaf; returns whether its digest was stored. A leaf is stored without a digest if `digest` is
    /// `None`, or if one of its numbers is too large for [`StoredDigest`], which etcd never writes.
    pub(crate) fn push(&mut self, digest: Option<&LeafDigest>) -> bool {
        let stored = digest.and_then(|digest| Some((self.shortened(digest)?, digest)));
        let Some((stored, digest)) = stored else {
            let (records_end, leased_end) = self.list_starts(self.digests.len());
            self.digests.push(StoredDigest { records_end, leased_end, ..StoredDigest::default() });
            self.push_steps(None);
            return false;
        };
        if !digest.encrypted.is_empty() {
            self.encrypted.push((u32::try_from(self.digests.len()).unwrap_or(u32::MAX), digest.encrypted.clone()));
        }
        self.digests.push(stored);
        self.records.extend_from_slice(&digest.records);
        self.leased.extend_from_slice(&digest.leased);
        self.push_steps(Some(digest));
        true
    }

    fn push_steps(&mut self, digest: Option<&LeafDigest>) {
        let Some(steps) = &mut self.steps else { return };
        steps.bytes.extend_from_slice(digest.and_then(|digest| digest.steps.as_deref()).unwrap_or_default());
        steps.histories.push(digest.map_or((Revision::ZERO, 0), |digest| (digest.complete_from, digest.migrated)));
        steps.ends.push(u32::try_from(steps.bytes.len()).unwrap_or(u32::MAX));
    }

    fn shortened(&self, digest: &LeafDigest) -> Option<StoredDigest> {
        let (first, last) = digest.ends?;
        let sub = |key: RevisionKey| u32::try_from(key.revision.sub).ok();
        Some(StoredDigest {
            crc: digest.run.crc,
            len: u32::try_from(digest.run.len).ok()?,
            mains: (first.revision.main, last.revision.main),
            subs: (sub(first)?, sub(last)?),
            records_end: u32::try_from(self.records.len().checked_add(digest.records.len())?).ok()?,
            leased_end: u32::try_from(self.leased.len().checked_add(digest.leased.len())?).ok()?,
            pages: u16::try_from(digest.pages).ok()?,
            entries: u16::try_from(digest.entries).ok()?,
            tombstones: u16::try_from(digest.tombstones).ok()?,
            ends_are_tombstones: (first.tombstone, last.tombstone),
        })
    }

    /// Start of the leaf's records and leases in the strip's lists; `at` is the leaf's index.
    fn list_starts(&self, at: usize) -> (u32, u32) {
        let before = at.checked_sub(1).and_then(|before| self.digests.get(before));
        before.map_or((0, 0), |before| (before.records_end, before.leased_end))
    }

    /// Start of the leaf's records in the strip's list; `at` is the leaf's index.
    pub(crate) fn records_start(&self, at: usize) -> u32 {
        self.list_starts(at).0
    }

    /// The record at index `at` of the whole strip.
    pub(crate) fn record(&self, at: u32) -> Option<&RevisionRecord> {
        self.records.get(at as usize)
    }

    /// Fills `into` with the digest of a leaf; `None` if the leaf has none.
    pub(crate) fn load(&self, at: usize, into: &mut LeafDigest) -> Option<()> {
        let stored = self.digests.get(at).filter(|stored| stored.entries > 0)?;
        let (records, leased) = self.list_starts(at);
        let key =
            |main, sub, tombstone| RevisionKey { revision: FullRevision { main, sub: i64::from(sub) }, tombstone };
        into.run = PartialCrc { crc: stored.crc, len: u64::from(stored.len) };
        into.pages = u32::from(stored.pages);
        into.entries = u32::from(stored.entries);
        into.tombstones = u32::from(stored.tombstones);
        into.ends = Some((
            key(stored.mains.0, stored.subs.0, stored.ends_are_tombstones.0),
            key(stored.mains.1, stored.subs.1, stored.ends_are_tombstones.1),
        ));
        into.records.clear();
        into.records.extend_from_slice(self.records.get(records as usize..stored.records_end as usize)?);
        into.leased.clear();
        into.leased.extend_from_slice(self.leased.get(leased as usize..stored.leased_end as usize)?);
        into.encrypted.clear();
        let index = u32::try_from(at).unwrap_or(u32::MAX);
        if let Ok(found) = self.encrypted.binary_search_by_key(&index, |(of, _)| *of)
            && let Some((_, encrypted)) = self.encrypted.get(found)
        {
            into.encrypted.append(encrypted);
        }
        // A strip without steps contains only digests of leaves without missing revisions.
        let history = self.steps.as_ref().and_then(|steps| steps.histories.get(at));
        (into.complete_from, into.migrated) = history.copied().unwrap_or_default();
        into.steps = match &self.steps {
            Some(steps) => Some(steps.of_leaf(at, into.steps.take().unwrap_or_default())?),
            None => None,
        };
        Some(())
    }
}

impl RevisionSteps {
    /// Returns the steps of a leaf, in the memory of `list`.
    fn of_leaf(&self, at: usize, mut list: Vec<u8>) -> Option<Vec<u8>> {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        list.clear();
        list.extend_from_slice(self.bytes.get(start as usize..*self.ends.get(at)? as usize)?);
        Some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_digest_has_48_bytes() {
        assert!(size_of::<StoredDigest>() <= 48, "{}", size_of::<StoredDigest>());
    }
}
