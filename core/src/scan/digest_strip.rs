//! Digests of many leaves side by side: a few large lists, not three small ones for each.

use crate::crc::Run;
use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::Record;
use crate::key_tally::KeyTally;
use crate::scan::digest::LeafDigest;

/// A digest without its lists: 48 bytes a leaf.
#[derive(Debug, Default)]
struct Brief {
    crc: u32,
    len: u32,
    /// Main revisions of the first and the last entry, then their sub-revisions.
    mains: (Revision, Revision),
    subs: (u32, u32),
    /// Where its records end in the strip; they begin where those of the leaf before end.
    records_end: u32,
    leased_end: u32,
    pages: u16,
    entries: u16,
    tombstones: u16,
    /// Whether the first and the last key are tombstones.
    ends_dead: (bool, bool),
}

/// What a sweep keeps besides, because it does not know yet to which revision the file is compacted: the main revisions of the records (see
/// [`LeafDigest::steps`]), and what is missing within each leaf.
#[derive(Debug, Default)]
struct Steps {
    bytes: Vec<u8>,
    /// Where those of each leaf end.
    ends: Vec<u32>,
    /// [`LeafDigest::complete_from`] and [`LeafDigest::migrated`] of each leaf.
    histories: Vec<(Revision, u32)>,
}

/// Digests of leaves that follow each other in the file.
#[derive(Debug, Default)]
pub struct Strip {
    /// One a leaf; without entries when it has no digest.
    briefs: Vec<Brief>,
    records: Vec<Record>,
    leased: Vec<(u32, i64)>,
    steps: Option<Steps>,
    /// What encrypted values need, with the place of the leaf; none for a leaf without any.
    encrypted: Vec<(u32, KeyTally)>,
}

impl Strip {
    /// A strip that keeps the steps of its digests, too.
    pub(crate) fn with_steps() -> Self {
        Self { steps: Some(Steps::default()), ..Self::default() }
    }

