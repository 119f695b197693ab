//! The values of many objects, read by all threads.

use etcdsnap_core::kubernetes::names::Object;
use etcdsnap_core::store::Key;

use super::Snapshot;
use super::cluster::Cluster;
use crate::error::Error;
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

    /// Hands `objects` to all threads, piece by piece, each with the number of its first object; what each thread gathered.
    ///
    /// # Errors
    /// What `take` says first; it is not asked again by that thread.
    pub(super) fn by_pieces<'c, T: Default + Send>(
        &self,
        objects: &[(Key<'c>, Object<'c>)],
        progress: &dyn Progress,
        take: impl Fn(&mut T, usize, &[(Key<'c>, Object<'c>)]) -> Result<(), Error> + Sync,
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
