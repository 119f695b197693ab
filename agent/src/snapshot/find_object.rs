//! What many snapshots know of one Kubernetes object.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcdsnap_core::Revision;
use etcdsnap_core::kubernetes::encryption::needed_key::Encrypted;
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::store::{Key, Lost, Store, UnreadRevisions};
use sha2::{Digest, Sha256};

use super::Snapshot;
use super::find_key::{Found, files};
use super::identity::{ClusterIdentity, uid};
use super::kubernetes_objects::Cluster;
use crate::decryption::{Decryption, Unopened};
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::{NoProgress, Progress};

/// An object, in the words of kubectl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Its type: plural, singular, short name or kind, perhaps with a group behind a point.
    pub kind: String,
    /// Its namespace, unless its type has none; all of them where none is given.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectName {
    /// The keys in a cluster that it means, by namespace, which is empty for a type that has none; its definitions may name the type. Deleted objects are among them.
    ///
    /// # Errors
    /// When there are too many keys to be held.
    pub fn keys<'c>(&self, cluster: &'c Cluster) -> Result<BTreeMap<Vec<u8>, Key<'c>>, etcdsnap_core::Error> {
        let types = cluster.resources.called(&self.kind);
        let is_here = |object: &Object<'_>| {
            let namespace = self.namespace.as_ref().map(String::as_bytes);
            object.namespace.is_empty() || namespace.is_none_or(|namespace| namespace == object.namespace)
        };
        let found = cluster.objects(|_, object| {
            object.name == self.name.as_bytes()
                && is_here(object)
                && types.iter().any(|resource| resource.stores(object))
        })?;
        let mut keys: BTreeMap<Vec<u8>, Key<'c>> = BTreeMap::new();
        for (key, object) in found {
            let known = keys.entry(object.namespace.to_vec()).or_insert(key);
            // Of several types that are called so, the one that lives.
            if known.deleted && !key.deleted {
                *known = key;
            }
        }
        Ok(keys)
    }
}

/// One object that was found: the number of the name among those that were looked for, and its namespace, which is empty for a type that has none.
pub type FoundObject = (usize, Vec<u8>);

/// What a snapshot knows of the objects that were looked for.
#[derive(Debug)]
pub struct ObjectAnswer {
    /// The latest revision of the snapshot.
    pub revision: Revision,
    /// About when it was taken, in seconds since 1970.
    pub taken: Option<i64>,
    /// Of each name whether there is such a type in it.
    pub has_types: Vec<bool>,
    /// The objects that are there, or known to be deleted.
    pub states: BTreeMap<FoundObject, ObjectState>,
    /// The cluster that the snapshot is of.
    pub identity: ClusterIdentity,
    /// The number of that cluster among those of all files, from 0 on.
    pub cluster: usize,
    /// What could not be read.
    pub lost: Lost,
    /// Revisions of which entries may be lost.
    pub unread: UnreadRevisions,
    /// What could not be opened, of what had to be read.
    pub unopened: Unopened,
}

/// An object in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectState {
    /// The revision that wrote or deleted it last.
    pub mod_revision: Revision,
    /// The revision that created it; 0 for one that is deleted.
    pub create_revision: Revision,
    /// Bytes of its value.
    pub value_len: u64,
    /// Whether its value stays encrypted: the SHA-256 is then that of what is stored, which differs whenever it was encrypted anew.
    pub is_encrypted: bool,
    /// Its uid; none for one that is deleted, or whose uid cannot be read.
    pub uid: Option<String>,
    /// SHA-256 of its value, of an encrypted one as it is opened; none for one that is deleted.
    pub sha256: Option<[u8; 32]>,
}

impl ObjectState {
    /// Whether it is deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.sha256.is_none()
    }

    /// Whether both are one object, and not two of the same name, of which one was made after the other was deleted. Both are of one cluster.
    #[must_use]
    pub fn is_same_object(&self, other: &Self) -> bool {
        match (&self.uid, &other.uid) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.create_revision == other.create_revision,
        }
    }
}

