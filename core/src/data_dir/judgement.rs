//! Judges whether etcd can start from a database, a log and `.snap` files together, and how many entries the database
//! lacks.
//!
//! etcd looks for the newest raft snapshot that the log names; etcd 3.4 to 3.6 also need a readable `.snap` file with
//! the same index and term. If the entries up to that index are applied to the database, etcd uses it; otherwise it
//! uses the `.snap.db` that came with the snapshot. Then etcd reads the log after the snapshot and applies the entries
//! that the database lacks.

use std::collections::BTreeSet;

use crate::data_dir::directory_findings::DirectoryFindings;
use crate::data_dir::log::{SnapshotPosition, WriteAheadLog};
use crate::data_dir::snap_file::RaftSnapshot;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::severity::Verdict;

/// Facts about the database of a directory that matter for the log and the `.snap` files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Index of the last log entry applied to it.
    pub consistent_index: u64,
    /// Whether etcd 3.7 or later wrote it, which starts without `.snap` files.
    pub starts_without_snap: bool,
    /// Ids of the cluster's members.
    pub members: BTreeSet<u64>,
    /// Ids of members that were removed.
    pub removed: BTreeSet<u64>,
    /// Whether etcd 3.5 or later wrote to it, which stores the members of the cluster in the database when it starts.
    pub names_members: bool,
}

/// A `.snap` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapFile {
    /// Path of the file, relative to the data directory.
    pub file: String,
    /// Index and term in the file's name, which etcd only uses to sort the files.
    pub name: SnapshotPosition,
    /// The decoded contents, or a description of the damage.
    pub contents: Result<RaftSnapshot, String>,
}

impl SnapFile {
    /// Index and term of the contained snapshot, if it can be read.
    fn contained_snapshot(&self) -> Option<SnapshotPosition> {
        self.contents.as_ref().ok().map(|contents| SnapshotPosition { index: contents.index, term: contents.term })
    }

    /// Sort key of the file's name, in which the term comes first: etcd tries the files in the order of their names,
    /// the last one first.
    fn name_order(&self) -> (u64, u64) {
        (self.name.term, self.name.index)
    }
}

/// The parts of a data directory.
#[derive(Debug, Clone, Copy)]
pub struct DirectoryParts<'p> {
    /// The database; `None` if it is missing or could not be judged.
    pub database: Option<&'p DatabaseFacts>,
    /// The write-ahead log.
    pub log: &'p WriteAheadLog,
    /// Path of the log's directory, relative to the data directory.
    pub log_folder: &'p str,
    /// The `.snap` files.
    pub snaps: &'p [SnapFile],
    /// The indexes of the `.snap.db` files.
    pub snap_databases: &'p [u64],
    /// Whether a running server uses the directory, so that its files may have been read at different moments.
    pub is_in_use: bool,
}

/// The verdict on the parts of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Findings about how the parts fit together; those about the log or the database alone are not included.
    pub findings: DirectoryFindings,
    /// The snapshot that etcd starts from; index 0 means the beginning of the log.
    pub start: Option<SnapshotPosition>,
    /// Number of committed entries that the database lacks: etcd applies them when it starts here, but a restore of the
    /// database alone loses them. `None` without a database.
    pub unapplied: Option<u64>,
    /// Number of entries after the commit index: they were written, but perhaps never committed.
    pub uncommitted: u64,
    /// Whether etcd replaces the database with a `.snap.db` file in the same directory.
    pub takes_snap_database: bool,
    /// Whether the log has every entry from the first one on, and no snapshot: etcd then rebuilds everything that the
    /// database lacks, even the whole database.
    pub log_is_complete: bool,
}

