//! Finds the pages and offsets of contradictions in the history of keys, and of missing revisions, by a second walk,
//! which is needed only if the first one found such a problem.
//!
//! The first walk keeps a record of 24 bytes per revision, without page and offset, and only knows that gaps exist. So
//! the second walk reads the leaves again and applies the same rules, with page, offset and key at hand.

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use crate::offset::Offset;
use std::collections::HashMap;

use crate::bolt::leaf::BUCKET;
use crate::bolt::page::PageDefect;
use crate::bolt::page_set::PageSet;
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::error::Error;
use crate::etcd::history_check::{HistoryOutcome, contradiction};
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::{CompactionRevisions, KeyHash, RevisionRecord};
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::lost_history::LostHistory;
use crate::progress::ScanProgress;
use crate::scan::digest::{LeafDigest, decode_entry};
use crate::scan::key_bucket::KeyContext;
use crate::scan::leaf_prefetch::PrefetchedDigests;
use crate::scan::leaf_visitor::{LeafPage, LeafVisitor};
use crate::scan::lost_revisions::LostRevisions;
use crate::scan::scanner::Scan;
use crate::scan::unreachable::Unreachable;
use crate::severity::Verdict;
use crate::source::Source;

/// Returns findings, with page and offset, for the suspects in `outcome` and for missing revisions; adds the lost keys
/// and revisions to `history`. `last` is the main revision of the last entry, `used` are the pages of all trees.
pub(crate) fn locate<S: Source + ?Sized>(
    scan: &Scan<'_, S>,
    outcome: &HistoryOutcome,
    last: Option<Revision>,
    used: &PageSet,
    history: &mut LostHistory,
    progress: &dyn ScanProgress,
) -> Result<Findings, Error> {
    let suspects =
        outcome.suspects.values().flatten().map(|suspect| (suspect.key, LocatedSuspect::default())).collect();
    let lost = LostRevisions::new(scan.context.compactions);
    let compactions = scan.context.compactions.with_last(last);
    let mut visitor =
        SuspectLocator { context: &scan.context, compactions, suspects, lost, findings_so_far: Findings::default() };
    scan.walk_keys_again(&mut visitor, &digest_scattered_leaves(scan, progress)?, progress)?;
    let (lost, mut located) = visitor.finish();
    let unreachable = match lost.has_gaps() || outcome.counts.contains_key(&Code::KeyvalueHistory) {
        true => Unreachable::search(scan, used, |revision| lost.lacks(revision), progress)?,
        false => Unreachable::default(),
    };
    raise_counts(&mut located, &outcome.counts);
    let mut findings = lost.finish(&unreachable, history);
    note_keys(&located, outcome, history);
    let damaged = [&findings, &located].iter().any(|findings| findings.verdict() == Verdict::Damaged);
    if let Some(finding) = unreachable.finding().filter(|_| damaged) {
        findings.push(finding);
    }
    findings.append(located);
    Ok(findings)
}

/// Digests the leaves if they are scattered in the file. So only leaves with problems are read one by one, which is
/// slow in a browser.
fn digest_scattered_leaves<S: Source + ?Sized>(
    scan: &Scan<'_, S>,
    progress: &dyn ScanProgress,
) -> Result<PrefetchedDigests, Error> {
    let leaves = scan.scattered_leaves()?;
    let strips = (0..leaves.strips()).map(|strip| leaves.digest(strip, scan.source, scan.geometry, progress));
    let strips = strips.collect::<Result<Vec<_>, _>>()?;
    Ok(PrefetchedDigests::new(leaves, strips))
}

#[derive(Default)]
struct LocatedSuspect {
    last: Option<LocatedEntry>,
    reported: bool,
}

struct LocatedEntry {
    record: RevisionRecord,
    finding: Finding,
}

struct SuspectLocator<'a> {
    context: &'a KeyContext,
    compactions: CompactionRevisions,
    suspects: HashMap<KeyHash, LocatedSuspect>,
    lost: LostRevisions,
    findings_so_far: Findings,
}

