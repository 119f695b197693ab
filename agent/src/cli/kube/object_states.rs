//! Finds the state of each object to show: the current one or, of a deleted object, the last one.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use etcdsnap::core::Revision;
use etcdsnap::core::store::{EntryPlace, Event, Key, Store};
use etcdsnap::{Error, FileSource, Progress, Snapshot};

/// The places of the states of objects.
pub struct ObjectStates {
    /// The last puts of the deleted ones, by key.
    last: HashMap<Vec<u8>, Event>,
}

impl ObjectStates {
    /// Finds the last states of the deleted ones. If there are any, this reads the whole file.
    ///
    /// # Errors
    /// As [`Snapshot::last_puts`].
    pub fn find<'k>(
        snapshot: &Snapshot,
        store: &Store<'_, FileSource>,
        keys: impl Iterator<Item = &'k Key<'k>>,
        revision: Revision,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let deleted: HashSet<Cow<'_, [u8]>> =
            keys.filter(|key| key.deleted).map(|key| Cow::Borrowed(key.key)).collect();
        let last =
            if deleted.is_empty() { HashMap::new() } else { snapshot.last_puts(store, deleted, revision, progress)?.0 };
        Ok(Self { last })
    }

    /// Returns the place of an object's state and the revision that wrote it; `None` if it was compacted away.
    pub fn of(&self, key: &Key<'_>) -> Option<(EntryPlace, Revision)> {
        if key.deleted {
            return self.last.get(key.key).map(|event| (event.place, event.revision.main));
        }
        Some((key.place, key.revision.main))
    }
}
