//! The history of each key as far as a damaged file has it: what is missing, and what has to be left out because of that.

use std::collections::{BTreeSet, HashMap};

use crate::error::Error;
use crate::etcd::gap::{RevisionGap, complete_from};
use crate::etcd::history_check::contradiction;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::{CompactionRevisions, KeyHash, RevisionRecord};
use crate::progress::Watch;
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::key_leaves::KeyLeaves;
use crate::rewrite::leaf_slice::Entry;
use crate::rewrite::salvage_report::SalvageReport;
use crate::source::Source;

/// What is to be left out of the entries.
#[derive(Debug)]
pub(super) struct LeftOut {
    /// Keys with a hole in their history: entries before this revision.
    broken: HashMap<KeyHash, FullRevision>,
    /// Empty values of which the key is lost, and a tombstone under the revision of a put.
    unusable: BTreeSet<RevisionKey>,
    /// Whether nothing is kept that may have been deleted since.
    proven_only: bool,
    /// At or below it an old state of the database proves nothing.
    last_compaction: Revision,
}

impl LeftOut {
    /// Follows the history of each key through all entries. With `proven_only`, nothing of which it cannot be told whether it was deleted since is kept: at or below `last_compaction`, which is
    /// the last one that may have been.
    ///
    /// # Errors
    /// When bytes cannot be read, or the watch asks to stop.
    pub fn find<S: Source + ?Sized>(
        leaves: &KeyLeaves,
        buckets: &DamagedBuckets<'_, S>,
        marks: CompactionRevisions,
        last_compaction: Revision,
        proven_only: bool,
        report: &mut SalvageReport,
        watch: &dyn Watch,
    ) -> Result<Self, Error> {
        let left = Self { broken: HashMap::new(), unusable: BTreeSet::new(), proven_only, last_compaction };
        let mut following = Following::new(marks, left, report);
        let malformed = leaves.entries(buckets, watch, &mut |entry| {
            following.take(entry);
            true
        })?;
        let left = following.finish(malformed);
        left.count(leaves, buckets, report, watch)?;
        Ok(left)
    }

    /// Whether an entry is kept.
    pub fn keeps(&self, entry: &Entry<'_>) -> bool {
        let broken = entry.record.as_ref().and_then(|record| self.broken.get(&record.key()));
        self.is_usable(entry) && broken.is_none_or(|from| entry.key.revision >= *from)
    }

    /// Whether an entry would be kept if no history had a hole.
    fn is_usable(&self, entry: &Entry<'_>) -> bool {
        !(self.unusable.contains(&entry.key) || (self.proven_only && self.is_unproven(entry)))
    }

    fn is_unproven(&self, entry: &Entry<'_>) -> bool {
        entry.basis.is_unproven(entry.key.revision.main, self.last_compaction)
    }

    /// Counts entries that are kept, and those that would be if no history had a hole.
    fn count<S: Source + ?Sized>(
        &self,
        leaves: &KeyLeaves,
        buckets: &DamagedBuckets<'_, S>,
        report: &mut SalvageReport,
        watch: &dyn Watch,
    ) -> Result<(), Error> {
        leaves.entries(buckets, watch, &mut |entry| {
            let count = match (self.keeps(&entry), self.is_usable(&entry)) {
                (true, _) => {
                    let stray = u64::from(entry.basis.is_stray());
                    report.stray_entries = report.stray_entries.saturating_add(stray);
                    report.unproven = report.unproven.saturating_add(u64::from(self.is_unproven(&entry)));
                    &mut report.entries
                }
                (false, true) => &mut report.superseded,
                (false, false) => return true,
            };
            *count = count.saturating_add(1);
            true
        })?;
        Ok(())
    }
}

/// The history of all keys up to an entry.
struct Following<'r> {
    marks: CompactionRevisions,
    left: LeftOut,
    report: &'r mut SalvageReport,
    /// The last entry of each key, and its main revision.
    chains: HashMap<KeyHash, (RevisionRecord, Revision)>,
    /// History is complete above this revision.
    raised: Revision,
    /// The first revision behind the last gap.
    gap_end: Revision,
    may_be_migrated: bool,
    last: Option<FullRevision>,
    /// An empty value, and the revision before it.
    emptied: Option<(FullRevision, Option<FullRevision>)>,
}

impl<'r> Following<'r> {
    fn new(marks: CompactionRevisions, left: LeftOut, report: &'r mut SalvageReport) -> Self {
        let chains = HashMap::new();
        Self {
            marks,
            left,
            report,
            chains,
            raised: Revision::ZERO,
            gap_end: Revision::ZERO,
            may_be_migrated: true,
            last: None,
            emptied: None,
        }
    }

    /// Takes the next entry in.
    fn take(&mut self, entry: Entry<'_>) {
        if self.left.proven_only && self.left.is_unproven(&entry) {
            return;
        }
        let Entry { key, value, record, .. } = entry;
        let here = key.revision;
        if self.last.is_some_and(|last| last >= here) {
            self.left.unusable.insert(key);
            return;
        }
        // The empty value of a bump stands alone in its transaction: among other operations it has lost its key.
        if let Some((phantom, before)) = self.emptied.take().filter(|(phantom, _)| phantom.main == here.main) {
            self.left.unusable.insert(RevisionKey { revision: phantom, tombstone: false });
            self.last = before;
        }
        let Some(mut record) = record else {
            if self.last.is_some_and(|last| last.main == here.main) {
                self.left.unusable.insert(key);
            } else {
                self.emptied = Some((here, self.last));
                self.follow(here);
            }
            return;
        };
        // What `etcdctl migrate` wrote begins the history, if anywhere.
        if record.is_migrated(here.main) && !self.may_be_migrated {
            self.left.unusable.insert(key);
            return;
        }
        self.may_be_migrated &= record.is_creation() && here.sub == 0;
        self.follow(here);
        record.set_state(self.marks.state(here.main));
        let before = self.chains.insert(record.key(), (record, here.main)).map(|(before, _)| before);
        if contradiction(before.as_ref(), &record).is_some() {
            self.raised = self.raised.max(here.main);
            if before.is_some() {
                self.left.broken.insert(record.key(), here);
            }
            self.report.add_broken(KeyValue::parse(value).map(|message| message.key).unwrap_or_default());
        }
    }

    /// Goes on to a revision, and sees whether some before it are missing.
    fn follow(&mut self, here: FullRevision) {
        let last = self.last.replace(here);
        let complete_above = self.marks.complete_above();
        if complete_from(last, here) > complete_above {
            // An entry stands at that revision, as one does at the revision of each compaction.
            self.raised = self.raised.max(here.main);
            self.gap_end = self.gap_end.max(here.main);
            if let Some(gap) = RevisionGap::between(last, here, complete_above) {
                self.report.add_gap(gap);
            }
        }
    }

    /// What is left out, when all entries are in; `malformed` entries were none.
    fn finish(self, malformed: u64) -> LeftOut {
        let Self { left, report, raised, .. } = self;
        report.malformed = malformed.saturating_add(left.unusable.len() as u64);
        report.revision = self.last.map_or(Revision::ZERO, |last| last.main);
        let in_doubt = if report.end_is_lost { Revision::MAX } else { self.gap_end };
        let doubtful = self.chains.values().filter(|(record, main)| !record.is_tombstone() && *main < in_doubt);
        report.doubtful_keys = doubtful.count() as u64;
        report.raised_to = (raised > self.marks.last_compaction()).then_some(raised);
        left
    }
}