/// Judges whether etcd can start from the parts of a directory.
#[must_use]
pub fn judge(parts: &DirectoryParts<'_>) -> Judgement {
    let mut judgement = Judgement::default();
    let log = parts.log;
    if log.segments == 0 {
        let text = match parts.database {
            Some(_) => {
                "the log has no segment; etcd would start a new log, and so a new cluster, with the old database"
            }
            None => "the log has no segment",
        };
        judgement.findings.push(parts.log_folder, Finding::new(Code::WalSegmentMissing, text));
        return judgement;
    }
    judge_torn_end(parts, &mut judgement);
    let commit = log.commit.unwrap_or_default();
    let snapshots: BTreeSet<SnapshotPosition> =
        log.snapshots.iter().copied().filter(|snapshot| snapshot.index <= commit).collect();
    judge_snaps(parts, &snapshots, &mut judgement);
    let start = find_start(parts, &snapshots, &mut judgement);
    judgement.start = Some(start);
    judge_entries(parts, start, commit, &mut judgement);
    if let Some(database) = parts.database {
        judge_database(parts, database, start, &mut judgement);
        judgement.unapplied = Some(commit.saturating_sub(database.consistent_index));
    }
    judge_identity(parts, start, commit, &mut judgement);
    let is_damaged = log.findings.verdict() == Verdict::Damaged || judgement.findings.verdict() == Verdict::Damaged;
    judgement.log_is_complete =
        !is_damaged && snapshots.iter().all(|snapshot| snapshot.index == 0) && log.contiguous_from() == Some(1);
    let last = log.last_index.unwrap_or_default();
    judgement.uncommitted = last.saturating_sub(commit.max(start.index));
    judgement
}

/// Reports an incomplete last record, unless a running server may be writing it.
fn judge_torn_end(parts: &DirectoryParts<'_>, judgement: &mut Judgement) {
    if let Some(torn) = parts.log.torn.as_ref().filter(|_| !parts.is_in_use) {
        let text = format!("the last record of the log is incomplete; etcd cuts off {} bytes", torn.bytes);
        judgement.findings.push(&torn.file, Finding::new(Code::WalTorn, text).offset(torn.offset));
    }
}

fn judge_snaps(parts: &DirectoryParts<'_>, snapshots: &BTreeSet<SnapshotPosition>, judgement: &mut Judgement) {
    for snap in parts.snaps {
        let SnapshotPosition { index, term } = snap.name;
        let finding = match &snap.contents {
            Ok(contents) if (contents.index, contents.term) == (index, term) => continue,
            Ok(contents) => Finding::new(
                Code::SnapBroken,
                format!(
                    "the file holds a snapshot at index {} of term {}, which contradicts its name",
                    contents.index, contents.term
                ),
            ),
            Err(damage) if snapshots.contains(&snap.name) => Finding::new(Code::SnapBroken, damage.as_str()),
            Err(_) if parts.is_in_use => continue,
            Err(damage) => Finding::new(Code::SnapUnfinished, damage.as_str()),
        };
        judgement.findings.push(&snap.file, finding);
    }
}

fn find_start(
    parts: &DirectoryParts<'_>,
    snapshots: &BTreeSet<SnapshotPosition>,
    judgement: &mut Judgement,
) -> SnapshotPosition {
    let newest = snapshots.last().copied().unwrap_or(SnapshotPosition { index: 0, term: 0 });
    if parts.database.is_some_and(|database| database.starts_without_snap) {
        return newest;
    }
    let usable = |snap: &SnapFile| {
        snap.contained_snapshot()
            .filter(|snapshot| snapshots.contains(snapshot))
            .map(|snapshot| (snap.name_order(), snapshot))
    };
    let start = parts.snaps.iter().filter_map(usable).max().map(|(_, snapshot)| snapshot);
    let start = start.unwrap_or(SnapshotPosition { index: 0, term: 0 });
    let begins_at = parts.log.first_segment_index;
    if start.index < begins_at {
        let text = match start.index {
            0 => format!("the log begins at index {begins_at}, but every .snap file that it names is missing"),
            index => {
                format!("the log begins at index {begins_at}, but the newest .snap file that it names ends at {index}")
            }
        };
        judgement.findings.push("member/snap", Finding::new(Code::SnapMissing, text));
    } else if start != newest
        && !parts.is_in_use
        && !parts.snaps.iter().any(|snap| snap.name == newest || snap.contained_snapshot() == Some(newest))
    {
        let file = format!("member/snap/{:016x}-{:016x}.snap", newest.term, newest.index);
        let text = format!("the file is missing; etcd starts from index {} instead of {}", start.index, newest.index);
        judgement.findings.push(&file, Finding::new(Code::SnapFileMissing, text));
    }
    start
}

