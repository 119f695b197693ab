//! Checks and counts the entries of bucket `key`, leaf by leaf.

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use crate::offset::Offset;
use std::collections::HashSet;

use crate::bolt::leaf::BUCKET;
use crate::bolt::page::PageDefect;
use crate::crc::{CrcCombiner, PartialCrc};
use crate::etcd::gap::complete_from;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::{CompactionRevisions, RevisionRecord, RevisionRecords};
use crate::finding::Findings;
use crate::finding_code::Code;
use crate::needed_key_counts::NeededKeyCounts;
use crate::scan::digest::{DecodedEntry, LeafDigest, decode_entry};
use crate::scan::leaf_visitor::{LeafPage, LeafVisitor};
use crate::scan::schema_buckets::hash_leaf;

/// Facts from other buckets that the check of bucket `key` needs.
#[derive(Debug)]
pub struct KeyContext {
    /// The stored compaction revisions.
    pub compactions: CompactionRevisions,
    /// Ids of the existing leases.
    pub leases: HashSet<i64>,
    /// Computes CRCs of concatenated data.
    pub combiner: CrcCombiner,
}

/// Totals of consecutive leaves of bucket `key`.
#[derive(Debug, Clone, Default)]
pub struct KeyBucketTotals {
    /// CRC-32C of all keys and values in order.
    pub run: PartialCrc,
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
    /// Lowest revision above which no revision is missing between the first and the last entry; 0 if none is missing.
    pub complete_from: Revision,
    /// Number of puts with version 1 and an earlier create revision.
    pub migrated: u64,
    /// Whether the revision of the last compaction has an entry.
    pub has_compacted: bool,
    /// Puts with values that an API server encrypted, by encryption key.
    pub encrypted: NeededKeyCounts,
}

impl KeyBucketTotals {
    /// Main revision of the last entry.
    pub fn last_main(&self) -> Option<Revision> {
        self.ends.map(|(_, last)| last.revision.main)
    }

    /// Extends the range of keys by later keys, from `first` to `last`.
    fn extend_range(&mut self, first: RevisionKey, last: RevisionKey) {
        if let Some((_, before)) = self.ends {
            self.complete_from = self.complete_from.max(complete_from(Some(before.revision), first.revision));
        }
        self.ends = Some((self.ends.map_or(first, |(first, _)| first), last));
    }
}

/// Adds up the leaves of bucket `key`, which must be visited in key order, and checks their entries.
pub struct KeyBucketVisitor<'a> {
    context: &'a KeyContext,
    scratch: LeafDigest,
    /// The last put with an empty value.
    phantom: Option<FullRevision>,
    /// The totals so far.
    pub totals: KeyBucketTotals,
}

impl<'a> KeyBucketVisitor<'a> {
    /// Starts with empty totals.
    #[must_use]
    pub fn new(context: &'a KeyContext) -> Self {
        Self { context, scratch: LeafDigest::default(), phantom: None, totals: KeyBucketTotals::default() }
    }

    fn comes_after(&self, first: RevisionKey) -> bool {
        self.totals.ends.is_none_or(|(_, last)| last.revision < first.revision)
    }

    /// Adds a digest; the compaction state of its records must be set.
    fn add(&mut self, digest: &mut LeafDigest) {
        for (index, lease) in &digest.leased {
            if !self.context.leases.contains(lease)
                && let Some(record) = usize::try_from(*index).ok().and_then(|index| digest.records.get_mut(index))
            {
                record.mark_lease_missing();
            }
        }
        let totals = &mut self.totals;
        totals.run = totals.run.then(digest.run, &self.context.combiner);
        totals.entries = totals.entries.saturating_add(u64::from(digest.entries));
        totals.tombstones = totals.tombstones.saturating_add(u64::from(digest.tombstones));
        if let Some((first, last)) = digest.ends {
            totals.extend_range(first, last);
            let compacted = self.context.compactions.last_compaction();
            totals.has_compacted |= first.revision.main == compacted || last.revision.main == compacted;
        }
        totals.complete_from = totals.complete_from.max(digest.complete_from);
        totals.migrated = totals.migrated.saturating_add(u64::from(digest.migrated));
        totals.encrypted.append(&digest.encrypted);
        totals.records.extend(&digest.records);
    }
}

