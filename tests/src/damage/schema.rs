//! Damage to etcd's buckets other than `key`.

use prost::Message;

use super::Damage;
use super::Location::{self, Entry};
use crate::build::message::{AlarmMember, AlarmType, Lease, Role, User};
use crate::build::{Bucket, Node};

const META: &[&str] = &["meta-malformed"];
const LEASE: &[&str] = &["lease-malformed"];
const MEMBER: &[&str] = &["member-malformed"];
const AUTH: &[&str] = &["auth-malformed"];
const CLUSTER: &[&str] = &["cluster-malformed"];
/// No valid message begins with this: field 15 of wire type 7.
const NO_MESSAGE: &[u8] = &[0x7F, 0xFF, 0x01];

pub const ALL: &[Damage] = &[
    Damage::content("consistent_index_a_byte_short", META, |root| set(root, "meta", "consistent_index", &[0; 7])),
    Damage::content("consistent_index_empty", META, |root| set(root, "meta", "consistent_index", b"")),
    Damage::content("term_a_byte_long", META, |root| set(root, "meta", "term", &[0; 9])),
    Damage::content("scheduled_mark_a_byte_short", META, |root| set(root, "meta", "scheduledCompactRev", &[0; 16])),
    Damage::content("finished_mark_is_text", META, |root| {
        set(root, "meta", "finishedCompactRev", b"seventeen letters")
    }),
    Damage::content("conf_state_is_no_json", META, |root| set(root, "meta", "confState", b"{\"voters\":[1,")),
    Damage::content("storage_version_unknown", &["version-impossible"], |root| {
        set(root, "meta", "storageVersion", b"9.9.0")
    }),
    Damage::content("storage_version_is_no_version", META, |root| set(root, "meta", "storageVersion", b"banana")),
    Damage::content("lease_is_no_message", LEASE, |root| set_first(root, "lease", NO_MESSAGE)),
    Damage::content("lease_of_another_id", LEASE, lease_of_another_id),
    Damage::content("lease_without_time", LEASE, |root| lease(root, |lease| lease.ttl = 0)),
    Damage::content("lease_of_negative_time", LEASE, |root| lease(root, |lease| lease.ttl = -5)),
    Damage::content("lease_of_three_hundred_years", LEASE, |root| lease(root, |lease| lease.ttl = 9_223_372_037)),
    Damage::content("lease_with_more_time_left_than_granted", LEASE, |root| {
        lease(root, |lease| lease.remaining_ttl = lease.ttl + 1)
    }),
    Damage::content("lease_of_id_0", LEASE, |root| {
        let lease = Lease { id: 0, ttl: 600, ..Lease::default() };
        root.bucket("lease").put([0; 8], lease.encode_to_vec());
        Some(Entry("lease", vec![0; 8]))
    }),
    Damage::content("role_without_a_name", &["key-size"], |root| set(root, "authRoles", "", &[])),
    Damage::content("user_of_a_name_too_long_for_bolt", &["key-size"], |root| {
        let name = "u".repeat(32_769);
        let user = User { name: name.clone().into_bytes(), ..User::default() };
        set(root, "authUsers", &name, &user.encode_to_vec())
    }),
    Damage::content("lease_under_a_short_key", LEASE, |root| rekey_first(root, "lease", &[0; 7])),
    Damage::content("member_is_no_json", MEMBER, |root| set_first(root, "members", b"{\"id\":1,\"peerURLs\":")),
    Damage::content("member_is_no_object", MEMBER, |root| set_first(root, "members", b"[]")),
    Damage::content("member_of_another_id", MEMBER, |root| set_first(root, "members", b"{\"id\":17,\"peerURLs\":[]}")),
    Damage::content("member_is_empty", MEMBER, |root| set_first(root, "members", b"")),
    Damage::content("member_under_a_key_that_is_no_id", MEMBER, |root| rekey_first(root, "members", b"not-an-id")),
    Damage::content("removed_member_under_no_id", MEMBER, |root| set(root, "members_removed", "gone!", b"removed")),
    Damage::content("cluster_version_is_no_version", CLUSTER, |root| set(root, "cluster", "clusterVersion", b"banana")),
    Damage::content("downgrade_is_no_json", CLUSTER, |root| set(root, "cluster", "downgrade", b"{\"enabled\"")),
    Damage::content("user_is_no_message", AUTH, |root| set(root, "authUsers", "alice", NO_MESSAGE)),
    Damage::content("user_of_another_name", AUTH, |root| {
        let user = User { name: b"bob".to_vec(), ..User::default() };
        set(root, "authUsers", "alice", &user.encode_to_vec())
    }),
    Damage::content("role_is_no_message", AUTH, |root| set(root, "authRoles", "admin", NO_MESSAGE)),
    Damage::content("role_of_another_name", AUTH, |root| {
        let role = Role { name: b"user".to_vec(), ..Role::default() };
        set(root, "authRoles", "admin", &role.encode_to_vec())
    }),
    Damage::content("auth_enabled_of_two_bytes", AUTH, |root| set(root, "auth", "authEnabled", &[0, 1])),
    Damage::content("auth_revision_of_four_bytes", AUTH, |root| set(root, "auth", "authRevision", &[0; 4])),
    Damage::content("alarm_is_no_message", &["alarm-malformed"], alarm_is_no_message),
    Damage::content("alarm_of_an_unknown_type", &["alarm-malformed"], |root| alarm(root, 77)),
    Damage::content("alarm_of_type_none", &["alarm-malformed"], |root| alarm(root, 0)),
    Damage::content("alarm_nospace", &["alarm-nospace"], |root| alarm(root, AlarmType::NoSpace.into())),
    Damage::content("alarm_corrupt", &["alarm-corrupt"], |root| alarm(root, AlarmType::Corrupt.into())),
];

