//! Evaluates the leaves of bucket `key`.

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use crate::offset::Offset;
use std::collections::HashSet;

use crate::bolt::leaf::BUCKET;
use crate::bolt::page::PageFault;
use crate::crc::{CrcCombiner, CrcRun};
use crate::etcd::gap::complete_from;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::{Marks, RevisionRecord, RevisionRecords};
use crate::finding::Findings;
use crate::finding_code::Code;
use crate::key_tally::NeededKeyTally;
use crate::scan::digest::{Inspected, LeafDigest, inspect};
use crate::scan::leaf_visitor::{LeafPage, LeafVisitor};
use crate::scan::schema_buckets::run_of;

/// Facts needed before the first leaf of bucket `key` can be judged.
#[derive(Debug)]
pub struct KeyContext {
    /// The stored compaction revisions.
    pub marks: Marks,
    /// Ids of the existing leases.
    pub leases: HashSet<i64>,
    /// Joins CRCs.
    pub combiner: CrcCombiner,
}

/// Totals of consecutive leaves of bucket `key`.
#[derive(Debug, Clone, Default)]
pub struct KeyBucketTotals {
    /// CRC-32C of all keys and values in order.
    pub run: CrcRun,
    /// Number of entries, including undecodable ones.
    pub entries: u64,
    /// Number of tombstones.
    pub tombstones: u64,
    /// Number of puts with an empty value.
    pub phantoms: u64,
    /// First and last decodable revision key.
    pub ends: Option<(RevisionKey, RevisionKey)>,
    /// Page and offset of the first leaf.
    pub first_at: Option<(PageId, Offset)>,
    /// One record per revision, in order.
    pub records: RevisionRecords,
    /// No revision is missing between the first and the last if history is complete only above this revision.
    pub complete_from: Revision,
    /// Number of puts with version 1 and an earlier create revision.
    pub migrated: u64,
    /// Whether the revision of the last compaction has an entry.
    pub has_compacted: bool,
    /// Puts with values that an API server encrypted, by encryption key.
    pub encrypted: NeededKeyTally,
}

impl KeyBucketTotals {
    /// Main revision of the last entry.
    pub fn last_main(&self) -> Option<Revision> {
        self.ends.map(|(_, last)| last.revision.main)
    }

    /// Extends the range by the first and the last of some keys.
    fn reach(&mut self, first: RevisionKey, last: RevisionKey) {
        if let Some((_, before)) = self.ends {
            self.complete_from = self.complete_from.max(complete_from(Some(before.revision), first.revision));
        }
        self.ends = Some((self.ends.map_or(first, |(first, _)| first), last));
    }
}

/// Totals the leaves of bucket `key` in order.
pub struct KeyFold<'a> {
    context: &'a KeyContext,
    scratch: LeafDigest,
    /// The last put with an empty value.
    phantom: Option<FullRevision>,
    /// The totals so far.
    pub tally: KeyBucketTotals,
}

impl<'a> KeyFold<'a> {
    /// Starts with empty totals.
    #[must_use]
    pub fn new(context: &'a KeyContext) -> Self {
        Self { context, scratch: LeafDigest::default(), phantom: None, tally: KeyBucketTotals::default() }
    }

    fn follows(&self, first: RevisionKey) -> bool {
        self.tally.ends.is_none_or(|(_, last)| last.revision < first.revision)
    }

    /// Adds a digest, whose records must have their eras.
    fn add(&mut self, digest: &mut LeafDigest) {
        for (index, lease) in &digest.leased {
            if !self.context.leases.contains(lease)
                && let Some(record) = usize::try_from(*index).ok().and_then(|index| digest.records.get_mut(index))
            {
                record.mark_lease_missing();
            }
        }
        let tally = &mut self.tally;
        tally.run = tally.run.then(digest.run, &self.context.combiner);
        tally.entries = tally.entries.saturating_add(u64::from(digest.entries));
        tally.tombstones = tally.tombstones.saturating_add(u64::from(digest.tombstones));
        if let Some((first, last)) = digest.ends {
            tally.reach(first, last);
            let compacted = self.context.marks.last_compaction();
            tally.has_compacted |= first.revision.main == compacted || last.revision.main == compacted;
        }
        tally.complete_from = tally.complete_from.max(digest.complete_from);
        tally.migrated = tally.migrated.saturating_add(u64::from(digest.migrated));
        tally.encrypted.append(&digest.encrypted);
        tally.records.extend(&digest.records);
    }
}

