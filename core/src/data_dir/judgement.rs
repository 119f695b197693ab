//! Judges whether etcd can start from database, log and `.snap` files together, and what the database lacks.
//!
//! etcd looks for the newest raft snapshot that the log names; etcd 3.4 to 3.6 also need a readable `.snap` file with
//! the same index and term. If the database is applied up to that index, etcd takes it, otherwise the `.snap.db` that
//! came with the snapshot. Then etcd reads the log after the snapshot, and applies the entries that the database lacks.

use std::collections::BTreeSet;

use crate::data_dir::log::{SnapshotMark, WriteAheadLog};
use crate::data_dir::placed_findings::PlacedFindings;
use crate::data_dir::snap_file::RaftSnapshot;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::severity::Verdict;

/// Facts about the database of a directory, as far as they concern the log and the `.snap` files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Index of the last log entry applied to it.
    pub consistent_index: u64,
    /// Whether an etcd that starts without `.snap` files wrote it: 3.7 or later.
    pub starts_without_snap: bool,
    /// Ids of the cluster's members.
    pub members: BTreeSet<u64>,
    /// Ids of members that were removed.
    pub removed: BTreeSet<u64>,
    /// Whether etcd 3.5 or later wrote to it; such an etcd stores the members of the cluster in it at its start.
    pub names_members: bool,
}

/// A `.snap` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapFile {
    /// Path of the file, relative to the data directory.
    pub file: String,
    /// Index and term in the file's name, which etcd uses only for ordering.
    pub name: SnapshotMark,
    /// The decoded contents, or a description of the damage.
    pub contents: Result<RaftSnapshot, String>,
}

impl SnapFile {
    /// Index and term of the contained snapshot, if it can be read.
    fn holds(&self) -> Option<SnapshotMark> {
        self.contents.as_ref().ok().map(|held| SnapshotMark { index: held.index, term: held.term })
    }

    /// Sort key: etcd tries the files in the order of their names, the last first; the term comes first in a name.
    fn order(&self) -> (u64, u64) {
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
    /// Whether a running server writes to the directory, so that its files are from different moments.
    pub is_moving: bool,
}

/// The verdict on the parts of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Findings about the parts together; findings about the log or the database alone are not included.
    pub findings: PlacedFindings,
    /// The snapshot that etcd starts from; index 0 means the beginning of the log.
    pub start: Option<SnapshotMark>,
    /// Committed entries that the database lacks: etcd applies them when it starts here, and a restore of the database
    /// alone loses them.
    pub lacking: Option<u64>,
    /// Later entries, which are written but perhaps never committed.
    pub uncommitted: u64,
    /// Whether etcd replaces the database with a `.snap.db` beside it.
    pub takes_snap_database: bool,
    /// Whether the log has every entry from the first, and no snapshot: etcd then rebuilds whatever the database lacks,
    /// even the whole database.
    pub holds_all: bool,
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
    let marks: BTreeSet<SnapshotMark> = log.marks.iter().copied().filter(|mark| mark.index <= commit).collect();
    judge_snaps(parts, &marks, &mut judgement);
    let start = find_start(parts, &marks, &mut judgement);
    judgement.start = Some(start);
    judge_entries(parts, start, commit, &mut judgement);
    if let Some(database) = parts.database {
        judge_database(parts, database, start, &mut judgement);
        judgement.lacking = Some(commit.saturating_sub(database.consistent_index));
    }
    judge_identity(parts, start, commit, &mut judgement);
    let is_damaged = log.findings.verdict() == Verdict::Damaged || judgement.findings.verdict() == Verdict::Damaged;
    judgement.holds_all = !is_damaged && marks.iter().all(|mark| mark.index == 0) && log.contiguous_from() == Some(1);
    let last = log.last_index.unwrap_or_default();
    judgement.uncommitted = last.saturating_sub(commit.max(start.index));
    judgement
}

/// While a server writes, the end of the log is always unfinished.
fn judge_torn_end(parts: &DirectoryParts<'_>, judgement: &mut Judgement) {
    if let Some(torn) = parts.log.torn.as_ref().filter(|_| !parts.is_moving) {
        let text = format!("the last record of the log is incomplete; etcd cuts off {} bytes", torn.bytes);
        judgement.findings.push(&torn.file, Finding::new(Code::WalTorn, text).offset(torn.offset));
    }
}

