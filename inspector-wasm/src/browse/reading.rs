//! A query that scans every leaf, run in steps as the bytes of the file arrive.

use std::ops::Range;

use etcdsnap_core::pass::reading::Accumulator;
use etcdsnap_core::store::{LostParts, Store, Work};
use etcdsnap_core::{IgnoreProgress, Source};

use super::purpose::{Purpose, Reading, unread};
use super::steps::Steps;
use super::view::{Refusal, View, to_refusal};

impl<'s, S: Source + ?Sized> View<'s, S> {
    /// Returns the store that the current query reads.
    fn read_store(&self) -> &Store<'s, S> {
        match self.reading.as_ref().map(|reading| &reading.purpose) {
            Some(Purpose::Other(Some(store), _)) => store,
            _ => &self.store,
        }
    }

    /// Tells whether the current query reads the other file of a comparison.
    pub(crate) fn reads_other(&self) -> bool {
        matches!(self.reading.as_ref().map(|reading| &reading.purpose), Some(Purpose::Other(Some(_), _)))
    }

    /// Starts a query.
    pub(super) fn begin(&mut self, lost: LostParts, purpose: Purpose<'s, S>) {
        self.reading = Some(Reading::new(lost, purpose));
        let store = self.read_store();
        let steps = Steps::new(store.work().map(|work| store.span(work)));
        if let Some(reading) = &mut self.reading {
            reading.steps = steps;
        }
    }

    /// Returns the ranges of the file, as start and end, that the query still needs.
    pub(crate) fn runs(&mut self) -> Vec<(u64, u64)> {
        self.reading.as_mut().map(|reading| reading.steps.runs()).unwrap_or_default()
    }

    /// Runs the steps whose bytes are in `window`, which the source has. Returns the offset from which bytes are still needed.
    pub(crate) fn advance(&mut self, window: &Range<u64>) -> Result<u64, Refusal> {
        while let Some(number) = self.reading.as_mut().and_then(|reading| reading.steps.ready(window)) {
            self.step(number)?;
        }
        let needed = self.reading.as_ref().and_then(|reading| reading.steps.needed_from());
        Ok(needed.unwrap_or(u64::MAX))
    }

    /// Returns the numbers of the steps that have not run.
    pub(crate) fn left(&self) -> Vec<usize> {
        self.reading.as_ref().map(|reading| reading.steps.left().collect()).unwrap_or_default()
    }

    /// Runs a step by its number.
    pub(crate) fn step(&mut self, number: usize) -> Result<(), Refusal> {
        let Some(mut reading) = self.reading.take() else { return Err(unread()) };
        reading.headroom.keep();
        reading.steps.take(number);
        let lost = match &mut reading.purpose {
            Purpose::Keys(index) => piece(&self.store, number, |work| index.read(&self.store, work, &IgnoreProgress)),
            Purpose::Other(Some(store), index) => piece(store, number, |work| index.read(store, work, &IgnoreProgress)),
            Purpose::Other(None, index) => {
                piece(&self.store, number, |work| index.read(&self.store, work, &IgnoreProgress))
            }
            Purpose::History(history) => {
                piece(&self.store, number, |work| history.read(&self.store, work, &IgnoreProgress))
            }
            Purpose::Values(values, _) => {
                piece(&self.store, number, |work| values.read(&self.store, work, &self.index, &IgnoreProgress))
            }
            Purpose::Hash(hashing) => {
                piece(&self.store, number, |work| hashing.read(&self.store, work, &IgnoreProgress))
            }
            Purpose::Decryption(values) => {
                piece(&self.store, number, |work| values.read(&self.store, work, &IgnoreProgress))
            }
            Purpose::LastStates(puts) => {
                piece(&self.store, number, |work| puts.read(&self.store, work, &IgnoreProgress))
            }
            Purpose::Mentions(found) => {
                piece(&self.store, number, |work| found.read(&self.store, work, &IgnoreProgress))
            }
        };
        reading.lost.append(lost?);
        self.reading = Some(reading);
        Ok(())
    }

    /// Drops the current query.
    pub(crate) fn give_up(&mut self) {
        self.reading = None;
    }

    /// Runs all steps, one after the other.
    #[cfg(test)]
    pub(crate) fn read_all(&mut self) -> Result<(), Refusal> {
        self.left().into_iter().try_for_each(|number| self.step(number))
    }
}

fn piece<S: Source + ?Sized>(
    store: &Store<'_, S>,
    number: usize,
    read: impl FnOnce(Work) -> Result<LostParts, etcdsnap_core::Error>,
) -> Result<LostParts, Refusal> {
    store.work().nth(number).map_or_else(|| Ok(LostParts::default()), |work| read(work).map_err(to_refusal))
}
