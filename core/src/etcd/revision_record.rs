//! The record that a scan keeps of each revision: 24 bytes.
//!
//! ```text
//! ├ key hash, 96 bits ┼ create revision i64 ┼ version, 27 bits ┼ lease missing ┼ compaction state, 2 bits ┼ creation ┼ tombstone ┤
//! ```
//! The hash is the upper part of the key's fingerprint: two of ten million keys collide with a probability of about
//! 10^-15.

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::fingerprint::fingerprint;

const VERSION_MASK: u32 = (1 << 27) - 1;
const LEASE_MISSING: u32 = 1 << 27;
const STATE_SHIFT: u32 = 28;
const STATE_MASK: u32 = 3 << STATE_SHIFT;
const CREATION: u32 = 1 << 30;
const TOMBSTONE: u32 = 1 << 31;

/// What compactions may have done to the revisions of a key around a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompactionState {
    /// At or below the finished compaction: only the newest such revision of each key may be left.
    Compacted,
    /// At or below a compaction that was requested but not finished: older revisions of the key may be gone.
    Compacting,
    /// Above all compactions: no revision may be missing.
    NotCompacted,
}

/// The two compaction revisions stored in bucket `meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionRevisions {
    /// `finishedCompactRev`, or [`Revision::NONE`].
    pub finished: Revision,
    /// `scheduledCompactRev`, or [`Revision::NONE`].
    pub scheduled: Revision,
}

impl CompactionRevisions {
    /// The revision above which no revision may be missing: a compaction removes only revisions up to its own, and
    /// etcd's first write is revision 2.
    #[must_use]
    pub fn complete_above(&self) -> Revision {
        self.last_compaction().max(Revision::FIRST)
    }

    /// The revision of the last requested compaction; [`Revision::NONE`] if there was none.
    #[must_use]
    pub fn last_compaction(&self) -> Revision {
        self.finished.max(self.scheduled)
    }

    /// Marks the last requested compaction as finished if it is above `last`, the main revision of the last entry of
    /// bucket `key`.
    ///
    /// A compaction removes entries in ascending order, and the last entry remains. So such a compaction has removed
    /// everything that it had to remove.
    #[must_use]
    pub fn with_last(self, last: Option<Revision>) -> Self {
        match last {
            Some(last) if self.scheduled > last => Self { finished: self.finished.max(self.scheduled), ..self },
            _ => self,
        }
    }

    /// The compaction state of a main revision.
    #[must_use]
    pub fn state(&self, main: Revision) -> CompactionState {
        if main <= self.finished {
            CompactionState::Compacted
        } else if main <= self.scheduled {
            CompactionState::Compacting
        } else {
            CompactionState::NotCompacted
        }
    }
}

/// A 96-bit hash that identifies a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash {
    /// Upper 64 bits.
    pub high: u64,
    /// Next 32 bits.
    pub low: u32,
}

impl KeyHash {
    /// Computes the hash of a key.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        let hash = fingerprint(key);
        // The truncation is intended: only three of the four words are kept.
        Self { high: (hash >> 64) as u64, low: (hash >> 32) as u32 }
    }
}

/// One revision of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevisionRecord {
    high: u64,
    create: Revision,
    low: u32,
    bits: u32,
}

impl RevisionRecord {
    /// Creates the record of an entry of bucket `key`, with the state [`CompactionState::Compacted`].
    #[must_use]
    pub fn new(message: &KeyValue<'_>, tombstone: bool) -> Self {
        let KeyHash { high, low } = KeyHash::of(message.key);
        if tombstone {
            return Self { high, low, create: Revision::ZERO, bits: TOMBSTONE };
        }
        let creation = if message.version == 1 { CREATION } else { 0 };
        // The truncation is intended: versions are compared modulo 2^27.
        let version = message.version as u32 & VERSION_MASK;
        Self { high, low, create: message.create_revision, bits: version | creation }
    }

    /// Hash of the key.
    #[must_use]
    pub fn key(&self) -> KeyHash {
        KeyHash { high: self.high, low: self.low }
    }

    /// The partition of the key: the upper seven bits of the hash.
    fn partition(&self) -> usize {
        (self.high >> 57) as usize
    }

    /// Whether the revision deletes the key.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.bits & TOMBSTONE != 0
    }

    /// Whether the revision creates the key.
    #[must_use]
    pub fn is_creation(&self) -> bool {
        self.bits & CREATION != 0
    }

    /// Whether the revision `main` has version 1 but an earlier create revision. `etcdctl migrate` writes v2 keys that
    /// were updated in this form.
    #[must_use]
    pub fn is_migrated(&self, main: Revision) -> bool {
        self.is_creation() && self.create != main
    }

    /// Main revision of the put that created the key; 0 for a tombstone.
    #[must_use]
    pub fn create(&self) -> Revision {
        self.create
    }

    /// Whether the revision's lease does not exist.
    #[must_use]
    pub fn lacks_lease(&self) -> bool {
        self.bits & LEASE_MISSING != 0
    }

    /// Marks the revision's lease as missing.
    pub fn mark_lease_missing(&mut self) {
        self.bits |= LEASE_MISSING;
    }

    /// The compaction state of the revision.
    #[must_use]
    pub fn state(&self) -> CompactionState {
        match (self.bits & STATE_MASK) >> STATE_SHIFT {
            0 => CompactionState::Compacted,
            1 => CompactionState::Compacting,
            _ => CompactionState::NotCompacted,
        }
    }

    /// Sets the compaction state of the revision.
    pub fn set_state(&mut self, state: CompactionState) {
        self.bits = (self.bits & !STATE_MASK) | ((state as u32) << STATE_SHIFT);
    }

    /// Whether this put is the next version after `before`.
    #[must_use]
    pub fn continues(&self, before: &RevisionRecord) -> bool {
        let next = (before.bits & VERSION_MASK).wrapping_add(1) & VERSION_MASK;
        self.create == before.create && self.bits & VERSION_MASK == next
    }
}

