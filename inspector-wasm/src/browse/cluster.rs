//! The contents of the small buckets.

use std::collections::HashMap;

use etcdsnap_core::Source;
use etcdsnap_core::key_syntax::{key_text, printable};
use etcdsnap_core::proto::authpb::{Role, User};
use etcdsnap_core::store::{Lease, Listing, Member, StoredSetting};

use super::answers::{
    Cluster, ClusterAlarm, ClusterLease, ClusterMember, ClusterPermission, ClusterRole, ClusterSetting, ClusterUser,
};
use super::view::{Refusal, View, to_refusal};

/// Most leases in the answer; a cluster can have a hundred thousand.
const LEASES: usize = 200_000;
/// Most alarms and removed members in the answer, all of which the page shows at once.
const FEW: usize = 1000;

impl<S: Source + ?Sized> View<'_, S> {
    pub(crate) fn cluster(&self) -> Result<Cluster, Refusal> {
        let store = &self.store;
        let auth = store.auth().map_err(to_refusal)?;
        let mut left_out = LeftOut(0);
        let members = store.members().map_err(to_refusal)?;
        left_out.add(members.left_out);
        let (mut users, mut roles, mut marks) = (Listing::default(), Listing::default(), Listing::default());
        store.users(&mut |found| users.take_row(user(&found))).map_err(to_refusal)?;
        store.roles(&mut |found| roles.take_row(role(&found))).map_err(to_refusal)?;
        store.marks(&mut |found| marks.take_row(mark(&found))).map_err(to_refusal)?;
        [users.left_out, roles.left_out, marks.left_out].into_iter().for_each(|count| left_out.add(count));
        let leases = left_out.cut(store.leases().map_err(to_refusal)?, LEASES);
        let alarms = left_out.cut(store.alarms().map_err(to_refusal)?, FEW);
        let removed = left_out.cut(store.removed_members().map_err(to_refusal)?, FEW);
        let held = self.held(&leases);
        Ok(Cluster {
            members: members.items.into_iter().map(member).collect(),
            removed: removed.into_iter().map(|id| format!("{id:x}")).collect(),
            leases: leases
                .into_iter()
                .map(|lease| ClusterLease {
                    id: format!("{:x}", lease.id),
                    ttl: lease.ttl,
                    remaining_ttl: lease.remaining_ttl,
                    keys: held.get(&lease.id).copied().unwrap_or_default(),
                })
                .collect(),
            auth_enabled: auth.enabled,
            auth_revision: auth.revision,
            users: users.items,
            roles: roles.items,
            alarms: alarms
                .into_iter()
                .map(|alarm| ClusterAlarm {
                    member: format!("{:x}", alarm.member),
                    kind: alarm.kind.map_or("UNKNOWN", |kind| kind.as_str_name()).to_owned(),
                })
                .collect(),
            settings: marks.items,
            left_out: left_out.0,
        })
    }

    /// Counts the live keys attached to each of these leases.
    fn held(&self, leases: &[Lease]) -> HashMap<i64, u32> {
        let mut held: HashMap<i64, u32> = leases.iter().map(|lease| (lease.id, 0)).collect();
        for key in self.index.iter().filter(|key| key.lease != 0 && !key.deleted) {
            if let Some(count) = held.get_mut(&key.lease) {
                *count = count.saturating_add(1);
            }
        }
        held
    }
}

/// Counts the entries that are left out.
struct LeftOut(u64);

impl LeftOut {
    fn add(&mut self, count: u64) {
        self.0 = self.0.saturating_add(count);
    }

    fn cut<T>(&mut self, mut list: Vec<T>, most: usize) -> Vec<T> {
        self.add(list.len().saturating_sub(most) as u64);
        list.truncate(most);
        list
    }
}

/// The length of a row in the answer.
trait TakeRow<T> {
    fn take_row(&mut self, row: (T, usize));
}

impl<T> TakeRow<T> for Listing<T> {
    fn take_row(&mut self, (row, held): (T, usize)) {
        self.take(row, held);
    }
}

/// Returns the bytes of texts, including the overhead of each.
fn bytes_of<'t>(texts: impl Iterator<Item = &'t str>) -> usize {
    texts.map(|text| text.len().saturating_add(40)).fold(0, usize::saturating_add)
}

fn member(member: Member) -> ClusterMember {
    ClusterMember {
        id: format!("{:x}", member.id),
        name: printable(&member.name),
        peer_urls: member.peer_urls.iter().map(|url| printable(url)).collect(),
        client_urls: member.client_urls.iter().map(|url| printable(url)).collect(),
        is_learner: member.is_learner,
    }
}

fn user(user: &User) -> (ClusterUser, usize) {
    let row = ClusterUser {
        name: key_text(&user.name),
        roles: user.roles.iter().map(|role| printable(role)).collect(),
        password: !user.password.is_empty() && !user.options.as_ref().is_some_and(|options| options.no_password),
    };
    let held = bytes_of(row.roles.iter().chain([&row.name]).map(String::as_str));
    (row, held)
}

fn role(role: &Role) -> (ClusterRole, usize) {
    let permissions = role.key_permission.iter().map(|permission| ClusterPermission {
        access: permission.perm_type().as_str_name().to_owned(),
        key: text(&permission.key),
        range_end: text(&permission.range_end),
    });
    let row = ClusterRole { name: key_text(&role.name), permissions: permissions.collect() };
    let texts =
        row.permissions.iter().flat_map(|permission| [&permission.access, &permission.key, &permission.range_end]);
    let held = bytes_of(texts.chain([&row.name]).map(String::as_str));
    (row, held)
}

fn mark(mark: &StoredSetting) -> (ClusterSetting, usize) {
    let row =
        ClusterSetting { bucket: mark.bucket.to_owned(), key: key_text(&mark.key), value: printable(&mark.value) };
    let held = bytes_of([row.bucket.as_str(), &row.key, &row.value].into_iter());
    (row, held)
}

/// Returns a key of a permission in its displayed form; an empty one stays empty.
fn text(key: &[u8]) -> String {
    if key.is_empty() { String::new() } else { key_text(key) }
}
