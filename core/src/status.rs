//! The numbers that describe a snapshot.

use serde::Serialize;

use crate::etcd::revision::Revision;
use crate::key_tally::KeyTally;

/// What a snapshot holds, in numbers.
///
/// The first five members are those of etcdutl's `snapshot status -w json` (etcd 3.6 and later), with the same values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// CRC-32C over every top-level bucket's name, keys and values in order.
    pub hash: u32,
    /// Main revision of the last entry of bucket `key`; 0 when there is none.
    pub revision: Revision,
    /// Keys that are alive at the latest revision, as etcd 3.6 and later count them.
    pub total_key: u64,
    /// Logical size of the database in bytes: high-water page × page size, without the trailer.
    pub total_size: u64,
    /// Storage version (`3.6.0` …); empty before etcd 3.6, which wrote none.
    pub version: String,
    /// Entries of all buckets, which etcd 3.3 to 3.5 print as their total of keys.
    pub total_entries: u64,
    /// Entries of bucket `key`: puts and tombstones.
    pub revisions: u64,
    /// Deletions among them.
    pub tombstones: u64,
    /// Puts with an empty value, which a restore with `--bump-revision` writes: they are no keys. (etcdutl 3.6 and later count one key more when there are any.)
    pub phantoms: u64,
    /// Revision up to which history was compacted away; none before the first compaction.
    pub compacted_revision: Option<Revision>,
    /// Revision of a compaction that was ordered, and perhaps not finished.
    pub scheduled_compact_revision: Option<Revision>,
    /// Raft index up to which the database is applied (`meta/consistent_index`).
    pub consistent_index: Option<u64>,
    /// Raft term (`meta/term`, etcd 3.5 and later).
    pub term: Option<u64>,
    /// Cluster version (`cluster/clusterVersion`), such as `3.5.0`.
    pub cluster_version: Option<String>,
    /// Members listed in the database.
    pub members: u64,
    /// Leases granted.
    pub leases: u64,
    /// Page size in bytes.
    pub page_size: u32,
    /// Pages below the high-water mark.
    pub pages: u64,
    /// Pages that hold nothing: on the freelist, or reached by nothing where there is no freelist.
    pub free_pages: u64,
    /// Size of the input in bytes, trailer and all.
    pub file_size: u64,
    /// Top-level buckets in key order.
    pub buckets: Vec<BucketStatus>,
    /// Puts whose values an API server encrypted, with the provider and the key that they need: without these keys the snapshot is no backup of them.
    #[serde(skip_serializing_if = "KeyTally::is_empty")]
    pub encrypted: KeyTally,
    /// False when damage kept part of the database from being read: the numbers then cover only the rest.
    pub complete: bool,
}

/// One top-level bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketStatus {
    /// Its name; bytes that are no UTF-8 are replaced.
    pub name: String,
    /// Entries in it.
    pub entries: u64,
    /// Bytes of its keys and values.
    pub bytes: u64,
    /// Pages it occupies, overflow pages counted; 0 for an inline bucket.
    pub pages: u64,
}

impl Status {
    /// Whether damage hides every key: what it says of keys and revisions is nothing then.
    #[must_use]
    pub fn keys_are_lost(&self) -> bool {
        !self.complete && self.revisions == 0
    }
}
