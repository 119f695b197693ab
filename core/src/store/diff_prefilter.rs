//! Finds the keys that differ between two snapshots without an index of either: one row per key, without its name.

use crate::error::Error;
use crate::fingerprint::fingerprint_with_number;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::entry::EntryPlace;
use crate::store::key_hash::{ByHash, Short, short};
use crate::store::opened_store::{Store, Work};
use crate::store::partitioned_fold::{KeyRow, PARTITIONS, Rows, folded};
use crate::store::query::Query;
use crate::store::short_entry::ShortEntry;

/// The newest entry of a key: 44 bytes.
#[derive(Debug, Clone, Copy)]
struct KeyContent {
    hash: Short,
    entry: ShortEntry,
    /// Three of the four words of the fingerprint of value and lease: another value has the same with a probability of
    /// 10^-29.
    content: [u32; 3],
}

impl KeyRow for KeyContent {
    #[inline]
    fn hash(&self) -> Short {
        self.hash
    }

    #[inline]
    fn merge(&mut self, other: Self) {
        if self.entry.is_before(other.entry) {
            *self = other;
        }
    }
}

/// Hashes of the contents of keys. Entries may be added in any order, by any number of threads with a handle each.
#[derive(Debug)]
pub struct Contents {
    query: Query,
    rows: Rows<KeyContent>,
}

/// Places of the differing keys on both sides.
#[derive(Debug, Clone, Default)]
pub struct Unlike {
    /// Places in the first store.
    pub a: Vec<EntryPlace>,
    /// Places in the second store.
    pub b: Vec<EntryPlace>,
}

impl Contents {
    /// Creates an empty prefilter.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self { query, rows: Rows::new() }
    }

    /// Creates a handle for another thread, which adds to the same rows.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { query: self.query.clone(), rows: self.rows.beside() }
    }

    /// Releases spare memory after all entries were added.
    pub fn close(&mut self) {
        self.rows.close();
    }
}

impl Unlike {
    /// The number of pieces of a comparison, which any thread may take in any order.
    #[must_use]
    pub fn pieces() -> usize {
        PARTITIONS
    }

    /// Compares the live keys of one piece of both sides.
    #[must_use]
    pub fn of(a: &[Contents], b: &[Contents], piece: usize) -> Self {
        let live = |side: &[Contents]| {
            let rows = folded(side.iter().map(|part| &part.rows), piece);
            rows.into_iter().filter(|row| !row.entry.is_deletion()).map(|row| (row.hash, row))
        };
        let mut theirs: ByHash<Short, KeyContent> = live(b).collect();
        let mut unlike = Self::default();
        for (hash, ours) in live(a) {
            match theirs.remove(&hash) {
                Some(other) if other.content == ours.content => continue,
                Some(other) => unlike.b.push(other.entry.place()),
                None => {}
            }
            unlike.a.push(ours.entry.place());
        }
        unlike.b.extend(theirs.values().map(|added| added.entry.place()));
        unlike
    }

    /// Adds the places in `other`.
    pub fn append(&mut self, other: Self) {
        self.a.extend(other.a);
        self.b.extend(other.b);
    }
}

impl Accumulator for Contents {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        let lost = store.entries(work, progress, &mut |entry, lost| {
            let Some(message) = self.query.message(entry, lost) else { return };
            let Some(short_entry) = ShortEntry::of(entry, lost) else { return };
            let content = if entry.key.tombstone { 0 } else { fingerprint_with_number(message.lease, message.value) };
            // The truncation is intended.
            let content = [content as u32, (content >> 32) as u32, (content >> 64) as u32];
            self.rows.push(KeyContent { hash: short(message.key), entry: short_entry, content });
        })?;
        self.rows.hand_over().map(|()| lost)
    }
}