/// Number of partitions of the records, by the hash of their key. Even with a million keys, a hash table for one
/// partition fits the cache of a processor core.
pub const PARTITIONS: usize = 128;

/// Records in revision order; once complete, they are grouped into partitions by the hash of their key.
#[derive(Debug, Clone, Default)]
pub struct RevisionRecords {
    list: Vec<RevisionRecord>,
    /// End of each partition in the list; empty until the records are partitioned.
    ends: Vec<usize>,
    /// Whether memory ran out for some records.
    is_out_of_memory: bool,
}

impl RevisionRecords {
    /// Appends records. Call it before [`RevisionRecords::partition_by_key`], which also reports if memory ran out
    /// here.
    pub fn extend(&mut self, records: &[RevisionRecord]) {
        match self.list.try_reserve(records.len()) {
            Ok(()) => self.list.extend_from_slice(records),
            Err(_) => self.is_out_of_memory = true,
        }
    }

    /// Groups the records by partition; within a partition they keep their order.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory for a second copy of the records runs out.
    pub fn partition_by_key(&mut self) -> Result<(), Error> {
        let mut partitioned = Vec::new();
        if self.is_out_of_memory || partitioned.try_reserve_exact(self.list.len()).is_err() {
            let bytes = (self.list.len() as u64).saturating_mul(size_of::<RevisionRecord>() as u64);
            return Err(Error::Memory { what: "the revisions of the file", bytes });
        }
        let mut ends = vec![0usize; PARTITIONS];
        for record in &self.list {
            if let Some(count) = ends.get_mut(record.partition()) {
                *count = count.saturating_add(1);
            }
        }
        let mut start = 0usize;
        for slot in &mut ends {
            start = start.saturating_add(std::mem::replace(slot, start));
        }
        partitioned.resize(self.list.len(), RevisionRecord { high: 0, create: Revision::ZERO, low: 0, bits: 0 });
        for record in &self.list {
            let Some(next) = ends.get_mut(record.partition()) else { continue };
            if let Some(slot) = partitioned.get_mut(*next) {
                *slot = *record;
            }
            *next = next.saturating_add(1);
        }
        *self = Self { list: partitioned, ends, is_out_of_memory: false };
        Ok(())
    }

    /// The records of one partition; empty before [`RevisionRecords::partition_by_key`].
    #[must_use]
    pub fn partition(&self, index: usize) -> &[RevisionRecord] {
        let end = self.ends.get(index).copied().unwrap_or(0);
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.list.get(start..end).unwrap_or_default()
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_24_bytes() {
        assert_eq!(size_of::<RevisionRecord>(), 24);
    }

    #[test]
    fn partitioned_records_keep_their_order() {
        let record = |index: u32| {
            let key = (index % 300).to_be_bytes();
            RevisionRecord::new(
                &KeyValue { key: &key, create_revision: Revision::new(index.into()), ..Default::default() },
                false,
            )
        };
        let all: Vec<_> = (0..1000).map(record).collect();
        let mut records = RevisionRecords::default();
        assert!(records.is_empty() && records.partition(0).is_empty());
        all.chunks(7).for_each(|some| records.extend(some));
        records.partition_by_key().unwrap();
        assert_eq!(records.len(), all.len());
        let partitioned: Vec<_> = (0..PARTITIONS).map(|index| records.partition(index)).collect();
        assert!(partitioned.iter().filter(|list| !list.is_empty()).count() > PARTITIONS / 2);
        for list in partitioned {
            assert!(list.is_sorted_by_key(|record| record.create));
        }
    }

    #[test]
    fn a_put_continues_the_version_before_it() {
        let kv = |version, create| KeyValue {
            key: b"a",
            version,
            create_revision: Revision::new(create),
            mod_revision: Revision::new(9),
            ..Default::default()
        };
        let first = RevisionRecord::new(&kv(4, 2), false);
        assert!(RevisionRecord::new(&kv(5, 2), false).continues(&first));
        assert!(!RevisionRecord::new(&kv(6, 2), false).continues(&first));
        assert!(!RevisionRecord::new(&kv(5, 3), false).continues(&first));
        assert!(RevisionRecord::new(&kv(1, 9), false).is_creation());
    }

    #[test]
    fn the_compaction_state_is_stored() {
        let compactions = CompactionRevisions { finished: Revision::new(5), scheduled: Revision::new(8) };
        let mut record = RevisionRecord::new(&KeyValue::default(), true);
        for (main, state) in [
            (5, CompactionState::Compacted),
            (6, CompactionState::Compacting),
            (8, CompactionState::Compacting),
            (9, CompactionState::NotCompacted),
        ] {
            record.set_state(compactions.state(Revision::new(main)));
            assert_eq!(record.state(), state);
            assert!(record.is_tombstone());
        }
    }
}
