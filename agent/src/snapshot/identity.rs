//! Which cluster a snapshot is of.

use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::object;
use etcdsnap_core::kubernetes::object_tree::Node;
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::store::{Key, Store};

use super::Snapshot;
use super::kubernetes_objects::Cluster;
use crate::error::Error;
use crate::input::FileSource;

/// What tells one cluster from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// The uid of namespace `kube-system`, which every cluster has from its first minute to its last and a restore keeps; none where it cannot be read.
    pub kube_system: Option<String>,
    /// The members of its etcd, sorted. A restore gives it new ones, so they decide only where nothing else does.
    pub members: Vec<u64>,
}

impl ClusterIdentity {
    /// Whether both cannot be of one cluster, as far as they tell.
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

    /// It in words.
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

/// Whether an object is the namespace by whose uid clusters are told apart.
#[must_use]
pub fn is_kube_system(object: &Object<'_>) -> bool {
    object.group.is_empty() && object.resource == b"namespaces" && object.name == b"kube-system"
}

impl Snapshot {
    /// The cluster that a snapshot is of; `cluster` has its objects.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn identity(&self, store: &Store<'_, FileSource>, cluster: &Cluster) -> Result<ClusterIdentity, Error> {
        let found = cluster.objects(|key, object| !key.deleted && is_kube_system(object));
        let found = found.map_err(|cause| self.failed(cause))?;
        self.identity_by(store, found.first().map(|(key, _)| key))
    }

    /// The same by the key of namespace `kube-system`, if there is one.
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

/// The uid of an object; none where it has none that can be read.
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
    fn members_decide_only_where_kube_system_does_not() {
        let of = |uid: Option<&str>, members: &[u64]| ClusterIdentity {
            kube_system: uid.map(str::to_owned),
            members: members.to_vec(),
        };
        assert!(of(Some("a"), &[1]).is_other(&of(Some("b"), &[1])));
        // Restored.
        assert!(!of(Some("a"), &[1]).is_other(&of(Some("a"), &[2])));
        assert!(of(None, &[1]).is_other(&of(Some("a"), &[2])));
        assert!(!of(None, &[1, 2]).is_other(&of(None, &[2, 3])));
        assert!(!of(None, &[]).is_other(&of(None, &[2])));
    }
}
