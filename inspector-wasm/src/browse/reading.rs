//! A question that all leaves of a file are read for: begun, taken on piece by piece while the worker has the next bytes fetched, and finished.

use etcdsnap_core::pass::reading::Accumulator;
use etcdsnap_core::store::{Lost, Store, Work};
use etcdsnap_core::{Source, Unwatched};

use super::purpose::{Purpose, unread};
use super::view::{Refusal, View, told};

impl<'s, S: Source + ?Sized> View<'s, S> {
    /// The store that is being read.
    fn read_store(&self) -> &Store<'s, S> {
        match self.reading.as_ref().map(|reading| &reading.purpose) {
            Some(Purpose::Other(Some(store), _)) => store,
            _ => &self.store,
        }
    }

    /// Whether another file than this one is being read.
    pub(crate) fn reads_other(&self) -> bool {
        matches!(self.reading.as_ref().map(|reading| &reading.purpose), Some(Purpose::Other(Some(_), _)))
    }

    /// Where the bytes of each step lie: from and to.
    pub(crate) fn spans(&self) -> Vec<(u64, u64)> {
        let store = self.read_store();
        store.work().map(|work| store.span(work)).collect()
    }

    /// Takes a step, by its number.
    pub(crate) fn step(&mut self, number: usize) -> Result<(), Refusal> {
        let Some(mut reading) = self.reading.take() else { return Err(unread()) };
        reading.headroom.keep();
        let lost = match &mut reading.purpose {
            Purpose::Keys(index) => piece(&self.store, number, |work| index.read(&self.store, work, &Unwatched)),
            Purpose::Other(Some(store), index) => piece(store, number, |work| index.read(store, work, &Unwatched)),
            Purpose::Other(None, index) => piece(&self.store, number, |work| index.read(&self.store, work, &Unwatched)),
            Purpose::History(history) => piece(&self.store, number, |work| history.read(&self.store, work, &Unwatched)),
            Purpose::Hash(hashing) => piece(&self.store, number, |work| hashing.read(&self.store, work, &Unwatched)),
        };
        reading.lost.append(lost?);
        self.reading = Some(reading);
        Ok(())
    }

    /// Lets go of what was begun.
    pub(crate) fn give_up(&mut self) {
        self.reading = None;
    }

    /// Takes all steps, one after the other.
    #[cfg(test)]
    pub(crate) fn read_all(&mut self) -> Result<(), Refusal> {
        (0..self.spans().len()).try_for_each(|number| self.step(number))
    }
}

fn piece<S: Source + ?Sized>(
    store: &Store<'_, S>,
    number: usize,
    read: impl FnOnce(Work) -> Result<Lost, etcdsnap_core::Error>,
) -> Result<Lost, Refusal> {
    store.work().nth(number).map_or_else(|| Ok(Lost::default()), |work| read(work).map_err(told))
}
