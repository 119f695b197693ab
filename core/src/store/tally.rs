//! Who takes how much room, summed up without an index: one row a key, which holds no name.

use crate::bolt::page_id::PageId;
use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::limits::SUMS_BYTES;
use crate::lost::Lost;
use crate::pass::reading::Accumulator;
use crate::source::Source;
use crate::store::entry::Place;
use crate::store::fold::{PARTITIONS, Row, Rows, folded};
use crate::store::hash::{ByHash, Short, short};
use crate::store::key::entry_bytes;
use crate::store::open::{Store, Work};
use crate::store::page_share::share;
use crate::store::query::Query;
use crate::store::usage::Usage;
use crate::watch::Watch;

/// Writes the name of the group that a key belongs to behind what is there, which is nothing: [`group`](crate::store::usage::group) of some depth, or
/// [`objects`](crate::kubernetes::names::objects).
pub type Grouping<'g> = &'g (dyn Fn(&[u8], &mut Vec<u8>) + Sync);

/// What the entries of a key take.
#[derive(Debug, Clone, Copy)]
struct KeyTally {
    hash: Short,
    group: u32,
    revision: Revision,
    // Not a `Place`, whose padding would make the row longer than a line of the caches.
    page: PageId,
    index: u32,
    deleted: bool,
    value_len: u32,
    newest_bytes: u32,
    revisions: u32,
    tombstones: u32,
    bytes: u64,
}

impl Row for KeyTally {
    #[inline]
    fn hash(&self) -> Short {
        self.hash
    }

    #[inline]
    fn merge(&mut self, other: Self) {
        // As in an index: only a damaged file has two entries of one revision.
        let later = (self.revision, self.page, self.index) < (other.revision, other.page, other.index);
        let newest = if later { other } else { *self };
        *self = Self {
            revisions: self.revisions.saturating_add(other.revisions),
            tombstones: self.tombstones.saturating_add(other.tombstones),
            bytes: self.bytes.saturating_add(other.bytes),
            ..newest
        };
    }
}

impl KeyTally {
    /// As [`KeyState::history_bytes`](crate::store::KeyState::history_bytes).
    fn history_bytes(&self) -> u64 {
        if self.deleted { self.bytes } else { self.bytes.saturating_sub(u64::from(self.newest_bytes)) }
    }
}

/// What entries take, by key. Entries may come in any order, and any number of tallies share them out.
pub struct Tally<'g> {
    query: Query,
    grouping: Grouping<'g>,
    groups: Names,
    /// The name of one group.
    name: Vec<u8>,
    rows: Rows<KeyTally>,
    page_size: u32,
}

impl<'g> Tally<'g> {
    /// No entries yet.
    #[must_use]
    pub fn new(query: Query, grouping: Grouping<'g>) -> Self {
        Self { query, grouping, groups: Names::default(), name: Vec::new(), rows: Rows::new(), page_size: 0 }
    }
}

/// Names, each with a number.
#[derive(Debug, Default)]
struct Names {
    numbers: ByHash<Short, u32>,
    names: Vec<Box<[u8]>>,
}

impl Names {
    /// The number of a name, which it is given when it is new.
    #[inline]
    fn number(&mut self, name: &[u8]) -> u32 {
        *self.numbers.entry(short(name)).or_insert_with(|| {
            self.names.push(name.into());
            u32::try_from(self.names.len().saturating_sub(1)).unwrap_or(u32::MAX)
        })
    }

    /// The same of a name that is given away.
    fn number_of(&mut self, name: Box<[u8]>) -> u32 {
        *self.numbers.entry(short(&name)).or_insert_with(|| {
            self.names.push(name);
            u32::try_from(self.names.len().saturating_sub(1)).unwrap_or(u32::MAX)
        })
    }
}

/// All tallies of a store.
pub struct Tallies {
    names: Vec<Box<[u8]>>,
    /// The rows of each tally, and the number of each of its groups among all names.
    parts: Vec<(Vec<u32>, Rows<KeyTally>)>,
    page_size: u32,
}

/// A key of one of the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heavy {
    /// By what it is in the list.
    pub number: u32,
    /// Its newest revision.
    pub revision: Revision,
    /// Where its newest entry is.
    pub place: Place,
    /// As [`KeyState::history_bytes`](crate::store::KeyState::history_bytes).
    pub history_bytes: u64,
}

/// What keys take.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// All of them.
    pub total: Usage,
    /// Bytes of leaves that the newest entries of the keys that live would take in a database that was just defragmented.
    pub packed_bytes: u64,
    /// Each group, by its number among [`Tallies::names`].
    pub groups: Vec<Usage>,
    /// Those with the largest values.
    pub largest: Vec<Heavy>,
    /// Those with the most revisions, of those that have more than one.
    pub busiest: Vec<Heavy>,
}

