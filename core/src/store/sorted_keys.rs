//! The keys of an index in order, each by a number.

use std::ops::Range;

use crate::error::Error;
use crate::store::index::Index;
use crate::store::key_state::{Key, KeyAt};
use crate::store::range::KeyRange;

/// What keys can be ranked by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rank {
    /// The bytes of the key.
    #[default]
    Key,
    /// Bytes of the value.
    ValueLen,
    /// Its newest revision.
    Revision,
    /// The revision that created it.
    CreateRevision,
    /// Puts since its creation.
    Version,
    /// Its lease, as the number without a sign that etcdctl writes.
    Lease,
}

impl Rank {
    /// A number that ranks keys; keys with equal numbers stay in the order of their bytes. A revision within a transaction is no part of it.
    fn of(self, key: &Key<'_>) -> i64 {
        match self {
            Self::Key => 0,
            Self::ValueLen => i64::from(key.value_len),
            Self::Revision => key.revision.main.get(),
            Self::CreateRevision => key.create_revision.get(),
            Self::Version => key.version,
            // The order of numbers without a sign, kept by those with one.
            Self::Lease => key.lease.wrapping_add(i64::MIN),
        }
    }
}

/// The way of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// The smallest first.
    #[default]
    Up,
    /// The largest first.
    Down,
}

impl Direction {
    /// A number that sorts the other way round when the largest comes first.
    #[must_use]
    pub fn turn(self, rank: i64) -> i64 {
        match self {
            Self::Up => rank,
            // As negation, without a number that has none.
            Self::Down => !rank,
        }
    }
}

/// The keys of an index in the order of their bytes: 8 bytes a key.
#[derive(Debug, Default)]
pub struct Order(Vec<KeyAt>);

impl Order {
    /// The order of those keys of `index` of which `wanted` is true.
    #[must_use]
    pub fn of(index: &Index, wanted: impl Fn(&Key<'_>) -> bool) -> Self {
        Self::try_of(index, wanted).unwrap_or_default()
    }

    /// The same as [`Order::of`] where there may be many.
    ///
    /// # Errors
    /// [`Error::Memory`] when there is none for their list, 32 bytes a key while it is sorted.
    pub fn try_of(index: &Index, wanted: impl Fn(&Key<'_>) -> bool) -> Result<Self, Error> {
        let wanted = |at: KeyAt| index.at(at).is_some_and(|key| wanted(&key));
        let bytes = (index.len() as u64).saturating_mul(size_of::<(&[u8], KeyAt)>() as u64);
        let memory = |_| Error::Memory { what: "the keys in their order", bytes };
        // The names are beside their places while they are sorted: each comparison would miss the processor's caches once more otherwise.
        let mut named: Vec<(&[u8], KeyAt)> = Vec::new();
        for place in index.places().filter(|(_, at)| wanted(*at)) {
            named.try_reserve(1).map_err(memory)?;
            named.push(place);
        }
        named.sort_unstable_by_key(|(name, _)| *name);
        let mut order = Vec::new();
        order.try_reserve_exact(named.len()).map_err(memory)?;
        order.extend(named.into_iter().map(|(_, at)| at));
        Ok(Self(order))
    }

    /// Those of which `wanted` is true, in the same order.
    #[must_use]
    pub fn only(&self, index: &Index, wanted: impl Fn(&Key<'_>) -> bool) -> Self {
        Self(self.0.iter().copied().filter(|at| index.at(*at).is_some_and(|key| wanted(&key))).collect())
    }

    /// The numbers of those of which `wanted` is true.
    #[must_use]
    pub fn numbers(&self, index: &Index, wanted: impl Fn(&Key<'_>) -> bool) -> Vec<u32> {
        let holds = |at: KeyAt| index.at(at).is_some_and(|key| wanted(&key));
        (0u32..).zip(&self.0).filter(|(_, at)| holds(**at)).map(|(number, _)| number).collect()
    }

    /// Where a key is in its index, by its number.
    #[must_use]
    pub fn at(&self, number: usize) -> Option<KeyAt> {
        self.0.get(number).copied()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A key by its number.
    #[must_use]
    pub fn get<'i>(&self, index: &'i Index, number: usize) -> Option<Key<'i>> {
        index.at(*self.0.get(number)?)
    }

    /// The name of a key by its number; empty for one that is none.
    #[must_use]
    pub fn name<'i>(&self, index: &'i Index, number: usize) -> &'i [u8] {
        self.get(index, number).map(|key| key.key).unwrap_or_default()
    }

    /// The number of a key.
    #[must_use]
    pub fn find(&self, index: &Index, key: &[u8]) -> Option<usize> {
        let search = |at: &KeyAt| index.at(*at).map(|found| found.key).unwrap_or_default().cmp(key);
        self.0.binary_search_by(search).ok()
    }

    /// Puts numbers of keys, which are in order, into another. Memory: 16 bytes a number while it sorts.
    pub fn rank(&self, index: &Index, numbers: &mut [u32], by: Rank, way: Direction) {
        if by == Rank::Key {
            if way == Direction::Down {
                numbers.reverse();
            }
            return;
        }
        let rank = |number: u32| self.get(index, number as usize).map_or(0, |key| way.turn(by.of(&key)));
        // The ranks are beside the numbers while they are sorted, as the names are in `of`.
        let mut ranked: Vec<(i64, u32)> = numbers.iter().map(|number| (rank(*number), *number)).collect();
        ranked.sort_unstable();
        numbers.iter_mut().zip(ranked).for_each(|(number, (_, ranked))| *number = ranked);
    }

    /// The numbers of the keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(&self, index: &Index, prefix: &[u8]) -> Range<usize> {
        let name = |at: &KeyAt| index.at(*at).map(|found| found.key).unwrap_or_default();
        let start = self.0.partition_point(|at| name(at) < prefix);
        let range = KeyRange::prefix(prefix);
        let rest = self.0.get(start..).unwrap_or_default();
        start..start.saturating_add(rest.partition_point(|at| range.contains(name(at))))
    }
}
