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
use etcdsnap_core::kubernetes::envelope::{Envelope, envelope};
use etcdsnap_core::kubernetes::object as objects;
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::kubernetes::resources::{Resource, Resources};
use etcdsnap_core::store::{
    Entry, Event, Index, IndexWithValues, Key, KeyRange, LastPuts, Lost, Place, SharedIndex, Store, UnreadRevisions,
};

use super::prefixes::KubernetesPrefixes;
use super::{Snapshot, merged};
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::Progress;

/// All that is under the prefixes of API servers at a revision.
#[derive(Debug)]
pub struct Cluster {
    index: Index,
    prefixes: KubernetesPrefixes,
    /// The types of its objects.
    pub resources: Resources,
    definitions: Definitions,
    /// About when the revision was written, in seconds since 1970: of the latest one, about when the snapshot was taken.
    pub taken: Option<i64>,
    /// What could not be read.
    pub lost: Lost,
    /// Revisions up to the one asked for of which entries may be lost.
    pub unread: UnreadRevisions,
}

/// A state of an object, as it is met in the file.
#[derive(Debug, Clone, Copy)]
pub struct StoredObject<'v> {
    /// What its key says.
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
    /// How many of the living objects are asked for, and how many of them may be older than they were, or deleted, because later entries are lost.
    #[must_use]
    pub fn uncertain(&self, is_wanted: impl Fn(&Object<'_>) -> bool) -> (u64, u64) {
        let is_wanted = |key: &Key<'_>| self.object(key.key).is_some_and(|object| is_wanted(&object));
        let living = self.index.iter().filter(|key| !key.deleted && is_wanted(key));
        living.fold((0, 0), |(all, uncertain), key| {
            let is_uncertain = self.unread.may_follow(key.revision.main);
            (all + 1, uncertain + u64::from(is_uncertain))
        })
    }

    /// The columns of a type.
    #[must_use]
    pub fn columns(&self, resource: &Resource) -> Columns {
        self.definitions.columns(resource)
    }

    /// The fields by which objects of a type can be selected.
    #[must_use]
    pub fn selectable_fields(&self, resource: &Resource) -> Vec<&str> {
        self.definitions.selectable_fields(resource)
    }

    /// Hands out every object in no order, deleted ones too.
    ///
    /// # Errors
    /// As [`objects`](Self::objects).
    pub fn each(&self, take: impl FnMut(&Key<'_>, &Object<'_>)) -> Result<(), etcdsnap_core::Error> {
        let take = RefCell::new(take);
        // Nothing is kept, so nothing is sorted.
        self.objects(|key, object| {
            take.borrow_mut()(key, object);
            false
        })?;
        Ok(())
    }

    /// The objects that are wanted, in the order of their keys; deleted ones are among what is asked for.
    ///
    /// # Errors
    /// When there are too many to be held.
    pub fn objects(
        &self,
        wanted: impl Fn(&Key<'_>, &Object<'_>) -> bool,
    ) -> Result<Vec<(Key<'_>, Object<'_>)>, etcdsnap_core::Error> {
        let keys = self.index.try_sorted(|key| self.object(key.key).is_some_and(|object| wanted(key, &object)))?;
        Ok(keys.into_iter().filter_map(|key| Some((key, self.object(key.key)?))).collect())
    }

    /// Whether a key lives among all that was read, object or not.
    #[must_use]
    pub fn has_key(&self, key: &[u8]) -> bool {
        self.index.get(key).is_some_and(|state| !state.deleted)
    }

    fn object<'k>(&self, key: &'k [u8]) -> Option<Object<'k>> {
        self.prefixes.object(key)
    }
}

impl Snapshot {
    /// The objects at a revision, one of [`Store::at`]; below `prefix`, or below those that API servers have.
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
        Ok(self.cluster_with(store, revision, prefix, progress, nothing)?.0)
    }

    /// The same, and what `make` makes of objects while the keys are read, by place: the one read of the file is then enough. It is asked by all threads, of every state of an object that is no newer than the revision and not
    /// encrypted, so what it makes of older ones is made in vain; for few of millions of objects it may be missing.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn cluster_with<T: Send>(
        &self,
        store: &Store<'_, FileSource>,
        revision: Revision,
        prefix: Option<&[u8]>,
        progress: &dyn Progress,
        make: impl Fn(StoredObject<'_>) -> Option<T> + Sync,
    ) -> Result<(Cluster, HashMap<Place, T>), Error> {
        let prefixes = KubernetesPrefixes::of(prefix);
        // Where nothing bounds it, nobody knows.
        let written = self.time_line(store)?.map(|line| line.at(revision));
        let taken = written.filter(|written| written.within.is_some()).map(|written| written.seconds);
        let of_entry = |entry: &Entry<'_>, pair: &KeyValue<'_>| {
            let is_plain = !entry.key.tombstone && !matches!(envelope(pair.value), Envelope::Encrypted(_));
            let object = prefixes.object(pair.key).filter(|_| is_plain)?;
            make(StoredObject { object, key: pair.key, value: pair.value, revision: entry.key.revision.main, taken })
        };
        let all = SharedIndex::new(store.query(prefixes.range(), revision));
        let (parts, lost) = self.read(store, progress, || IndexWithValues::new(all.beside(), &of_entry))?;
        let made = parts.into_iter().flat_map(IndexWithValues::into_made).collect();
        let index = all.finish().map_err(|cause| self.failed(cause))?;
        let unread = self.unread_revisions(store, &lost, revision, progress)?;
        let mut cluster = Cluster {
            index,
            prefixes,
            resources: Resources::builtin(),
            definitions: Definitions::default(),
            taken,
            lost,
            unread,
        };
        let mut resources = Resources::builtin();
        let mut definitions = Definitions::default();
        let stored = cluster.objects(|key, object| !key.deleted && object.resource == b"customresourcedefinitions");
        for (key, _) in stored.map_err(|cause| self.failed(cause))? {
            if let Ok((definition, _)) = objects::tree(&self.value(store, key.place)?, Options::default()) {
                resources.define(&definition);
                definitions.add(&definition);
            }
        }
        let others = cluster.objects(|_, object| resources.of(object).is_none());
        for (_, object) in others.map_err(|cause| self.failed(cause))? {
            resources.see(&object);
        }
        cluster.resources = resources;
        cluster.definitions = definitions;
        Ok((cluster, made))
    }

    /// The last put of each of `keys` up to a revision: what was there before it was deleted. A key without one was put before the compaction.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn last_puts(
        &self,
        store: &Store<'_, FileSource>,
        keys: HashSet<Cow<'_, [u8]>>,
        revision: Revision,
        progress: &dyn Progress,
    ) -> Result<(HashMap<Vec<u8>, Event>, Lost), Error> {
        let query = store.query(KeyRange::all(), revision);
        let keys = Arc::new(keys);
        let (parts, lost) = self.read(store, progress, || LastPuts::new(query.clone(), keys.clone()))?;
        Ok((merged(parts, LastPuts::merge).map(LastPuts::into_puts).unwrap_or_default(), lost))
    }
}
