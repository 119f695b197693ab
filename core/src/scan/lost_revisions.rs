//! Finds the missing revisions, and the pages around them, during the second walk, which is needed only if the first
//! one found a gap.

use crate::bolt::page_id::PageId;
use crate::etcd::gap::RevisionGap;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::{CompactionRevisions, RevisionRecord};
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::limits::FINDINGS_PER_CODE;
use crate::lost_history::{LostHistory, RevisionRange};
use crate::scan::unreachable::Unreachable;

/// Follows the revisions of bucket `key` in order and collects gaps.
#[derive(Debug)]
pub(crate) struct LostRevisions {
    compactions: CompactionRevisions,
    last: Option<(FullRevision, PageId)>,
    /// Whether `etcdctl migrate` may have written all entries so far.
    migrated: bool,
    lost: Gaps,
    /// Gaps that `etcdctl migrate` may have left: a v2 store also counts changes that leave no key.
    migration_gaps: Gaps,
    /// Number of puts with version 1 and an earlier create revision that `etcdctl migrate` may have written.
    migrated_updates: u64,
    first_migrated_update: Option<Finding>,
    /// Findings about puts of this form that `etcdctl migrate` cannot have written.
    impossible: Findings,
}

/// Gaps in order: the first thousand, and the number of all.
#[derive(Debug, Default)]
struct Gaps {
    list: Vec<(RevisionGap, Finding)>,
    /// Main revisions without any entry, as ascending ranges.
    mains: Vec<(Revision, Revision)>,
    /// Main revisions with missing operations, and the first and last missing operation.
    subs: Vec<(Revision, i64, i64)>,
    count: u64,
    /// Number of main revisions without any entry.
    revisions: u64,
}

impl Gaps {
    fn push(&mut self, gap: RevisionGap, finding: Finding) {
        self.count = self.count.saturating_add(1);
        self.revisions = self.revisions.saturating_add(gap.count());
        if self.count <= FINDINGS_PER_CODE {
            self.list.push((gap, finding));
            self.mains.extend(gap.mains);
            self.subs.extend(gap.subs);
        }
    }

    fn contains(&self, revision: FullRevision) -> bool {
        let FullRevision { main, sub } = revision;
        let first = self.subs.partition_point(|(of, ..)| *of < main);
        let of_main = self.subs.iter().skip(first).take_while(|(of, ..)| *of == main);
        self.covers(main) || of_main.into_iter().any(|(_, from, to)| (*from..=*to).contains(&sub))
    }

    /// Whether a main revision has no entry.
    fn covers(&self, main: Revision) -> bool {
        let after = self.mains.partition_point(|(from, _)| *from <= main);
        let range = after.checked_sub(1).and_then(|at| self.mains.get(at));
        range.is_some_and(|(_, to)| main <= *to)
    }
}

impl LostRevisions {
    pub(crate) fn new(compactions: CompactionRevisions) -> Self {
        Self {
            compactions,
            last: None,
            migrated: true,
            lost: Gaps::default(),
            migration_gaps: Gaps::default(),
            migrated_updates: 0,
            first_migrated_update: None,
            impossible: Findings::default(),
        }
    }

    /// Adds the next entry. `record` is `None` if the entry is invalid; `here` has its page and offset.
    pub(crate) fn add_entry(&mut self, key: RevisionKey, record: Option<&RevisionRecord>, here: &Finding) {
        let revision = key.revision;
        let before = self.last.map(|(last, _)| last);
        // A store that etcd v3 created begins with revision 2, unless a compaction removed it.
        let compacted = self.compactions.last_compaction() > Revision::ZERO;
        let is_first_write = before.is_none() && !compacted && revision.main <= Revision::FIRST.next();
        let may_be_migrated = record.is_some_and(|record| record.is_creation()) && revision.sub == 0 && !is_first_write;
        self.migrated &= may_be_migrated && before.is_none_or(|before| before.main < revision.main);
        if let Some(gap) = RevisionGap::between(before, revision, self.compactions.complete_above()) {
            let finding = Finding { message: self.gap_text(&gap, revision, here), ..here.clone() };
            let gaps = if self.migrated && !compacted { &mut self.migration_gaps } else { &mut self.lost };
            gaps.push(gap, finding);
        }
        if let Some(record) = record.filter(|record| record.is_migrated(revision.main)) {
            let create = record.create();
            if self.migrated && revision.main <= self.compactions.complete_above() {
                // A compaction removes the gaps; a migrated key that was never written again stays as it was.
            } else if self.migrated {
                self.migrated_updates = self.migrated_updates.saturating_add(1);
                self.first_migrated_update.get_or_insert_with(|| here.clone());
            } else {
                let text =
                    format!("Revision {revision} is version 1 of its key, but names the creation revision {create}.");
                self.impossible.push(Finding { message: text, ..here.clone().with_code(Code::KeyvalueHistory) });
            }
        }
        if before.is_none_or(|before| before < revision) {
            self.last = Some((revision, here.page.unwrap_or(PageId::ZERO)));
        }
    }

