//! Combines the parts of a scan into a report.

use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::error::Error;
use crate::etcd::completeness;
use crate::etcd::gap::complete_from;
use crate::etcd::history_check::{self, HistoryOutcome};
use crate::etcd::revision::Revision;
use crate::etcd::revision_record::{CompactionRevisions, CompactionState, PARTITIONS};
use crate::etcd::version;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::limits::MAX_EXCERPT;
use crate::lost_history::LostHistory;
use crate::progress::ScanProgress;
use crate::report::Report;
use crate::scan::key_bucket::KeyBucketTotals;
use crate::scan::scanner::{BucketTotals, Opened, Scan, ScanPart};
use crate::scan::sweep_cache::SweepCache;
use crate::scan::trailer_hash::{check_trailer, judge_length, quick_trailer};
use crate::scan::{contradiction_locator, live_key_count, lost_ranges, older_meta};
use crate::severity::Verdict;
use crate::source::Source;
use crate::status::{BucketStatus, Status};
use crate::trailer::Trailer;

/// Number of shares into which the history check is split, so that the threads of a large machine finish together.
pub(crate) const HISTORY_SHARES: usize = 16;

/// The results of a scan without the SHA-256, which another thread may still compute.
#[derive(Debug)]
pub struct Conclusion {
    pub(crate) findings: Findings,
    pub(crate) status: Status,
    lost: LostHistory,
    /// Length of the database according to its newest meta page, in bytes.
    newest_len: u64,
}

impl Conclusion {
    /// Completes the report with the trailer.
    #[must_use]
    pub fn report(self, trailer: Trailer) -> Report {
        let Self { findings: scan_findings, status, lost, newest_len } = self;
        let mut findings = Findings::default();
        for finding in judge_length(status.file_size, newest_len, status.page_size, &trailer) {
            findings.push(finding);
        }
        findings.append(scan_findings);
        if findings.has(Code::FileTruncated) {
            findings.mark_caused_by(Code::FileTruncated, |finding| finding.code == Code::PageUnreachable);
        }
        // Without a single readable bucket the numbers mean nothing.
        let readable = status.complete || !status.buckets.is_empty();
        let lost = (!lost.is_empty()).then_some(lost);
        Report {
            verdict: findings.verdict(),
            findings,
            trailer,
            status: readable.then_some(status),
            lost,
            decrypted: None,
        }
    }
}