impl LeafVisitor for KeyBucketVisitor<'_> {
    fn visit_digest(&mut self, digest: &mut LeafDigest, at: (PageId, Offset)) -> bool {
        let Some((first, last)) = digest.ends else { return false };
        let compactions = self.context.compactions;
        let state = compactions.state(first.revision.main);
        if !self.comes_after(first) {
            return false;
        }
        if state == compactions.state(last.revision.main) {
            digest.records.iter_mut().for_each(|record| record.set_state(state));
        } else {
            let Some(mains) = digest.mains().map(Iterator::collect::<Vec<_>>) else { return false };
            digest.records.iter_mut().zip(&mains).for_each(|(record, main)| record.set_state(compactions.state(*main)));
            self.totals.has_compacted |= mains.contains(&compactions.last_compaction());
        }
        self.totals.first_at.get_or_insert(at);
        self.add(digest);
        true
    }

    fn visit_regular(&mut self, leaf: &LeafPage<'_>) -> bool {
        let mut digest = std::mem::take(&mut self.scratch);
        let is_regular = digest.fill(leaf.header, leaf.bytes, leaf.page_size)
            && digest.ends.is_some_and(|(first, _)| self.comes_after(first));
        if is_regular {
            self.totals.first_at.get_or_insert((leaf.page, leaf.offset));
            self.set_states(&mut digest, leaf);
            self.add(&mut digest);
        }
        self.scratch = digest;
        is_regular
    }

    fn visit_elements(&mut self, leaf: &LeafPage<'_>, _defects: &[PageDefect], findings: &mut Findings) {
        self.totals.first_at.get_or_insert((leaf.page, leaf.offset));
        let run = hash_leaf(leaf, &self.context.combiner);
        self.totals.run = self.totals.run.then(run, &self.context.combiner);
        for element in leaf.leaf().pairs() {
            self.totals.entries = self.totals.entries.saturating_add(1);
            let Some(key) = RevisionKey::parse(element.key).filter(|_| element.flags & BUCKET == 0) else {
                let text = format!("a key of {} bytes is not a revision", element.key.len());
                findings.push(leaf.finding(Code::RevisionMalformed, element.at, text).key(element.key));
                continue;
            };
            let previous = self.totals.ends.map(|(_, last)| last.revision);
            if previous == Some(key.revision) {
                let text = format!("revision {} occurs both as a put and as a tombstone", key.revision);
                findings.push(leaf.finding(Code::RevisionDuplicate, element.at, text));
            }
            self.totals.extend_range(key, key);
            self.totals.has_compacted |= key.revision.main == self.context.compactions.last_compaction();
            self.totals.tombstones = self.totals.tombstones.saturating_add(u64::from(key.tombstone));
            let value_at = element.at.saturating_add(element.key.len());
            if let Some(phantom) = self.phantom.take_if(|phantom| phantom.main == key.revision.main) {
                findings.push(leaf.finding(Code::KeyvalueMalformed, element.at, empty_value_text(phantom)));
            }
            match decode_entry(key, element.value) {
                Ok(Some(DecodedEntry { record, lease, needed_key })) => {
                    if let Some(needed_key) = needed_key {
                        self.totals.encrypted.add(&needed_key, 1);
                    }
                    let migrated = u64::from(record.is_migrated(key.revision.main));
                    self.totals.migrated = self.totals.migrated.saturating_add(migrated);
                    self.add_record(key, record, lease);
                }
                Ok(None) => {
                    self.totals.phantoms = self.totals.phantoms.saturating_add(1);
                    if previous.is_some_and(|previous| previous.main == key.revision.main) {
                        findings.push(leaf.finding(Code::KeyvalueMalformed, value_at, empty_value_text(key.revision)));
                    } else {
                        self.phantom = Some(key.revision);
                    }
                }
                Err((code, text)) => {
                    let message = KeyValue::parse(element.value).filter(|message| !message.key.is_empty());
                    let mut finding = leaf.finding(code, value_at, format!("revision {}: {text}", key.revision));
                    if let Some(message) = message {
                        finding = finding.key(message.key);
                        self.add_record(key, RevisionRecord::new(&message, key.tombstone), message.lease);
                    }
                    findings.push(finding);
                }
            }
        }
    }
}

/// Returns the message about an empty value whose transaction has other operations. Only a restore with
/// `--bump-revision` writes empty values, and each is alone in its transaction.
fn empty_value_text(revision: FullRevision) -> String {
    format!("the value of revision {revision} is empty, but its transaction has other operations: the key is lost")
}

impl KeyBucketVisitor<'_> {
    /// Sets the compaction state of each record. Nearly every page has the same state for all; for the others the keys
    /// are read again.
    fn set_states(&mut self, digest: &mut LeafDigest, leaf: &LeafPage<'_>) {
        let compactions = self.context.compactions;
        let Some((first, last)) = digest.ends else { return };
        let state = compactions.state(first.revision.main);
        if state == compactions.state(last.revision.main) {
            for record in &mut digest.records {
                record.set_state(state);
            }
            return;
        }
        let mut records = digest.records.iter_mut();
        for element in leaf.leaf().pairs() {
            let Some(key) = RevisionKey::parse(element.key) else { continue };
            self.totals.has_compacted |= key.revision.main == compactions.last_compaction();
            if let Some(record) = records.next() {
                record.set_state(compactions.state(key.revision.main));
            }
        }
    }

    fn add_record(&mut self, key: RevisionKey, mut record: RevisionRecord, lease: i64) {
        record.set_state(self.context.compactions.state(key.revision.main));
        if lease != 0 && !self.context.leases.contains(&lease) {
            record.mark_lease_missing();
        }
        self.totals.records.extend(&[record]);
    }
}
