//! The outcome of judging a data directory.

use etcdsnap_core::data_dir::{Judgement, Log, PlacedFindings};
use etcdsnap_core::{Offset, Revision, Status, Verdict};
use serde::Serialize;

/// All that was found out about a data directory.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryReport {
    /// What follows from the findings.
    pub verdict: Verdict,
    /// What is wrong, with the file of each.
    #[serde(flatten)]
    pub findings: PlacedFindings,
    /// Whether a server has the database or the log locked.
    pub server_running: bool,
    /// Whether database or log were written to while they were read.
    pub changed_while_read: bool,
    /// False when the database was written to while it was read, and did not look sound: nothing is said of it then.
    pub database_judged: bool,
    /// The member that wrote the log, in hexadecimal.
    pub member: Option<String>,
    /// Its cluster, in hexadecimal.
    pub cluster: Option<String>,
    /// Entries that the cluster has agreed on and that the database lacks: commit index less consistent index.
    pub lacking_entries: Option<u64>,
    /// Entries behind the commit index, which the cluster had perhaps not agreed on.
    pub uncommitted_entries: u64,
    /// The write-ahead log.
    pub log: LogFacts,
    /// The snapshots of raft.
    pub snapshots: SnapshotFacts,
    /// How new the member is.
    pub standing: Standing,
    /// The numbers of the database.
    pub database: Option<Status>,
}

/// The write-ahead log in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogFacts {
    /// Files.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// The first entry that is there.
    pub first_index: Option<u64>,
    /// The last one.
    pub last_index: Option<u64>,
    /// The term of the last entry.
    pub last_term: u64,
    /// Raft's term.
    pub term: u64,
    /// The entry up to which the cluster has agreed.
    pub commit: Option<u64>,
    /// The last record, when it is not whole.
    pub torn: Option<TornFacts>,
}

/// A record that is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TornFacts {
    /// Its file.
    pub file: String,
    /// Where it begins.
    pub offset: Offset,
    /// Bytes that etcd cuts off.
    pub bytes: u64,
}

/// Raft's snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotFacts {
    /// `.snap` files.
    pub files: u64,
    /// The entry behind which etcd reads the log.
    pub start_index: Option<u64>,
    /// Whether etcd replaces the database by a `.snap.db`.
    pub takes_snap_database: bool,
}

/// How new a member is: the greatest is the newest. Raft compares the term of the last entry first; a member that was alone for a while may have a higher term of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The term of the last entry, or of the snapshot where there is none.
    pub term: u64,
    /// The entry up to which the cluster has agreed.
    pub commit: u64,
    /// The entry up to which the database is applied.
    pub consistent_index: u64,
    /// The revision of the database.
    pub revision: Revision,
}

/// How the directory was found while it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub snap_files: usize,
    pub database_judged: bool,
    pub server_running: bool,
    pub changed_while_read: bool,
}

impl DirectoryReport {
    pub(super) fn new(
        findings: PlacedFindings,
        log: Log,
        judgement: Judgement,
        database: Option<Status>,
        reading: Reading,
    ) -> Self {
        let Reading { snap_files, database_judged, server_running, changed_while_read } = reading;
        let hex = |id: u64| format!("{id:x}");
        let standing = Standing {
            term: log.last_term.max(judgement.start.map_or(0, |start| start.term)),
            commit: log.commit.unwrap_or_default(),
            consistent_index: database.as_ref().and_then(|status| status.consistent_index).unwrap_or_default(),
            revision: database.as_ref().map_or(Revision::ZERO, |status| status.revision),
        };
        let torn = log.torn.map(|torn| TornFacts { file: torn.file, offset: torn.offset, bytes: torn.bytes });
        Self {
            verdict: findings.verdict(),
            findings,
            server_running,
            changed_while_read,
            database_judged,
            member: log.identity.map(|identity| hex(identity.member)),
            cluster: log.identity.map(|identity| hex(identity.cluster)),
            lacking_entries: judgement.lacking,
            uncommitted_entries: judgement.uncommitted,
            log: LogFacts {
                segments: log.segments,
                records: log.records,
                first_index: log.first_index,
                last_index: log.last_index,
                last_term: log.last_term,
                term: log.term,
                commit: log.commit,
                torn,
            },
            snapshots: SnapshotFacts {
                files: snap_files as u64,
                start_index: judgement.start.map(|start| start.index),
                takes_snap_database: judgement.takes_snap_database,
            },
            standing,
            database,
        }
    }

    /// Whether something writes to the directory, so that its files are of moments that lie apart.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.server_running || self.changed_while_read
    }
}
