//! The output of a restore, as data: the new members, the edits of the database, the write-ahead log and the `.snap`
//! file.
//!
//! ```text
//! member/snap/db                                   the database, with the edits of `plan`
//! member/snap/0000000000000001-<members, hex>.snap `snap`
//! member/wal/0000000000000000-0000000000000000.wal `wal`
//! ```
//! Source: etcd's `etcdutl/snapshot/v3_snapshot.go` (3.7), and the files that its restores write.

pub mod inherited_state;
pub mod key_presence;
pub mod membership;
pub mod membership_error;
pub(crate) mod peer_url;
pub mod plan;
pub mod quota;
pub mod snap;
pub mod start_urls;
pub mod wal;

/// Raft term that a restored cluster begins with.
pub const TERM: u64 = 1;
