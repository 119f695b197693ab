//! What a scan keeps of each revision: 24 bytes.
//!
//! ```text
//! ├ key hash, 96 bits ┼ create revision i64 ┼ version, 27 bits ┼ lease missing ┼ era, 2 bits ┼ creation ┼ tombstone ┤
//! ```
//! The hash is the upper part of the key's fingerprint: at ten million keys two of them collide with a probability of about 10^-15.

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::fingerprint::fingerprint;

const VERSION_MASK: u32 = (1 << 27) - 1;
const LEASE_MISSING: u32 = 1 << 27;
const ERA_SHIFT: u32 = 28;
const ERA_MASK: u32 = 3 << ERA_SHIFT;
const CREATION: u32 = 1 << 30;
const TOMBSTONE: u32 = 1 << 31;

/// Where a revision stands with respect to compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// At or below the compaction that was finished: only the newest revision of each key may be left.
    Compacted,
    /// At or below one that was ordered: the oldest may be gone.
    Compacting,
    /// Above: nothing may be missing.
    Kept,
}

/// The two marks of compaction in bucket `meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// `finishedCompactRev`, or [`Revision::NONE`].
    pub finished: Revision,
    /// `scheduledCompactRev`, or [`Revision::NONE`].
    pub scheduled: Revision,
}

impl Marks {
    /// The revision above which no revision may be missing: a compaction removes only what is not newer than itself, and etcd's first write is revision 2.
    #[must_use]
    pub fn complete_above(&self) -> Revision {
        self.last_compaction().max(Revision::FIRST)
    }

    /// The revision of the last compaction that was requested; [`Revision::NONE`] when there was none.
    #[must_use]
    pub fn last_compaction(&self) -> Revision {
        self.finished.max(self.scheduled)
    }

    /// The same marks in a bucket `key` that ends with main revision `last`.
    ///
    /// A compaction removes entries from the lowest up. So one whose revision lies above the last entry has removed all that it was to remove.
    #[must_use]
    pub fn with_last(self, last: Option<Revision>) -> Self {
        match last {
            Some(last) if self.scheduled > last => Self { finished: self.finished.max(self.scheduled), ..self },
            _ => self,
        }
    }

    /// The era of a main revision.
    #[must_use]
    pub fn era(&self, main: Revision) -> Era {
        if main <= self.finished {
            Era::Compacted
        } else if main <= self.scheduled {
            Era::Compacting
        } else {
            Era::Kept
        }
    }
}

/// Identifies a key without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash {
    /// Upper 64 bits.
    pub high: u64,
    /// The next 32.
    pub low: u32,
}

impl KeyHash {
    /// The hash of a key.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        let hash = fingerprint(key);
        // Truncation is meant: three of the four words.
        Self { high: (hash >> 64) as u64, low: (hash >> 32) as u32 }
    }
}

/// One revision of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    high: u64,
    create: Revision,
    low: u32,
    bits: u32,
}

impl Record {
    /// The record of an entry of bucket `key`; its era is [`Era::Compacted`] until set.
    #[must_use]
    pub fn new(message: &KeyValue<'_>, tombstone: bool) -> Self {
        let KeyHash { high, low } = KeyHash::of(message.key);
        if tombstone {
            return Self { high, low, create: Revision::ZERO, bits: TOMBSTONE };
        }
        let creation = if message.version == 1 { CREATION } else { 0 };
        // Truncation is meant: versions are compared modulo 2^27.
        let version = message.version as u32 & VERSION_MASK;
        Self { high, low, create: message.create_revision, bits: version | creation }
    }

    /// The key it belongs to.
    #[must_use]
    pub fn key(&self) -> KeyHash {
        KeyHash { high: self.high, low: self.low }
    }

    /// The partition of its key: the upper seven bits of the hash.
    fn partition(&self) -> usize {
        (self.high >> 57) as usize
    }

    /// Whether it deletes the key.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.bits & TOMBSTONE != 0
    }

    /// Whether it creates the key.
    #[must_use]
    pub fn is_creation(&self) -> bool {
        self.bits & CREATION != 0
    }

    /// Whether it is a first version at this main revision that names an earlier creation: `etcdctl migrate` writes a v2 key so that had been updated.
    #[must_use]
    pub fn is_migrated(&self, main: Revision) -> bool {
        self.is_creation() && self.create != main
    }

    /// The main revision of the put that created the key; 0 of a tombstone.
    #[must_use]
    pub fn create(&self) -> Revision {
        self.create
    }

    /// Whether its lease does not exist.
    #[must_use]
    pub fn lacks_lease(&self) -> bool {
        self.bits & LEASE_MISSING != 0
    }

    /// The same, attached to a lease that does not exist.
    pub fn mark_lease_missing(&mut self) {
        self.bits |= LEASE_MISSING;
    }

    /// Its era.
    #[must_use]
    pub fn era(&self) -> Era {
        match (self.bits & ERA_MASK) >> ERA_SHIFT {
            0 => Era::Compacted,
            1 => Era::Compacting,
            _ => Era::Kept,
        }
    }

    /// Sets its era.
    pub fn set_era(&mut self, era: Era) {
        self.bits = (self.bits & !ERA_MASK) | ((era as u32) << ERA_SHIFT);
    }

    /// Whether this is the next version of the key that `before` put.
    #[must_use]
    pub fn continues(&self, before: &Record) -> bool {
        let next = (before.bits & VERSION_MASK).wrapping_add(1) & VERSION_MASK;
        self.create == before.create && self.bits & VERSION_MASK == next
    }
}

