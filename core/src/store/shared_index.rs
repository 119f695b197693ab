//! An index that several threads fill.
//!
//! Each thread builds a small index of one piece of work, whose tables fit the processor's caches, and then merges it
//! into the shared one, shard by shard. So each key has one entry, however many threads there are, and threads seldom
//! wait for each other.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::missing_parts::Lost;
use crate::pass::reading::Accumulator;
use crate::progress::Watch;
use crate::source::Source;
use crate::store::entry::KeyEntry;
use crate::store::index::Index;
use crate::store::index_shard::Shard;
use crate::store::key_at::SHARDS;
use crate::store::opened_store::{Store, Work};
use crate::store::query::Query;

/// One thread's handle to the shared index.
#[derive(Debug)]
pub struct SharedIndex {
    /// Index of the current piece of work.
    own: Index,
    all: Arc<Vec<Mutex<Shard>>>,
}

impl SharedIndex {
    /// Creates an empty index.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self { own: Index::new(query), all: Arc::new((0..SHARDS).map(|_| Mutex::default()).collect()) }
    }

    /// Creates a handle for another thread, which adds to the same index.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { own: Index::new(self.own.query().clone()), all: Arc::clone(&self.all) }
    }

    /// Returns the index after all threads are done.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory ran out for some keys.
    pub fn finish(self) -> Result<Index, Error> {
        let shards = self.all.iter().map(|shard| mem::take(&mut *locked(shard))).collect();
        Index::of_shards(self.own.query().clone(), shards)
    }
}

impl SharedIndex {
    /// Adds the leaves of one piece of work, and calls `take` with each entry that matches the query.
    pub(crate) fn read_with<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        watch: &dyn Watch,
        take: &mut dyn FnMut(&KeyEntry<'_>, &KeyValue<'_>),
    ) -> Result<Lost, Error> {
        let lost = self.own.read_with(store, work, watch, take)?;
        for (all, own) in self.all.iter().zip(self.own.shards_mut()) {
            locked(all).absorb(own);
        }
        Ok(lost)
    }
}

impl Accumulator for SharedIndex {
    fn read<S: Source + ?Sized>(&mut self, store: &Store<'_, S>, work: Work, watch: &dyn Watch) -> Result<Lost, Error> {
        self.read_with(store, work, watch, &mut |_, _| {})
    }
}

/// After a panic in another thread nobody reads the keys any more.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
