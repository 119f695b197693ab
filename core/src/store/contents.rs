//! Which keys of two snapshots are not alike, found without an index of either: one row a key, which holds no name.

use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::fingerprint::fingerprint_of_both;
use crate::lost::Lost;
use crate::pass::reading::Accumulator;
use crate::source::Source;
use crate::store::entry::Place;
use crate::store::fold::{PARTITIONS, Row, Rows, folded};
use crate::store::hash::{ByHash, Short, short};
use crate::store::open::{Store, Work};
use crate::store::query::Query;
use crate::watch::Watch;

/// The newest entry of a key.
#[derive(Debug, Clone, Copy)]
struct KeyContent {
    hash: Short,
    deleted: bool,
    revision: Revision,
    place: Place,
    /// Of its value and its lease, upper and lower half.
    content: (u64, u64),
}

impl Row for KeyContent {
    #[inline]
    fn hash(&self) -> Short {
        self.hash
    }

    #[inline]
    fn merge(&mut self, other: Self) {
        // As in an index: only a damaged file has two entries of one revision.
        if (self.revision, self.place) < (other.revision, other.place) {
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
            let rows = side.iter().flat_map(|part| part.rows.partition(piece)).copied();
            folded(rows).into_iter().filter(|row| !row.deleted).map(|row| (row.hash, row))
        };
        let mut theirs: ByHash<Short, KeyContent> = live(b).collect();
        let mut unlike = Self::default();
        for (hash, ours) in live(a) {
            match theirs.remove(&hash) {
                Some(other) if other.content == ours.content => continue,
                Some(other) => unlike.b.push(other.place),
                None => {}
            }
            unlike.a.push(ours.place);
        }
        unlike.b.extend(theirs.values().map(|added| added.place));
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
            let deleted = entry.key.tombstone;
            let content = if deleted { 0 } else { fingerprint_of_both(message.lease, message.value) };
            self.rows.push(KeyContent {
                hash: short(message.key),
                deleted,
                revision: entry.key.revision,
                place: entry.place,
                // Truncation is meant.
                content: ((content >> 64) as u64, content as u64),
            });
        })?;
        self.rows.check().map(|()| lost)
    }
}