/// Checks that no entry after the snapshot is missing. Does nothing if there are findings about unreadable records or
/// about the snapshot to start from.
fn judge_entries(parts: &DirectoryParts<'_>, start: SnapshotPosition, commit: u64, judgement: &mut Judgement) {
    let log = parts.log;
    if log.is_broken || judgement.findings.has(Code::SnapMissing) {
        return;
    }
    let first_needed = start.index.saturating_add(1);
    if let Some(from) = log.contiguous_from().filter(|from| *from > first_needed) {
        let (file, offset, first) = match log.gaps.back() {
            Some(gap) => (gap.file.as_str(), Some(gap.offset), gap.from.max(first_needed)),
            None => (parts.log_folder, None, first_needed),
        };
        let text = format!(
            "entries {first} to {} are missing, but etcd needs all entries after index {}",
            from.saturating_sub(1),
            start.index
        );
        let finding = Finding::new(Code::WalEntriesMissing, text);
        judgement.findings.push(file, offset.map_or(finding.clone(), |offset| finding.offset(offset)));
    }
    let last = log.last_index.unwrap_or_default().max(start.index);
    if commit > last {
        let text =
            format!("entries up to {commit} were committed, but the log ends with entry {last}; etcd does not start");
        judgement.findings.push(parts.log_folder, Finding::new(Code::WalEntriesMissing, text));
    }
}

fn judge_database(
    parts: &DirectoryParts<'_>,
    database: &DatabaseFacts,
    start: SnapshotPosition,
    judgement: &mut Judgement,
) {
    let applied = database.consistent_index;
    if parts.is_in_use {
        return;
    }
    if start.index > applied {
        judgement.takes_snap_database = parts.snap_databases.contains(&start.index);
        if !judgement.takes_snap_database {
            let file = format!("member/snap/{:016x}.snap.db", start.index);
            let text = format!(
                "the file is missing: etcd starts from the snapshot at index {}, but the database is applied only up to {applied}",
                start.index
            );
            judgement.findings.push(&file, Finding::new(Code::SnapDatabaseMissing, text));
        }
    }
    let last = parts.log.last_index.unwrap_or_default().max(start.index);
    if applied > last && !parts.log.is_broken {
        let text = format!("the database is applied up to entry {applied}, but the log ends with entry {last}");
        judgement.findings.push(parts.log_folder, Finding::new(Code::WalBehindDatabase, text));
    }
}

/// Checks that the database, the snapshot or the log knows the member that wrote the log, and that it was not removed.
/// The database need not know it: a restore by etcd 3.4 leaves the members of the old cluster in it until etcd 3.5
/// starts there, and entries that the database lacks may add the member.
fn judge_identity(parts: &DirectoryParts<'_>, start: SnapshotPosition, commit: u64, judgement: &mut Judgement) {
    let Some(owner) = parts.log.owner else { return };
    let snapshots = || parts.snaps.iter().filter_map(|snap| snap.contents.as_ref().ok());
    let mut own_changes =
        parts.log.conf_changes.iter().filter(|change| change.member == owner.member && change.index <= commit);
    let is_removed = match own_changes.rfind(|change| change.index > start.index) {
        Some(last) => last.removes,
        None if snapshots()
            .any(|contents| contents.index == start.index && contents.members.contains(&owner.member)) =>
        {
            false
        }
        None => parts.database.is_some_and(|database| database.removed.contains(&owner.member)),
    };
    if is_removed {
        let text = format!("member {:x} was removed from cluster {:x}", owner.member, owner.cluster);
        judgement.findings.push(parts.log_folder, Finding::new(Code::DirectoryMemberRemoved, text));
        return;
    }
    let database = parts.database.filter(|database| !database.members.is_empty() && !judgement.takes_snap_database);
    let Some(database) = database else { return };
    let lacking = parts.log.conf_changes.iter().filter(|change| change.index > database.consistent_index);
    let is_known = database.members.contains(&owner.member)
        || database.removed.contains(&owner.member)
        || (!database.names_members && snapshots().any(|contents| contents.members.contains(&owner.member)))
        || lacking.map(|change| change.member).any(|member| member == owner.member);
    if !is_known {
        let text = format!(
            "the log was written by member {:x} of cluster {:x}, which the database does not know",
            owner.member, owner.cluster
        );
        judgement.findings.push(parts.log_folder, Finding::new(Code::DirectoryIdentity, text));
    }
}
