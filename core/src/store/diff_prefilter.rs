//! Which keys of two snapshots are not alike, found without an index of either: one row a key, which holds no name.

use crate::error::Error;
use crate::fingerprint::fingerprint_of_both;
use crate::missing_parts::Lost;
use crate::pass::reading::Accumulator;
use crate::progress::Watch;
use crate::source::Source;
use crate::store::entry::Place;
use crate::store::key_hash::{ByHash, Short, short};
use crate::store::opened_store::{Store, Work};
use crate::store::partitioned_fold::{PARTITIONS, Row, Rows, folded};
use crate::store::query::Query;
use crate::store::short_entry::ShortEntry;

/// The newest entry of a key: 44 bytes.
#[derive(Debug, Clone, Copy)]
struct KeyContent {
    hash: Short,
    entry: ShortEntry,
    /// Of its value and its lease, three words of the four: another value has the same with a probability of 10^-29.
    content: [u32; 3],
}

impl Row for KeyContent {
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

/// What keys hold. Entries may come in any order, and any number of these share them out.
#[derive(Debug)]
pub struct Contents {
    query: Query,
    rows: Rows<KeyContent>,
}

/// Where the keys are that are not alike, on either side.
#[derive(Debug, Clone, Default)]
pub struct Unlike {
    /// Places in the first store.
    pub a: Vec<Place>,
    /// Places in the second.
    pub b: Vec<Place>,
}

impl Contents {
    /// No entries yet.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self { query, rows: Rows::new() }
    }

    /// The same for another thread, which fills it up beside this one.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { query: self.query.clone(), rows: self.rows.beside() }
    }

    /// Gives back all memory that nothing is kept in any more: all entries are in.
    pub fn close(&mut self) {
        self.rows.close();
    }
}

impl Unlike {
    /// In how many pieces stores can be compared, by any thread and in any order.
    #[must_use]
    pub fn pieces() -> usize {
        PARTITIONS
    }

    /// Compares the keys of one piece that live on either side.
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

    /// Both together.
    pub fn append(&mut self, other: Self) {
        self.a.extend(other.a);
        self.b.extend(other.b);
    }
}

impl Accumulator for Contents {
    fn read<S: Source + ?Sized>(&mut self, store: &Store<'_, S>, work: Work, watch: &dyn Watch) -> Result<Lost, Error> {
        let lost = store.entries(work, watch, &mut |entry, lost| {
            let Some(message) = self.query.message(entry, lost) else { return };
            let Some(short_entry) = ShortEntry::of(entry, lost) else { return };
            let content = if entry.key.tombstone { 0 } else { fingerprint_of_both(message.lease, message.value) };
            // Truncation is meant.
            let content = [content as u32, (content >> 32) as u32, (content >> 64) as u32];
            self.rows.push(KeyContent { hash: short(message.key), entry: short_entry, content });
        })?;
        self.rows.hand_over().map(|()| lost)
    }
}
