//! Finds the keys that differ between two snapshots, or two revisions of one.

use std::slice;

use etcdsnap_core::store::{Contents, Index, LostParts, Query, Store, Unlike};

use super::Snapshot;
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::{NoProgress, Progress};

/// One side of a comparison. Memory: 44 bytes per key, twice as much during reading, and the keys that differ.
#[derive(Debug)]
pub struct Side {
    query: Query,
    contents: Contents,
    /// Parts that could not be read.
    pub lost: LostParts,
}

impl Snapshot {
    /// Reads one side of a comparison.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn side(&self, store: &Store<'_, FileSource>, query: Query, progress: &dyn Progress) -> Result<Side, Error> {
        let mut contents = Contents::new(query.clone());
        let (_, lost) = self.read(store, progress, || contents.beside())?;
        contents.close();
        Ok(Side { query, contents, lost })
    }

    /// Returns the keys of one side at some places.
    fn index_at(
        &self,
        store: &Store<'_, FileSource>,
        side: Side,
        places: Vec<etcdsnap_core::store::EntryPlace>,
    ) -> Result<(Index, LostParts), Error> {
        let Side { query, mut lost, .. } = side;
        let mut index = Index::new(Query { hash_values: true, ..query });
        lost.append(index.read_places(store, places).map_err(|cause| self.failed(cause))?);
        self.assert_unchanged()?;
        Ok((index, lost))
    }
}

/// Compares two sides. Returns for each an index of the keys that differ, for [`Changes::between`](etcdsnap_core::store::Changes::between), and the parts that could not be read.
///
/// # Errors
/// As [`Snapshot::keys`].
pub fn compare(
    a: (&Snapshot, &Store<'_, FileSource>, Side),
    b: (&Snapshot, &Store<'_, FileSource>, Side),
) -> Result<[(Index, LostParts); 2], Error> {
    let pieces = a.0.pieces(Unlike::pieces(), a.0.threads(), &NoProgress, |unlike: &mut Unlike, piece| {
        unlike.append(Unlike::of(slice::from_ref(&a.2.contents), slice::from_ref(&b.2.contents), piece));
    })?;
    let mut unlike = Unlike::default();
    pieces.into_iter().for_each(|piece| unlike.append(piece));
    Ok([a.0.index_at(a.1, a.2, unlike.a)?, b.0.index_at(b.1, b.2, unlike.b)?])
}