    /// Adds a leaf without missing revisions and migrated keys, by its first and last entry. Returns false while
    /// `etcdctl migrate` may have written all entries so far, because then each entry must be added.
    pub(crate) fn add_leaf(&mut self, first: RevisionKey, last: RevisionKey, here: &Finding) -> bool {
        if self.migrated {
            return false;
        }
        self.add_entry(first, None, here);
        if self.last.is_none_or(|(before, _)| before < last.revision) {
            self.last = Some((last.revision, here.page.unwrap_or(PageId::ZERO)));
        }
        true
    }

    fn gap_text(&self, gap: &RevisionGap, here: FullRevision, place: &Finding) -> String {
        let page = place.page.unwrap_or(PageId::ZERO);
        let number = match gap.count() {
            0 | 1 => String::new(),
            count => format!(" ({count} revisions)"),
        };
        match self.last {
            None => format!(
                "{gap}{number}: page {page} begins with revision {here}, and no compaction removed the revisions before it."
            ),
            Some((last, before)) if before == page => {
                format!("{gap}{number}: on page {page} revision {here} follows {last}.")
            }
            Some((last, before)) => {
                format!("{gap}{number}: page {before} ends with revision {last}, page {page} begins with {here}.")
            }
        }
    }

    /// Whether any gap was found.
    pub(crate) fn has_gaps(&self) -> bool {
        self.lost.count > 0 || self.migration_gaps.count > 0
    }

    /// Whether the tree lacks a revision that no compaction removed.
    pub(crate) fn lacks(&self, revision: FullRevision) -> bool {
        revision.main > self.compactions.complete_above()
            && (self.last.is_none_or(|(last, _)| revision > last)
                || self.lost.contains(revision)
                || self.migration_gaps.contains(revision))
    }