impl SuspectLocator<'_> {
    fn add_entry(
        &mut self,
        revision: FullRevision,
        mut record: RevisionRecord,
        message: &KeyValue<'_>,
        finding: Finding,
    ) {
        let Some(suspect) = self.suspects.get_mut(&record.key()) else { return };
        record.set_state(self.compactions.state(revision.main));
        if message.lease != 0 && !record.is_tombstone() && !self.context.leases.contains(&message.lease) {
            record.mark_lease_missing();
        }
        let before = suspect.last.as_ref().map(|entry| &entry.record);
        if let Some((code, text)) = contradiction(before, &record)
            && !suspect.reported
        {
            suspect.reported = true;
            let mut here = finding.clone().with_code(code);
            here.message = format!("Revision {revision} {text}.");
            self.findings_so_far.push(here);
        }
        suspect.last = Some(LocatedEntry { record, finding });
    }

    fn finish(mut self) -> (LostRevisions, Findings) {
        let live = self.suspects.into_values().filter_map(|suspect| suspect.last);
        let mut without_lease: Vec<Finding> = live
            .filter(|entry| !entry.record.is_tombstone() && entry.record.lacks_lease())
            .map(|entry| entry.finding)
            .collect();
        // A hash map has no order, but a report must have one.
        without_lease.sort_by_key(|finding| finding.offset);
        for finding in without_lease {
            self.findings_so_far.push(finding);
        }
        (self.lost, self.findings_so_far)
    }
}

impl LeafVisitor for SuspectLocator<'_> {
    fn visit_digest(&mut self, digest: &mut LeafDigest, (page, offset): (PageId, Offset)) -> bool {
        let Some((first, last)) = digest.ends else { return false };
        let is_unremarkable = digest.complete_from <= self.compactions.complete_above() && digest.migrated == 0;
        if !is_unremarkable || digest.records.iter().any(|record| self.suspects.contains_key(&record.key())) {
            return false;
        }
        let table = u64::from(digest.entries).saturating_mul(ELEMENT as u64).saturating_add(HEADER as u64);
        let here = Finding::new(Code::RevisionsMissing, "").page(page).offset(offset.plus(table));
        self.lost.add_leaf(first, last, &here)
    }

    fn visit_elements(&mut self, leaf: &LeafPage<'_>, _defects: &[PageDefect], _findings: &mut Findings) {
        for element in leaf.leaf().pairs() {
            let Some(key) = RevisionKey::parse(element.key).filter(|_| element.flags & BUCKET == 0) else { continue };
            let record = decode_entry(key, element.value).ok().flatten().map(|entry| entry.record);
            self.lost.add_entry(key, record.as_ref(), &leaf.finding(Code::RevisionsMissing, element.at, ""));
            let Some(message) = KeyValue::parse(element.value) else { continue };
            if message.key.is_empty() || !self.suspects.contains_key(&KeyHash::of(message.key)) {
                continue;
            }
            let text = format!("lease {:x} of revision {} does not exist", message.lease, key.revision);
            let finding = leaf.finding(Code::LeaseMissing, element.at, text).key(message.key);
            self.add_entry(key.revision, RevisionRecord::new(&message, key.tombstone), &message, finding);
        }
    }

    fn walks_nested_buckets(&self) -> bool {
        false
    }
}

/// Adds the keys with a contradictory history to `history`.
fn note_keys(located: &Findings, outcome: &HistoryOutcome, history: &mut LostHistory) {
    let of_history = located.list().iter().filter(|finding| finding.code == Code::KeyvalueHistory);
    let keys = of_history.filter_map(|finding| finding.key.clone()).collect();
    history.set_keys(keys, outcome.counts.get(&Code::KeyvalueHistory).copied().unwrap_or(0));
}

/// Raises the count of each code to `counts`, because at most a thousand suspects per code are located.
fn raise_counts(findings: &mut Findings, counts: &HashMap<Code, u64>) {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort();
    for (code, count) in counts {
        findings.raise_count(*code, *count);
    }
}
