//! Every key at a revision, and something made of the values that lie beside them, in one read of the file.

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::entry::{EntryPlace, KeyEntry};
use crate::store::opened_store::{Store, Work};
use crate::store::shared_index::SharedIndex;

/// What is made at most by one thread: values beyond are left to those who look them up.
const MOST: usize = 1 << 20;

/// An index that several threads fill, and what each of them makes of values on the way. Whether an entry is the newest of its key is not known by then: what is made of older ones is made in vain.
#[derive(Debug)]
pub struct IndexWithValues<M, T> {
    index: SharedIndex,
    make: M,
    made: Vec<(EntryPlace, T)>,
}

impl<T: Send, M: Fn(&KeyEntry<'_>, &KeyValue<'_>) -> Option<T> + Send> IndexWithValues<M, T> {
    /// Of an index that is empty or [beside](SharedIndex::beside) others; `make` says nothing of entries that it is not for.
    #[must_use]
    pub fn new(index: SharedIndex, make: M) -> Self {
        Self { index, make, made: Vec::new() }
    }

    /// What was made, with the place of each entry, in no order.
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
            if made.len() < MOST
                && let Some(one) = make(entry, message)
            {
                made.push((entry.place, one));
            }
        })
    }
}
