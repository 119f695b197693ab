//! Follows the history of each key through the entries of a damaged file. Finds missing revisions, and the entries that have to be left out because of them.

use std::collections::{BTreeSet, HashMap};

use hashbrown::hash_table;

use crate::error::Error;
use crate::etcd::gap::{RevisionGap, complete_from};
use crate::etcd::history_check::contradiction;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::{CompactionRevisions, KeyHash};
use crate::progress::ScanProgress;
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::key_chains::{EntryCounts, KeyChain, KeyChains};
use crate::rewrite::key_leaves::KeyLeaves;
use crate::rewrite::leaf_slice::LeafEntry;
use crate::rewrite::salvage_report::SalvageReport;
use crate::source::Source;

/// Entries to leave out of the new file.
#[derive(Debug)]
pub(super) struct LeftOutEntries {
    /// Keys with a gap in their history: their entries before this revision are left out.
    broken: HashMap<KeyHash, FullRevision>,
    /// Empty values whose key is lost, and a tombstone under the revision of a put.
    unusable: BTreeSet<RevisionKey>,
    /// Whether entries that may have been deleted since are left out.
    proven_only: bool,
    /// At or below this compaction an older state of the database proves nothing.
    last_compaction: Revision,
}

impl LeftOutEntries {
    /// Follows the history of each key through all entries, and counts in `report` what is kept and what is not. With `proven_only`, leaves out entries that may have been deleted since;
    /// `last_compaction` is the highest revision at which a compaction may have been requested.
    ///
    /// # Errors
    /// When bytes cannot be read, or `progress` requests a stop.
    pub fn find<S: Source + ?Sized>(
        leaves: &KeyLeaves,
        buckets: &DamagedBuckets<'_, S>,
        marks: CompactionRevisions,
        last_compaction: Revision,
        proven_only: bool,
        report: &mut SalvageReport,
        progress: &dyn ScanProgress,
    ) -> Result<Self, Error> {
        let left = Self { broken: HashMap::new(), unusable: BTreeSet::new(), proven_only, last_compaction };
        let mut following = Following::new(marks, left, report);
        let malformed = leaves.entries(buckets, progress, &mut |entry| {
            following.take(entry);
            true
        })?;
        Ok(following.finish(malformed))
    }

    /// Whether every entry that etcd could have written is kept.
    pub fn is_nothing(&self) -> bool {
        self.broken.is_empty() && self.unusable.is_empty() && !self.proven_only
    }

    /// Whether an entry is kept.
    pub fn keeps(&self, entry: &LeafEntry<'_>) -> bool {
        let broken = entry.record.as_ref().and_then(|record| self.broken.get(&record.key()));
        let is_usable = !(self.unusable.contains(&entry.key) || (self.proven_only && self.is_unproven(entry)));
        is_usable && broken.is_none_or(|from| entry.key.revision >= *from)
    }

    fn is_unproven(&self, entry: &LeafEntry<'_>) -> bool {
        entry.origin.is_unproven(entry.key.revision.main, self.last_compaction)
    }

    /// Returns the counts of one entry.
    fn counts_of(&self, entry: &LeafEntry<'_>) -> EntryCounts {
        EntryCounts { all: 1, stray: u32::from(entry.origin.is_stray()), unproven: u32::from(self.is_unproven(entry)) }
    }
}

/// An empty value, as a revision bump writes it, whose transaction may have more entries.
struct EmptyValue {
    revision: FullRevision,
    /// The last revision before it.
    before: Option<FullRevision>,
    counts: EntryCounts,
}

/// The history of all keys up to an entry.
struct Following<'r> {
    marks: CompactionRevisions,
    left: LeftOutEntries,
    report: &'r mut SalvageReport,
    chains: KeyChains,
    /// History is complete above this revision.
    raised: Revision,
    /// The first revision after the last gap.
    gap_end: Revision,
    may_be_migrated: bool,
    last: Option<FullRevision>,
    empty_value: Option<EmptyValue>,
}

impl<'r> Following<'r> {
    fn new(marks: CompactionRevisions, left: LeftOutEntries, report: &'r mut SalvageReport) -> Self {
        Self {
            marks,
            left,
            report,
            chains: KeyChains::default(),
            raised: Revision::ZERO,
            gap_end: Revision::ZERO,
            may_be_migrated: true,
            last: None,
            empty_value: None,
        }
    }

