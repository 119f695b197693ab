//! Identifies the cluster of a snapshot.

use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::object;
use etcdsnap_core::kubernetes::object_tree::Node;
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::store::{Key, Store};

use super::Snapshot;
use super::kubernetes_objects::Cluster;
use crate::error::Error;
use crate::input::FileSource;

/// Facts that tell clusters apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// The uid of namespace `kube-system`, which a cluster has for its whole life and a restore keeps; `None` if it cannot be read.
    pub kube_system: Option<String>,
    /// The members of its etcd, sorted. A restore replaces them, so they count only if nothing else is known.
    pub members: Vec<u64>,
}

impl ClusterIdentity {
    /// Whether both certainly belong to different clusters.
    #[must_use]
    pub fn is_other(&self, other: &Self) -> bool {
        match (&self.kube_system, &other.kube_system) {
            (Some(ours), Some(theirs)) => ours != theirs,
            _ => {
                let is_known = !self.members.is_empty() && !other.members.is_empty();
                is_known && !self.members.iter().any(|member| other.members.contains(member))
            }
        }
    }

    /// Describes it in words.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.kube_system {
            Some(uid) => format!("uid of kube-system {uid}"),
            None => {
                let members: Vec<String> = self.members.iter().map(|member| format!("{member:x}")).collect();
                format!("members of etcd {}", members.join(", "))
            }
        }
    }
}

/// Whether an object is the namespace whose uid identifies clusters.
#[must_use]
pub fn is_kube_system(object: &Object<'_>) -> bool {
    object.group.is_empty() && object.resource == b"namespaces" && object.name == b"kube-system"
}

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

/// Returns the uid of an object; `None` if it has none that can be read.
#[must_use]
pub fn uid(value: &[u8]) -> Option<String> {
    let (node, _) = object::tree(value, Options { only_metadata: true, ..Options::default() }).ok()?;
    let uid = node.at(&["metadata", "uid"]).and_then(Node::text)?;
    (!uid.is_empty()).then(|| uid.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_count_only_without_kube_system() {
        let of = |uid: Option<&str>, members: &[u64]| ClusterIdentity {
            kube_system: uid.map(str::to_owned),
            members: members.to_vec(),
        };
        assert!(of(Some("a"), &[1]).is_other(&of(Some("b"), &[1])));
        // After a restore.
        assert!(!of(Some("a"), &[1]).is_other(&of(Some("a"), &[2])));
        assert!(of(None, &[1]).is_other(&of(Some("a"), &[2])));
        assert!(!of(None, &[1, 2]).is_other(&of(None, &[2, 3])));
        assert!(!of(None, &[]).is_other(&of(None, &[2])));
    }
}
