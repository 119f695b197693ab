//! The parts of a member's data directory besides the database: the write-ahead log and the `.snap` files, and whether
//! etcd can start from them.
//!
//! ```text
//! member/snap/db                            the database
//! member/snap/<term>-<index>.snap           `snap_file`: the cluster's members at that index of raft's log
//! member/snap/<index>.snap.db               a database that the leader sent, until etcd makes it member/snap/db
//! member/wal/<sequence>-<first index>.wal   `segment`: the log
//! ```
//! Source: etcd's `server/storage/wal` (`decoder.go`, `wal.go`, `repair.go`), `etcdserver/api/snap/snapshotter.go` and `etcdserver/bootstrap.go`.

mod file_name;
mod judgement;
mod log;
#[cfg(test)]
mod log_tests;
mod placed_findings;
mod protobuf_stream;
mod segment;
mod snap_file;
mod torn_end;
mod wal_record;
mod window;

pub use file_name::FileName;
pub use judgement::{DatabaseFacts, DirectoryParts, Judgement, SnapFile, judge};
pub use log::{Identity, SnapshotMark, Torn, WriteAheadLog};
pub use placed_findings::{Placed, PlacedFindings};
pub use segment::{Role, Segment, read as read_segment};
pub use snap_file::{RaftSnapshot, read as read_snap};
