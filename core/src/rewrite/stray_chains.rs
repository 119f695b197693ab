//! Checks which entries of stray pages fit the history of their keys and come with all of their transaction.
//!
//! ```text
//! entries in order (trees and stray pages) ──▶ the history of each key in a stray page ──▶ neighbours that do not fit ──▶ transactions that are left out
//! ```
//! A put must continue the put before it, or create the key after a deletion. If something is missing between two neighbours, the missing part must be able to connect them. If a stray entry and one
//! of a tree do not fit, the stray one is left out; of two stray entries, both are.

use std::collections::{BTreeSet, HashSet};

use crate::error::Error;
use crate::etcd::gap::complete_from;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::{CompactionRevisions, KeyHash};
use crate::limits::REMEMBERED_GAPS;
use crate::progress::ScanProgress;
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::key_leaves::{KeyLeaves, Rejected};
use crate::rewrite::leaf_slice::{LeafEntry, LeafOrigin};
use crate::source::Source;

/// How often neighbours are compared again after some were left out. If entries of a key still contradict each other then, all of its stray entries are left out.
const ROUNDS: usize = 8;

/// Finds the stray entries that contradict other entries, or are only a part of a transaction. `keys` are the keys of stray entries.
///
/// # Errors
/// When bytes cannot be read, or `progress` requests a stop.
pub(super) fn contradictions<S: Source + ?Sized>(
    leaves: &KeyLeaves,
    keys: &HashSet<KeyHash>,
    buckets: &DamagedBuckets<'_, S>,
    marks: CompactionRevisions,
    progress: &dyn ScanProgress,
) -> Result<Rejected, Error> {
    let mut chains = Chains { marks, entries: Vec::new(), gaps: Vec::new(), rejected: Rejected::default(), last: None };
    let mut transaction: Option<Transaction> = None;
    let mut memory = Ok(());
    leaves.entries(buckets, progress, &mut |entry| {
        let here = entry.key.revision;
        match &mut transaction {
            Some(open) if open.main == here.main => open.go_on(&entry),
            open => {
                let next = Transaction::begin(&entry);
                if let Some(before) = open.replace(next) {
                    before.end(Some(here.main), &mut chains.rejected.mains);
                }
            }
        }
        chains.step(leaves, &entry);
        let is_wanted = entry.record.as_ref().is_some_and(|record| keys.contains(&record.key()));
        if is_wanted && memory.is_ok() {
            memory = chains.add(&entry);
        }
        memory.is_ok()
    })?;
    memory?;
    if let Some(last) = transaction {
        last.end(None, &mut chains.rejected.mains);
    }
    chains.entries.sort_unstable_by_key(HistoryEntry::order);
    Ok(chains.rejected())
}

/// A transaction, up to the entries so far.
struct Transaction {
    main: Revision,
    /// The next operation, if none is missing so far; `None` if one is.
    next_sub: Option<i64>,
    /// Whether it has stray entries in the range of a readable tree.
    is_filled_in: bool,
    /// Main revision of the entry after its last one in the same page.
    next_in_page: Option<Revision>,
}

impl Transaction {
    fn begin(entry: &LeafEntry<'_>) -> Self {
        let main = entry.key.revision.main;
        let mut begun = Self { main, next_sub: Some(0), is_filled_in: false, next_in_page: None };
        begun.go_on(entry);
        begun
    }

    fn go_on(&mut self, entry: &LeafEntry<'_>) {
        let sub = entry.key.revision.sub;
        self.next_sub = self.next_sub.filter(|next| *next == sub).and_then(|next| next.checked_add(1));
        self.is_filled_in |= matches!(entry.origin, LeafOrigin::StrayPages { unread: false, .. });
        self.next_in_page = entry.next_in_page;
    }

