//! The Kubernetes objects of a snapshot.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use etcdsnap_core::Revision;
use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::kubernetes::columns::Columns;
use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::definitions::Definitions;
use etcdsnap_core::kubernetes::encryption::needed_key::PREFIX;
use etcdsnap_core::kubernetes::object as objects;
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::kubernetes::resources::{Resource, Resources};
use etcdsnap_core::store::{
    EntryPlace, Event, Index, IndexWithValues, Key, KeyEntry, KeyRange, LastPuts, LostParts, Order, SharedIndex, Store,
    UnreadRevisions,
};

use super::prefixes::KubernetesPrefixes;
use super::{Snapshot, merged};
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::Progress;

/// Everything under the prefixes of API servers at a revision.
#[derive(Debug)]
pub struct Cluster {
    index: Index,
    prefixes: KubernetesPrefixes,
    /// The types of its objects.
    pub resources: Resources,
    definitions: Definitions,
    /// The requested revision.
    pub revision: Revision,
    /// The approximate time when the revision was written, in seconds since 1970; for the latest one, when the snapshot was taken.
    pub taken: Option<i64>,
    /// Parts that could not be read.
    pub lost: LostParts,
    /// Revisions up to the requested one whose entries may be lost.
    pub unread: UnreadRevisions,
}

/// A state of an object in the file.
#[derive(Debug, Clone, Copy)]
pub struct StoredObject<'v> {
    /// The object named by its key.
    pub object: Object<'v>,
    /// Its key.
    pub key: &'v [u8],
    /// Its value.
    pub value: &'v [u8],
    /// The revision that wrote it.
    pub revision: Revision,
    /// As [`Cluster::taken`].
    pub taken: Option<i64>,
}

impl Cluster {
    /// Counts the wanted live objects, and those of them that may be outdated or deleted, because later entries are lost.
    #[must_use]
    pub fn uncertain(&self, is_wanted: impl Fn(&Object<'_>) -> bool) -> (u64, u64) {
        let is_wanted = |key: &Key<'_>| self.object(key.key).is_some_and(|object| is_wanted(&object));
        let living = self.index.iter().filter(|key| !key.deleted && is_wanted(key));
        living.fold((0, 0), |(all, uncertain), key| {
            let is_uncertain = self.unread.may_follow(key.revision.main);
            (all + 1, uncertain + u64::from(is_uncertain))
        })
    }

    /// Returns the columns of a type.
    #[must_use]
    pub fn columns(&self, resource: &Resource) -> Columns {
        self.definitions.columns(resource)
    }

    /// Returns the fields by which objects of a type can be selected.
    #[must_use]
    pub fn selectable_fields(&self, resource: &Resource) -> Vec<&str> {
        self.definitions.selectable_fields(resource)
    }

    /// Passes every object to `take`, unordered, including deleted ones.
    ///
    /// # Errors
    /// As [`objects`](Self::objects).
    pub fn each(&self, take: impl FnMut(&Key<'_>, &Object<'_>)) -> Result<(), etcdsnap_core::Error> {
        let take = RefCell::new(take);
        // The objects are not collected, so they need no order.
        self.objects(|key, object| {
            take.borrow_mut()(key, object);
            false
        })?;
        Ok(())
    }

    /// Returns the wanted objects in the order of their keys; `wanted` is also asked about deleted ones.
    ///
    /// # Errors
    /// When there are too many to hold in memory.
    pub fn objects(
        &self,
        wanted: impl Fn(&Key<'_>, &Object<'_>) -> bool,
    ) -> Result<Vec<(Key<'_>, Object<'_>)>, etcdsnap_core::Error> {
        let is_wanted = |key: &Key<'_>| self.object(key.key).is_some_and(|object| wanted(key, &object));
        let order = Order::try_of(&self.index, is_wanted)?;
        let mut objects = Vec::new();
        let bytes = (order.len() as u64).saturating_mul(size_of::<(Key<'_>, Object<'_>)>() as u64);
        objects
            .try_reserve_exact(order.len())
            .map_err(|_| etcdsnap_core::Error::Memory { what: "the objects in their order", bytes })?;
        objects.extend(order.iter(&self.index).filter_map(|key| Some((key, self.object(key.key)?))));
        Ok(objects)
    }

    /// Whether any live key was read, of an object or not.
    #[must_use]
    pub fn has_key(&self, key: &[u8]) -> bool {
        self.index.get(key).is_some_and(|state| !state.deleted)
    }

    /// Whether there is a wanted object.
    #[must_use]
    pub fn has_object(&self, wanted: impl Fn(&Key<'_>, &Object<'_>) -> bool) -> bool {
        self.index.iter().any(|key| self.object(key.key).is_some_and(|object| wanted(&key, &object)))
    }

    fn object<'k>(&self, key: &'k [u8]) -> Option<Object<'k>> {
        self.prefixes.object(key)
    }
}

