//! Computes the space used by groups of keys without an index: one row per key, without its name.

use crate::error::Error;
use crate::etcd::revision_key::FullRevision;
use crate::limits::GROUP_SUM_BYTES;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::entry::EntryPlace;
use crate::store::group_names::{GroupNames, Groups};
use crate::store::key_hash::{Short, short};
use crate::store::key_state::entry_bytes;
use crate::store::opened_store::{Store, Work};
use crate::store::page_share::share;
use crate::store::partitioned_fold::{KeyRow, PARTITIONS, Rows, one_a_key};
use crate::store::query::Query;
use crate::store::short_entry::ShortEntry;
use crate::store::usage::Usage;

/// Appends the name of a key's group to an empty buffer: [`group`](crate::store::usage::group) of some depth, or
/// [`objects`](crate::kubernetes::registry_keys::objects).
pub type Grouping<'g> = &'g (dyn Fn(&[u8], &mut Vec<u8>) + Sync);

/// Space used by the entries of a key: 60 bytes.
#[derive(Debug, Clone, Copy)]
struct KeyUsageRow {
    hash: Short,
    group: u32,
    entry: ShortEntry,
    value_len: u32,
    newest_bytes: u32,
    revisions: u32,
    tombstones: u32,
    /// Upper and lower half.
    bytes: (u32, u32),
}

impl KeyRow for KeyUsageRow {
    #[inline]
    fn hash(&self) -> Short {
        self.hash
    }

    #[inline]
    fn merge(&mut self, other: Self) {
        let newest = if self.entry.is_before(other.entry) { other } else { *self };
        *self = Self {
            revisions: self.revisions.saturating_add(other.revisions),
            tombstones: self.tombstones.saturating_add(other.tombstones),
            bytes: halves(self.bytes().saturating_add(other.bytes())),
            ..newest
        };
    }
}

#[inline]
fn halves(bytes: u64) -> (u32, u32) {
    // The truncation is intended.
    ((bytes >> 32) as u32, bytes as u32)
}

impl KeyUsageRow {
    #[inline]
    fn bytes(&self) -> u64 {
        u64::from(self.bytes.0) << 32 | u64::from(self.bytes.1)
    }

    fn is_deleted(&self) -> bool {
        self.entry.is_deletion()
    }

    /// See [`KeyState::history_bytes`](crate::store::KeyState::history_bytes).
    fn history_bytes(&self) -> u64 {
        let bytes = self.bytes();
        if self.is_deleted() { bytes } else { bytes.saturating_sub(u64::from(self.newest_bytes)) }
    }
}

/// Space used by entries, by key. Entries may be added in any order, by any number of tallies.
pub struct GroupTally<'g> {
    query: Query,
    grouping: Grouping<'g>,
    groups: Groups,
    /// Buffer for the name of a group.
    name: Vec<u8>,
    rows: Rows<KeyUsageRow>,
    page_size: u32,
}

impl<'g> GroupTally<'g> {
    /// Creates an empty tally.
    #[must_use]
    pub fn new(query: Query, grouping: Grouping<'g>) -> Self {
        Self::over(query, grouping, Groups::default(), Rows::new())
    }

    /// Creates a handle for another thread, which adds to the same rows.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::over(self.query.clone(), self.grouping, self.groups.beside(), self.rows.beside())
    }

    fn over(query: Query, grouping: Grouping<'g>, groups: Groups, rows: Rows<KeyUsageRow>) -> Self {
        Self { query, grouping, groups, name: Vec::new(), rows, page_size: 0 }
    }
}

/// All tallies of a store.
pub struct Tallies {
    names: Vec<Box<[u8]>>,
    /// Rows of each tally, and the number of each of its groups among all names.
    parts: Vec<(Vec<u32>, Rows<KeyUsageRow>)>,
    page_size: u32,
}

/// A key in one of the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heavy {
    /// The number it is ranked by.
    pub number: u32,
    /// Newest revision.
    pub revision: FullRevision,
    /// Place of its newest entry.
    pub place: EntryPlace,
    /// See [`KeyState::history_bytes`](crate::store::KeyState::history_bytes).
    pub history_bytes: u64,
}

/// Space used by all keys and by each group.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// All keys.
    pub total: Usage,
    /// Bytes of leaf pages that the newest entries of live keys would use in a freshly defragmented database.
    pub packed_bytes: u64,
    /// Each group, by its number among [`Tallies::names`].
    pub groups: Vec<Usage>,
    /// Keys with the largest values.
    pub largest: Vec<Heavy>,
    /// Keys with the most revisions, but at least two.
    pub busiest: Vec<Heavy>,
}

impl Tallies {
    /// Joins all tallies.
    #[must_use]
    pub fn of(tallies: Vec<GroupTally<'_>>) -> Self {
        let mut all = GroupNames::default();
        let page_size = tallies.iter().map(|tally| tally.page_size).max().unwrap_or_default();
        let mut parts: Vec<(Vec<u32>, Rows<KeyUsageRow>)> = Vec::new();
        for tally in tallies {
            if !parts.iter().any(|(_, rows)| rows.are_beside(&tally.rows)) {
                parts.push((tally.groups.numbers_among(&mut all), tally.rows));
            }
        }
        Self { names: all.into_names(), parts, page_size }
    }