impl Tallies {
    /// All of them together.
    #[must_use]
    pub fn of(tallies: Vec<Tally<'_>>) -> Self {
        let mut all = Names::default();
        let page_size = tallies.iter().map(|tally| tally.page_size).max().unwrap_or_default();
        let parts = tallies.into_iter().map(|tally| {
            let numbers = tally.groups.names.into_iter().map(|name| all.number_of(name));
            (numbers.collect(), tally.rows)
        });
        let parts = parts.collect();
        Self { names: all.names, parts, page_size }
    }

    /// The names of the groups.
    #[must_use]
    pub fn names(&self) -> &[Box<[u8]>] {
        &self.names
    }

    /// The names of the groups, when nothing else is wanted any more.
    #[must_use]
    pub fn into_names(self) -> Vec<Box<[u8]>> {
        self.names
    }

    /// How many [`Sums`] there may be at a time: each has a number of [`Usage`] for each group, and there can be as many groups as keys.
    #[must_use]
    pub fn most_sums(&self) -> usize {
        let bytes = self.names.len().saturating_mul(size_of::<Usage>());
        SUMS_BYTES.checked_div(bytes).unwrap_or(usize::MAX).max(1)
    }

    /// In how many pieces they can be summed up, by any thread and in any order.
    #[must_use]
    pub fn pieces() -> usize {
        PARTITIONS
    }

    /// Sums up a piece into `sums`; at most `top` keys stay in their lists.
    pub fn sum(&self, piece: usize, top: usize, sums: &mut Sums) {
        let rows = self.parts.iter().flat_map(|(groups, rows)| {
            rows.partition(piece)
                .iter()
                .map(|row| KeyTally { group: groups.get(row.group as usize).copied().unwrap_or_default(), ..*row })
        });
        // There can be as many groups as keys, so pieces share one list of them.
        sums.groups.resize(self.names.len(), Usage::default());
        let keys = folded(rows);
        for key in &keys {
            let usage = Usage {
                keys: u64::from(!key.deleted),
                deleted: u64::from(key.deleted),
                revisions: u64::from(key.revisions),
                tombstones: u64::from(key.tombstones),
                live_bytes: key.bytes.saturating_sub(key.history_bytes()),
                history_bytes: key.history_bytes(),
            };
            sums.total.append(&usage);
            if !key.deleted {
                sums.packed_bytes =
                    sums.packed_bytes.saturating_add(share(u64::from(key.newest_bytes), self.page_size));
            }
            if let Some(group) = sums.groups.get_mut(key.group as usize) {
                group.append(&usage);
            }
        }
        sums.largest.extend(heaviest(&keys, top, |key| if key.deleted { 0 } else { key.value_len }));
        cut(&mut sums.largest, top);
        sums.busiest.extend(heaviest(&keys, top, |key| if key.revisions > 1 { key.revisions } else { 0 }));
        cut(&mut sums.busiest, top);
    }
}

impl Sums {
    /// Both together; at most `top` keys stay in the lists.
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

/// The keys with the largest numbers; those with 0 are none.
fn heaviest(keys: &[KeyTally], top: usize, number: impl Fn(&KeyTally) -> u32) -> Vec<Heavy> {
    let heavy = |key: &KeyTally| Heavy {
        number: number(key),
        revision: key.revision,
        place: Place { page: key.page, index: key.index },
        history_bytes: key.history_bytes(),
    };
    let mut list: Vec<Heavy> = keys.iter().map(heavy).filter(|key| key.number > 0).collect();
    cut(&mut list, top);
    list
}

/// Leaves the first, of equal ones those that were written first.
fn cut(list: &mut Vec<Heavy>, top: usize) {
    let order = |a: &Heavy, b: &Heavy| b.number.cmp(&a.number).then(a.revision.cmp(&b.revision));
    if top < list.len() {
        list.select_nth_unstable_by(top, order);
        list.truncate(top);
    }
    list.sort_unstable_by(order);
}

impl Accumulator for Tally<'_> {
    fn read<S: Source + ?Sized>(&mut self, store: &Store<'_, S>, work: Work, watch: &dyn Watch) -> Result<Lost, Error> {
        self.page_size = store.geometry.page_size;
        let lost = store.entries(work, watch, &mut |entry, lost| {
            let Some(message) = self.query.message(entry, lost) else { return };
            let bytes = entry_bytes(entry);
            self.name.clear();
            (self.grouping)(message.key, &mut self.name);
            self.rows.push(KeyTally {
                hash: short(message.key),
                group: self.groups.number(&self.name),
                revision: entry.key.revision,
                page: entry.place.page,
                index: entry.place.index,
                deleted: entry.key.tombstone,
                // Bolt's own lengths have 32 bits.
                value_len: u32::try_from(message.value.len()).unwrap_or(u32::MAX),
                newest_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
                revisions: 1,
                tombstones: u32::from(entry.key.tombstone),
                bytes,
            });
        })?;
        self.rows.check().map(|()| lost)
    }
}
