//! Keeps or drops keys with their whole history.
//!
//! Dropped entries leave gaps in the revision numbers, and etcd accepts gaps only below a compaction. So the revision of the *requested* compaction is raised to the lowest revision above all
//! gaps, as in a salvage. Below it, older versions of the kept keys may stay until etcd starts and carries out the compaction. (Below a *finished* compaction, older versions are not allowed.) If the
//! newest revision is dropped, an empty entry takes its place, as a revision bump writes one. So the store's revision does not fall, and no client sees a revision twice.
//!
//! A lease is dropped if live keys were attached to it and all of them are dropped. A lease without keys stays, because nothing shows whose it is.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;
use crate::int_readers::i64_be;
use crate::rewrite::entry_filter::{EntryFilter, FilterError};
use crate::rewrite::key_choice::KeyChoice;
use crate::store::KeyEntry;
use crate::store::key_hash::{Short, short};
use crate::store::key_state::entry_bytes;
use crate::store::partitioned_fold::{KeyRow, PARTITIONS, Rows, folded};
use crate::store::query::malformed;

/// Whether the chosen keys are kept or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutSide {
    /// The chosen keys are kept, and all others are dropped.
    Keep,
    /// The chosen keys are dropped, and all others are kept.
    Drop,
}

/// The number of keys and entries, and their size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Keys that exist at the latest revision.
    pub keys: u64,
    /// Entries of bucket `key`, including tombstones.
    pub entries: u64,
    /// Bytes of these entries in the database.
    pub bytes: u64,
}

impl Share {
    fn add(&mut self, entry: &KeyEntry<'_>) {
        self.entries = self.entries.saturating_add(1);
        self.bytes = self.bytes.saturating_add(entry_bytes(entry));
    }
}

/// The result of a cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutReport {
    /// The kept part.
    pub kept: Share,
    /// The dropped part.
    pub dropped: Share,
    /// For each choice, the number of entries of its keys. A key of several choices counts for each.
    pub chosen: Vec<u64>,
    /// Leases that were dropped with the last of their keys.
    pub leases: u64,
    /// The raised revision of the requested compaction, below which clients cannot read; `None` if it is unchanged.
    pub raised_to: Option<Revision>,
    /// Whether an empty entry takes the place of the newest revision.
    pub has_placeholder: bool,
}

/// The newest entry of a key.
#[derive(Debug, Clone, Copy)]
struct NewestEntry {
    hash: Short,
    entry: RevisionKey,
    lease: i64,
    stays: bool,
}

impl KeyRow for NewestEntry {
    fn hash(&self) -> Short {
        self.hash
    }

    fn merge(&mut self, other: Self) {
        if other.entry >= self.entry {
            *self = other;
        }
    }
}

/// Filters the entries of a file for a cut. Memory: at most 80 bytes per key, and 32 per lease.
#[derive(Debug)]
pub struct Cut<'c> {
    choices: &'c [KeyChoice],
    side: CutSide,
    /// The revision of the old file's last compaction.
    compacted: Revision,
    newest: Rows<NewestEntry>,
    /// Main revision of the newest dropped entry so far.
    last_dropped: Option<Revision>,
    /// Main revision of the newest kept entry so far.
    last_kept: Option<Revision>,
    /// Main revision of the first kept entry after all dropped ones.
    kept_behind: Option<Revision>,
    /// Leases with live keys, and whether any of these keys is kept.
    leases: HashMap<i64, bool>,
    report: CutReport,
}

impl<'c> Cut<'c> {
    /// Starts a cut of a file whose last compaction was at revision `compacted`; −1 if there was none.
    #[must_use]
    pub fn new(choices: &'c [KeyChoice], side: CutSide, compacted: Revision) -> Self {
        let report = CutReport { chosen: vec![0; choices.len()], ..CutReport::default() };
        Self {
            choices,
            side,
            compacted,
            newest: Rows::new(),
            last_dropped: None,
            last_kept: None,
            kept_behind: None,
            leases: HashMap::new(),
            report,
        }
    }

