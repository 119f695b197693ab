//! Merges rows of entries in any order to one row per key while they arrive.
//!
//! Every lookup in a table of millions of keys misses the processor's caches. So rows are sorted into partitions by the
//! hash of their key, and a partition is merged separately, in a table that fits a cache, whenever it has grown to
//! twice its keys. Threads fill the same partitions: each buffers rows until it can add several to one partition at
//! once. Memory: at most two rows per key, however many threads there are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::store::key_hash::Short;

/// Number of partitions: with a million keys, each fits a processor's own cache.
pub(crate) const PARTITIONS: usize = 256;

/// Rows in a partition before it is merged for the first time.
const FIRST_FOLD: usize = 512;

/// Rows of one partition that a thread buffers.
const KEPT_BACK: usize = 32;

/// Marks an empty slot of a table.
const EMPTY: u32 = u32::MAX;

/// The facts kept about one entry, or about all entries of a key.
pub(crate) trait KeyRow: Copy {
    /// The key's hash.
    fn hash(&self) -> Short;
    /// Merges the row `other`, of the same key, into this one.
    fn merge(&mut self, other: Self);
}

/// Rows of many keys, with the buffer of one thread.
#[derive(Debug)]
pub(crate) struct Rows<R> {
    partitions: Arc<Vec<Mutex<Partition<R>>>>,
    /// Buffered rows for each partition.
    kept_back: Vec<Vec<R>>,
    table: Vec<u32>,
    /// Whether memory ran out in a partition to which this thread added rows.
    exhausted: bool,
}

#[derive(Debug)]
struct Partition<R> {
    rows: Vec<R>,
    /// Number of rows that triggers the next merge.
    full: usize,
    /// Whether memory ran out for some rows.
    exhausted: bool,
}

impl<R: KeyRow> Rows<R> {
    pub(crate) fn new() -> Self {
        let empty = || Mutex::new(Partition { rows: Vec::new(), full: FIRST_FOLD, exhausted: false });
        Self::over(Arc::new((0..PARTITIONS).map(|_| empty()).collect()))
    }

    /// Creates a handle to the same rows for another thread.
    pub(crate) fn beside(&self) -> Self {
        Self::over(Arc::clone(&self.partitions))
    }

    fn over(partitions: Arc<Vec<Mutex<Partition<R>>>>) -> Self {
        let kept_back = (0..PARTITIONS).map(|_| Vec::new()).collect();
        Self { partitions, kept_back, table: Vec::new(), exhausted: false }
    }

    /// Whether both fill the same partitions.
    pub(crate) fn are_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.partitions, &other.partitions)
    }

    /// Adds a row to the buffer; [`Rows::hand_over`] makes it visible to all threads.
    #[inline]
    pub(crate) fn push(&mut self, row: R) {
        // The tables within a partition use other bits.
        let number = row.hash().0 as usize % PARTITIONS;
        let Some(kept_back) = self.kept_back.get_mut(number) else { return };
        kept_back.push(row);
        if kept_back.len() >= KEPT_BACK {
            self.hand_over_one(number);
        }
    }

    #[inline(never)]
    fn hand_over_one(&mut self, number: usize) {
        let Self { partitions, kept_back, table, exhausted } = self;
        let (Some(partition), Some(kept_back)) = (partitions.get(number), kept_back.get_mut(number)) else { return };
        if !kept_back.is_empty() {
            let mut partition = locked(partition);
            partition.take(kept_back, table);
            *exhausted |= partition.exhausted;
            kept_back.clear();
        }
    }

    /// Adds the buffered rows to the partitions.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory ran out for some rows.
    pub(crate) fn hand_over(&mut self) -> Result<(), Error> {
        (0..PARTITIONS).for_each(|number| self.hand_over_one(number));
        if !self.exhausted {
            return Ok(());
        }
        let rows: usize = self.partitions.iter().map(|partition| locked(partition).rows.len()).sum();
        Err(Error::Memory { what: "the keys of the file", bytes: (rows as u64).saturating_mul(size_of::<R>() as u64) })
    }

    /// Merges to one row per key and releases spare memory, after all rows were added.
    pub(crate) fn close(&mut self) {
        for partition in self.partitions.iter() {
            let mut partition = locked(partition);
            let Partition { rows, exhausted, .. } = &mut *partition;
            *exhausted |= !fold(rows, &mut self.table);
            rows.shrink_to_fit();
        }
        self.table = Vec::new();
    }

    /// Appends the rows of a partition without the buffered ones: at least one for each of its keys.
    pub(crate) fn append_partition(&self, number: usize, to: &mut Vec<R>) {
        if let Some(partition) = self.partitions.get(number) {
            to.extend_from_slice(&locked(partition).rows);
        }
    }
}

