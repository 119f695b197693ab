//! Keys with their whole history in or out.
//!
//! What goes leaves holes in the numbers of revisions, and etcd knows holes only below a compaction. So the mark of the *requested* compaction is raised to the first revision from
//! which on nothing is missing, as for a salvage: below it, the older versions of the keys that stay may stay too, until etcd carries the compaction out when it starts. (Below a
//! *finished* one no older version may stand.) Where the newest revision goes, an empty entry takes its place, as a revision bump leaves one: the store's revision does not fall,
//! so no client sees a revision twice.
//!
//! A lease goes when keys that live were attached to it and all of them go; one without keys stays, since nobody knows whose it is.

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

/// What becomes of the keys that are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutSide {
    /// They stay, and all others go.
    Keep,
    /// They go, and all others stay.
    Drop,
}

/// Keys, and what they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Keys that live at the latest revision.
    pub keys: u64,
    /// Entries of bucket `key`, tombstones among them.
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

/// What a cut did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutReport {
    /// What stays.
    pub kept: Share,
    /// What is gone.
    pub dropped: Share,
    /// Entries of the keys that each choice has; keys that several have count for each.
    pub chosen: Vec<u64>,
    /// Leases that went with the last of their keys.
    pub leases: u64,
    /// The revision below which nobody can ask any more; none when that is as it was.
    pub raised_to: Option<Revision>,
    /// Whether an empty entry stands in the place of the newest revision.
    pub has_placeholder: bool,
}

/// The newest entry of a key.
#[derive(Debug, Clone, Copy)]
struct Newest {
    hash: Short,
    entry: RevisionKey,
    lease: i64,
    stays: bool,
}

impl KeyRow for Newest {
    fn hash(&self) -> Short {
        self.hash
    }

    fn merge(&mut self, other: Self) {
        if other.entry >= self.entry {
            *self = other;
        }
    }
}

/// A cut on its way through a file. Memory: at most 80 bytes a key, and 32 a lease.
#[derive(Debug)]
pub struct Cut<'c> {
    choices: &'c [KeyChoice],
    side: CutSide,
    /// The revision of the old file's last compaction.
    compacted: Revision,
    newest: Rows<Newest>,
    /// The main revisions of the newest entry that goes, of the newest that stays, and of the first that stays behind all that goes.
    last_dropped: Option<Revision>,
    last_kept: Option<Revision>,
    kept_behind: Option<Revision>,
    /// Leases with keys that go, and whether others of their keys stay.
    leases: HashMap<i64, bool>,
    report: CutReport,
}

impl<'c> Cut<'c> {
    /// A cut of a file whose last compaction was at revision `compacted`, or −1.
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

    /// What it did, when the file is written.
    #[must_use]
    pub fn into_report(self) -> CutReport {
        self.report
    }

    /// Whether a key stays; counts the choices that have it.
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

    /// Counts the keys that live, and finds out which leases lose all of theirs.
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
            return Err(FilterError::Damaged(malformed(entry, "are no KeyValue")));
        };
        // The empty entry of a revision bump is of no key.
        let is_of_no_key = entry.value.is_empty() && !entry.key.tombstone;
        if message.key.is_empty() && !is_of_no_key {
            return Err(FilterError::Damaged(malformed(entry, "have no key")));
        }
        let stays = is_of_no_key || self.stays(message.key);
        if !is_of_no_key {
            let lease = message.lease;
            self.newest.push(Newest { hash: short(message.key), entry: entry.key, lease, stays });
        }
        if stays {
            self.report.kept.add(entry);
            self.last_kept = Some(main);
            self.kept_behind = self.kept_behind.or(Some(main));
            return Ok(Some(Cow::Borrowed(entry.value)));
        }
        self.report.dropped.add(entry);
        self.last_dropped = Some(main);
        // A part of its transaction that stays is no revision behind it, but the mark may stand at it.
        self.kept_behind = self.last_kept.filter(|kept| *kept == main);
        Ok(None)
    }

    fn end_of_revisions(&mut self) -> Result<Option<Revision>, FilterError> {
        self.count_keys()?;
        // What a compaction may have removed already is no hole.
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
