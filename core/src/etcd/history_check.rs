//! Checks the history of every key by the records of all revisions: counts the live keys, and finds contradictory
//! histories.
//!
//! A compaction at revision C leaves the newest revision ≤ C of each key, unless that is a tombstone (etcd's
//! `kvstore_compaction.go`, checked against 3.3 to 3.7). A compaction that was requested but not finished has removed
//! only the lowest of the revisions that it must remove. So above both compaction revisions a key
//! begins with its creation, every put continues the put before it, and a creation follows a tombstone.

use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use crate::etcd::revision::Revision;
use crate::etcd::revision_record::{CompactionState, KeyHash, RevisionRecord, RevisionRecords};
use crate::finding_code::Code;
use crate::limits::FINDINGS_PER_CODE;

/// Returns the contradiction between a revision of a key and the previous one in the file: a code, and a clause that
/// continues "revision R …".
#[must_use]
pub fn contradiction(before: Option<&RevisionRecord>, here: &RevisionRecord) -> Option<(Code, &'static str)> {
    let Some(before) = before else {
        if here.state() == CompactionState::NotCompacted && !here.is_creation() {
            let text = if here.is_tombstone() {
                "deletes a key that has no earlier revision"
            } else {
                "is not the first version of the key, but the earlier ones are missing"
            };
            return Some((Code::KeyvalueHistory, text));
        }
        return None;
    };
    if before.state() == CompactionState::Compacted && here.state() == CompactionState::Compacted {
        return Some((
            Code::CompactionMarks,
            "follows an older revision of the key that the compaction should have removed",
        ));
    }
    let text = match (before.is_tombstone(), here.is_tombstone(), here.is_creation()) {
        (true, true, _) if here.state() == CompactionState::NotCompacted => "deletes a key that was deleted already",
        (true, false, false) => "follows a deletion, but does not create the key again",
        (false, false, true) => "creates a key that exists",
        (false, false, false) if !here.continues(before) => "does not continue the version before it",
        _ => return None,
    };
    Some((Code::KeyvalueHistory, text))
}

/// Result of the history check.
#[derive(Debug, Clone, Default)]
pub struct HistoryOutcome {
    /// Number of keys whose last revision is a put.
    pub live: u64,
    /// Keys with a problem, by code: up to [`FINDINGS_PER_CODE`] per code, those created first.
    pub suspects: HashMap<Code, BinaryHeap<SuspectKey>>,
    /// Number of keys with a problem, by code, including those not in `suspects`.
    pub counts: HashMap<Code, u64>,
}

impl HistoryOutcome {
    fn add_suspect(&mut self, code: Code, record: &RevisionRecord) {
        let count = self.counts.entry(code).or_default();
        *count = count.saturating_add(1);
        let suspect = SuspectKey { create: record.create(), key: record.key() };
        keep_earliest(self.suspects.entry(code).or_default(), suspect);
    }

    /// Adds the result of checking other keys.
    pub fn add(&mut self, other: Self) {
        self.live = self.live.saturating_add(other.live);
        for (code, number) in other.counts {
            let count = self.counts.entry(code).or_default();
            *count = count.saturating_add(number);
        }
        for (code, keys) in other.suspects {
            let earliest = self.suspects.entry(code).or_default();
            keys.into_iter().for_each(|suspect| keep_earliest(earliest, suspect));
        }
    }
}

/// A key with a problem. Suspects are ordered by their create revision, so that two runs report the same keys: hashes
/// of keys differ between processes. (Tombstones without an earlier revision have no create revision.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SuspectKey {
    create: Revision,
    /// Hash of the key.
    pub key: KeyHash,
}

/// Adds a suspect to those created first; drops the last of them if there are too many.
fn keep_earliest(earliest: &mut BinaryHeap<SuspectKey>, suspect: SuspectKey) {
    earliest.push(suspect);
    if earliest.len() as u64 > FINDINGS_PER_CODE {
        earliest.pop();
    }
}