impl<S: Source + ?Sized> Scan<'_, S> {
    /// Checks the history of one share of the keys, given all parts in the order of their numbers. Any thread may take
    /// any share, in any order, each once.
    pub(crate) fn histories(&self, share: usize, parts: &[ScanPart]) -> HistoryOutcome {
        let size = PARTITIONS.div_ceil(HISTORY_SHARES);
        let start = share.saturating_mul(size).min(PARTITIONS);
        let end = start.saturating_add(size).min(PARTITIONS);
        let records = std::iter::once(&self.inline_key.records).chain(parts.iter().map(|part| &part.totals.records));
        let is_done = last_compaction_is_done(self.context.compactions, &self.inline_key, parts);
        let state_of_compacting = if is_done { CompactionState::Compacted } else { CompactionState::Compacting };
        history_check::check_histories(records, start..end, state_of_compacting)
    }

    /// Combines all parts, in the order of their numbers, and the histories of all shares in theirs.
    ///
    /// If two parts visited the same page, which only happens in a damaged file, all parts run again in order: which
    /// part may use the page must not depend on the speed of threads.
    ///
    /// # Errors
    /// A read fails, or `progress` requests a stop.
    pub(crate) fn conclude(
        &self,
        parts: Vec<ScanPart>,
        histories: Vec<HistoryOutcome>,
        progress: &dyn ScanProgress,
    ) -> Result<Conclusion, Error> {
        if parts.len() > 1 && parts.iter().any(|part| part.met_used_page) {
            drop(parts);
            let used = self.used_before.copy()?;
            let again = (0..self.parts()).map(|part| self.run_with(part, &used, &mut SweepCache::default(), progress));
            let parts = again.collect::<Result<Vec<_>, _>>()?;
            let histories = self.all_histories(&parts);
            return self.conclude_with(parts, histories, &used, progress);
        }
        self.conclude_with(parts, histories, &self.used, progress)
    }

    fn all_histories(&self, parts: &[ScanPart]) -> Vec<HistoryOutcome> {
        (0..HISTORY_SHARES).map(|share| self.histories(share, parts)).collect()
    }

    fn conclude_with(
        &self,
        parts: Vec<ScanPart>,
        histories: Vec<HistoryOutcome>,
        used: &PageSet,
        progress: &dyn ScanProgress,
    ) -> Result<Conclusion, Error> {
        let mut findings = self.findings.clone();
        let mut incomplete = self.incomplete;
        let mut lost_keys = self.lost_keys.clone();
        let mut totals = KeyBucketTotals::default();
        let mut pages = 0u64;
        let inline = ScanPart { totals: self.inline_key.clone(), ..ScanPart::default() };
        for part in std::iter::once(inline).chain(parts) {
            findings.append(part.findings);
            check_border(&totals, &part.totals, &mut findings);
            incomplete |= part.incomplete;
            lost_keys.extend(part.lost);
            pages = pages.saturating_add(part.pages);
            totals = join_totals(totals, part.totals, &self.context.combiner);
        }
        let mut outcome = HistoryOutcome::default();
        for share in histories {
            outcome.add(share);
        }
        if [Code::KeyOrder, Code::KeyBounds, Code::RevisionDuplicate].into_iter().any(|code| findings.has(code)) {
            outcome.live = live_key_count::count(self, progress)?;
        }
        let mut history = LostHistory::default();
        lost_ranges::add_ranges(&mut history, lost_keys.into_iter());
        let lost_pages_code =
            findings.list().iter().find(|finding| finding.code.loses_pages()).map(|finding| finding.code);
        let lacks_revisions = totals.complete_from > self.context.compactions.complete_above() || totals.migrated > 0;
        if lacks_revisions || !outcome.counts.is_empty() {
            findings.append(contradiction_locator::locate(
                self,
                &outcome,
                totals.last_main(),
                used,
                &mut history,
                progress,
            )?);
        }
        if !incomplete {
            self.check_compacted_revision(&totals, &mut findings);
            if self.key_bucket.is_some() && outcome.live == 0 {
                findings.push(Finding::new(Code::StoreEmpty, self.empty_store_text(&totals)).key(b"key"));
            }
        }
        if let Some(last) = totals.last_main().filter(|last| !completeness::leaves_revisions(*last)) {
            let text = format!("The last revision is {last}, but the largest possible is {}.", Revision::MAX);
            findings.push(Finding::new(Code::RevisionsExhausted, text).key(b"key"));
        }
        let mut buckets = self.buckets.clone();
        if let Some(bucket) = self.key_bucket.and_then(|index| buckets.get_mut(index)) {
            bucket.run = totals.run;
            bucket.entries = totals.entries;
            bucket.pages = bucket.pages.saturating_add(pages);
        }
        let free_pages = self.check_free_pages(used, &mut findings);
        if let Some(code) = lost_pages_code.filter(|_| incomplete) {
            findings.mark_caused_by(code, |finding| is_consequence_of_lost_pages(finding.code));
        }
        if incomplete || findings.verdict() == Verdict::Damaged {
            older_meta::finding(self, totals.last_main(), progress)?
                .into_iter()
                .for_each(|finding| findings.push(finding));
        }
        let status = Status { complete: !incomplete, ..self.status(&buckets, &totals, outcome.live, free_pages) };
        Ok(Conclusion { findings, status, lost: history, newest_len: self.newest_len })
    }

    /// Checks that bucket `key` has an entry at the revision of the last compaction. etcd 3.6 and later always keep it.
    ///
    /// Before 3.5.16 and 3.4.34, etcd removed it if it was a deletion, so all revisions up to it may be gone. But each
    /// revision needs an entry in the raft log, and no server compacts at a revision above its last one.
    fn check_compacted_revision(&self, totals: &KeyBucketTotals, findings: &mut Findings) {
        let compactions = self.context.compactions;
        let compacted = compactions.last_compaction();
        if compacted <= Revision::FIRST || totals.has_compacted {
            return;
        }
        let version = self.facts.storage_version.as_deref().and_then(version::parse);
        let since_3_6 = version.is_some_and(|version| version >= (3, 6, 0));
        let last = totals.last_main().unwrap_or(Revision::FIRST);
        let gone = compacted.since(last);
        let code = if compactions.scheduled > compactions.finished && gone > 0 && since_3_6 {
            Code::CompactionMarks
        } else if since_3_6 || gone > self.facts.consistent_index.unwrap_or(0) {
            Code::CompactedRevisionMissing
        } else {
            return;
        };
        let last = totals.last_main().map_or("none".to_owned(), |last| last.to_string());
        let text =
            format!("The last compaction was at revision {compacted}, which has no entry; the last entry is {last}.");
        findings.push(Finding::new(code, text).key(b"scheduledCompactRev"));
    }

    fn empty_store_text(&self, totals: &KeyBucketTotals) -> String {
        match totals.last_main() {
            None => "Bucket `key` is empty.".into(),
            Some(last) => format!("All keys are deleted; the last revision is {last}."),
        }
    }

    /// Checks that each page is either used or free; returns the number of free pages among those that the file has. Without a stored freelist
    /// these are all pages that were not reached, which includes pages below one that cannot be read.
    fn check_free_pages(&self, used: &PageSet, findings: &mut Findings) -> u64 {
        let all_pages = self.geometry.present.pages_since(PageId::FIRST);
        if !self.synced_freelist {
            return all_pages.saturating_sub(used.count());
        }
        for page in PageId::FIRST.up_to(self.geometry.present) {
            let (used, free) = (used.contains(page), self.free.contains(page));
            if used == free {
                let (code, text) = if used {
                    (Code::PageFreeInUse, format!("page {page} is in use, but the freelist lists it"))
                } else {
                    (Code::PageUnreachable, format!("page {page} is neither in use nor on the freelist"))
                };
                findings.push(Finding::new(code, text).page(page).offset(self.geometry.offset(page)));
            }
        }
        self.free.count()
    }

    fn status(&self, buckets: &[BucketTotals], key: &KeyBucketTotals, live: u64, free_pages: u64) -> Status {
        let combiner = &self.context.combiner;
        let hash = buckets.iter().fold(crate::crc::PartialCrc::default(), |run, bucket| {
            run.then(crate::crc::PartialCrc::of(&bucket.name), combiner).then(bucket.run, combiner)
        });
        let listed = buckets.iter().map(|bucket| BucketStatus {
            name: String::from_utf8_lossy(bucket.name.get(..MAX_EXCERPT).unwrap_or(&bucket.name)).into_owned(),
            entries: bucket.entries,
            bytes: bucket.run.len,
            pages: bucket.pages,
        });
        Status {
            hash: hash.crc,
            revision: key.ends.map_or(Revision::ZERO, |(_, last)| last.revision.main),
            total_key: live,
            total_size: self.logical_size,
            version: self.facts.storage_version.clone().unwrap_or_default(),
            total_entries: buckets.iter().map(|bucket| bucket.entries).fold(0, u64::saturating_add),
            revisions: key.entries,
            tombstones: key.tombstones,
            phantoms: key.phantoms,
            compacted_revision: self.facts.finished_compact,
            scheduled_compact_revision: self.facts.scheduled_compact,
            consistent_index: self.facts.consistent_index,
            term: self.facts.term,
            cluster_version: self.facts.cluster_version.clone(),
            members: self.facts.members,
            leases: self.context.leases.len() as u64,
            page_size: self.geometry.page_size,
            pages: self.geometry.high_water.get(),
            free_pages,
            file_size: self.source.len(),
            buckets: listed.collect(),
            encrypted: key.encrypted.clone(),
            complete: true,
        }
    }
}