/// Whether an object is a live CustomResourceDefinition.
fn is_definition(key: &Key<'_>, object: &Object<'_>) -> bool {
    !key.deleted && object.resource == b"customresourcedefinitions"
}

impl Snapshot {
    /// Reads the objects at a revision from [`Store::at`]; below `prefix`, or below the known prefixes of API servers.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn cluster(
        &self,
        store: &Store<'_, FileSource>,
        revision: Revision,
        prefix: Option<&[u8]>,
        progress: &dyn Progress,
    ) -> Result<Cluster, Error> {
        let nothing = |_: StoredObject<'_>| None::<()>;
        Ok(self.cluster_with(store, revision, prefix, None, progress, nothing)?.0)
    }

    /// Like [`cluster`](Self::cluster), and also returns the results of `make` in the order of their places, so that the file is read only once. All threads call `make`, for every unencrypted state of an object up to the revision,
    /// including older ones that are not needed. For a few of millions of objects a result may be missing.
    ///
    /// With `only`, the cluster contains no objects of other types, and none of the types that the snapshot defines.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn cluster_with<T: Send>(
        &self,
        store: &Store<'_, FileSource>,
        revision: Revision,
        prefix: Option<&[u8]>,
        only: Option<&Resource>,
        progress: &dyn Progress,
        make: impl Fn(StoredObject<'_>) -> Option<T> + Sync,
    ) -> Result<(Cluster, Vec<(EntryPlace, T)>), Error> {
        let prefixes = KubernetesPrefixes::of(prefix);
        // Without a later bound, the time is unknown.
        let written = self.time_line(store)?.map(|line| line.at(revision));
        let taken = written.filter(|written| written.within.is_some()).map(|written| written.seconds);
        let of_entry = |entry: &KeyEntry<'_>, pair: &KeyValue<'_>| {
            let is_plain = !entry.key.tombstone && !pair.value.starts_with(PREFIX);
            let object = prefixes.object(pair.key).filter(|_| is_plain)?;
            make(StoredObject { object, key: pair.key, value: pair.value, revision: entry.key.revision.main, taken })
        };
        let mut query = store.query(prefixes.range(), revision);
        if let Some(resource) = only {
            query.folders = prefixes.list().iter().flat_map(|prefix| resource.folders(prefix)).collect();
        }
        let all = SharedIndex::new(query);
        let (parts, lost) = self.read(store, progress, || IndexWithValues::new(all.beside(), &of_entry))?;
        let mut made: Vec<(EntryPlace, T)> = parts.into_iter().flat_map(IndexWithValues::into_made).collect();
        // Each thread read its pieces in the order of the file, so this merges a few sorted runs.
        made.sort_by_key(|(place, _)| *place);
        let index = all.finish().map_err(|cause| self.failed(cause))?;
        let unread = self.unread_revisions(store, &lost, revision, progress)?;
        let mut cluster = Cluster {
            index,
            prefixes,
            resources: Resources::builtin(),
            definitions: Definitions::default(),
            revision,
            taken,
            lost,
            unread,
        };
        if only.is_some() {
            return Ok((cluster, made));
        }
        let mut resources = Resources::builtin();
        let mut definitions = Definitions::default();
        // One look at the keys finds the definitions, and the types that may have one.
        let unknown = cluster.objects(|key, object| is_definition(key, object) || resources.of(object).is_none());
        let unknown = unknown.map_err(|cause| self.failed(cause))?;
        for (key, _) in unknown.iter().filter(|(key, object)| is_definition(key, object)) {
            if let Ok((definition, _)) = objects::tree(&self.value(store, key.place)?, Options::default()) {
                resources.define(&definition);
                definitions.add(&definition);
            }
        }
        for (_, object) in &unknown {
            resources.see(object);
        }
        cluster.resources = resources;
        cluster.definitions = definitions;
        Ok((cluster, made))
    }

    /// Returns the last put of each of `keys` up to a revision: the state before a deletion. A key is missing if its last put was compacted.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn last_puts(
        &self,
        store: &Store<'_, FileSource>,
        keys: HashSet<Cow<'_, [u8]>>,
        revision: Revision,
        progress: &dyn Progress,
    ) -> Result<(HashMap<Vec<u8>, Event>, LostParts), Error> {
        let query = store.query(KeyRange::all(), revision);
        let keys = Arc::new(keys);
        let (parts, lost) = self.read(store, progress, || LastPuts::new(query.clone(), keys.clone()))?;
        Ok((merged(parts, LastPuts::merge).map(LastPuts::into_puts).unwrap_or_default(), lost))
    }
}
