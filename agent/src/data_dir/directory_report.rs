//! The report about a data directory.

use etcdsnap_core::data_dir::{DirectoryFindings, Judgement, WriteAheadLog};
use etcdsnap_core::{Offset, Revision, Status, Verdict};
use serde::Serialize;

/// The report about a data directory.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryReport {
    /// The verdict, which follows from the findings.
    pub verdict: Verdict,
    /// The findings, each with its file.
    #[serde(flatten)]
    pub findings: DirectoryFindings,
    /// Whether a server has locked the database or the log.
    pub server_running: bool,
    /// Whether the database or the log was written to while they were read.
    pub changed_while_read: bool,
    /// Whether there is a verdict about the database. False if it was written to while it was read, and did not look sound.
    pub database_judged: bool,
    /// The ID of the member that wrote the log, in hexadecimal.
    pub member: Option<String>,
    /// The ID of its cluster, in hexadecimal.
    pub cluster: Option<String>,
    /// Committed entries that the database lacks: commit index minus consistent index.
    pub lacking_entries: Option<u64>,
    /// Entries after the commit index; the cluster may not have agreed on them.
    pub uncommitted_entries: u64,
    /// The write-ahead log.
    pub log: LogFacts,
    /// Raft's snapshots.
    pub snapshots: SnapshotFacts,
    /// How recent the member's state is.
    pub standing: Standing,
    /// The numbers of the database.
    pub database: Option<Status>,
}

/// The write-ahead log in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogFacts {
    /// Segment files.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// The index of the first entry in the log.
    pub first_index: Option<u64>,
    /// The index of the last entry.
    pub last_index: Option<u64>,
    /// The term of the last entry.
    pub last_term: u64,
    /// Raft's term.
    pub term: u64,
    /// The commit index.
    pub commit: Option<u64>,
    /// The last record, if it is incomplete.
    pub torn: Option<TornFacts>,
}

/// An incomplete record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TornFacts {
    /// The name of its file.
    pub file: String,
    /// The offset where it begins.
    pub offset: Offset,
    /// Bytes that etcd cuts off when it starts.
    pub bytes: u64,
}

/// Raft's snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotFacts {
    /// `.snap` files.
    pub files: u64,
    /// The index after which etcd reads the log.
    pub start_index: Option<u64>,
    /// Whether etcd replaces the database by a `.snap.db` file.
    pub takes_snap_database: bool,
}

/// How recent a member's state is; the greatest is the newest. Raft compares the term of the last entry first; a member that was isolated may have a higher current term.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The term of the last entry, or of the snapshot if there is no entry.
    pub term: u64,
    /// The commit index.
    pub commit: u64,
    /// The index up to which the database has applied the log.
    pub consistent_index: u64,
    /// The revision of the database.
    pub revision: Revision,
}

/// How the directory was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub snap_files: usize,
    pub database_judged: bool,
    pub server_running: bool,
    pub changed_while_read: bool,
}

impl DirectoryReport {
    pub(super) fn new(
        findings: DirectoryFindings,
        log: WriteAheadLog,
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
            member: log.owner.map(|owner| hex(owner.member)),
            cluster: log.owner.map(|owner| hex(owner.cluster)),
            lacking_entries: judgement.unapplied,
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

    /// Whether a program writes to the directory, so that its files may come from different moments.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.server_running || self.changed_while_read
    }
}
