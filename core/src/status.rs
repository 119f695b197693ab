//! The numbers that describe a snapshot.

use serde::Serialize;

use crate::etcd::revision::Revision;
use crate::needed_key_counts::NeededKeyCounts;

/// Size and counts of a snapshot.
///
/// The first five fields are those of etcdutl's `snapshot status -w json` (etcd 3.6 and later), with the same values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// CRC-32C over every top-level bucket's name, keys and values in order.
    pub hash: u32,
    /// Main revision of the last entry of bucket `key`; 0 if the bucket is empty.
    pub revision: Revision,
    /// Live keys at the latest revision, as etcd 3.6 and later count them.
    pub total_key: u64,
    /// Logical size of the database in bytes: high-water page × page size, without the trailer.
    pub total_size: u64,
    /// Storage version (`3.6.0` …); empty before etcd 3.6, which introduced it.
    pub version: String,
    /// Entries of all buckets; etcd 3.3 to 3.5 print this number as total keys.
    pub total_entries: u64,
    /// Entries of bucket `key`: puts and tombstones.
    pub revisions: u64,
    /// Tombstones among the revisions.
    pub tombstones: u64,
    /// Puts with an empty bbolt value, which a restore with `--bump-revision` writes; they belong to no key. (If there
    /// are any, etcdutl 3.6 and later count one key too many.)
    pub phantoms: u64,
    /// Revision up to which history was compacted; `None` before the first compaction.
    pub compacted_revision: Option<Revision>,
    /// Revision of the last requested compaction, which may be unfinished.
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
    /// Free pages: those on the freelist, or, without a freelist, those that are unreachable.
    pub free_pages: u64,
    /// Size of the input in bytes, trailer included.
    pub file_size: u64,
    /// Top-level buckets in key order.
    pub buckets: Vec<BucketStatus>,
    /// Puts with values that an API server encrypted, by provider and encryption key: without these keys the snapshot
    /// is not a backup of those values.
    #[serde(skip_serializing_if = "NeededKeyCounts::is_empty")]
    pub encrypted: NeededKeyCounts,
    /// Whether the whole database could be read; if not, because of damage, the numbers cover only the readable part.
    pub complete: bool,
}

/// One top-level bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketStatus {
    /// The bucket's name; invalid UTF-8 is replaced.
    pub name: String,
    /// Number of entries.
    pub entries: u64,
    /// Length of all keys and values, in bytes.
    pub bytes: u64,
    /// Number of pages it occupies, overflow pages included; 0 for an inline bucket.
    pub pages: u64,
}

impl Status {
    /// Whether damage hides every key, so that the numbers about keys and revisions mean nothing.
    #[must_use]
    pub fn keys_are_lost(&self) -> bool {
        !self.complete && self.revisions == 0
    }
}
