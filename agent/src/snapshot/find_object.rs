//! Finds one Kubernetes object in many snapshots.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcdsnap_core::Revision;
use etcdsnap_core::kubernetes::encryption::needed_key::Encrypted;
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::store::{Key, LostParts, Store, UnreadRevisions};
use sha2::{Digest, Sha256};

use super::Snapshot;
use super::find_key::{Found, files};
use super::kubernetes_objects::Cluster;
use super::{ClusterIdentity, uid};
use crate::decryption::{Decryption, UndecryptedCounts};
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::{NoProgress, Progress};

/// Names an object as kubectl does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Its type: plural, singular, short name or kind, optionally with a group after a dot.
    pub kind: String,
    /// Its namespace, ignored if its type has none; `None` means all namespaces.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectName {
    /// Returns its keys in a cluster by namespace (empty if the type has none), including those of deleted objects. The cluster's definitions may name the type.
    ///
    /// # Errors
    /// When there are too many keys to hold in memory.
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
            // If several types have that name, take the one of which an object exists.
            if known.deleted && !key.deleted {
                *known = key;
            }
        }
        Ok(keys)
    }
}

/// Identifies a found object: the index of the searched name, and the namespace (empty if the type has none).
pub type FoundObject = (usize, Vec<u8>);

/// The searched objects in a snapshot.
#[derive(Debug)]
pub struct ObjectAnswer {
    /// The latest revision of the snapshot.
    pub revision: Revision,
    /// The approximate time when it was taken, in seconds since 1970.
    pub taken: Option<i64>,
    /// For each name, whether the snapshot has objects or a definition of such a type.
    pub has_types: Vec<bool>,
    /// The objects that exist or are known to be deleted.
    pub states: BTreeMap<FoundObject, ObjectState>,
    /// The cluster of the snapshot.
    pub identity: ClusterIdentity,
    /// The number of that cluster among those of all files, from 0.
    pub cluster: usize,
    /// Parts that could not be read.
    pub lost: LostParts,
    /// Revisions whose entries may be lost.
    pub unread: UnreadRevisions,
    /// Values that had to be read but could not be decrypted.
    pub undecrypted: UndecryptedCounts,
}

/// The state of an object in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectState {
    /// The revision that wrote or deleted it last.
    pub mod_revision: Revision,
    /// The revision that created it; 0 if it is deleted.
    pub create_revision: Revision,
    /// Bytes of its value.
    pub value_len: u64,
    /// Whether its value stays encrypted: then the SHA-256 is that of the stored value, which changes with every encryption.
    pub is_encrypted: bool,
    /// Its uid; `None` if it is deleted, or its uid cannot be read.
    pub uid: Option<String>,
    /// The SHA-256 of its value, decrypted if possible; `None` if it is deleted.
    pub sha256: Option<[u8; 32]>,
}

impl ObjectState {
    /// Whether it is deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.sha256.is_none()
    }

    /// Whether both are the same object, not two of the same name that were created one after the other. Both must be of one cluster.
    #[must_use]
    pub fn is_same_object(&self, other: &Self) -> bool {
        match (&self.uid, &other.uid) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.create_revision == other.create_revision,
        }
    }
}

/// Searches objects in each file of `paths` and in the files of directories among them, like [`find`](super::find_key), but one after the other, because each needs memory for all its
/// keys. Results are grouped by cluster, starting with the cluster that was saved last; within a cluster, newest revision first.
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
        let answer = search_file(&path, names, prefix, threads, decryption);
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

/// Numbers the clusters; 0 is the one whose snapshot was taken last.
fn number_clusters(found: &mut [Found<ObjectAnswer>]) {
    let mut answers: Vec<&mut ObjectAnswer> = found.iter_mut().filter_map(|found| found.answer.as_mut().ok()).collect();
    // Snapshots with the least information come last, and join the first cluster that they match.
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

fn search_file(
    path: &Path,
    names: &[ObjectName],
    prefix: Option<&[u8]>,
    threads: Option<NonZeroUsize>,
    decryption: &Arc<Decryption>,
) -> Result<ObjectAnswer, Error> {
    let snapshot = Snapshot::open(path, threads, &NoProgress)?.with_decryption(Arc::clone(decryption));
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
    // Take this before namespace kube-system is read: failing to decrypt that says nothing about the objects.
    let undecrypted = snapshot.undecrypted();
    let identity = snapshot.identity(&store, &cluster)?;
    let (taken, unread) = (cluster.taken, cluster.unread);
    Ok(ObjectAnswer { revision, taken, has_types, states, identity, cluster: 0, lost, unread, undecrypted })
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
