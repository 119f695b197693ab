//! An index that several threads fill.
//!
//! Each thread gathers the entries of one piece of work, and then adds them to the shared index, shard by shard. So each
//! key has one entry, however many threads there are, and threads seldom wait for each other.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::lost_parts::LostParts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::entry::KeyEntry;
use crate::store::entry_batch::EntryBatch;
use crate::store::index::Index;
use crate::store::index_shard::Shard;
use crate::store::key_at::SHARDS;
use crate::store::opened_store::{Store, Work};
use crate::store::query::Query;
use crate::store::wanted_entry::WantedEntry;

/// One thread's handle to the shared index.
#[derive(Debug)]
pub struct SharedIndex {
    query: Query,
    /// Entries of the current piece of work.
    batch: EntryBatch,
    all: Arc<Vec<Mutex<Shard>>>,
}

impl SharedIndex {
    /// Creates an empty index.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self { query, batch: EntryBatch::new(), all: Arc::new((0..SHARDS).map(|_| Mutex::default()).collect()) }
    }

    /// Creates a handle for another thread, which adds to the same index.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { query: self.query.clone(), batch: EntryBatch::new(), all: Arc::clone(&self.all) }
    }

    /// Returns the index after all threads are done.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory ran out for some keys.
    pub fn finish(self) -> Result<Index, Error> {
        let shards = self.all.iter().map(|shard| mem::take(&mut *locked(shard))).collect();
        Index::of_shards(self.query, shards)
    }
}

impl SharedIndex {
    /// Adds the leaves of one piece of work, and calls `take` with each entry that matches the query.
    pub(crate) fn read_with<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
        take: &mut dyn FnMut(&KeyEntry<'_>, &KeyValue<'_>),
    ) -> Result<LostParts, Error> {
        let Self { query, batch, all } = self;
        let mut odd = LostParts::default();
        let mut lost = store.leaves(work, progress, &mut |page| {
            let mut unreadable = LostParts::default();
            for entry in page.entries(&mut unreadable) {
                if let Some(one) = WantedEntry::of(query, entry, &mut odd) {
                    batch.push(&one, query.hash_values);
                    take(&one.entry, &one.message);
                }
            }
            odd.append(unreadable);
        })?;
        lost.append(odd);
        for (number, shard) in all.iter().enumerate() {
            locked(shard).add(batch, number);
        }
        batch.clear().map(|()| lost)
    }
}

impl Accumulator for SharedIndex {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        self.read_with(store, work, progress, &mut |_, _| {})
    }
}

/// After a panic in another thread, the keys are not read any more.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