    /// The names of the groups.
    #[must_use]
    pub fn names(&self) -> &[Box<[u8]>] {
        &self.names
    }

    /// Returns the names of the groups and drops everything else.
    #[must_use]
    pub fn into_names(self) -> Vec<Box<[u8]>> {
        self.names
    }

    /// The number of [`Sums`] that may exist at a time: each has a [`Usage`] per group, and there can be as many groups
    /// as keys.
    #[must_use]
    pub fn most_sums(&self) -> usize {
        let bytes = self.names.len().saturating_mul(size_of::<Usage>());
        GROUP_SUM_BYTES.checked_div(bytes).unwrap_or(usize::MAX).max(1)
    }

    /// The number of pieces to total, which any thread may take in any order.
    #[must_use]
    pub fn pieces() -> usize {
        PARTITIONS
    }

    /// Adds a piece to `sums`; at most `top` keys stay in its lists.
    pub fn sum(&self, piece: usize, top: usize, sums: &mut Sums) {
        let mut keys = Vec::new();
        for (groups, rows) in &self.parts {
            let start = keys.len();
            rows.append_partition(piece, &mut keys);
            for row in keys.iter_mut().skip(start) {
                row.group = groups.get(row.group as usize).copied().unwrap_or_default();
            }
        }
        let keys = one_a_key(keys);
        // There can be as many groups as keys, so pieces share one list of groups.
        sums.groups.resize(self.names.len(), Usage::default());
        for key in &keys {
            let usage = Usage {
                keys: u64::from(!key.is_deleted()),
                deleted: u64::from(key.is_deleted()),
                revisions: u64::from(key.revisions),
                tombstones: u64::from(key.tombstones),
                live_bytes: key.bytes().saturating_sub(key.history_bytes()),
                history_bytes: key.history_bytes(),
            };
            sums.total.append(&usage);
            if !key.is_deleted() {
                sums.packed_bytes =
                    sums.packed_bytes.saturating_add(share(u64::from(key.newest_bytes), self.page_size));
            }
            if let Some(group) = sums.groups.get_mut(key.group as usize) {
                group.append(&usage);
            }
        }
        add_heaviest(&mut sums.largest, &keys, top, |key| if key.is_deleted() { 0 } else { key.value_len });
        add_heaviest(&mut sums.busiest, &keys, top, |key| if key.revisions > 1 { key.revisions } else { 0 });
    }
}

impl Sums {
    /// Adds `other`; at most `top` keys stay in the lists.
    pub fn append(&mut self, other: Self, top: usize) {
        self.total.append(&other.total);
        self.packed_bytes = self.packed_bytes.saturating_add(other.packed_bytes);
        self.groups.resize(self.groups.len().max(other.groups.len()), Usage::default());
        self.groups.iter_mut().zip(&other.groups).for_each(|(group, other)| group.append(other));
        self.largest.extend(other.largest);
        cut(&mut self.largest, top);
        self.busiest.extend(other.busiest);
        cut(&mut self.busiest, top);
    }
}

/// Adds the keys with the largest numbers to a list; keys with the number 0 are skipped.
fn add_heaviest(list: &mut Vec<Heavy>, keys: &[KeyUsageRow], top: usize, number: impl Fn(&KeyUsageRow) -> u32) {
    let heavy = |key: &KeyUsageRow| Heavy {
        number: number(key),
        revision: key.entry.revision(),
        place: key.entry.place(),
        history_bytes: key.history_bytes(),
    };
    // A key with a smaller number than all keys in a full list would not stay.
    let least = list.last().filter(|_| list.len() >= top).map_or(1, |last| last.number.max(1));
    list.extend(keys.iter().filter(|key| number(key) >= least).map(heavy));
    cut(list, top);
}

/// Keeps the first `top` keys; among equal ones, those written first.
fn cut(list: &mut Vec<Heavy>, top: usize) {
    let order = |a: &Heavy, b: &Heavy| b.number.cmp(&a.number).then(a.revision.cmp(&b.revision));
    if top < list.len() {
        list.select_nth_unstable_by(top, order);
        list.truncate(top);
    }
    list.sort_unstable_by(order);
}

impl Accumulator for GroupTally<'_> {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        self.page_size = store.geometry.page_size;
        let lost = store.entries(work, progress, &mut |entry, lost| {
            let Some(message) = self.query.message(entry, lost) else { return };
            let Some(short_entry) = ShortEntry::of(entry, lost) else { return };
            let bytes = entry_bytes(entry);
            self.name.clear();
            (self.grouping)(message.key, &mut self.name);
            self.rows.push(KeyUsageRow {
                hash: short(message.key),
                group: self.groups.number(&self.name),
                entry: short_entry,
                // bbolt's own lengths have 32 bits.
                value_len: u32::try_from(message.value.len()).unwrap_or(u32::MAX),
                newest_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
                revisions: 1,
                tombstones: u32::from(entry.key.tombstone),
                bytes: halves(bytes),
            });
        })?;
        self.rows.hand_over().map(|()| lost)
    }
}