impl<R: KeyRow> Partition<R> {
    fn take(&mut self, rows: &[R], table: &mut Vec<u32>) {
        if self.rows.len().saturating_add(rows.len()) > self.full {
            self.exhausted |= !fold(&mut self.rows, table);
            self.full = self.rows.len().saturating_mul(2).max(FIRST_FOLD);
        }
        // Does not double, because that could leave half of the memory unused.
        let more = self.full.saturating_sub(self.rows.len()).max(rows.len());
        let is_there = self.rows.capacity().saturating_sub(self.rows.len()) >= rows.len();
        if !is_there && self.rows.try_reserve_exact(more).is_err() {
            self.exhausted = true;
            return;
        }
        self.rows.extend_from_slice(rows);
    }
}

/// After a panic in another thread, the rows are not read any more.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Merges a partition to one row per key, from rows with shared or separate partitions.
pub(crate) fn folded<'r, R: KeyRow + 'r>(all: impl Iterator<Item = &'r Rows<R>>, number: usize) -> Vec<R> {
    let mut rows = Vec::new();
    let mut seen: Vec<&Rows<R>> = Vec::new();
    for some in all {
        if !seen.iter().any(|seen| seen.are_beside(some)) {
            some.append_partition(number, &mut rows);
            seen.push(some);
        }
    }
    one_a_key(rows)
}

/// Merges rows to one per key.
pub(crate) fn one_a_key<R: KeyRow>(mut rows: Vec<R>) -> Vec<R> {
    fold(&mut rows, &mut Vec::new());
    rows
}

/// Merges rows to one per key; returns false and leaves the rows unchanged if memory for a table runs out.
fn fold<R: KeyRow>(rows: &mut Vec<R>, table: &mut Vec<u32>) -> bool {
    let Some(size) = rows.len().checked_mul(2).and_then(usize::checked_next_power_of_two) else { return false };
    table.clear();
    if table.try_reserve(size).is_err() || u32::try_from(rows.len()).is_err() {
        return false;
    }
    table.resize(size, EMPTY);
    let mut kept = 0usize;
    for at in 0..rows.len() {
        let Some(row) = rows.get(at).copied() else { break };
        match place(table, rows, row.hash()) {
            TableSlot::Of(number) => {
                if let Some(first) = rows.get_mut(number as usize) {
                    first.merge(row);
                }
            }
            TableSlot::Free(slot) => {
                if let (Some(slot), Some(first)) = (table.get_mut(slot), rows.get_mut(kept)) {
                    *slot = u32::try_from(kept).unwrap_or(EMPTY);
                    *first = row;
                    kept = kept.saturating_add(1);
                }
            }
        }
    }
    rows.truncate(kept);
    true
}

/// Place of a key in a table.
enum TableSlot {
    /// The index of the key's row.
    Of(u32),
    /// The key has no row; this slot is free.
    Free(usize),
}

/// Looks up a key in a half-empty table, by words of its hash that do not choose the partition.
#[inline]
fn place<R: KeyRow>(table: &[u32], rows: &[R], hash: Short) -> TableSlot {
    let mask = table.len().wrapping_sub(1);
    let mut slot = hash.1 as usize & mask;
    loop {
        match table.get(slot).copied().unwrap_or(EMPTY) {
            EMPTY => return TableSlot::Free(slot),
            number if rows.get(number as usize).is_some_and(|row| row.hash() == hash) => return TableSlot::Of(number),
            _ => slot = slot.wrapping_add(1) & mask,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::key_hash::short;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Count(Short, u32);

    impl KeyRow for Count {
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
        let mut rows = [Rows::new(), Rows::new()];
        rows[1] = rows[0].beside();
        for number in 0..KEYS * TIMES {
            rows[number as usize / 7 % 2].push(Count(short(&(number % KEYS).to_be_bytes()), 1));
        }
        rows.iter_mut().for_each(|rows| rows.hand_over().unwrap());
        let held = |rows: &Rows<Count>| {
            let held = (0..PARTITIONS).map(|number| locked(&rows.partitions[number]).rows.capacity());
            held.sum::<usize>()
        };
        assert!(held(&rows[0]) <= PARTITIONS * (FIRST_FOLD + KEPT_BACK), "{}", held(&rows[0]));
        rows[0].close();
        assert_eq!(held(&rows[0]), KEYS as usize);
        let all: Vec<Count> = (0..PARTITIONS).flat_map(|number| folded(rows.iter(), number)).collect();
        assert_eq!(all.len(), KEYS as usize);
        assert!(all.iter().all(|row| row.1 == TIMES));
    }

    #[test]
    fn rows_of_their_own_add_up() {
        let mut rows = [Rows::new(), Rows::new()];
        for rows in &mut rows {
            rows.push(Count(short(b"key"), 3));
            rows.hand_over().unwrap();
        }
        let all: Vec<Count> = (0..PARTITIONS).flat_map(|number| folded(rows.iter(), number)).collect();
        assert_eq!(all, [Count(short(b"key"), 6)]);
    }
}
