//! The differences between a restored state and the latest state of the snapshot.

use etcdsnap_core::Revision;
use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::RestoreConfig;
use super::new_database::Database;
use crate::byte_text::put_bytes;

/// The entries that were left out, deleted and added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateChanges {
    /// The revision whose state was restored, if one was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of_revision: Option<Revision>,
    /// The revision up to which history was left out, if that was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compacted_revision: Option<Revision>,
    /// Entries of bucket `key` in the snapshot, if the database was rewritten entry by entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries_before: Option<u64>,
    /// How many of them were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Keys that were deleted, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "keys")]
    pub deleted_keys: Vec<Vec<u8>>,
    /// Leases that were granted again, because keys of the restored state use them and they no longer exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_leases: Vec<NewLease>,
    /// The keys that use these leases, in order: a thousand at most.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "leased_keys")]
    pub new_lease_keys: Vec<LeasedKey>,
}

/// A lease that was granted again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewLease {
    /// Its id in hexadecimal.
    pub id: String,
    /// Its time to live in seconds.
    pub ttl: i64,
    /// How many keys use it.
    pub keys: u64,
}

/// A key that uses a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedKey {
    /// The key.
    pub key: Vec<u8>,
    /// The lease's id in hexadecimal.
    pub lease: String,
}

impl StateChanges {
    pub(super) fn new(config: &RestoreConfig, database: &Database) -> Self {
        let deleted: BTreeSet<&Vec<u8>> = config.delete.iter().collect();
        let deleted_keys = deleted.into_iter().cloned().collect();
        let Some(rewrite) = &database.rewrite else { return Self { deleted_keys, ..Self::default() } };
        let leased = |(key, lease): &(Vec<u8>, i64)| LeasedKey { key: key.clone(), lease: format!("{lease:x}") };
        let granted =
            |(id, keys): (&i64, &u64)| NewLease { id: format!("{id:x}"), ttl: config.new_lease_seconds, keys: *keys };
        Self {
            as_of_revision: rewrite.as_of,
            compacted_revision: rewrite.compacted,
            entries_before: Some(rewrite.counts.read),
            entries: Some(rewrite.counts.kept),
            deleted_keys,
            new_leases: rewrite.lapsed.keys_of.iter().map(granted).collect(),
            new_lease_keys: rewrite.lapsed.named.iter().map(leased).collect(),
        }
    }
}

/// Serializes keys as objects: a key that is not text is in base64.
fn keys<S: Serializer>(keys: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(keys.iter().map(|key| object(key)))
}

/// Serializes keys like [`keys`], each with its lease.
fn leased_keys<S: Serializer>(keys: &[LeasedKey], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(keys.iter().map(|LeasedKey { key, lease }| {
        let mut object = object(key);
        object.insert("lease".into(), lease.clone().into());
        object
    }))
}

/// Serializes one key; a key that is not text is in base64.
fn object(key: &[u8]) -> Map<String, Value> {
    let mut object = Map::new();
    put_bytes(&mut object, "key", key);
    object
}
