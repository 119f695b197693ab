//! Rows of entries in any order, folded to one a key while they come.
//!
//! A table of millions of keys misses the processor's caches at every look. Rows are therefore dealt to partitions by the hash of their key, and a partition is
//! folded by itself, in a table that fits a cache, whenever it has grown to twice its keys. Memory: at most two rows a key for each thread.

use crate::error::Error;
use crate::store::hash::{ByHash, Short};

/// Into how many partitions rows are dealt: of a million keys, each fits a processor's own cache.
pub(crate) const PARTITIONS: usize = 256;

/// Rows that a partition may have before it is folded for the first time.
const FIRST_FOLD: usize = 512;

/// What is kept of an entry, and of all entries of a key.
pub(crate) trait Row: Copy {
    /// The key's hash.
    fn hash(&self) -> Short;
    /// The row of what both stand for, which are of one key.
    fn merge(&mut self, other: Self);
}

/// Rows of many keys.
#[derive(Debug)]
pub(crate) struct Rows<R> {
    partitions: Vec<Partition<R>>,
    numbers: ByHash<Short, u32>,
    /// There was no memory for some of them.
    exhausted: bool,
}

#[derive(Debug)]
struct Partition<R> {
    rows: Vec<R>,
    /// With so many it is folded.
    full: usize,
}

impl<R: Row> Rows<R> {
    pub(crate) fn new() -> Self {
        let empty = || Partition { rows: Vec::new(), full: FIRST_FOLD };
        Self { partitions: (0..PARTITIONS).map(|_| empty()).collect(), numbers: ByHash::default(), exhausted: false }
    }

    /// Takes a row; when there is no memory for it, [`Rows::check`] says so.
    #[inline]
    pub(crate) fn push(&mut self, row: R) {
        // The tables within go by other bits.
        let Some(partition) = self.partitions.get_mut(row.hash().0 as usize % PARTITIONS) else { return };
        if partition.rows.try_reserve(1).is_err() {
            self.exhausted = true;
            return;
        }
        partition.rows.push(row);
        if partition.rows.len() >= partition.full {
            self.exhausted |= self.numbers.try_reserve(partition.full).is_err();
            if self.exhausted {
                return;
            }
            fold(&mut partition.rows, &mut self.numbers);
            partition.full = partition.rows.len().saturating_mul(2).max(FIRST_FOLD);
        }
    }

    /// Whether all rows are there.
    ///
    /// # Errors
    /// [`Error::Memory`] when there was none for some.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let rows: usize = self.partitions.iter().map(|partition| partition.rows.len()).sum();
        let bytes = (rows as u64).saturating_mul(size_of::<R>() as u64);
        if self.exhausted { Err(Error::Memory { what: "the keys of the file", bytes }) } else { Ok(()) }
    }

    /// The rows of a partition: at least one for each of its keys.
    pub(crate) fn partition(&self, number: usize) -> &[R] {
        self.partitions.get(number).map(|partition| partition.rows.as_slice()).unwrap_or_default()
    }
}

/// One row for each key.
pub(crate) fn folded<R: Row>(rows: impl Iterator<Item = R>) -> Vec<R> {
    let mut rows: Vec<R> = rows.collect();
    fold(&mut rows, &mut ByHash::default());
    rows
}

/// Leaves one row of each key. `numbers` is empty before and after.
fn fold<R: Row>(rows: &mut Vec<R>, numbers: &mut ByHash<Short, u32>) {
    let mut kept = 0usize;
    for at in 0..rows.len() {
        let Some(row) = rows.get(at).copied() else { break };
        let number = *numbers.entry(row.hash()).or_insert_with(|| u32::try_from(kept).unwrap_or(u32::MAX));
        match rows.get_mut(number as usize) {
            Some(first) if (number as usize) < kept => first.merge(row),
            Some(slot) => {
                *slot = row;
                kept = kept.saturating_add(1);
            }
            None => {}
        }
    }
    rows.truncate(kept);
    numbers.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::hash::short;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Count(Short, u32);

    impl Row for Count {
        fn hash(&self) -> Short {
            self.0
        }
        fn merge(&mut self, other: Self) {
            self.1 += other.1;
        }
    }

    #[test]
    fn nothing_is_lost_and_memory_is_bounded_by_the_keys() {
        const KEYS: u32 = 5_000;
        const TIMES: u32 = 100;
        let mut rows = Rows::new();
        for number in 0..KEYS * TIMES {
            rows.push(Count(short(&(number % KEYS).to_be_bytes()), 1));
        }
        let held: usize = (0..PARTITIONS).map(|number| rows.partition(number).len()).sum();
        assert!(held <= PARTITIONS * FIRST_FOLD, "{held}");
        let all: Vec<Count> =
            (0..PARTITIONS).flat_map(|number| folded(rows.partition(number).iter().copied())).collect();
        assert_eq!(all.len(), KEYS as usize);
        assert!(all.iter().all(|row| row.1 == TIMES));
    }
}