    /// Rejects the transaction unless it is complete: its operations begin with 0, none is missing in between, and a page shows its end or the next revision follows.
    fn end(&self, next: Option<Revision>, rejected: &mut BTreeSet<Revision>) {
        let shows_end = self.next_in_page.is_some_and(|next| next > self.main);
        let is_followed = next.is_some() && next == self.main.checked_add(1);
        if self.is_filled_in && (self.next_sub.is_none() || !(shows_end || is_followed)) {
            rejected.insert(self.main);
        }
    }
}

/// An entry in the history of its key: 40 bytes.
#[derive(Debug, Clone, Copy)]
struct HistoryEntry {
    high: u64,
    main: Revision,
    /// 0 for a tombstone.
    create: Revision,
    low: u32,
    sub: u32,
    /// The version, no larger than [`MAX_VERSION`], and the flags.
    bits: u32,
}

const STRAY: u32 = 1 << 31;
const TOMBSTONE: u32 = 1 << 30;
const MAX_VERSION: u32 = TOMBSTONE - 1;

impl HistoryEntry {
    fn order(&self) -> (u64, u32, Revision, u32) {
        (self.high, self.low, self.main, self.sub)
    }

    fn key(&self) -> (u64, u32) {
        (self.high, self.low)
    }

    fn revision(&self) -> FullRevision {
        FullRevision { main: self.main, sub: i64::from(self.sub) }
    }

    fn is_stray(&self) -> bool {
        self.bits & STRAY != 0
    }

    fn is_tombstone(&self) -> bool {
        self.bits & TOMBSTONE != 0
    }

    fn version(&self) -> u32 {
        self.bits & MAX_VERSION
    }

    fn is_creation(&self) -> bool {
        !self.is_tombstone() && self.version() == 1
    }
}

struct Chains {
    marks: CompactionRevisions,
    entries: Vec<HistoryEntry>,
    /// Neighbours between which revisions are missing.
    gaps: Vec<(FullRevision, FullRevision)>,
    rejected: Rejected,
    last: Option<RevisionKey>,
}

impl Chains {
    /// Advances to an entry, and finds out whether entries before it are missing.
    fn step(&mut self, leaves: &KeyLeaves, entry: &LeafEntry<'_>) {
        let here = entry.key.revision;
        let before = self.last.replace(entry.key);
        let is_unread = || {
            let bytes = before.map(RevisionKey::to_vec).unwrap_or_default();
            entry.begins_slice && leaves.unread().reaches_between(&bytes, &entry.key.to_vec())
        };
        let before = before.map(|key| key.revision);
        if complete_from(before, here) > self.marks.complete_above() || is_unread() {
            let is_full = self.gaps.len() >= REMEMBERED_GAPS;
            match self.gaps.last_mut().filter(|_| is_full) {
                // After the last remembered gap, anything may be missing.
                Some(last) => last.1 = here,
                _ => self.gaps.push((before.unwrap_or_default(), here)),
            }
        }
    }

    fn add(&mut self, entry: &LeafEntry<'_>) -> Result<(), Error> {
        let Some(record) = &entry.record else { return Ok(()) };
        let message = KeyValue::parse(entry.value).unwrap_or_default();
        let KeyHash { high, low } = record.key();
        let tombstone = if entry.key.tombstone { TOMBSTONE } else { 0 };
        let flags = if entry.origin.is_stray() { tombstone | STRAY } else { tombstone };
        let version = u32::try_from(message.version).unwrap_or(MAX_VERSION).min(MAX_VERSION);
        let FullRevision { main, sub } = entry.key.revision;
        let sub = u32::try_from(sub).unwrap_or(u32::MAX);
        if self.entries.len() == self.entries.capacity() {
            let more = self.entries.len().saturating_div(2).max(1024);
            let bytes = (more.saturating_mul(size_of::<HistoryEntry>())) as u64;
            let lack = Error::Memory { what: "the history of keys", bytes };
            self.entries.try_reserve_exact(more).map_err(|_| lack)?;
        }
        self.entries.push(HistoryEntry {
            high,
            main,
            create: message.create_revision,
            low,
            sub,
            bits: version | flags,
        });
        Ok(())
    }

