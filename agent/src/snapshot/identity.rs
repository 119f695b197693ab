//! Identifies the cluster of a snapshot.

use etcdsnap_core::kubernetes::cluster_identity::{ClusterIdentity, is_kube_system, uid};
use etcdsnap_core::store::{Key, Store};

use super::Snapshot;
use super::kubernetes_objects::Cluster;
use crate::error::Error;
use crate::input::FileSource;

impl Snapshot {
    /// Returns the identity of the cluster of a snapshot; `cluster` has its objects.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn identity(&self, store: &Store<'_, FileSource>, cluster: &Cluster) -> Result<ClusterIdentity, Error> {
        let found = cluster.objects(|key, object| !key.deleted && is_kube_system(object));
        let found = found.map_err(|cause| self.failed(cause))?;
        self.identity_by(store, found.first().map(|(key, _)| key))
    }

    /// Like [`identity`](Self::identity), given the key of namespace `kube-system`, if there is one.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn identity_by(
        &self,
        store: &Store<'_, FileSource>,
        kube_system: Option<&Key<'_>>,
    ) -> Result<ClusterIdentity, Error> {
        let kube_system = kube_system.map(|key| self.value(store, key.place)).transpose()?;
        let mut members = store.member_ids("members").map_err(|cause| self.failed(cause))?;
        members.sort_unstable();
        Ok(ClusterIdentity { kube_system: kube_system.and_then(|value| uid(&value)), members })
    }
}