/// Checks the history of the keys in some partitions. `parts` are the records of all revisions, in revision order.
/// `compacting` replaces the state [`CompactionState::Compacting`]: `Compacted` if the last compaction is known to have
/// removed everything that it had to remove.
#[must_use]
pub fn check_histories<'r>(
    parts: impl Iterator<Item = &'r RevisionRecords> + Clone,
    partitions: Range<usize>,
    compacting: CompactionState,
) -> HistoryOutcome {
    let mut outcome = HistoryOutcome::default();
    let mut last: HashMap<KeyHash, HistoryState, BuildHasherDefault<PassThroughHasher>> = HashMap::default();
    for partition in partitions {
        for record in parts.clone().flat_map(|records| records.partition(partition)) {
            let mut record = *record;
            if record.state() == CompactionState::Compacting {
                record.set_state(compacting);
            }
            let state = last.entry(record.key()).or_default();
            if let Some((code, _)) = contradiction(state.last.as_ref(), &record)
                && !state.is_suspect
            {
                state.is_suspect = true;
                outcome.add_suspect(code, &record);
            }
            state.last = Some(record);
        }
        for (_, state) in last.drain() {
            let Some(record) = state.last.filter(|record| !record.is_tombstone()) else { continue };
            outcome.live = outcome.live.saturating_add(1);
            if record.lacks_lease() {
                outcome.add_suspect(Code::LeaseMissing, &record);
            }
        }
    }
    outcome
}

#[derive(Default)]
struct HistoryState {
    last: Option<RevisionRecord>,
    is_suspect: bool,
}

/// A hasher that returns the low bits of a [`KeyHash`] unchanged: they are random already, and the high bits chose the
/// partition.
#[derive(Default)]
struct PassThroughHasher(u64);

impl Hasher for PassThroughHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 ^= value.rotate_left(20);
    }
    fn write_u32(&mut self, value: u32) {
        self.0 ^= u64::from(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::keyvalue::KeyValue;
    use crate::etcd::revision_record::PARTITIONS;

    fn put(create: i64, modified: i64, version: i64, state: CompactionState) -> RevisionRecord {
        let [create_revision, mod_revision] = [create, modified].map(Revision::new);
        let kv = KeyValue { key: b"k", create_revision, mod_revision, version, ..Default::default() };
        let mut record = RevisionRecord::new(&kv, false);
        record.set_state(state);
        record
    }

    fn tombstone(state: CompactionState) -> RevisionRecord {
        let mut record = RevisionRecord::new(&KeyValue { key: b"k", ..Default::default() }, true);
        record.set_state(state);
        record
    }

    fn codes(records: &[RevisionRecord]) -> Vec<Code> {
        let mut all = RevisionRecords::default();
        all.extend(records);
        all.partition_by_key().unwrap();
        check_histories([&all].into_iter(), 0..PARTITIONS, CompactionState::Compacting).counts.into_keys().collect()
    }

    #[test]
    fn a_history_that_etcd_writes_has_no_contradiction() {
        use CompactionState::{Compacted, NotCompacted};
        assert_eq!(
            codes(&[
                put(2, 9, 4, Compacted),
                put(2, 11, 5, NotCompacted),
                tombstone(NotCompacted),
                put(13, 13, 1, NotCompacted)
            ]),
            []
        );
        assert_eq!(codes(&[tombstone(Compacted), put(13, 13, 1, NotCompacted)]), []);
    }

    #[test]
    fn contradictions_are_found() {
        use CompactionState::{Compacted, NotCompacted};
        assert_eq!(codes(&[put(2, 3, 2, NotCompacted)]), [Code::KeyvalueHistory]);
        assert_eq!(codes(&[tombstone(NotCompacted)]), [Code::KeyvalueHistory]);
        assert_eq!(codes(&[put(2, 2, 1, NotCompacted), put(2, 4, 3, NotCompacted)]), [Code::KeyvalueHistory]);
        assert_eq!(codes(&[put(2, 2, 1, NotCompacted), put(4, 4, 1, NotCompacted)]), [Code::KeyvalueHistory]);
        assert_eq!(
            codes(&[put(2, 2, 1, NotCompacted), tombstone(NotCompacted), tombstone(NotCompacted)]),
            [Code::KeyvalueHistory]
        );
        assert_eq!(codes(&[put(2, 2, 1, Compacted), put(2, 3, 2, Compacted)]), [Code::CompactionMarks]);
    }
}
