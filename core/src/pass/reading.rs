//! Reads the leaves of bucket `key` for a query, in file order.

use crate::error::Error;
use crate::lost_parts::LostParts;
use crate::pass::Pass;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::opened_store::{Store, Work};

/// A query's partial answer, built from leaves in any order.
pub trait Accumulator: Send {
    /// Adds the leaves of one piece of work; returns the damage that may make the answer incomplete.
    ///
    /// # Errors
    /// The same errors as [`Store::entries`].
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error>;
}

/// Reads all leaves into accumulators, one per thread; `new` creates them.
pub struct Reading<'a, 's, S: Source + ?Sized, F> {
    store: &'a Store<'s, S>,
    work: Vec<Work>,
    new: F,
}

impl<'a, 's, S: Source + ?Sized, A: Accumulator, F: Fn() -> A + Sync> Reading<'a, 's, S, F> {
    /// Creates the pass; reads nothing yet.
    pub fn new(store: &'a Store<'s, S>, new: F) -> Self {
        Self { store, work: store.work().collect(), new }
    }
}

impl<S: Source + ?Sized, A: Accumulator, F: Fn() -> A + Sync> Pass for Reading<'_, '_, S, F> {
    type Gathered = (A, LostParts);
    /// The accumulators of all threads, and the damage that may make the answer incomplete.
    type Outcome = (Vec<A>, LostParts);

    fn pieces(&self) -> usize {
        self.work.len()
    }

    fn begin(&self) -> Self::Gathered {
        ((self.new)(), LostParts::default())
    }

    fn take(&self, piece: usize, (part, lost): &mut Self::Gathered, progress: &dyn ScanProgress) -> Result<(), Error> {
        let Some(work) = self.work.get(piece) else { return Ok(()) };
        lost.append(part.read(self.store, *work, progress)?);
        Ok(())
    }

    fn finish(self, gathered: Vec<Self::Gathered>, _watch: &dyn ScanProgress) -> Result<Self::Outcome, Error> {
        let mut lost = self.store.lost();
        let mut parts = Vec::with_capacity(gathered.len());
        for (part, part_lost) in gathered {
            parts.push(part);
            lost.append(part_lost);
        }
        Ok((parts, lost))
    }
}