fn set(root: &mut Bucket, bucket: &'static str, key: &str, value: &[u8]) -> Option<Location> {
    root.bucket(bucket).put(key, value);
    Some(Entry(bucket, key.into()))
}

fn set_first(root: &mut Bucket, bucket: &'static str, value: &[u8]) -> Option<Location> {
    let key = root.bucket(bucket).entries.first_key_value()?.0.clone();
    root.bucket(bucket).put(key.clone(), value);
    Some(Entry(bucket, key))
}

fn rekey_first(root: &mut Bucket, bucket: &'static str, key: &[u8]) -> Option<Location> {
    let (_, value) = root.bucket(bucket).entries.pop_first()?;
    root.bucket(bucket).entries.insert(key.to_vec(), value);
    Some(Entry(bucket, key.to_vec()))
}

fn lease_of_another_id(root: &mut Bucket) -> Option<Location> {
    let (key, node) = root.bucket("lease").entries.first_key_value()?;
    let Node::Value(value) = node else { return None };
    let mut lease = Lease::decode(value.as_slice()).ok()?;
    let key = key.clone();
    lease.id ^= 1;
    root.bucket("lease").put(key.clone(), lease.encode_to_vec());
    Some(Entry("lease", key))
}

fn lease(root: &mut Bucket, change: impl Fn(&mut Lease)) -> Option<Location> {
    let (key, node) = root.bucket("lease").entries.first_key_value()?;
    let Node::Value(value) = node else { return None };
    let mut lease = Lease::decode(value.as_slice()).ok()?;
    let key = key.clone();
    change(&mut lease);
    root.bucket("lease").put(key.clone(), lease.encode_to_vec());
    Some(Entry("lease", key))
}

fn alarm_is_no_message(root: &mut Bucket) -> Option<Location> {
    root.bucket("alarm").put(NO_MESSAGE, "");
    Some(Entry("alarm", NO_MESSAGE.to_vec()))
}

fn alarm(root: &mut Bucket, alarm: i32) -> Option<Location> {
    let key = AlarmMember { member_id: 0x77, alarm }.encode_to_vec();
    root.bucket("alarm").put(key.clone(), "");
    Some(Entry("alarm", key))
}
