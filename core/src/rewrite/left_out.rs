//! The history of each key as far as a damaged file has it: what is missing, and what has to be left out because of that.

use std::collections::{BTreeSet, HashMap};

use crate::error::Error;
use crate::etcd::gap::{Gap, complete_from};
use crate::etcd::history_check::contradiction;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::{KeyHash, Marks, Record};
use crate::progress::Watch;
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::key_leaves::KeyLeaves;
use crate::rewrite::salvage_report::SalvageReport;
use crate::source::Source;

/// What is to be left out of the entries.
#[derive(Debug)]
pub(super) struct LeftOut {
    /// Keys with a hole in their history: entries before this revision.
    broken: HashMap<KeyHash, FullRevision>,
    /// Empty values of which the key is lost, and a tombstone under the revision of a put.
    unusable: BTreeSet<RevisionKey>,
    /// At or below this revision nothing is taken from the older tree.
    unproven: Revision,
}

impl LeftOut {
    /// Follows the history of each key through all entries. With `proven_only`, nothing of which it cannot be told whether it was deleted since is kept.
    ///
    /// # Errors
    /// When bytes cannot be read, or the watch asks to stop.
    pub fn find<S: Source + ?Sized>(
        leaves: &KeyLeaves,
        buckets: &DamagedBuckets<'_, S>,
        marks: Marks,
        proven_only: bool,
        report: &mut SalvageReport,
        watch: &dyn Watch,
    ) -> Result<Self, Error> {
        let unproven = if proven_only { marks.last_compaction() } else { Revision::NONE };
        let left = Self { broken: HashMap::new(), unusable: BTreeSet::new(), unproven };
        let mut following = Following::new(marks, left, report);
        let malformed = leaves.entries(buckets, watch, &mut |key, value, record, older| {
            following.take(key, value, record, older);
            true
        })?;
        let left = following.finish(malformed);
        let (kept, all) = left.count(leaves, buckets, watch)?;
        report.entries = kept;
        report.superseded = all.saturating_sub(kept);
        Ok(left)
    }

    /// Whether an entry is kept.
    pub fn keeps(&self, key: RevisionKey, record: Option<&Record>, older: bool) -> bool {
        let broken = record.and_then(|record| self.broken.get(&record.key()));
        !(self.unusable.contains(&key)
            || (older && key.revision.main <= self.unproven)
            || broken.is_some_and(|from| key.revision < *from))
    }

    /// Entries that are kept, and those that would be if no history had a hole.
    fn count<S: Source + ?Sized>(
        &self,
        leaves: &KeyLeaves,
        buckets: &DamagedBuckets<'_, S>,
        watch: &dyn Watch,
    ) -> Result<(u64, u64), Error> {
        let (mut kept, mut all) = (0_u64, 0_u64);
        leaves.entries(buckets, watch, &mut |key, _, record, older| {
            all = all.saturating_add(u64::from(self.keeps(key, None, older)));
            kept = kept.saturating_add(u64::from(self.keeps(key, record.as_ref(), older)));
            true
        })?;
        Ok((kept, all))
    }
}

/// The history of all keys up to an entry.
struct Following<'r> {
    marks: Marks,
    left: LeftOut,
    report: &'r mut SalvageReport,
    /// The last entry of each key, and its main revision.
    chains: HashMap<KeyHash, (Record, Revision)>,
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
    fn new(marks: Marks, left: LeftOut, report: &'r mut SalvageReport) -> Self {
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
    fn take(&mut self, key: RevisionKey, value: &[u8], record: Option<Record>, older: bool) {
        let here = key.revision;
        let is_unproven = older && here.main <= self.marks.last_compaction();
        if is_unproven && here.main <= self.left.unproven {
            return;
        }
        if self.last.is_some_and(|last| last >= here) {
            self.left.unusable.insert(key);
            return;
        }
        self.report.unproven = self.report.unproven.saturating_add(u64::from(is_unproven));
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
        record.set_era(self.marks.era(here.main));
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
            if let Some(gap) = Gap::between(last, here, complete_above) {
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
