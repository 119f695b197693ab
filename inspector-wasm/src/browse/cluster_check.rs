//! Whether the two compared files are of one cluster.

use etcdsnap_core::Source;
use etcdsnap_core::kubernetes::cluster_identity::{ClusterIdentity, ClusterRelation, uid};
use etcdsnap_core::store::{Index, Store};

use super::change_answers::ClusterCheck;
use super::view::{View, value_at};

/// The key of the namespace whose uid identifies a cluster, without its prefix.
const KUBE_SYSTEM: &[u8] = b"/namespaces/kube-system";

impl<S: Source + ?Sized> View<'_, S> {
    pub(super) fn cluster_check(&self, other: &Store<'_, S>, index: &Index) -> ClusterCheck {
        let (ours, theirs) = (self.cluster_identity(&self.store, &self.index), self.cluster_identity(other, index));
        ClusterCheck {
            relation: match ours.relation(&theirs) {
                ClusterRelation::Same => "same",
                ClusterRelation::Other => "other",
                ClusterRelation::OtherMembers => "otherMembers",
                ClusterRelation::Unknown => "unknown",
            },
            here: ours.text(),
            there: theirs.text(),
        }
    }

    fn cluster_identity(&self, store: &Store<'_, S>, index: &Index) -> ClusterIdentity {
        let keys = self.prefixes.iter().filter_map(|prefix| index.get(&[prefix.as_slice(), KUBE_SYSTEM].concat()));
        let kube_system = keys.filter(|key| !key.deleted).find_map(|key| {
            let value = value_at(store, key.place).ok()?;
            self.opened(key.key, &value).ok().and_then(|value| uid(&value))
        });
        ClusterIdentity { kube_system, members: store.member_ids("members").unwrap_or_default() }
    }
}
