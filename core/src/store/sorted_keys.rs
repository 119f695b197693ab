//! The keys of an index in order, addressed by position.

use std::ops::Range;

use crate::error::Error;
use crate::store::index::Index;
use crate::store::key_at::KeyAt;
use crate::store::key_state::Key;
use crate::store::range::KeyRange;

/// Sort criterion for keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rank {
    /// The bytes of the key.
    #[default]
    Key,
    /// Length of the value.
    ValueLen,
    /// Newest revision.
    Revision,
    /// Revision that created the key.
    CreateRevision,
    /// Puts since its creation.
    Version,
    /// Lease id, as the unsigned number that etcdctl prints.
    Lease,
}

impl Rank {
    /// Returns the sort value of a key; keys with equal values stay in key order. The sub revision does not count.
    fn of(self, key: &Key<'_>) -> i64 {
        match self {
            Self::Key => 0,
            Self::ValueLen => i64::from(key.value_len),
            Self::Revision => key.revision.main.get(),
            Self::CreateRevision => key.create_revision.get(),
            Self::Version => key.version,
            // Keeps the order of unsigned numbers in a signed one.
            Self::Lease => key.lease.wrapping_add(i64::MIN),
        }
    }
}

/// Sort direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    #[default]
    Up,
    /// Largest first.
    Down,
}

impl Direction {
    /// Reverses a sort value if the largest comes first.
    #[must_use]
    pub fn turn(self, rank: i64) -> i64 {
        match self {
            Self::Up => rank,
            // Unlike negation, this is defined for every number.
            Self::Down => !rank,
        }
    }
}

/// Number of names whose memory is fetched at once.
const NAMES_AT_ONCE: usize = 16;

/// The keys of an index in key order: 4 bytes per key.
#[derive(Debug, Default)]
pub struct Order(Vec<KeyAt>);

impl Order {
    /// Sorts the keys of `index` for which `wanted` is true.
    #[must_use]
    pub fn of(index: &Index, wanted: impl Fn(&Key<'_>) -> bool) -> Self {
        Self::try_of(index, wanted).unwrap_or_default()
    }

    /// Does the same as [`Order::of`], but reports a lack of memory.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory for the list runs out, 28 bytes per key while it is sorted.
    pub fn try_of(index: &Index, wanted: impl Fn(&Key<'_>) -> bool) -> Result<Self, Error> {
        let each = size_of::<(&[u8], KeyAt)>().saturating_add(size_of::<KeyAt>());
        let bytes = (index.len() as u64).saturating_mul(each as u64);
        let memory = |_| Error::Memory { what: "the keys in their order", bytes };
        let mut order = Vec::new();
        for at in index.places().filter(|at| index.at(*at).is_some_and(|key| wanted(&key))) {
            order.try_reserve(1).map_err(memory)?;
            order.push(at);
        }
        order.shrink_to_fit();
        // Names are stored beside their places during the sort: otherwise each comparison would miss the processor's
        // caches once more.
        let mut named: Vec<(&[u8], KeyAt)> = Vec::new();
        named.try_reserve_exact(order.len()).map_err(memory)?;
        named.extend(order.iter().map(|at| (index.name(*at), *at)));
        named.sort_unstable_by_key(|(name, _)| *name);
        order.iter_mut().zip(named).for_each(|(slot, (_, at))| *slot = at);
        Ok(Self(order))
    }

    /// Iterates over the keys in order.
    pub fn iter<'i>(&self, index: &'i Index) -> impl Iterator<Item = Key<'i>> {
        self.0.iter().filter_map(|at| index.at(*at))
    }

    /// Iterates over the names of the keys in order: faster than [`Order::iter`], which decodes each key's state.
    pub fn names<'i>(&self, index: &'i Index) -> impl Iterator<Item = &'i [u8]> {
        self.0.chunks(NAMES_AT_ONCE).flat_map(|places| {
            let mut names: [&[u8]; NAMES_AT_ONCE] = [&[]; NAMES_AT_ONCE];
            for (name, place) in names.iter_mut().zip(places) {
                *name = index.name(*place);
            }
            // In key order, nearly each name misses the processor's caches: several are fetched at once. The value is
            // unused; `black_box` keeps the compiler from removing the reads.
            std::hint::black_box(names.iter().filter_map(|name| name.first()).fold(0, |sum, first| sum ^ first));
            names.into_iter().take(places.len())
        })
    }

    /// Keeps the first `count` keys.
    pub fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// Keeps the keys for which `wanted` is true.
    pub fn retain(&mut self, index: &Index, wanted: impl Fn(&Key<'_>) -> bool) {
        self.0.retain(|at| index.at(*at).is_some_and(|key| wanted(&key)));
    }

    /// Returns the keys for which `wanted` is true, in the same order.
    #[must_use]
    pub fn only(&self, index: &Index, wanted: impl Fn(&Key<'_>) -> bool) -> Self {
        let mut some: Vec<_> =
            self.0.iter().copied().filter(|at| index.at(*at).is_some_and(|key| wanted(&key))).collect();
        some.shrink_to_fit();
        Self(some)
    }

    /// Returns the positions of the keys for which `wanted` is true.
    #[must_use]
    pub fn numbers(&self, index: &Index, wanted: impl Fn(&Key<'_>) -> bool) -> Vec<u32> {
        let holds = |at: KeyAt| index.at(at).is_some_and(|key| wanted(&key));
        let mut numbers: Vec<u32> =
            (0u32..).zip(&self.0).filter(|(_, at)| holds(**at)).map(|(number, _)| number).collect();
        numbers.shrink_to_fit();
        numbers
    }

    /// Place in the index of the key at a position; `None` if the position is out of range.
    #[must_use]
    pub fn at(&self, number: usize) -> Option<KeyAt> {
        self.0.get(number).copied()
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key at a position.
    #[must_use]
    pub fn get<'i>(&self, index: &'i Index, number: usize) -> Option<Key<'i>> {
        index.at(*self.0.get(number)?)
    }

    /// The name of the key at a position; empty for a position out of range.
    #[must_use]
    pub fn name<'i>(&self, index: &'i Index, number: usize) -> &'i [u8] {
        self.at(number).map(|at| index.name(at)).unwrap_or_default()
    }

    /// The position of a key.
    #[must_use]
    pub fn find(&self, index: &Index, key: &[u8]) -> Option<usize> {
        let search = |at: &KeyAt| index.name(*at).cmp(key);
        self.0.binary_search_by(search).ok()
    }

    /// Sorts ascending positions of keys by another criterion. Memory: 16 bytes per position while it sorts.
    pub fn rank(&self, index: &Index, numbers: &mut [u32], by: Rank, way: Direction) {
        if by == Rank::Key {
            if way == Direction::Down {
                numbers.reverse();
            }
            return;
        }
        let rank = |number: u32| self.get(index, number as usize).map_or(0, |key| way.turn(by.of(&key)));
        // Sort values are stored beside the positions, as the names are in `of`.
        let mut ranked: Vec<(i64, u32)> = numbers.iter().map(|number| (rank(*number), *number)).collect();
        ranked.sort_unstable();
        numbers.iter_mut().zip(ranked).for_each(|(number, (_, ranked))| *number = ranked);
    }

    /// The positions of the keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(&self, index: &Index, prefix: &[u8]) -> Range<usize> {
        let name = |at: &KeyAt| index.name(*at);
        let start = self.0.partition_point(|at| name(at) < prefix);
        let range = KeyRange::prefix(prefix);
        let rest = self.0.get(start..).unwrap_or_default();
        start..start.saturating_add(rest.partition_point(|at| range.contains(name(at))))
    }
}
