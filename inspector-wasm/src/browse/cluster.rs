//! What the small buckets say.

use std::collections::HashMap;

use etcdsnap_core::Source;
use etcdsnap_core::words::{key_text, printable};

use super::answers::{
    Cluster, ClusterAlarm, ClusterLease, ClusterMark, ClusterMember, ClusterPermission, ClusterRole, ClusterUser,
};
use super::view::{Refusal, View, told};

impl<S: Source + ?Sized> View<'_, S> {
    pub(crate) fn cluster(&self) -> Result<Cluster, Refusal> {
        let store = &self.store;
        let auth = store.auth().map_err(told)?;
        let mut held: HashMap<i64, u32> = HashMap::new();
        for key in self.index.iter().filter(|key| key.lease != 0 && !key.deleted) {
            let count = held.entry(key.lease).or_default();
            *count = count.saturating_add(1);
        }
        let members = store.members().map_err(told)?.into_iter().map(|member| ClusterMember {
            id: format!("{:x}", member.id),
            name: printable(&member.name),
            peer_urls: member.peer_urls.iter().map(|url| printable(url)).collect(),
            client_urls: member.client_urls.iter().map(|url| printable(url)).collect(),
            is_learner: member.is_learner,
        });
        let leases = store.leases().map_err(told)?.into_iter().map(|lease| ClusterLease {
            id: format!("{:x}", lease.id),
            ttl: lease.ttl,
            remaining_ttl: lease.remaining_ttl,
            keys: held.get(&lease.id).copied().unwrap_or_default(),
        });
        let users = auth.users.iter().map(|user| ClusterUser {
            name: key_text(&user.name),
            roles: user.roles.iter().map(|role| printable(role)).collect(),
            password: !user.password.is_empty() && !user.options.as_ref().is_some_and(|options| options.no_password),
        });
        let roles = auth.roles.iter().map(|role| ClusterRole {
            name: key_text(&role.name),
            permissions: role
                .key_permission
                .iter()
                .map(|permission| ClusterPermission {
                    access: permission.perm_type().as_str_name().to_owned(),
                    key: text(&permission.key),
                    range_end: text(&permission.range_end),
                })
                .collect(),
        });
        let alarms = store.alarms().map_err(told)?.into_iter().map(|alarm| ClusterAlarm {
            member: format!("{:x}", alarm.member),
            kind: alarm.kind.map_or("UNKNOWN", |kind| kind.as_str_name()).to_owned(),
        });
        let marks = store.marks().map_err(told)?.into_iter().map(|mark| ClusterMark {
            bucket: mark.bucket.to_owned(),
            key: key_text(&mark.key),
            value: printable(&mark.value),
        });
        Ok(Cluster {
            members: members.collect(),
            removed: store.removed_members().map_err(told)?.into_iter().map(|id| format!("{id:x}")).collect(),
            leases: leases.collect(),
            auth_enabled: auth.enabled,
            auth_revision: auth.revision,
            users: users.collect(),
            roles: roles.collect(),
            alarms: alarms.collect(),
            marks: marks.collect(),
        })
    }
}

/// A key of a permission; an empty one stays empty.
fn text(key: &[u8]) -> String {
    if key.is_empty() { String::new() } else { key_text(key) }
}