fn judge_snaps(parts: &DirectoryParts<'_>, marks: &BTreeSet<SnapshotMark>, judgement: &mut Judgement) {
    for snap in parts.snaps {
        let SnapshotMark { index, term } = snap.name;
        let finding = match &snap.contents {
            Ok(contents) if (contents.index, contents.term) == (index, term) => continue,
            Ok(contents) => Finding::new(
                Code::SnapBroken,
                format!(
                    "the file holds a snapshot at index {} of term {}, which contradicts its name",
                    contents.index, contents.term
                ),
            ),
            Err(why) if marks.contains(&snap.name) => Finding::new(Code::SnapBroken, why.as_str()),
            Err(_) if parts.is_moving => continue,
            Err(why) => Finding::new(Code::SnapUnfinished, why.as_str()),
        };
        judgement.findings.push(&snap.file, finding);
    }
}

fn find_start(parts: &DirectoryParts<'_>, marks: &BTreeSet<SnapshotMark>, judgement: &mut Judgement) -> SnapshotMark {
    let newest = marks.last().copied().unwrap_or(SnapshotMark { index: 0, term: 0 });
    if parts.database.is_some_and(|database| database.starts_without_snap) {
        return newest;
    }
    let known = |snap: &SnapFile| snap.holds().filter(|mark| marks.contains(mark)).map(|mark| (snap.order(), mark));
    let start = parts.snaps.iter().filter_map(known).max().map(|(_, mark)| mark);
    let start = start.unwrap_or(SnapshotMark { index: 0, term: 0 });
    let begins_at = parts.log.opened_at;
    if start.index < begins_at {
        let text = match start.index {
            0 => format!("the log begins at index {begins_at}, but every .snap file that it names is missing"),
            index => {
                format!("the log begins at index {begins_at}, but the newest .snap file that it names ends at {index}")
            }
        };
        judgement.findings.push("member/snap", Finding::new(Code::SnapMissing, text));
    } else if start != newest
        && !parts.is_moving
        && !parts.snaps.iter().any(|snap| snap.name == newest || snap.holds() == Some(newest))
    {
        let file = format!("member/snap/{:016x}-{:016x}.snap", newest.term, newest.index);
        let text = format!("the file is missing; etcd starts from index {} instead of {}", start.index, newest.index);
        judgement.findings.push(&file, Finding::new(Code::SnapFileMissing, text));
    }
    start
}

/// Checks that no entry after the snapshot is missing. Stays silent if unreadable records or an unknown start were
/// reported already.
fn judge_entries(parts: &DirectoryParts<'_>, start: SnapshotMark, commit: u64, judgement: &mut Judgement) {
    let log = parts.log;
    if log.is_broken || judgement.findings.has(Code::SnapMissing) {
        return;
    }
    let needed = start.index.saturating_add(1);
    if let Some(from) = log.contiguous_from().filter(|from| *from > needed) {
        let (file, offset, first) = match log.gaps.back() {
            Some(gap) => (gap.file.as_str(), Some(gap.offset), gap.from.max(needed)),
            None => (parts.log_folder, None, needed),
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
    start: SnapshotMark,
    judgement: &mut Judgement,
) {
    let applied = database.consistent_index;
    if parts.is_moving {
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

/// Checks that the member that wrote the log is known to the database, the snapshot or the log, and was not removed.
/// The database may be older: a restore by etcd 3.4 leaves the members of the old cluster in it until an etcd 3.5
/// starts there, and entries that the database lacks may have added the member.
fn judge_identity(parts: &DirectoryParts<'_>, start: SnapshotMark, commit: u64, judgement: &mut Judgement) {
    let Some(identity) = parts.log.identity else { return };
    let snapshots = || parts.snaps.iter().filter_map(|snap| snap.contents.as_ref().ok());
    let mut own =
        parts.log.conf_changes.iter().filter(|change| change.member == identity.member && change.index <= commit);
    let is_removed = match own.rfind(|change| change.index > start.index) {
        Some(last) => last.removes,
        None if snapshots().any(|held| held.index == start.index && held.members.contains(&identity.member)) => false,
        None => parts.database.is_some_and(|database| database.removed.contains(&identity.member)),
    };
    if is_removed {
        let text = format!("member {:x} was removed from cluster {:x}", identity.member, identity.cluster);
        judgement.findings.push(parts.log_folder, Finding::new(Code::DirectoryMemberRemoved, text));
        return;
    }
    let database = parts.database.filter(|database| !database.members.is_empty() && !judgement.takes_snap_database);
    let Some(database) = database else { return };
    let lacking = parts.log.conf_changes.iter().filter(|change| change.index > database.consistent_index);
    let is_known = database.members.contains(&identity.member)
        || database.removed.contains(&identity.member)
        || (!database.names_members && snapshots().any(|held| held.members.contains(&identity.member)))
        || lacking.map(|change| change.member).any(|member| member == identity.member);
    if !is_known {
        let text = format!(
            "the log was written by member {:x} of cluster {:x}, which the database does not know",
            identity.member, identity.cluster
        );
        judgement.findings.push(parts.log_folder, Finding::new(Code::DirectoryIdentity, text));
    }
}
