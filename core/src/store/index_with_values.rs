//! Indexes every key at a revision, and derives data from the values at the same time, in one read of the file.

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::entry::{EntryPlace, KeyEntry};
use crate::store::opened_store::{Store, Work};
use crate::store::shared_index::SharedIndex;

/// Maximum number of derived items per thread: the caller looks up further values itself.
const MAX_MADE: usize = 1 << 20;

/// An index that several threads fill, and the data that each of them derives from values. A thread does not know yet whether an entry is the newest of its key, so some data is derived in vain.
#[derive(Debug)]
pub struct IndexWithValues<M, T> {
    index: SharedIndex,
    make: M,
    made: Vec<(EntryPlace, T)>,
}

impl<T: Send, M: Fn(&KeyEntry<'_>, &KeyValue<'_>) -> Option<T> + Send> IndexWithValues<M, T> {
    /// Adds derivation to an index that is empty or [beside](SharedIndex::beside) others; `make` returns `None` for entries that it does not use.
    #[must_use]
    pub fn new(index: SharedIndex, make: M) -> Self {
        Self { index, make, made: Vec::new() }
    }

    /// Returns the derived data with the place of each entry, in no particular order.
    #[must_use]
    pub fn into_made(self) -> Vec<(EntryPlace, T)> {
        self.made
    }
}

impl<T: Send, M: Fn(&KeyEntry<'_>, &KeyValue<'_>) -> Option<T> + Send> Accumulator for IndexWithValues<M, T> {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        let (make, made) = (&self.make, &mut self.made);
        self.index.read_with(store, work, progress, &mut |entry, message| {
            if made.len() < MAX_MADE
                && let Some(one) = make(entry, message)
            {
                made.push((entry.place, one));
            }
        })
    }
}