/// Whether a finding with this code can be a consequence of unreadable pages.
fn is_consequence_of_lost_pages(code: Code) -> bool {
    matches!(code, Code::PageUnreachable | Code::RevisionsMissing | Code::RevisionsUnreachable | Code::KeyvalueHistory)
}

/// Adds the totals of the next part to those of the parts before it.
fn join_totals(
    mut before: KeyBucketTotals,
    after: KeyBucketTotals,
    combiner: &crate::crc::CrcCombiner,
) -> KeyBucketTotals {
    let border = after.ends.map_or(Revision::ZERO, |(first, _)| {
        let last = before.ends.map(|(_, last)| last.revision);
        complete_from(last, first.revision)
    });
    before.encrypted.append(&after.encrypted);
    KeyBucketTotals {
        encrypted: before.encrypted,
        complete_from: before.complete_from.max(after.complete_from).max(border),
        migrated: before.migrated.saturating_add(after.migrated),
        has_compacted: before.has_compacted || after.has_compacted,
        run: before.run.then(after.run, combiner),
        entries: before.entries.saturating_add(after.entries),
        tombstones: before.tombstones.saturating_add(after.tombstones),
        phantoms: before.phantoms.saturating_add(after.phantoms),
        ends: match (before.ends, after.ends) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (ends, None) | (None, ends) => ends,
        },
        first_at: before.first_at.or(after.first_at),
        records: before.records,
    }
}