    /// Returns the report after the file was written.
    #[must_use]
    pub fn into_report(self) -> CutReport {
        self.report
    }

    /// Returns whether a key is kept; counts the entry for each choice that includes the key.
    fn stays(&mut self, key: &[u8]) -> bool {
        let mut is_chosen = false;
        for (choice, entries) in self.choices.iter().zip(&mut self.report.chosen) {
            if choice.has(key) {
                *entries = entries.saturating_add(1);
                is_chosen = true;
            }
        }
        is_chosen == (self.side == CutSide::Keep)
    }

    /// Counts the live keys, and finds out which leases lose all of their keys.
    fn count_keys(&mut self) -> Result<(), FilterError> {
        self.newest.hand_over()?;
        for number in 0..PARTITIONS {
            let rows = folded([&self.newest].into_iter(), number);
            for row in rows.iter().filter(|row| !row.entry.tombstone) {
                let share = if row.stays { &mut self.report.kept } else { &mut self.report.dropped };
                share.keys = share.keys.saturating_add(1);
                if row.lease != 0 {
                    let no_memory = |_| Error::Memory { what: "the leases of the file", bytes: 32 };
                    self.leases.try_reserve(1).map_err(no_memory)?;
                    *self.leases.entry(row.lease).or_default() |= row.stays;
                }
            }
        }
        self.newest = Rows::new();
        Ok(())
    }
}

impl EntryFilter for Cut<'_> {
    fn revision<'v>(&mut self, entry: &KeyEntry<'v>) -> Result<Option<Cow<'v, [u8]>>, FilterError> {
        let main = entry.key.revision.main;
        let Some(message) = KeyValue::parse(entry.value) else {
            return Err(FilterError::Damaged(malformed(entry, "are not a KeyValue message")));
        };
        // The empty entry of a revision bump belongs to no key.
        let is_of_no_key = entry.value.is_empty() && !entry.key.tombstone;
        if message.key.is_empty() && !is_of_no_key {
            return Err(FilterError::Damaged(malformed(entry, "have no key")));
        }
        let stays = is_of_no_key || self.stays(message.key);
        if !is_of_no_key {
            let lease = message.lease;
            self.newest.push(NewestEntry { hash: short(message.key), entry: entry.key, lease, stays });
        }
        if stays {
            self.report.kept.add(entry);
            self.last_kept = Some(main);
            self.kept_behind = self.kept_behind.or(Some(main));
            return Ok(Some(Cow::Borrowed(entry.value)));
        }
        self.report.dropped.add(entry);
        self.last_dropped = Some(main);
        // Kept entries of the same transaction do not come after it, but the compaction may be at their revision.
        self.kept_behind = self.last_kept.filter(|kept| *kept == main);
        Ok(None)
    }

    fn end_of_revisions(&mut self) -> Result<Option<Revision>, FilterError> {
        self.count_keys()?;
        // Below the old compaction nothing counts as a gap, because the compaction may have removed it.
        let Some(dropped) = self.last_dropped.filter(|dropped| *dropped >= self.compacted) else { return Ok(None) };
        self.report.has_placeholder = self.kept_behind.is_none();
        self.report.raised_to = self.kept_behind.or(Some(dropped));
        Ok(self.report.has_placeholder.then_some(dropped))
    }

    fn pair<'v>(&mut self, bucket: &[u8], key: &[u8], value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        let loses_all = |id: i64| self.leases.get(&id).is_some_and(|stays| !stays);
        if bucket == b"lease" && i64_be(key, 0).is_some_and(loses_all) {
            self.report.leases = self.report.leases.saturating_add(1);
            return None;
        }
        Some(Cow::Borrowed(value))
    }

    fn scheduled_mark(&self) -> Option<Revision> {
        self.report.raised_to
    }
}