/// Looks for objects in each of `paths` and in the files of those that are directories, as [`find`](super::find_key) does, one after the other: each has all keys of one
/// in memory. Those of one cluster stand together, those of the cluster that was saved last before the others; of one cluster those of the newest revision come first.
///
/// # Errors
/// As [`find`](super::find_key).
pub fn find_object(
    paths: &[PathBuf],
    names: &[ObjectName],
    prefix: Option<&[u8]>,
    threads: Option<NonZeroUsize>,
    decryption: &Arc<Decryption>,
    progress: &dyn Progress,
) -> Result<Vec<Found<ObjectAnswer>>, Error> {
    let mut found = Vec::new();
    for (path, named) in files(paths)? {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let answer = look(&path, names, prefix, threads, decryption);
        found.push(Found { path, named, answer });
    }
    number_clusters(&mut found);
    let order = |found: &Found<ObjectAnswer>| {
        let answer = found.answer.as_ref().ok();
        answer.map(|answer| (Reverse(answer.cluster), answer.revision))
    };
    found.sort_by(|a, b| order(b).cmp(&order(a)).then_with(|| a.path.cmp(&b.path)));
    Ok(found)
}

/// Gives each cluster its number: 0 to the one of which a snapshot was taken last.
fn number_clusters(found: &mut [Found<ObjectAnswer>]) {
    let mut answers: Vec<&mut ObjectAnswer> = found.iter_mut().filter_map(|found| found.answer.as_mut().ok()).collect();
    // Those that say least of themselves come last, and belong to the first that they may belong to.
    answers.sort_by_key(|answer| Reverse((answer.identity.kube_system.is_some(), answer.taken, answer.revision)));
    let mut known: Vec<ClusterIdentity> = Vec::new();
    for answer in answers {
        let number = known.iter().position(|cluster| !cluster.is_other(&answer.identity));
        answer.cluster = number.unwrap_or(known.len());
        if number.is_none() {
            known.push(answer.identity.clone());
        }
    }
}

fn look(
    path: &Path,
    names: &[ObjectName],
    prefix: Option<&[u8]>,
    threads: Option<NonZeroUsize>,
    decryption: &Arc<Decryption>,
) -> Result<ObjectAnswer, Error> {
    let snapshot = Snapshot::open(path, threads, &NoProgress)?.decrypted_by(Arc::clone(decryption));
    let store = snapshot.store()?;
    let revision = store.current();
    let mut cluster = snapshot.cluster(&store, revision, prefix, &NoProgress)?;
    let lost = std::mem::take(&mut cluster.lost);
    let mut states = BTreeMap::new();
    for (number, name) in names.iter().enumerate() {
        for (namespace, key) in name.keys(&cluster).map_err(|cause| snapshot.failed(cause))? {
            states.insert((number, namespace), state(&snapshot, &store, &key)?);
        }
    }
    let has_types = names.iter().map(|name| !cluster.resources.called(&name.kind).is_empty()).collect();
    // Before namespace kube-system is read: that it cannot be opened says nothing of the objects.
    let unopened = snapshot.unopened();
    let identity = snapshot.identity(&store, &cluster)?;
    let (taken, unread) = (cluster.taken, cluster.unread);
    Ok(ObjectAnswer { revision, taken, has_types, states, identity, cluster: 0, lost, unread, unopened })
}

fn state(snapshot: &Snapshot, store: &Store<'_, FileSource>, key: &Key<'_>) -> Result<ObjectState, Error> {
    let mut state = ObjectState {
        mod_revision: key.revision.main,
        create_revision: Revision::ZERO,
        value_len: 0,
        is_encrypted: false,
        uid: None,
        sha256: None,
    };
    if !key.deleted {
        let value = snapshot.value(store, key.place)?;
        state.create_revision = key.create_revision;
        state.value_len = key.value_len.into();
        state.uid = uid(&value);
        state.is_encrypted = Encrypted::of(&value).is_some();
        state.sha256 = Some(Sha256::digest(&value).into());
    }
    Ok(state)
}
