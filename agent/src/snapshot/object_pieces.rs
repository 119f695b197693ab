//! The values of many objects, read by all threads.

use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::store::{Key, Place, Store};

use super::Snapshot;
use super::kubernetes_objects::Cluster;
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::Progress;

/// Objects that a thread takes at once, in the order in which they lie in the file.
const PIECE: usize = 256;

/// What a thread gathered, and what ended its work.
#[derive(Default)]
struct Part<T> {
    gathered: T,
    fault: Option<Error>,
}

impl Snapshot {
    /// The living objects, in the order in which they lie in the file.
    ///
    /// # Errors
    /// When there are too many to be held.
    pub(super) fn living<'c>(&self, cluster: &'c Cluster) -> Result<Vec<(Key<'c>, Object<'c>)>, Error> {
        let mut objects = cluster.objects(|key, _| !key.deleted).map_err(|cause| self.failed(cause))?;
        objects.sort_by_key(|(key, _)| key.place);
        Ok(objects)
    }

    /// What is made of the value at each of some places, in their order, by all threads.
    ///
    /// # Errors
    /// When a value cannot be read, or work was cancelled.
    pub fn map_values<T: Send>(
        &self,
        store: &Store<'_, FileSource>,
        places: &[Place],
        progress: &dyn Progress,
        make: impl Fn(usize, &[u8]) -> T + Sync,
    ) -> Result<Vec<T>, Error> {
        let parts = self.by_pieces(places, progress, |made: &mut Vec<(usize, T)>, from, piece| {
            for (number, place) in (from..).zip(piece) {
                if progress.cancelled() {
                    return Err(Error::Cancelled);
                }
                let message = self.message(store, *place)?;
                let pair = self.pair(&message)?;
                made.push((number, make(number, &self.opened(*place, &pair))));
            }
            Ok(())
        })?;
        let mut made: Vec<(usize, T)> = parts.into_iter().flatten().collect();
        made.sort_unstable_by_key(|(number, _)| *number);
        Ok(made.into_iter().map(|(_, made)| made).collect())
    }

    /// Hands `objects` to all threads, piece by piece, each with the number of its first object; what each thread gathered.
    ///
    /// # Errors
    /// What `take` says first; it is not asked again by that thread.
    pub(super) fn by_pieces<O: Sync, T: Default + Send>(
        &self,
        objects: &[O],
        progress: &dyn Progress,
        take: impl Fn(&mut T, usize, &[O]) -> Result<(), Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let count = objects.len().div_ceil(PIECE);
        let threads = self.threads().min(count).max(1);
        let parts = self.pieces(count, threads, progress, |part: &mut Part<T>, piece| {
            let piece_objects = objects.chunks(PIECE).nth(piece).unwrap_or_default();
            if part.fault.is_none() {
                part.fault = take(&mut part.gathered, piece.saturating_mul(PIECE), piece_objects).err();
            }
        })?;
        parts.into_iter().map(|part| part.fault.map_or(Ok(part.gathered), Err)).collect()
    }
}
