//! Which entries of stray pages fit the history of their keys and come with the whole of their transaction.
//!
//! ```text
//! entries in order (trees and stray pages) ──▶ the links of each key that a stray page is about ──▶ neighbours that do not fit ──▶ transactions that are left out
//! ```
//! A put must continue the put before it, or create the key behind a deletion; where something is missing between two neighbours, it must be possible that they follow each other. Where a stray
//! entry and one of a tree do not fit, the stray one goes; of two stray ones both go.

use std::collections::{BTreeSet, HashSet};

use crate::error::Error;
use crate::etcd::gap::complete_from;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::{CompactionRevisions, KeyHash};
use crate::limits::REMEMBERED_GAPS;
use crate::progress::Watch;
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::key_leaves::{KeyLeaves, Rejected};
use crate::rewrite::leaf_slice::{Basis, Entry};
use crate::source::Source;

/// How often neighbours are compared anew after some were left out; what contradicts others still then goes with all of its key.
const ROUNDS: usize = 8;

/// What contradicts other entries, or is a part of a transaction.
///
/// # Errors
/// When bytes cannot be read, or the watch asks to stop.
pub(super) fn contradictions<S: Source + ?Sized>(
    leaves: &KeyLeaves,
    keys: &HashSet<KeyHash>,
    buckets: &DamagedBuckets<'_, S>,
    marks: CompactionRevisions,
    watch: &dyn Watch,
) -> Result<Rejected, Error> {
    let mut chains = Chains { marks, links: Vec::new(), gaps: Vec::new(), rejected: Rejected::default(), last: None };
    let mut transaction: Option<Transaction> = None;
    let mut memory = Ok(());
    leaves.entries(buckets, watch, &mut |entry| {
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
    chains.links.sort_unstable_by_key(Link::order);
    Ok(chains.rejected())
}

/// A transaction as far as its entries went by.
struct Transaction {
    main: Revision,
    /// The operation that comes next if none is missing; none when one is.
    next_sub: Option<i64>,
    /// Whether it has entries that only stray pages have, where a tree is readable.
    is_filled_in: bool,
    /// Main revision of the entry behind its last one in the same page.
    next_in_page: Option<Revision>,
}

impl Transaction {
    fn begin(entry: &Entry<'_>) -> Self {
        let main = entry.key.revision.main;
        let mut begun = Self { main, next_sub: Some(0), is_filled_in: false, next_in_page: None };
        begun.go_on(entry);
        begun
    }

    fn go_on(&mut self, entry: &Entry<'_>) {
        let sub = entry.key.revision.sub;
        self.next_sub = self.next_sub.filter(|next| *next == sub).and_then(|next| next.checked_add(1));
        self.is_filled_in |= matches!(entry.basis, Basis::StrayPages { unread: false, .. });
        self.next_in_page = entry.next_in_page;
    }

    /// It is whole when its operations begin with 0, none is missing between, and a page shows the end, or the next revision follows.
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
struct Link {
    high: u64,
    main: Revision,
    /// 0 of a tombstone.
    create: Revision,
    low: u32,
    sub: u32,
    /// The version, no larger than [`MAX_VERSION`], and the flags.
    bits: u32,
}

const STRAY: u32 = 1 << 31;
const TOMBSTONE: u32 = 1 << 30;
const MAX_VERSION: u32 = TOMBSTONE - 1;

impl Link {
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
    links: Vec<Link>,
    /// Neighbours between which something is missing.
    gaps: Vec<(FullRevision, FullRevision)>,
    rejected: Rejected,
    last: Option<RevisionKey>,
}

impl Chains {
    /// Goes on to an entry, and sees whether some before it are missing.
    fn step(&mut self, leaves: &KeyLeaves, entry: &Entry<'_>) {
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
                // Behind the last one that is remembered everything may be missing.
                Some(last) => last.1 = here,
                _ => self.gaps.push((before.unwrap_or_default(), here)),
            }
        }
    }

    fn add(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let Some(record) = &entry.record else { return Ok(()) };
        let message = KeyValue::parse(entry.value).unwrap_or_default();
        let KeyHash { high, low } = record.key();
        let tombstone = if entry.key.tombstone { TOMBSTONE } else { 0 };
        let flags = if entry.basis.is_stray() { tombstone | STRAY } else { tombstone };
        let version = u32::try_from(message.version).unwrap_or(MAX_VERSION).min(MAX_VERSION);
        let FullRevision { main, sub } = entry.key.revision;
        let sub = u32::try_from(sub).unwrap_or(u32::MAX);
        if self.links.len() == self.links.capacity() {
            let more = self.links.len().saturating_div(2).max(1024);
            let bytes = (more.saturating_mul(size_of::<Link>())) as u64;
            let lack = Error::Memory { what: "the history of keys", bytes };
            self.links.try_reserve_exact(more).map_err(|_| lack)?;
        }
        self.links.push(Link { high, main, create: message.create_revision, low, sub, bits: version | flags });
        Ok(())
    }

    /// Whether something is missing between two entries, or at one of them.
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
            let mut wrong: Vec<Link> = Vec::new();
            for links in self.links.chunk_by(|one, other| one.key() == other.key()) {
                self.compare(links, round.saturating_add(1) == ROUNDS, &mut wrong);
            }
            if wrong.is_empty() {
                break;
            }
            for link in wrong {
                if link.main > self.marks.last_compaction() {
                    self.rejected.mains.insert(link.main);
                } else {
                    self.rejected.revisions.insert(link.revision());
                }
            }
        }
        self.rejected
    }

    /// Compares the neighbours in the history of a key.
    fn compare(&self, links: &[Link], rejects_all: bool, wrong: &mut Vec<Link>) {
        let mut before: Option<Link> = None;
        let mut skipped = false;
        let found = wrong.len();
        for link in links {
            if link.is_stray() && self.rejected.contains(link.revision()) {
                skipped = true;
                continue;
            }
            if before.is_some_and(|before| before.is_stray()) || link.is_stray() {
                self.judge(before, *link, skipped, wrong);
            }
            before = Some(*link);
            skipped = false;
        }
        if rejects_all && wrong.len() > found {
            wrong.extend(links.iter().filter(|link| link.is_stray()));
        }
    }

    /// Adds the stray ones of two neighbours that do not fit.
    fn judge(&self, before: Option<Link>, here: Link, skipped: bool, wrong: &mut Vec<Link>) {
        let finished = self.marks.finished;
        if let Some(before) = before.filter(|_| here.main <= finished) {
            // A finished compaction leaves one entry of a key. Of stray ones that is the newest; a tree is right anyway.
            wrong.push(if before.is_stray() { before } else { here });
        } else if !self.fit(before, here, skipped) {
            wrong.extend(before.into_iter().chain([here]).filter(Link::is_stray));
        }
    }

    fn fit(&self, before: Option<Link>, here: Link, skipped: bool) -> bool {
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
