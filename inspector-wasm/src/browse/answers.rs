//! The answers to the page: plain values with the shapes in `browse.ts`.

use etcdsnap_core::key_syntax::{is_secret, key_text};
use etcdsnap_core::store::{Event, Key, Usage};
use etcdsnap_core::{Finding, Revision};
use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreFacts {
    pub revision: Revision,
    pub latest: Revision,
    pub oldest: Revision,
    pub live: u32,
    pub deleted: u32,
    pub lost: u64,
    pub first_lost: Option<Finding>,
    pub database_bytes: u64,
    pub has_objects: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyRow {
    pub id: u32,
    pub key: String,
    pub revision: Revision,
    pub deleted: bool,
    pub create_revision: Revision,
    pub version: i64,
    pub lease: i64,
    pub value_bytes: u32,
    pub revisions: u32,
    pub bytes: u64,
    pub history_bytes: u64,
    pub secret: bool,
    pub page: u64,
}

impl KeyRow {
    pub(crate) fn new(id: usize, key: &Key<'_>) -> Self {
        Self {
            id: narrow(id),
            key: key_text(key.key),
            revision: key.revision.main,
            deleted: key.deleted,
            create_revision: key.create_revision,
            version: key.version,
            lease: key.lease,
            value_bytes: key.value_len,
            revisions: key.revisions,
            bytes: key.bytes,
            history_bytes: key.history_bytes(),
            secret: is_secret(key.key),
            page: key.place.page.get(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    pub total: u32,
    pub live: u32,
    pub deleted: u32,
    pub words: Vec<FoundWord>,
    pub problem: Option<SearchProblem>,
    pub unsearched: u64,
    pub lost: u64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FoundWord {
    pub text: String,
    pub cased: bool,
    pub start: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SearchProblem {
    pub text: String,
    pub why: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevisionTime {
    pub seconds: i64,
    pub within: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct About {
    pub taken: Option<RevisionTime>,
    pub objects: u64,
    pub kinds: Vec<KindUse>,
    pub quota: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KindUse {
    pub kind: String,
    pub prefix: String,
    pub sum: UsageSum,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TreeRow {
    pub depth: u32,
    pub name: String,
    pub folder: bool,
    pub open: bool,
    pub keys: u32,
    pub first: KeyRow,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Revealed {
    pub line: u32,
    pub total: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyEvent {
    pub revision: Revision,
    pub sub: i64,
    pub deletion: bool,
    pub create_revision: Revision,
    pub version: i64,
    pub lease: i64,
    pub value_bytes: u64,
    pub page: u64,
    pub index: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyEvents {
    pub events: Vec<KeyEvent>,
    pub lost: u64,
}

impl From<&Event> for KeyEvent {
    fn from(event: &Event) -> Self {
        Self {
            revision: event.revision.main,
            sub: event.revision.sub,
            deletion: event.deletion,
            create_revision: event.create_revision,
            version: event.version,
            lease: event.lease,
            value_bytes: event.value_len,
            page: event.place.page.get(),
            index: event.place.index,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageSum {
    pub keys: u64,
    pub deleted_keys: u64,
    pub revisions: u64,
    pub tombstones: u64,
    pub live_bytes: u64,
    pub history_bytes: u64,
}

impl From<&Usage> for UsageSum {
    fn from(usage: &Usage) -> Self {
        Self {
            keys: usage.keys,
            deleted_keys: usage.deleted,
            revisions: usage.revisions,
            tombstones: usage.tombstones,
            live_bytes: usage.live_bytes,
            history_bytes: usage.history_bytes,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageGroup {
    pub prefix: String,
    pub name: String,
    pub folder: bool,
    pub sum: UsageSum,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamespaceUse {
    pub name: String,
    pub sum: UsageSum,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageAnswer {
    pub prefix: String,
    pub total: UsageSum,
    pub groups: Vec<UsageGroup>,
    pub namespaces: Vec<NamespaceUse>,
    pub rest: UsageSum,
    pub rest_count: u32,
    pub largest: Vec<KeyRow>,
    pub busiest: Vec<KeyRow>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cluster {
    pub members: Vec<ClusterMember>,
    pub removed: Vec<String>,
    pub leases: Vec<ClusterLease>,
    pub auth_enabled: bool,
    pub auth_revision: u64,
    pub users: Vec<ClusterUser>,
    pub roles: Vec<ClusterRole>,
    pub alarms: Vec<ClusterAlarm>,
    pub settings: Vec<ClusterSetting>,
    pub left_out: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterMember {
    pub id: String,
    pub name: String,
    pub peer_urls: Vec<String>,
    pub client_urls: Vec<String>,
    pub is_learner: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterLease {
    pub id: String,
    pub ttl: i64,
    pub remaining_ttl: i64,
    pub keys: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterUser {
    pub name: String,
    pub roles: Vec<String>,
    pub password: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterRole {
    pub name: String,
    pub permissions: Vec<ClusterPermission>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterPermission {
    pub access: String,
    pub key: String,
    pub range_end: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterAlarm {
    pub member: String,
    pub kind: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterSetting {
    pub bucket: String,
    pub key: String,
    pub value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HashAnswer {
    pub hash: u32,
    pub revision: Revision,
    pub compact_revision: Revision,
}

/// Converts a count or index to 32 bits. No browser has memory for more.
pub(crate) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