    /// Takes in the next entry.
    fn take(&mut self, entry: LeafEntry<'_>) {
        if self.left.proven_only && self.left.is_unproven(&entry) {
            return;
        }
        let counts = self.left.counts_of(&entry);
        let LeafEntry { key, value, record, .. } = entry;
        let here = key.revision;
        if self.last.is_some_and(|last| last >= here) {
            self.left.unusable.insert(key);
            return;
        }
        // The empty value of a bump is alone in its transaction. Among other operations it is an entry that lost its key.
        if let Some(empty) = self.empty_value.take().filter(|empty| empty.revision.main == here.main) {
            self.left.unusable.insert(RevisionKey { revision: empty.revision, tombstone: false });
            self.last = empty.before;
            self.drop_counted(empty.counts);
        }
        let Some(mut record) = record else {
            if self.last.is_some_and(|last| last.main == here.main) {
                self.left.unusable.insert(key);
            } else {
                self.empty_value = Some(EmptyValue { revision: here, before: self.last, counts });
                self.count(counts);
                self.follow(here);
            }
            return;
        };
        // Entries that `etcdctl migrate` wrote are the first of the history.
        if record.is_migrated(here.main) && !self.may_be_migrated {
            self.left.unusable.insert(key);
            return;
        }
        self.may_be_migrated &= record.is_creation() && here.sub == 0;
        self.count(counts);
        self.follow(here);
        record.set_state(self.marks.state(here.main));
        self.append(KeyChain { last: record, main: here.main, counts }, here, value);
    }

    /// Appends an entry to the history of its key.
    fn append(&mut self, mut chain: KeyChain, here: FullRevision, value: &[u8]) {
        let entry = self.chains.entry(chain.last.key());
        let before = match &entry {
            hash_table::Entry::Occupied(place) => Some(*place.get()),
            hash_table::Entry::Vacant(_) => None,
        };
        let is_broken = contradiction(before.as_ref().map(|before| &before.last), &chain.last).is_some();
        if let Some(before) = before.filter(|_| !is_broken) {
            chain.counts = chain.counts.plus(before.counts);
        }
        entry.insert(chain);
        if !is_broken {
            return;
        }
        self.raised = self.raised.max(here.main);
        if let Some(before) = before {
            self.left.broken.insert(chain.last.key(), here);
            self.report.superseded = self.report.superseded.saturating_add(u64::from(before.counts.all));
            self.drop_counted(before.counts);
        }
        self.add_broken(value);
    }

    fn add_broken(&mut self, value: &[u8]) {
        self.report.add_broken(KeyValue::parse(value).map(|message| message.key).unwrap_or_default());
    }

    /// Counts an entry that is kept unless a later entry shows otherwise.
    fn count(&mut self, counts: EntryCounts) {
        self.change_totals(counts, u64::saturating_add);
    }

    /// Subtracts entries that are left out after all.
    fn drop_counted(&mut self, counts: EntryCounts) {
        self.change_totals(counts, u64::saturating_sub);
    }

    fn change_totals(&mut self, EntryCounts { all, stray, unproven }: EntryCounts, change: fn(u64, u64) -> u64) {
        let report = &mut *self.report;
        report.entries = change(report.entries, all.into());
        report.stray_entries = change(report.stray_entries, stray.into());
        report.unproven = change(report.unproven, unproven.into());
    }

    /// Advances to a revision, and finds out whether some before it are missing.
    fn follow(&mut self, here: FullRevision) {
        let last = self.last.replace(here);
        let complete_above = self.marks.complete_above();
        if complete_from(last, here) > complete_above {
            // There is an entry at this revision, as there is at the revision of each compaction.
            self.raised = self.raised.max(here.main);
            self.gap_end = self.gap_end.max(here.main);
            if let Some(gap) = RevisionGap::between(last, here, complete_above) {
                self.report.add_gap(gap);
            }
        }
    }

    /// Completes the report after the last entry. `malformed` is the number of malformed entries, which etcd never writes.
    fn finish(self, malformed: u64) -> LeftOutEntries {
        let Self { left, report, raised, .. } = self;
        report.malformed = malformed.saturating_add(left.unusable.len() as u64);
        report.revision = self.last.map_or(Revision::ZERO, |last| last.main);
        let in_doubt = if report.end_is_lost { Revision::MAX } else { self.gap_end };
        let doubtful = self.chains.iter().filter(|chain| !chain.last.is_tombstone() && chain.main < in_doubt);
        report.doubtful_keys = doubtful.count() as u64;
        report.raised_to = (raised > self.marks.last_compaction()).then_some(raised);
        left
    }
}
