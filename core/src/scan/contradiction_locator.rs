//! Locates contradictions in the history of keys, and missing revisions, by a second walk, which is done only if the
//! first one found a problem.
//!
//! The records of the first walk name the keys, but 24 bytes have no room for a place; and of gaps it only knows that
//! some exist. So the leaves are read again, and the same rules are applied with page, offset and key at hand.

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use crate::offset::Offset;
use std::collections::HashMap;

use crate::bolt::leaf::BUCKET;
use crate::bolt::page::PageFault;
use crate::bolt::page_set::PageSet;
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::error::Error;
use crate::etcd::history_check::{HistoryOutcome, contradiction};
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::{KeyHash, Marks, RevisionRecord};
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::lost_history::LostHistory;
use crate::progress::Watch;
use crate::scan::digest::{LeafDigest, inspect};
use crate::scan::key_bucket::KeyContext;
use crate::scan::leaf_prefetch::PrefetchedDigests;
use crate::scan::leaf_visitor::{LeafPage, LeafVisitor};
use crate::scan::lost_revisions::LostRevisions;
use crate::scan::scanner::Scan;
use crate::scan::unreachable::Unreachable;
use crate::severity::Verdict;
use crate::source::Source;

/// Finds the places of the suspects in `outcome`, and of missing revisions. `last` is the main revision of the last
/// entry, `used` are the pages of all trees.
pub(crate) fn locate<S: Source + ?Sized>(
    scan: &Scan<'_, S>,
    outcome: &HistoryOutcome,
    last: Option<Revision>,
    used: &PageSet,
    history: &mut LostHistory,
    watch: &dyn Watch,
) -> Result<Findings, Error> {
    let suspects =
        outcome.suspects.values().flatten().map(|suspect| (suspect.key, LocatedSuspect::default())).collect();
    let lost = LostRevisions::new(scan.context.marks);
    let marks = scan.context.marks.with_last(last);
    let mut fold = LocateFold { context: &scan.context, marks, suspects, lost, found: Findings::default() };
    scan.walk_keys_again(&mut fold, &read_ahead(scan, watch)?, watch)?;
    let (lost, mut located) = fold.finish();
    let unreachable = match lost.any() || outcome.counts.contains_key(&Code::KeyvalueHistory) {
        true => Unreachable::look(scan, used, |revision| lost.lacks(revision), watch)?,
        false => Unreachable::default(),
    };
    fill_up(&mut located, &outcome.counts);
    let mut findings = lost.finish(&unreachable, history);
    note_keys(&located, outcome, history);
    let damaged = [&findings, &located].iter().any(|found| found.verdict() == Verdict::Damaged);
    if let Some(finding) = unreachable.finding().filter(|_| damaged) {
        findings.push(finding);
    }
    findings.append(located);
    Ok(findings)
}

/// Digests scattered leaves: then only the interesting leaves are read again, and a browser does not read page by page.
fn read_ahead<S: Source + ?Sized>(scan: &Scan<'_, S>, watch: &dyn Watch) -> Result<PrefetchedDigests, Error> {
    let leaves = scan.scattered_leaves()?;
    let strips = (0..leaves.strips()).map(|strip| leaves.digest(strip, scan.source, scan.geometry, watch));
    let strips = strips.collect::<Result<Vec<_>, _>>()?;
    Ok(PrefetchedDigests::new(leaves, strips))
}

#[derive(Default)]
struct LocatedSuspect {
    last: Option<Seen>,
    reported: bool,
}

struct Seen {
    record: RevisionRecord,
    finding: Finding,
}

struct LocateFold<'a> {
    context: &'a KeyContext,
    marks: Marks,
    suspects: HashMap<KeyHash, LocatedSuspect>,
    lost: LostRevisions,
    found: Findings,
}

impl LocateFold<'_> {
    fn see(&mut self, revision: FullRevision, mut record: RevisionRecord, message: &KeyValue<'_>, finding: Finding) {
        let Some(suspect) = self.suspects.get_mut(&record.key()) else { return };
        record.set_era(self.marks.era(revision.main));
        if message.lease != 0 && !record.is_tombstone() && !self.context.leases.contains(&message.lease) {
            record.mark_lease_missing();
        }
        let before = suspect.last.as_ref().map(|seen| &seen.record);
        if let Some((code, text)) = contradiction(before, &record)
            && !suspect.reported
        {
            suspect.reported = true;
            let mut here = finding.clone().with_code(code);
            here.message = format!("Revision {revision} {text}.");
            self.found.push(here);
        }
        suspect.last = Some(Seen { record, finding });
    }

    fn finish(mut self) -> (LostRevisions, Findings) {
        let live = self.suspects.into_values().filter_map(|suspect| suspect.last);
        let mut lacking: Vec<Finding> = live
            .filter(|seen| !seen.record.is_tombstone() && seen.record.lacks_lease())
            .map(|seen| seen.finding)
            .collect();
        // Sorted, because a map has no order and a report must have one.
        lacking.sort_by_key(|finding| finding.offset);
        for finding in lacking {
            self.found.push(finding);
        }
        (self.lost, self.found)
    }
}

impl LeafVisitor for LocateFold<'_> {
    fn recall(&mut self, digest: &mut LeafDigest, (page, offset): (PageId, Offset)) -> bool {
        let Some((first, last)) = digest.ends else { return false };
        let dull = digest.complete_from <= self.marks.complete_above() && digest.migrated == 0;
        if !dull || digest.records.iter().any(|record| self.suspects.contains_key(&record.key())) {
            return false;
        }
        let table = u64::from(digest.entries).saturating_mul(ELEMENT as u64).saturating_add(HEADER as u64);
        let here = Finding::new(Code::RevisionsMissing, "").page(page).offset(offset.plus(table));
        self.lost.see_leaf(first, last, &here)
    }

    fn examine(&mut self, leaf: &LeafPage<'_>, _faults: &[PageFault], _findings: &mut Findings) {
        for element in leaf.leaf().pairs() {
            let Some(key) = RevisionKey::parse(element.key).filter(|_| element.flags & BUCKET == 0) else { continue };
            let record = inspect(key, element.value).ok().flatten().map(|entry| entry.record);
            self.lost.see(key, record.as_ref(), &leaf.finding(Code::RevisionsMissing, element.at, ""));
            let Some(message) = KeyValue::parse(element.value) else { continue };
            if message.key.is_empty() || !self.suspects.contains_key(&KeyHash::of(message.key)) {
                continue;
            }
            let text = format!("lease {:x} of revision {} does not exist", message.lease, key.revision);
            let finding = leaf.finding(Code::LeaseMissing, element.at, text).key(message.key);
            self.see(key.revision, RevisionRecord::new(&message, key.tombstone), &message, finding);
        }
    }

    fn descends(&self) -> bool {
        false
    }
}

/// Adds the keys with contradictory entries to `history`.
fn note_keys(located: &Findings, outcome: &HistoryOutcome, history: &mut LostHistory) {
    let of_history = located.list().iter().filter(|finding| finding.code == Code::KeyvalueHistory);
    let keys = of_history.filter_map(|finding| finding.key.clone()).collect();
    history.set_keys(keys, outcome.counts.get(&Code::KeyvalueHistory).copied().unwrap_or(0));
}

/// Raises the counts of located findings to the number of known ones.
fn fill_up(findings: &mut Findings, counts: &HashMap<Code, u64>) {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort();
    for (code, count) in counts {
        findings.count_at_least(*code, *count);
    }
}
