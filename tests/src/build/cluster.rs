//! Fills etcd's other buckets: members, meta values, users, roles. It raises no alarm.

use prost::Message;
use serde_json::json;

use super::database_contents::Bucket;
use super::history::{History, revision_key};
use super::message::{Lease, Permission, Role, User, UserOptions};
use crate::seeded_random::SeededRandom;

/// The etcd version that wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.3 and 3.4: no term, no conf state.
    V33,
    /// 3.5.
    V35,
    /// 3.6 and later: with a storage version.
    V36,
}

impl Version {
    /// `meta/storageVersion`; empty before 3.6.
    #[must_use]
    pub fn storage(self) -> &'static str {
        match self {
            Self::V33 | Self::V35 => "",
            Self::V36 => "3.6.0",
        }
    }

    /// `cluster/clusterVersion`.
    #[must_use]
    pub fn cluster(self) -> &'static str {
        match self {
            Self::V33 => "3.3.0",
            Self::V35 => "3.5.0",
            Self::V36 => "3.6.0",
        }
    }
}

/// Looks like a password hash that etcd stores.
pub const PASSWORD: &str = "$2a$10$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ./012";

/// The buckets that every etcd since 3.3 creates at its first start.
pub const BUCKETS: [&str; 10] =
    ["alarm", "auth", "authRoles", "authUsers", "cluster", "key", "lease", "members", "members_removed", "meta"];

/// Builds the whole database of a member with this history.
#[must_use]
pub fn database(history: &History, version: Version, rng: &mut SeededRandom) -> Bucket {
    let mut root = Bucket::default();
    for name in BUCKETS {
        root.bucket(name);
    }
    history.fill(root.bucket("key"));
    for (id, ttl) in &history.leases {
        let lease = Lease { id: *id, ttl: *ttl, remaining_ttl: if rng.chance(30) { ttl / 2 } else { 0 } };
        root.bucket("lease").put(id.to_be_bytes(), lease.encode_to_vec());
    }
    let ids = members(&mut root, version, rng);
    meta(root.bucket("meta"), history, version, &ids, rng);
    root.bucket("cluster").put("clusterVersion", version.cluster());
    if version != Version::V33 {
        root.bucket("cluster").put("downgrade", r#"{"target-version":"","enabled":false}"#);
    }
    auth(&mut root, rng);
    root
}

fn members(root: &mut Bucket, version: Version, rng: &mut SeededRandom) -> Vec<u64> {
    let count = *rng.pick(&[1, 3, 3, 5]);
    // An id has no leading zeros, so about one in a few hundred is shorter.
    let mut ids: Vec<u64> = (0..count).map(|i| rng.bits() >> if i == 2 { 12 } else { 0 }).collect();
    ids.sort_unstable();
    ids.dedup();
    for (number, id) in ids.iter().enumerate() {
        let mut member = json!({
            "id": id,
            "peerURLs": [format!("http://10.0.0.{number}:2380")],
            "name": format!("member-{number}"),
            "clientURLs": [format!("http://10.0.0.{number}:2379")],
        });
        if version != Version::V33 && number == 4 {
            member["isLearner"] = json!(true);
        }
        root.bucket("members").put(format!("{id:x}"), member.to_string());
    }
    if rng.chance(40) {
        root.bucket("members_removed").put(format!("{:x}", rng.bits()), "removed");
    }
    ids
}

fn meta(meta: &mut Bucket, history: &History, version: Version, ids: &[u64], rng: &mut SeededRandom) {
    meta.put("consistent_index", (history.current as u64 + 10 + rng.bits() % 100).to_be_bytes());
    if let Some(scheduled) = history.scheduled {
        meta.put("scheduledCompactRev", revision_key((scheduled, 0), false));
    }
    if let Some(finished) = history.finished {
        meta.put("finishedCompactRev", revision_key((finished, 0), false));
    }
    if version != Version::V33 {
        meta.put("term", (2 + rng.bits() % 9).to_be_bytes());
        meta.put("confState", json!({"voters": ids, "auto_leave": false}).to_string());
    }
    if version == Version::V36 {
        meta.put("storageVersion", version.storage());
    }
}

fn auth(root: &mut Bucket, rng: &mut SeededRandom) {
    let enabled = rng.chance(40);
    let revision = if enabled { 2 + rng.bits() % 20 } else { 1 };
    root.bucket("auth").put("authRevision", revision.to_be_bytes());
    if !enabled {
        return;
    }
    root.bucket("auth").put("authEnabled", [1]);
    for name in ["root", "reader"] {
        let user = User {
            name: name.into(),
            password: PASSWORD.into(),
            roles: vec![name.to_owned()],
            options: Some(UserOptions { no_password: false }),
        };
        root.bucket("authUsers").put(name, user.encode_to_vec());
        let permission = Permission { kind: 2, key: b"/".to_vec(), range_end: b"0".to_vec() };
        let role = Role { name: name.into(), permissions: vec![permission] };
        root.bucket("authRoles").put(name, role.encode_to_vec());
    }
}