impl LeafVisitor for KeyFold<'_> {
    fn recall(&mut self, digest: &mut LeafDigest, at: (PageId, Offset)) -> bool {
        let Some((first, last)) = digest.ends else { return false };
        let marks = self.context.marks;
        let era = marks.era(first.revision.main);
        if !self.follows(first) {
            return false;
        }
        if era == marks.era(last.revision.main) {
            digest.records.iter_mut().for_each(|record| record.set_era(era));
        } else {
            let Some(mains) = digest.mains().map(Iterator::collect::<Vec<_>>) else { return false };
            digest.records.iter_mut().zip(&mains).for_each(|(record, main)| record.set_era(marks.era(*main)));
            self.tally.has_compacted |= mains.contains(&marks.last_compaction());
        }
        self.tally.first_at.get_or_insert(at);
        self.add(digest);
        true
    }

    fn quick(&mut self, leaf: &LeafPage<'_>) -> bool {
        let mut digest = std::mem::take(&mut self.scratch);
        let taken = digest.fill(leaf.header, leaf.bytes, leaf.page_size)
            && digest.ends.is_some_and(|(first, _)| self.follows(first));
        if taken {
            self.tally.first_at.get_or_insert((leaf.page, leaf.offset));
            self.set_eras(&mut digest, leaf);
            self.add(&mut digest);
        }
        self.scratch = digest;
        taken
    }

    fn examine(&mut self, leaf: &LeafPage<'_>, _faults: &[PageFault], findings: &mut Findings) {
        self.tally.first_at.get_or_insert((leaf.page, leaf.offset));
        let run = run_of(leaf, &self.context.combiner);
        self.tally.run = self.tally.run.then(run, &self.context.combiner);
        for element in leaf.leaf().pairs() {
            self.tally.entries = self.tally.entries.saturating_add(1);
            let Some(key) = RevisionKey::parse(element.key).filter(|_| element.flags & BUCKET == 0) else {
                let text = format!("a key of {} bytes is not a revision", element.key.len());
                findings.push(leaf.finding(Code::RevisionMalformed, element.at, text).key(element.key));
                continue;
            };
            let previous = self.tally.ends.map(|(_, last)| last.revision);
            if previous == Some(key.revision) {
                let text = format!("revision {} occurs both as a put and as a tombstone", key.revision);
                findings.push(leaf.finding(Code::RevisionDuplicate, element.at, text));
            }
            self.tally.reach(key, key);
            self.tally.has_compacted |= key.revision.main == self.context.marks.last_compaction();
            self.tally.tombstones = self.tally.tombstones.saturating_add(u64::from(key.tombstone));
            let value_at = element.at.saturating_add(element.key.len());
            if let Some(phantom) = self.phantom.take_if(|phantom| phantom.main == key.revision.main) {
                findings.push(leaf.finding(Code::KeyvalueMalformed, element.at, emptied(phantom)));
            }
            match inspect(key, element.value) {
                Ok(Some(Inspected { record, lease, needs })) => {
                    if let Some(needs) = needs {
                        self.tally.encrypted.add(&needs, 1);
                    }
                    let migrated = u64::from(record.is_migrated(key.revision.main));
                    self.tally.migrated = self.tally.migrated.saturating_add(migrated);
                    self.keep(key, record, lease);
                }
                Ok(None) => {
                    self.tally.phantoms = self.tally.phantoms.saturating_add(1);
                    if previous.is_some_and(|previous| previous.main == key.revision.main) {
                        findings.push(leaf.finding(Code::KeyvalueMalformed, value_at, emptied(key.revision)));
                    } else {
                        self.phantom = Some(key.revision);
                    }
                }
                Err((code, text)) => {
                    let message = KeyValue::parse(element.value).filter(|message| !message.key.is_empty());
                    let mut finding = leaf.finding(code, value_at, format!("revision {}: {text}", key.revision));
                    if let Some(message) = message {
                        finding = finding.key(message.key);
                        self.keep(key, RevisionRecord::new(&message, key.tombstone), message.lease);
                    }
                    findings.push(finding);
                }
            }
        }
    }
}

/// Message for a put with an empty value that is not alone in its transaction. Only a bump writes such a put, one per
/// transaction.
fn emptied(revision: FullRevision) -> String {
    format!("the value of revision {revision} is empty, but its transaction has other operations: the key is lost")
}

impl KeyFold<'_> {
    /// Sets the era of each record: the same for all in nearly every page, otherwise found by reading the keys again.
    fn set_eras(&mut self, digest: &mut LeafDigest, leaf: &LeafPage<'_>) {
        let marks = self.context.marks;
        let Some((first, last)) = digest.ends else { return };
        let era = marks.era(first.revision.main);
        if era == marks.era(last.revision.main) {
            for record in &mut digest.records {
                record.set_era(era);
            }
            return;
        }
        let mut records = digest.records.iter_mut();
        for element in leaf.leaf().pairs() {
            let Some(key) = RevisionKey::parse(element.key) else { continue };
            self.tally.has_compacted |= key.revision.main == marks.last_compaction();
            if let Some(record) = records.next() {
                record.set_era(marks.era(key.revision.main));
            }
        }
    }

    fn keep(&mut self, key: RevisionKey, mut record: RevisionRecord, lease: i64) {
        record.set_era(self.context.marks.era(key.revision.main));
        if lease != 0 && !self.context.leases.contains(&lease) {
            record.mark_lease_missing();
        }
        self.tally.records.extend(&[record]);
    }
}
