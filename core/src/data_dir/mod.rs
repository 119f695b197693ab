//! Reads the write-ahead log and the `.snap` files of a member's data directory, and judges whether etcd can start from
//! them together with the database.
//!
//! ```text
//! member/snap/db                            the database
//! member/snap/<term>-<index>.snap           `snap_file`: the members of the cluster at that index of raft's log
//! member/snap/<index>.snap.db               a database that the leader sent; etcd renames it to member/snap/db
//! member/wal/<sequence>-<first index>.wal   `segment`: the log
//! ```
//! Source: etcd's `server/storage/wal` (`decoder.go`, `wal.go`, `repair.go`), `etcdserver/api/snap/snapshotter.go` and
//! `etcdserver/bootstrap.go`.

mod directory_findings;
mod file_name;
mod judgement;
mod log;
#[cfg(test)]
mod log_tests;
mod protobuf_stream;
mod read_window;
mod segment;
mod snap_file;
mod torn_end;
mod wal_record;

pub use directory_findings::{DirectoryFindings, FileFinding};
pub use file_name::FileName;
pub use judgement::{DatabaseFacts, DirectoryParts, Judgement, SnapFile, judge};
pub use log::{LogOwner, SnapshotPosition, TornRecord, WriteAheadLog};
pub use segment::{Segment, SegmentPosition, read as read_segment};
pub use snap_file::{RaftSnapshot, read as read_snap};
