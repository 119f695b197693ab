//! The states of objects that are to be shown: as they are, or as they were before they were deleted.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use etcdsnap::core::Revision;
use etcdsnap::core::store::{EntryPlace, Event, Key, Store};
use etcdsnap::{Error, FileSource, Progress, Snapshot};

/// Where the states of some objects are.
pub struct ObjectStates {
    /// The last puts of those that are deleted, by key.
    last: HashMap<Vec<u8>, Event>,
}

impl ObjectStates {
    /// Looks for the last states of those that are deleted, if any: the whole file is read for them.
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

    /// Where the state of an object is, and the revision that wrote it; none when that is compacted away.
    pub fn of(&self, key: &Key<'_>) -> Option<(EntryPlace, Revision)> {
        if key.deleted {
            return self.last.get(key.key).map(|event| (event.place, event.revision.main));
        }
        Some((key.place, key.revision.main))
    }
}
