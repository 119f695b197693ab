//! The indexes of several threads, merged shard by shard: each thread has met most keys.

use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::pass::{Pass, in_order};
use crate::store::index::{Index, Shard};
use crate::store::query::Query;
use crate::watch::Watch;

/// Merges indexes of one query.
pub struct Merging {
    query: Query,
    parts: Vec<Mutex<Index>>,
}

impl Merging {
    /// Of these indexes.
    #[must_use]
    pub fn new(query: Query, parts: Vec<Index>) -> Self {
        Self { query, parts: parts.into_iter().map(Mutex::new).collect() }
    }
}

impl Pass for Merging {
    type Gathered = Vec<(usize, Shard)>;
    type Outcome = Index;

    fn pieces(&self) -> usize {
        Index::shards()
    }

    fn begin(&self) -> Self::Gathered {
        Vec::new()
    }

    fn take(&self, piece: usize, gathered: &mut Self::Gathered, _watch: &dyn Watch) -> Result<(), Error> {
        let take = |part: &Mutex<Index>| part.lock().unwrap_or_else(PoisonError::into_inner).take_shard(piece);
        let merged = self.parts.iter().map(take).reduce(|mut whole, part| {
            whole.merge(part);
            whole
        });
        gathered.push((piece, merged.unwrap_or_default()));
        Ok(())
    }

    fn finish(self, gathered: Vec<Self::Gathered>, _watch: &dyn Watch) -> Result<Self::Outcome, Error> {
        Index::of_shards(self.query, in_order(gathered))
    }
}
