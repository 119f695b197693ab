//! Identifies the cluster of a snapshot.

use super::decode::Options;
use super::object;
use super::object_tree::Node;
use super::registry_keys::Object;

/// Facts that tell clusters apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// The uid of namespace `kube-system`, which a cluster has for its whole life and a restore keeps; `None` if it cannot be read.
    pub kube_system: Option<String>,
    /// The members of its etcd, sorted. A restore replaces them, so they count only if nothing else is known.
    pub members: Vec<u64>,
}

/// Whether two snapshots are of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterRelation {
    /// They are of one cluster.
    Same,
    /// Their namespaces `kube-system` have different uids.
    Other,
    /// They share no member. They are of two clusters, or a restore replaced the members.
    OtherMembers,
    /// Nothing tells.
    Unknown,
}

impl ClusterIdentity {
    /// Compares two identities.
    #[must_use]
    pub fn relation(&self, other: &Self) -> ClusterRelation {
        match (&self.kube_system, &other.kube_system) {
            (Some(ours), Some(theirs)) if ours == theirs => ClusterRelation::Same,
            (Some(_), Some(_)) => ClusterRelation::Other,
            _ if self.members.is_empty() || other.members.is_empty() => ClusterRelation::Unknown,
            _ if self.members.iter().any(|member| other.members.contains(member)) => ClusterRelation::Same,
            _ => ClusterRelation::OtherMembers,
        }
    }

    /// Whether both belong to different clusters, as far as one can tell.
    #[must_use]
    pub fn is_other(&self, other: &Self) -> bool {
        matches!(self.relation(other), ClusterRelation::Other | ClusterRelation::OtherMembers)
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
        let relation = |ours: ClusterIdentity, theirs: ClusterIdentity| ours.relation(&theirs);
        assert_eq!(relation(of(Some("a"), &[1]), of(Some("b"), &[1])), ClusterRelation::Other);
        // After a restore.
        assert_eq!(relation(of(Some("a"), &[1]), of(Some("a"), &[2])), ClusterRelation::Same);
        assert_eq!(relation(of(None, &[1]), of(Some("a"), &[2])), ClusterRelation::OtherMembers);
        assert_eq!(relation(of(None, &[1, 2]), of(None, &[2, 3])), ClusterRelation::Same);
        assert_eq!(relation(of(None, &[]), of(None, &[2])), ClusterRelation::Unknown);
        assert!(of(None, &[1]).is_other(&of(None, &[2])) && !of(None, &[]).is_other(&of(None, &[2])));
    }
}
