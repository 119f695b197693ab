//! Determines the entries that a compaction keeps: the newest of each key at or below its revision, unless that is a
//! tombstone below the compaction's own revision.
//!
//! A tombstone at the compaction's own revision stays: etcd 3.3, and 3.4 and 3.5 up to 3.4.33 and 3.5.15, drop it,
//! later versions keep it. HashKV counts it in no version. The empty entry of a revision bump has the empty key, as in
//! etcd's own index, so the newest of these stays. Sources: `keyIndex.compact` and `scheduleCompaction` in etcd's
//! `server/storage/mvcc`; checked against live servers of 3.4 to 3.7.

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::key_hash::{Short, short};
use crate::store::opened_store::{Store, Work};
use crate::store::partitioned_fold::{KeyRow, PARTITIONS, Rows, folded};
use crate::store::query::malformed;

/// The newest entry of a key.
#[derive(Debug, Clone, Copy)]
struct NewestKept {
    hash: Short,
    entry: RevisionKey,
}

impl KeyRow for NewestKept {
    #[inline]
    fn hash(&self) -> Short {
        self.hash
    }

    #[inline]
    fn merge(&mut self, other: Self) {
        self.entry = self.entry.max(other.entry);
    }
}

/// Searches for the entries that a compaction keeps. Leaves may be added in any order, and parts merged in any order.
/// Memory: at most 80 bytes per key, for each group of handles.
#[derive(Debug)]
pub struct SurvivorSearch {
    at: Revision,
    newest: Rows<NewestKept>,
    /// Rows of the searches that were merged into this one.
    others: Vec<Rows<NewestKept>>,
}

impl SurvivorSearch {
    /// Starts a search for a compaction at this main revision.
    #[must_use]
    pub fn new(at: Revision) -> Self {
        Self { at, newest: Rows::new(), others: Vec::new() }
    }

    /// Creates a handle for another thread, which adds to the same search.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { at: self.at, newest: self.newest.beside(), others: Vec::new() }
    }

    /// Adds the search `other`.
    pub fn merge(&mut self, other: Self) {
        self.others.push(other.newest);
        self.others.extend(other.others);
    }

    /// Returns the kept entries after all leaves were added.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory for 24 bytes per key runs out.
    pub fn finish(self) -> Result<Survivors, Error> {
        let mut kept: Vec<RevisionKey> = Vec::new();
        for number in 0..PARTITIONS {
            let newest = folded(std::iter::once(&self.newest).chain(&self.others), number);
            let bytes = (newest.len() as u64).saturating_mul(size_of::<RevisionKey>() as u64);
            kept.try_reserve(newest.len()).map_err(|_| Error::Memory { what: "the revisions that are kept", bytes })?;
            let entries = newest.iter().map(|newest| newest.entry);
            kept.extend(entries.filter(|entry| !entry.tombstone || entry.revision.main == self.at));
        }
        kept.sort_unstable();
        Ok(Survivors { at: self.at, kept })
    }
}

impl Accumulator for SurvivorSearch {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        let at = self.at;
        let rows = &mut self.newest;
        let lost = store.entries(work, progress, &mut |entry, lost| {
            if entry.key.revision.main > at {
                return;
            }
            match KeyValue::parse(entry.value) {
                Some(message) => rows.push(NewestKept { hash: short(message.key), entry: entry.key }),
                None => lost.add(malformed(entry, "are not a KeyValue message")),
            }
        })?;
        self.newest.hand_over().map(|()| lost)
    }
}

/// The entries that a compaction keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivors {
    at: Revision,
    /// Kept entries at or below its revision, in order.
    kept: Vec<RevisionKey>,
}

impl Survivors {
    /// The main revision of the compaction.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.at
    }

    /// Whether the compaction keeps an entry.
    #[must_use]
    pub fn contains(&self, entry: RevisionKey) -> bool {
        entry.revision.main > self.at || self.kept.binary_search(&entry).is_ok()
    }
}
