//! What many snapshots know of one Kubernetes object.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcdsnap_core::kubernetes::encryption::needed_key::Encrypted;
use etcdsnap_core::store::{Key, Lost};
use sha2::{Digest, Sha256};

use super::Snapshot;
use super::cluster::Cluster;
use super::find::{Found, files};
use crate::decryption::{Decryption, Unopened};
use crate::error::Error;
use crate::progress::{NoProgress, Progress};

/// An object, in the words of kubectl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Its type: plural, singular, short name or kind, perhaps with a group behind a point.
    pub kind: String,
    /// Its namespace, unless its type has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectName {
    /// Its key in a cluster, whose definitions may name its type; of a deleted object, too.
    ///
    /// # Errors
    /// When there are too many keys to be held.
    pub fn key<'c>(&self, cluster: &'c Cluster) -> Result<Option<Key<'c>>, etcdsnap_core::Error> {
        let types = cluster.resources.called(&self.kind);
        let found = cluster.objects(|_, object| {
            object.name == self.name.as_bytes()
                && (object.namespace.is_empty() || object.namespace == self.namespace.as_bytes())
                && types.iter().any(|resource| resource.stores(object))
        })?;
        // Of several types that are called so, the one that lives.
        Ok(found.into_iter().map(|(key, _)| key).min_by_key(|key| key.deleted))
    }
}

/// What a snapshot knows of it.
#[derive(Debug)]
pub struct ObjectAnswer {
    /// The latest revision of the snapshot.
    pub revision: i64,
    /// About when it was taken, in seconds since 1970.
    pub taken: Option<i64>,
    /// Whether there is such a type in it.
    pub has_type: bool,
    /// The object; none when it is neither there nor known to be deleted.
    pub state: Option<ObjectState>,
    /// What could not be read.
    pub lost: Lost,
    /// What could not be opened, of what had to be read.
    pub unopened: Unopened,
}

/// An object in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectState {
    /// The revision that wrote or deleted it last.
    pub mod_revision: i64,
    /// The revision that created it; 0 for one that is deleted.
    pub create_revision: i64,
    /// Bytes of its value.
    pub value_len: u64,
    /// Whether its value stays encrypted: the SHA-256 is then that of what is stored, which differs whenever it was encrypted anew.
    pub is_encrypted: bool,
    /// SHA-256 of its value, of an encrypted one as it is opened; none for one that is deleted.
    pub sha256: Option<[u8; 32]>,
}

impl ObjectState {
    /// Whether it is deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.sha256.is_none()
    }
}

/// Looks for an object in each of `paths` and in the files of those that are directories, as [`find`](super::find) does, one after the other: each has all keys of one
/// in memory. Those of the newest revision come first.
///
/// # Errors
/// As [`find`](super::find).
pub fn find_object(
    paths: &[PathBuf],
    name: &ObjectName,
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
        let answer = look(&path, name, prefix, threads, decryption);
        found.push(Found { path, named, answer });
    }
    let newest = |found: &Found<ObjectAnswer>| found.answer.as_ref().ok().map(|answer| answer.revision);
    found.sort_by(|a, b| newest(b).cmp(&newest(a)).then_with(|| a.path.cmp(&b.path)));
    Ok(found)
}

fn look(
    path: &Path,
    name: &ObjectName,
    prefix: Option<&[u8]>,
    threads: Option<NonZeroUsize>,
    decryption: &Arc<Decryption>,
) -> Result<ObjectAnswer, Error> {
    let snapshot = Snapshot::open(path, threads, &NoProgress)?.decrypted_by(Arc::clone(decryption));
    let store = snapshot.store()?;
    let revision = store.current();
    let mut cluster = snapshot.cluster(&store, revision, prefix, &NoProgress)?;
    let lost = std::mem::take(&mut cluster.lost);
    let key = name.key(&cluster).map_err(|cause| snapshot.failed(cause))?;
    let state = match key {
        None => None,
        Some(key) => {
            let mut state = ObjectState {
                mod_revision: key.revision.main,
                create_revision: 0,
                value_len: 0,
                is_encrypted: false,
                sha256: None,
            };
            if !key.deleted {
                let value = snapshot.value(&store, key.place)?;
                state.create_revision = key.create_revision;
                state.value_len = key.value_len.into();
                state.is_encrypted = Encrypted::of(&value).is_some();
                state.sha256 = Some(Sha256::digest(&value).into());
            }
            Some(state)
        }
    };
    let has_type = !cluster.resources.called(&name.kind).is_empty();
    Ok(ObjectAnswer { revision, taken: cluster.taken, has_type, state, lost, unopened: snapshot.unopened() })
}