/// Partitions into which records are dealt by their key: with a million keys, a table of those of one still fits a processor's own cache.
pub const PARTITIONS: usize = 128;

/// Records in order, dealt to partitions by the hash of their key once they are complete.
#[derive(Debug, Clone, Default)]
pub struct Records {
    list: Vec<Record>,
    /// Where each partition ends in the list; empty until they are dealt.
    ends: Vec<usize>,
    /// There was no memory for some of them.
    exhausted: bool,
}

impl Records {
    /// Appends records, which must not have been dealt yet. When there is no memory for them, [`Records::deal`] says so.
    pub fn extend(&mut self, records: &[Record]) {
        match self.list.try_reserve(records.len()) {
            Ok(()) => self.list.extend_from_slice(records),
            Err(_) => self.exhausted = true,
        }
    }

    /// Puts the records of each partition next to each other; within one they keep their order.
    ///
    /// # Errors
    /// [`Error::Memory`] when there is no memory for twice the records.
    pub fn deal(&mut self) -> Result<(), Error> {
        let mut dealt = Vec::new();
        if self.exhausted || dealt.try_reserve_exact(self.list.len()).is_err() {
            let bytes = (self.list.len() as u64).saturating_mul(size_of::<Record>() as u64);
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
        dealt.resize(self.list.len(), Record { high: 0, create: Revision::ZERO, low: 0, bits: 0 });
        for record in &self.list {
            let Some(next) = ends.get_mut(record.partition()) else { continue };
            if let Some(slot) = dealt.get_mut(*next) {
                *slot = *record;
            }
            *next = next.saturating_add(1);
        }
        *self = Self { list: dealt, ends, exhausted: false };
        Ok(())
    }

    /// The records of one partition; none before they are dealt.
    #[must_use]
    pub fn partition(&self, index: usize) -> &[Record] {
        let end = self.ends.get(index).copied().unwrap_or(0);
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.list.get(start..end).unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
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
        assert_eq!(size_of::<Record>(), 24);
    }

    #[test]
    fn each_record_is_in_one_partition_in_order() {
        let record = |index: u32| {
            let key = (index % 300).to_be_bytes();
            Record::new(
                &KeyValue { key: &key, create_revision: Revision::new(index.into()), ..Default::default() },
                false,
            )
        };
        let all: Vec<_> = (0..1000).map(record).collect();
        let mut records = Records::default();
        assert!(records.is_empty() && records.partition(0).is_empty());
        all.chunks(7).for_each(|some| records.extend(some));
        records.deal().unwrap();
        assert_eq!(records.len(), all.len());
        let dealt: Vec<_> = (0..PARTITIONS).map(|index| records.partition(index)).collect();
        assert!(dealt.iter().filter(|list| !list.is_empty()).count() > PARTITIONS / 2);
        for list in dealt {
            assert!(list.is_sorted_by_key(|record| record.create));
        }
    }

    #[test]
    fn versions_continue() {
        let kv = |version, create| KeyValue {
            key: b"a",
            version,
            create_revision: Revision::new(create),
            mod_revision: Revision::new(9),
            ..Default::default()
        };
        let first = Record::new(&kv(4, 2), false);
        assert!(Record::new(&kv(5, 2), false).continues(&first));
        assert!(!Record::new(&kv(6, 2), false).continues(&first));
        assert!(!Record::new(&kv(5, 3), false).continues(&first));
        assert!(Record::new(&kv(1, 9), false).is_creation());
    }

    #[test]
    fn eras_are_kept() {
        let marks = Marks { finished: Revision::new(5), scheduled: Revision::new(8) };
        let mut record = Record::new(&KeyValue::default(), true);
        for (main, era) in [(5, Era::Compacted), (6, Era::Compacting), (8, Era::Compacting), (9, Era::Kept)] {
            record.set_era(marks.era(Revision::new(main)));
            assert_eq!(record.era(), era);
            assert!(record.is_tombstone());
        }
    }
}