    /// Returns the findings, given the contents of unreachable pages; also adds the missing revisions to `history`.
    pub(crate) fn finish(self, unreachable: &Unreachable, history: &mut LostHistory) -> Findings {
        let Self { mut lost, mut migration_gaps, migrated_updates, first_migrated_update, impossible, .. } = self;
        // Revisions that a migration skipped never existed, so if a page holds one of them, they were lost.
        if unreachable.revisions().any(|main| migration_gaps.covers(main)) {
            lost.count = lost.count.saturating_add(migration_gaps.count);
            let migrated = std::mem::take(&mut migration_gaps);
            lost.revisions = lost.revisions.saturating_add(migrated.revisions);
            lost.mains.splice(0..0, migrated.mains);
            lost.list.splice(0..0, migrated.list);
        }
        history.missing = lost.mains.iter().map(|(from, to)| RevisionRange { from: *from, to: Some(*to) }).collect();
        history.missing_count = lost.revisions;
        let mut findings = Findings::default();
        for (_, finding) in lost.list {
            findings.push(finding.with_code(Code::RevisionsMissing));
        }
        if lost.count > 0 {
            findings.raise_count(Code::RevisionsMissing, lost.count);
        }
        if migrated_updates > 0 || migration_gaps.count > 0 {
            let place = first_migrated_update.or(migration_gaps.list.into_iter().next().map(|(_, finding)| finding));
            let text = format!(
                "{} gaps in the revisions before the first compaction, and {migrated_updates} keys of version 1 that were created \
                 earlier: `etcdctl migrate` may have made this store.",
                migration_gaps.count
            );
            let place = place.unwrap_or_else(|| Finding::new(Code::StoreMigrated, ""));
            findings.push(Finding { message: text, key: None, ..place.with_code(Code::StoreMigrated) });
        }
        findings.append(impossible);
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::keyvalue::KeyValue;

    const NEW: CompactionRevisions = CompactionRevisions { finished: Revision::NONE, scheduled: Revision::NONE };

    fn compacted(main: i64) -> CompactionRevisions {
        CompactionRevisions { finished: Revision::new(main), scheduled: Revision::new(main) }
    }

    /// Entries as main, sub, create revision, version; all on page 7.
    fn findings(compactions: CompactionRevisions, entries: &[(i64, i64, i64, i64)]) -> Vec<(Code, String)> {
        let mut lost = LostRevisions::new(compactions);
        for (main, sub, create, version) in entries {
            let create_revision = Revision::new(*create);
            let message = KeyValue { key: b"k", create_revision, version: *version, ..KeyValue::default() };
            let key =
                RevisionKey { revision: FullRevision { main: Revision::new(*main), sub: *sub }, tombstone: false };
            lost.add_entry(
                key,
                Some(&RevisionRecord::new(&message, false)),
                &Finding::new(Code::KeyvalueHistory, "").page(PageId::new(7)),
            );
        }
        let findings = lost.finish(&Unreachable::default(), &mut LostHistory::default());
        findings.list().iter().map(|finding| (finding.code, finding.message.clone())).collect()
    }

    fn codes(compactions: CompactionRevisions, entries: &[(i64, i64, i64, i64)]) -> Vec<Code> {
        findings(compactions, entries).into_iter().map(|(code, _)| code).collect()
    }

    #[test]
    fn a_gap_names_the_missing_revisions() {
        let found = findings(NEW, &[(2, 0, 2, 1), (3, 0, 3, 1), (9, 0, 9, 1)]);
        let text = "Revisions 4 to 8 are missing (5 revisions): on page 7 revision 9_0 follows 3_0.";
        assert_eq!(found, [(Code::RevisionsMissing, text.to_owned())]);
        assert_eq!(codes(compacted(8), &[(3, 0, 3, 1), (9, 0, 9, 1)]), []);
        assert_eq!(codes(NEW, &[(2, 0, 2, 1), (3, 1, 3, 1)]), [Code::RevisionsMissing]);
    }

    #[test]
    fn a_migrated_store_is_not_damaged() {
        assert_eq!(codes(NEW, &[(5, 0, 5, 1), (9, 0, 9, 1), (10, 0, 9, 2)]), [Code::StoreMigrated]);
        assert_eq!(codes(NEW, &[(5, 0, 4, 1), (6, 0, 6, 1)]), [Code::StoreMigrated]);
        // The store was compacted after the migration.
        assert_eq!(codes(compacted(20), &[(5, 0, 4, 1), (21, 0, 4, 2)]), []);
    }

    #[test]
    fn gaps_that_no_migration_leaves_are_damage() {
        // A store that began with revision 2.
        assert_eq!(codes(NEW, &[(2, 0, 2, 1), (5, 0, 4, 1)]), [Code::RevisionsMissing, Code::KeyvalueHistory]);
        // A gap after an update.
        let found = codes(NEW, &[(5, 0, 5, 1), (6, 0, 5, 2), (8, 0, 8, 1)]);
        assert_eq!(found, [Code::RevisionsMissing, Code::StoreMigrated]);
        // A gap above a compaction.
        assert_eq!(codes(compacted(5), &[(5, 0, 5, 1), (8, 0, 8, 1)]), [Code::RevisionsMissing]);
    }

    #[test]
    fn a_gap_whose_revisions_are_on_free_pages_is_damage() {
        let (mut lost, nine) = (LostRevisions::new(NEW), Revision::new(9));
        let record = RevisionRecord::new(
            &KeyValue { key: b"k", create_revision: nine, version: 1, ..KeyValue::default() },
            false,
        );
        let key = RevisionKey::first_put(nine);
        lost.add_entry(key, Some(&record), &Finding::new(Code::KeyvalueHistory, "").page(PageId::new(7)));
        let lacks = |main, sub| lost.lacks(FullRevision { main: Revision::new(main), sub });
        assert!(lost.has_gaps() && lacks(5, 0) && lacks(10, 0) && lacks(9, 1) && !lacks(9, 0));
        let mut history = LostHistory::default();
        let findings = lost.finish(&Unreachable::of([Revision::new(5)]), &mut history);
        let missing = RevisionRange { from: Revision::new(2), to: Some(Revision::new(8)) };
        assert_eq!((history.missing, history.missing_count), (vec![missing], 7));
        assert!(findings.has(Code::RevisionsMissing) && !findings.has(Code::StoreMigrated));
    }
}