    /// Whether revisions are missing between two entries, or operations at one of them.
    fn has_gap(&self, from: FullRevision, to: FullRevision) -> bool {
        let at = self.gaps.partition_point(|(before, _)| *before < from);
        self.gaps.get(at).is_some_and(|(_, behind)| *behind <= to)
            || (self.gaps.len() >= REMEMBERED_GAPS && self.gaps.last().is_some_and(|(before, _)| to > *before))
    }

    /// Whether a key may have been created at this main revision although no entry says so.
    fn may_lack(&self, main: Revision) -> bool {
        let at = self.gaps.partition_point(|(_, behind)| behind.main < main);
        main <= self.marks.complete_above()
            || self.rejected.mains.contains(&main)
            || self.gaps.get(at).is_some_and(|(before, _)| before.main <= main)
    }

    fn rejected(mut self) -> Rejected {
        for round in 0..ROUNDS {
            let mut wrong: Vec<HistoryEntry> = Vec::new();
            for entries in self.entries.chunk_by(|one, other| one.key() == other.key()) {
                self.compare(entries, round.saturating_add(1) == ROUNDS, &mut wrong);
            }
            if wrong.is_empty() {
                break;
            }
            for entry in wrong {
                if entry.main > self.marks.last_compaction() {
                    self.rejected.mains.insert(entry.main);
                } else {
                    self.rejected.revisions.insert(entry.revision());
                }
            }
        }
        self.rejected
    }

    /// Compares neighbours in the history of a key.
    fn compare(&self, entries: &[HistoryEntry], rejects_all: bool, wrong: &mut Vec<HistoryEntry>) {
        let mut before: Option<HistoryEntry> = None;
        let mut skipped = false;
        let found = wrong.len();
        for entry in entries {
            if entry.is_stray() && self.rejected.contains(entry.revision()) {
                skipped = true;
                continue;
            }
            if before.is_some_and(|before| before.is_stray()) || entry.is_stray() {
                self.judge(before, *entry, skipped, wrong);
            }
            before = Some(*entry);
            skipped = false;
        }
        if rejects_all && wrong.len() > found {
            wrong.extend(entries.iter().filter(|entry| entry.is_stray()));
        }
    }

    /// Adds the stray entries of two neighbours that do not fit to `wrong`.
    fn judge(&self, before: Option<HistoryEntry>, here: HistoryEntry, skipped: bool, wrong: &mut Vec<HistoryEntry>) {
        let finished = self.marks.finished;
        if let Some(before) = before.filter(|_| here.main <= finished) {
            // A finished compaction leaves one entry of a key: of stray entries the newest, and a tree takes precedence.
            wrong.push(if before.is_stray() { before } else { here });
        } else if !self.fit(before, here, skipped) {
            wrong.extend(before.into_iter().chain([here]).filter(HistoryEntry::is_stray));
        }
    }

    fn fit(&self, before: Option<HistoryEntry>, here: HistoryEntry, skipped: bool) -> bool {
        let from = before.map_or(FullRevision::default(), |before| before.revision());
        let has_gap = skipped || here.main <= self.marks.complete_above() || self.has_gap(from, here.revision());
        let creation_is_lost = || self.may_lack(here.create);
        let Some(before) = before else {
            return if here.is_tombstone() { has_gap } else { here.is_creation() || creation_is_lost() };
        };
        let is_next = here.create == before.create && here.version() == before.version().saturating_add(1);
        match (before.is_tombstone(), here.is_tombstone()) {
            (true, true) => has_gap,
            (false, true) => true,
            (true, false) => here.is_creation() || (has_gap && here.create > before.main && creation_is_lost()),
            (false, false) if !has_gap => is_next,
            (false, false) if here.create == before.create => {
                let versions = here.version().checked_sub(before.version()).filter(|versions| *versions > 0);
                versions.is_some_and(|versions| u64::from(versions) <= here.main.since(before.main))
            }
            (false, false) => here.create > before.main && (here.is_creation() || creation_is_lost()),
        }
    }
}
