//! An index that several threads fill.
//!
//! Each thread makes a small index of one piece of work, whose tables fit the processor's caches, and then brings it into the one that all share, shard by shard. So there is one entry for
//! each key, however many threads there are, and they seldom wait for each other.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::missing_parts::Lost;
use crate::pass::reading::Accumulator;
use crate::progress::Watch;
use crate::source::Source;
use crate::store::entry::Entry;
use crate::store::index::{Index, SHARDS, Shard};
use crate::store::opened_store::{Store, Work};
use crate::store::query::Query;

/// The keys of all entries, as one thread adds to them.
#[derive(Debug)]
pub struct SharedIndex {
    /// Of the piece of work at hand.
    own: Index,
    all: Arc<Vec<Mutex<Shard>>>,
}

impl SharedIndex {
    /// No entries yet.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self { own: Index::new(query), all: Arc::new((0..SHARDS).map(|_| Mutex::default()).collect()) }
    }

    /// The same for another thread, which adds to it beside this one.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { own: Index::new(self.own.query().clone()), all: Arc::clone(&self.all) }
    }

    /// The index, when all threads are done.
    ///
    /// # Errors
    /// [`Error::Memory`] when there was none for some keys.
    pub fn finish(self) -> Result<Index, Error> {
        let shards = self.all.iter().map(|shard| mem::take(&mut *locked(shard))).collect();
        Index::of_shards(self.own.query().clone(), shards)
    }
}

impl SharedIndex {
    /// Takes in the leaves of one piece of work, and hands out the entries that the query asks for.
    pub(crate) fn read_with<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        watch: &dyn Watch,
        take: &mut dyn FnMut(&Entry<'_>, &KeyValue<'_>),
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

/// A panic elsewhere leaves keys that nobody asks for any more.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