/// Whether the last compaction removed everything that it had to remove, although it is not marked as finished.
fn last_compaction_is_done(compactions: CompactionRevisions, inline: &KeyBucketTotals, parts: &[ScanPart]) -> bool {
    let last = parts.iter().rev().map(|part| &part.totals).chain([inline]).find_map(KeyBucketTotals::last_main);
    compactions.with_last(last) != compactions
}

/// Reports a revision that is both the last entry of a part, as a put, and the first of the next, as a tombstone.
fn check_border(before: &KeyBucketTotals, after: &KeyBucketTotals, findings: &mut Findings) {
    let (Some((_, last)), Some((first, _))) = (before.ends, after.ends) else { return };
    if last.revision == first.revision {
        let text = format!("revision {} occurs both as a put and as a tombstone", first.revision);
        let mut finding = Finding::new(Code::RevisionDuplicate, text);
        (finding.page, finding.offset) = after.first_at.unzip();
        findings.push(finding);
    }
}

/// Checks everything about a file in one thread: structure, contents and SHA-256.
///
/// # Errors
/// A read fails, or `progress` requests a stop. Problems of the file are in the report.
pub fn verify<S: Source + ?Sized>(source: &S, progress: &dyn ScanProgress) -> Result<Report, Error> {
    let trailer = check_trailer(source, progress)?;
    run(source, trailer, progress)
}

/// Does the same as [`verify`] without computing the SHA-256.
///
/// # Errors
/// The same errors as [`verify`].
pub fn status<S: Source + ?Sized>(source: &S, progress: &dyn ScanProgress) -> Result<Report, Error> {
    let trailer = quick_trailer(source, progress)?;
    run(source, trailer, progress)
}

fn run<S: Source + ?Sized>(source: &S, trailer: Trailer, progress: &dyn ScanProgress) -> Result<Report, Error> {
    match Scan::open(source)? {
        Opened::Refused(report) => Ok(report.with_trailer(trailer)),
        Opened::Scan(scan) => scan.run_all(&mut SweepCache::default(), trailer, progress),
    }
}

impl<S: Source + ?Sized> Scan<'_, S> {
    /// Runs all parts in order and completes the report.
    pub(crate) fn run_all(
        self,
        cache: &mut SweepCache,
        trailer: Trailer,
        progress: &dyn ScanProgress,
    ) -> Result<Report, Error> {
        Ok(self.conclude_all(cache, progress)?.report(trailer))
    }

    /// Runs all parts in order, without the trailer.
    pub(crate) fn conclude_all(self, cache: &mut SweepCache, progress: &dyn ScanProgress) -> Result<Conclusion, Error> {
        let parts = (0..self.parts()).map(|part| self.run_with(part, &self.used, cache, progress));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let histories = self.all_histories(&parts);
        self.conclude_with(parts, histories, &self.used, progress)
    }
}