    /// Asks for the memory of `leaves` leaves, without that of their records.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub(crate) fn reserve(&mut self, leaves: usize) -> Result<(), Error> {
        let bytes = leaves.saturating_mul(size_of::<Brief>()) as u64;
        let memory = |_| Error::Memory { what: "digests of leaf pages", bytes };
        self.briefs.try_reserve_exact(leaves).map_err(memory)
    }

    /// Leaves in it, those without a digest counted.
    pub(crate) fn len(&self) -> usize {
        self.briefs.len()
    }

    /// Bytes that a digest takes in a strip.
    pub(crate) fn size_of(digest: &LeafDigest) -> usize {
        let lists = size_of_val(digest.records.as_slice()).saturating_add(size_of_val(digest.leased.as_slice()));
        let steps =
            digest.steps.as_ref().map_or(0, |steps| steps.len().saturating_add(size_of::<(u32, Revision, u32)>()));
        let encrypted = if digest.encrypted.is_empty() {
            0
        } else {
            digest.encrypted.size().saturating_add(size_of::<(u32, KeyTally)>())
        };
        size_of::<Brief>().saturating_add(lists).saturating_add(steps).saturating_add(encrypted)
    }

    /// Whether there is memory for one digest more; the walk reads the leaves for which there is none.
    pub(crate) fn has_room(&mut self, digest: &LeafDigest) -> bool {
        let steps = digest.steps.as_ref().map_or(0, Vec::len);
        self.records.try_reserve(digest.records.len()).is_ok()
            && self.leased.try_reserve(digest.leased.len()).is_ok()
            && self.encrypted.try_reserve(1).is_ok()
            && self.steps.as_mut().is_none_or(|kept| kept.bytes.try_reserve(steps).is_ok())
    }

    /// Gives back the room that the lists have to spare: nothing more comes.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.briefs.shrink_to_fit();
        self.records.shrink_to_fit();
        self.leased.shrink_to_fit();
        self.encrypted.shrink_to_fit();
        if let Some(steps) = &mut self.steps {
            steps.bytes.shrink_to_fit();
            steps.ends.shrink_to_fit();
            steps.histories.shrink_to_fit();
        }
    }

    /// Keeps the digest of the next leaf, unless there is none or one of its numbers is larger than etcd ever makes it; whether it was kept.
    pub(crate) fn keep(&mut self, digest: Option<&LeafDigest>) -> bool {
        let brief = digest.and_then(|digest| Some((self.brief(digest)?, digest)));
        let Some((brief, digest)) = brief else {
            let (records_end, leased_end) = self.ends_before(self.briefs.len());
            self.briefs.push(Brief { records_end, leased_end, ..Brief::default() });
            self.keep_steps(None);
            return false;
        };
        if !digest.encrypted.is_empty() {
            self.encrypted.push((u32::try_from(self.briefs.len()).unwrap_or(u32::MAX), digest.encrypted.clone()));
        }
        self.briefs.push(brief);
        self.records.extend_from_slice(&digest.records);
        self.leased.extend_from_slice(&digest.leased);
        self.keep_steps(Some(digest));
        true
    }

    fn keep_steps(&mut self, digest: Option<&LeafDigest>) {
        let Some(steps) = &mut self.steps else { return };
        steps.bytes.extend_from_slice(digest.and_then(|digest| digest.steps.as_deref()).unwrap_or_default());
        steps.histories.push(digest.map_or((Revision::ZERO, 0), |digest| (digest.complete_from, digest.migrated)));
        steps.ends.push(u32::try_from(steps.bytes.len()).unwrap_or(u32::MAX));
    }

    fn brief(&self, digest: &LeafDigest) -> Option<Brief> {
        let (first, last) = digest.ends?;
        let sub = |key: RevisionKey| u32::try_from(key.revision.sub).ok();
        Some(Brief {
            crc: digest.run.crc,
            len: u32::try_from(digest.run.len).ok()?,
            mains: (first.revision.main, last.revision.main),
            subs: (sub(first)?, sub(last)?),
            records_end: u32::try_from(self.records.len().checked_add(digest.records.len())?).ok()?,
            leased_end: u32::try_from(self.leased.len().checked_add(digest.leased.len())?).ok()?,
            pages: u16::try_from(digest.pages).ok()?,
            entries: u16::try_from(digest.entries).ok()?,
            tombstones: u16::try_from(digest.tombstones).ok()?,
            ends_dead: (first.tombstone, last.tombstone),
        })
    }

    /// Where the records and the leases of the leaf at `at` begin.
    fn ends_before(&self, at: usize) -> (u32, u32) {
        let before = at.checked_sub(1).and_then(|before| self.briefs.get(before));
        before.map_or((0, 0), |before| (before.records_end, before.leased_end))
    }

    /// Where the records of a leaf begin.
    pub(crate) fn records_start(&self, at: usize) -> u32 {
        self.ends_before(at).0
    }

    /// A record by its place among all of the strip.
    pub(crate) fn record(&self, at: u32) -> Option<&Record> {
        self.records.get(at as usize)
    }

    /// Fills `into` with the digest of a leaf; none when it has none.
    pub(crate) fn load(&self, at: usize, into: &mut LeafDigest) -> Option<()> {
        let brief = self.briefs.get(at).filter(|brief| brief.entries > 0)?;
        let (records, leased) = self.ends_before(at);
        let key =
            |main, sub, tombstone| RevisionKey { revision: FullRevision { main, sub: i64::from(sub) }, tombstone };
        into.run = Run { crc: brief.crc, len: u64::from(brief.len) };
        into.pages = u32::from(brief.pages);
        into.entries = u32::from(brief.entries);
        into.tombstones = u32::from(brief.tombstones);
        into.ends = Some((
            key(brief.mains.0, brief.subs.0, brief.ends_dead.0),
            key(brief.mains.1, brief.subs.1, brief.ends_dead.1),
        ));
        into.records.clear();
        into.records.extend_from_slice(self.records.get(records as usize..brief.records_end as usize)?);
        into.leased.clear();
        into.leased.extend_from_slice(self.leased.get(leased as usize..brief.leased_end as usize)?);
        into.encrypted.clear();
        let place = u32::try_from(at).unwrap_or(u32::MAX);
        if let Ok(found) = self.encrypted.binary_search_by_key(&place, |(of, _)| *of)
            && let Some((_, encrypted)) = self.encrypted.get(found)
        {
            into.encrypted.append(encrypted);
        }
        // Without a list, a leaf in which anything might be missing was not kept.
        let history = self.steps.as_ref().and_then(|steps| steps.histories.get(at));
        (into.complete_from, into.migrated) = history.copied().unwrap_or_default();
        into.steps = match &self.steps {
            Some(steps) => Some(steps.of(at, into.steps.take().unwrap_or_default())?),
            None => None,
        };
        Some(())
    }
}

impl Steps {
    /// The steps of a leaf, in `list`.
    fn of(&self, at: usize, mut list: Vec<u8>) -> Option<Vec<u8>> {
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
    fn a_leaf_in_short_is_48_bytes() {
        assert!(size_of::<Brief>() <= 48, "{}", size_of::<Brief>());
    }
}
