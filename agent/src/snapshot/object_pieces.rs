//! Processes the values of many objects on all threads.

use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::store::{EntryPlace, Key, Store};

use super::Snapshot;
use super::kubernetes_objects::Cluster;
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::Progress;

/// Objects that a thread processes at a time, in file order.
const OBJECTS_AT_ONCE: usize = 256;

/// The result of one thread, and the error that ended its work.
#[derive(Default)]
struct ThreadResult<T> {
    gathered: T,
    fault: Option<Error>,
}

impl Snapshot {
    /// Returns the live objects in file order.
    ///
    /// # Errors
    /// When there are too many to hold in memory.
    pub(super) fn living<'c>(&self, cluster: &'c Cluster) -> Result<Vec<(Key<'c>, Object<'c>)>, Error> {
        let mut objects = cluster.objects(|key, _| !key.deleted).map_err(|cause| self.failed(cause))?;
        objects.sort_by_key(|(key, _)| key.place);
        Ok(objects)
    }

    /// Applies `make` to the value at each place, on all threads; returns the results in the order of `places`.
    ///
    /// # Errors
    /// When a value cannot be read, or the work was cancelled.
    pub fn map_values<T: Send>(
        &self,
        store: &Store<'_, FileSource>,
        places: &[EntryPlace],
        progress: &dyn Progress,
        make: impl Fn(usize, &[u8]) -> T + Sync,
    ) -> Result<Vec<T>, Error> {
        // Neighbouring pages are read together.
        let mut ordered: Vec<(EntryPlace, usize)> = places.iter().copied().zip(0..).collect();
        ordered.sort_unstable();
        let parts = self.by_pieces(&ordered, progress, |made: &mut Vec<(usize, T)>, _, piece| {
            let places = piece.iter().map(|(place, _)| *place);
            self.each_pair(store, places, progress, &mut |at, place, pair| {
                let number = piece.get(at).map_or(0, |(_, number)| *number);
                made.push((number, make(number, &self.decrypted_value(place, pair))));
            })
        })?;
        let mut made: Vec<(usize, T)> = parts.into_iter().flatten().collect();
        made.sort_unstable_by_key(|(number, _)| *number);
        Ok(made.into_iter().map(|(_, made)| made).collect())
    }

    /// Passes the entries at some places, in file order, to the visitor, each with its index; reads each page once, and neighbouring pages together.
    ///
    /// # Errors
    /// When an entry cannot be read although it was before, or the work was cancelled.
    pub(super) fn each_pair(
        &self,
        store: &Store<'_, FileSource>,
        places: impl Iterator<Item = EntryPlace>,
        progress: &dyn Progress,
        take: &mut dyn FnMut(usize, EntryPlace, &KeyValue<'_>),
    ) -> Result<(), Error> {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let places: Vec<EntryPlace> = places.collect();
        let mut waiting = places.iter().enumerate().peekable();
        let mut is_as_before = true;
        let lost = store.entries_at(places.clone(), &mut |entry| {
            let pair = KeyValue::parse(entry.value);
            is_as_before &= pair.is_some();
            while let Some((number, place)) = waiting.next_if(|(_, place)| **place == entry.place) {
                if let Some(pair) = &pair {
                    take(number, *place, pair);
                }
            }
        });
        lost.map_err(|cause| self.failed(cause))?;
        self.assert_unchanged()?;
        if is_as_before && waiting.peek().is_none() {
            Ok(())
        } else {
            Err(Error::Changed { path: self.path().to_owned() })
        }
    }

    /// Passes `objects` to all threads piece by piece, each with the index of its first object; returns each thread's result.
    ///
    /// # Errors
    /// The first error of `take`; that thread then stops.
    pub(super) fn by_pieces<O: Sync, T: Default + Send>(
        &self,
        objects: &[O],
        progress: &dyn Progress,
        take: impl Fn(&mut T, usize, &[O]) -> Result<(), Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let count = objects.len().div_ceil(OBJECTS_AT_ONCE);
        let threads = self.threads().min(count).max(1);
        let parts = self.pieces(count, threads, progress, |part: &mut ThreadResult<T>, piece| {
            let piece_objects = objects.chunks(OBJECTS_AT_ONCE).nth(piece).unwrap_or_default();
            if part.fault.is_none() {
                part.fault = take(&mut part.gathered, piece.saturating_mul(OBJECTS_AT_ONCE), piece_objects).err();
            }
        })?;
        parts.into_iter().map(|part| part.fault.map_or(Ok(part.gathered), Err)).collect()
    }
}
