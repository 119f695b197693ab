//! Where a key's history contradicts itself: a second walk, taken only when the first one ended with a suspicion.
//!
//! The records of the first walk say which keys, but 24 bytes have no room for where. So the leaves are read once more, and
//! the same rule is applied to the suspects alone, with page, offset and key at hand.

use std::collections::HashMap;

use crate::bolt::bucket::{self, Place};
use crate::bolt::page::Fault;
use crate::bolt::set::PageSet;
use crate::code::Code;
use crate::error::Error;
use crate::etcd::history::{Outcome, contradiction};
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::record::{KeyHash, Record};
use crate::etcd::revision::{Revision, RevisionKey};
use crate::finding::{Finding, Findings};
use crate::scan::finish::fill_up;
use crate::scan::fold::{Fold, LeafPage};
use crate::scan::key::KeyContext;
use crate::scan::memory::Memory;
use crate::scan::open::{Scan, inline_page};
use crate::scan::subtree::Subtree;
use crate::scan::walk::Walk;
use crate::source::Source;
use crate::watch::Watch;

/// Finds the places of what the outcome suspects.
pub(crate) fn locate<S: Source + ?Sized>(
    scan: &Scan<'_, S>,
    outcome: &Outcome,
    watch: &dyn Watch,
) -> Result<Findings, Error> {
    let suspects = outcome.suspects.values().flatten().map(|key| (*key, Suspect::default())).collect();
    let mut fold = LocateFold { context: &scan.context, suspects, found: Findings::default() };
    let used = PageSet::new(scan.geometry.present)?;
    let mut memory = Memory::default();
    let mut walk = Walk::new(scan.source, scan.geometry, &used, &mut memory, watch);
    if let Some(entry) = &scan.key_place {
        match bucket::parse(&entry.value) {
            Ok(Place::Tree(root)) => walk.visit(&Subtree::root(root, entry.at), &mut fold)?,
            Ok(Place::Inline(header, bytes)) => walk.inline(&inline_page(entry, header, bytes), 1, &mut fold)?,
            Err(_) => {}
        }
    }
    let mut findings = fold.finish();
    fill_up(&mut findings, &outcome.counts);
    Ok(findings)
}

#[derive(Default)]
struct Suspect {
    last: Option<Seen>,
    reported: bool,
}

struct Seen {
    record: Record,
    finding: Finding,
}

struct LocateFold<'a> {
    context: &'a KeyContext,
    suspects: HashMap<KeyHash, Suspect>,
    found: Findings,
}

impl LocateFold<'_> {
    fn see(&mut self, revision: Revision, mut record: Record, message: &KeyValue<'_>, finding: Finding) {
        let Some(suspect) = self.suspects.get_mut(&record.key()) else { return };
        record.set_era(self.context.marks.era(revision.main));
        if message.lease != 0 && !record.is_tombstone() && !self.context.leases.contains(&message.lease) {
            record.mark_lease_missing();
        }
        let before = suspect.last.as_ref().map(|seen| &seen.record);
        if let Some((code, text)) = contradiction(before, &record)
            && !suspect.reported
        {
            suspect.reported = true;
            let mut here = finding.clone();
            here.code = code;
            here.severity = code.severity();
            here.message = format!("revision {revision} {text}");
            self.found.push(here);
        }
        suspect.last = Some(Seen { record, finding });
    }

    fn finish(mut self) -> Findings {
        let live = self.suspects.into_values().filter_map(|suspect| suspect.last);
        let mut lacking: Vec<Finding> = live
            .filter(|seen| !seen.record.is_tombstone() && seen.record.lacks_lease())
            .map(|seen| seen.finding)
            .collect();
        // A map has no order of its own; a report does.
        lacking.sort_by_key(|finding| finding.offset);
        for finding in lacking {
            self.found.push(finding);
        }
        self.found
    }
}

impl Fold for LocateFold<'_> {
    fn examine(&mut self, leaf: &LeafPage<'_>, _faults: &[Fault], _findings: &mut Findings) {
        for element in leaf.leaf().pairs() {
            let (Some(key), Some(message)) = (RevisionKey::parse(element.key), KeyValue::parse(element.value)) else {
                continue;
            };
            if message.key.is_empty() || !self.suspects.contains_key(&KeyHash::of(message.key)) {
                continue;
            }
            let text = format!("the lease {:x} of revision {} does not exist", message.lease, key.revision);
            let finding = leaf.finding(Code::LeaseMissing, element.at, text).key(message.key);
            self.see(key.revision, Record::new(&message, key.tombstone), &message, finding);
        }
    }

    fn descends(&self) -> bool {
        false
    }
}
