//! The contents of a write-ahead log, collected segment by segment: its owner, entries, hard states and snapshots.

use crate::offset::Offset;
use std::collections::VecDeque;

use crate::crc::CrcCombiner;
use crate::data_dir::directory_findings::DirectoryFindings;
use crate::data_dir::wal_record::{ConfChange, EntryHeader};
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::limits::{MAX_LOG_CONF_CHANGES, MAX_LOG_GAPS, MAX_LOG_SNAPSHOTS, MAX_TERM};

/// Index and term of a raft snapshot. etcd starts from one of the snapshots that the log names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotPosition {
    /// Index of the last entry in the snapshot.
    pub index: u64,
    /// The term of the entry at that index.
    pub term: u64,
}

/// An incomplete last record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornRecord {
    /// Path of the segment, relative to the data directory.
    pub file: String,
    /// Offset of the record in the file, in bytes.
    pub offset: Offset,
    /// Bytes from there to the last non-zero byte: the part that etcd cuts off.
    pub bytes: u64,
}

/// Missing entries between two existing ones, with the file and offset of the entry after the gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryGap {
    pub file: String,
    pub offset: Offset,
    /// First missing index.
    pub from: u64,
    /// Last missing index.
    pub to: u64,
}

/// The contents of the log read so far.
#[derive(Debug, Clone, Default)]
pub struct WriteAheadLog {
    /// The member that wrote the log, and its cluster; `None` before the first metadata record.
    pub owner: Option<LogOwner>,
    /// Number of segments read.
    pub segments: u64,
    /// Number of records read.
    pub records: u64,
    /// Index in the name of the first segment: that of the first entry that the log may hold.
    pub first_segment_index: u64,
    /// Index of the first entry.
    pub first_index: Option<u64>,
    /// Index of the last valid entry. Entries that a later entry with the same or a lower index replaced do not count.
    pub last_index: Option<u64>,
    /// Term of the last entry.
    pub last_term: u64,
    /// Raft's term in the last hard-state record.
    pub term: u64,
    /// Commit index in the last hard-state record.
    pub commit: Option<u64>,
    /// The snapshots that the log names, in log order; only the last ones if there are very many.
    pub snapshots: Vec<SnapshotPosition>,
    /// The incomplete last record, if the log has one.
    pub torn: Option<TornRecord>,
    /// Findings about the log.
    pub findings: DirectoryFindings,
    /// Gaps between valid entries; only the last ones if there are very many.
    pub(super) gaps: VecDeque<EntryGap>,
    /// Membership changes; only the last ones if there are very many.
    pub(super) conf_changes: VecDeque<ConfChange>,
    /// Whether a record could not be read, so that the log may have had more entries.
    pub(super) is_broken: bool,
    /// The CRC of the data of all records so far, which the next record continues; `None` if it is unknown.
    pub(super) next_crc: Option<u32>,
    pub(super) sequence: Option<u64>,
    pub(super) combiner: CrcCombiner,
    metadata: Vec<u8>,
    highest_entry_term: u64,
}

/// The member that wrote a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOwner {
    /// Member id.
    pub member: u64,
    /// Cluster id.
    pub cluster: u64,
}

impl WriteAheadLog {
    /// Adds a segment's metadata record.
    pub(super) fn add_metadata(&mut self, bytes: &[u8], [member, cluster, _]: [u64; 3]) -> Result<(), Finding> {
        let owner = LogOwner { member, cluster };
        match self.owner {
            Some(first) if self.metadata != bytes => Err(Finding::new(
                Code::DirectoryIdentity,
                format!(
                    "member {member:x} of cluster {cluster:x} wrote this segment, but member {:x} of cluster {:x} wrote the earlier ones; etcd does not start",
                    first.member, first.cluster
                ),
            )),
            Some(_) => Ok(()),
            None => {
                self.owner = Some(owner);
                self.metadata = bytes.to_vec();
                Ok(())
            }
        }
    }

    /// Adds an entry. An entry whose index exists already replaces that entry and all later ones.
    pub(super) fn add_entry(&mut self, entry: EntryHeader, file: &str, offset: Offset) -> Result<(), Finding> {
        let EntryHeader { kind, term, index, .. } = entry;
        if kind > 2 || term == 0 || term > MAX_TERM || index == 0 {
            return Err(broken_record(format!(
                "raft never writes an entry with index {index}, term {term} and type {kind}"
            )));
        }
        while self.conf_changes.back().is_some_and(|change| change.index >= index) {
            self.conf_changes.pop_back();
        }
        // A rewritten entry replaces all entries after it, so it also ends gaps among them.
        while let Some(gap) = self.gaps.pop_back() {
            if gap.from < index {
                self.gaps.push_back(EntryGap { to: gap.to.min(index.saturating_sub(1)), ..gap });
                break;
            }
        }
        match self.last_index {
            Some(last) if index > last.saturating_add(1) => {
                let (from, to) = (last.saturating_add(1), index.saturating_sub(1));
                if self.gaps.len() >= MAX_LOG_GAPS {
                    self.gaps.pop_front();
                }
                self.gaps.push_back(EntryGap { file: file.to_owned(), offset, from, to });
            }
            Some(_) => {}
            None => self.first_index = Some(index),
        }
        self.first_index = self.first_index.map(|first| first.min(index));
        self.last_index = Some(index);
        self.last_term = term;
        self.highest_entry_term = self.highest_entry_term.max(term);
        Ok(())
    }

    /// Adds the membership change of an entry.
    pub(super) fn add_conf_change(&mut self, change: ConfChange) {
        if self.conf_changes.len() >= MAX_LOG_CONF_CHANGES {
            self.conf_changes.pop_front();
        }
        self.conf_changes.push_back(change);
    }

    /// Adds a hard-state record: term, vote and commit index.
    pub(super) fn add_state(&mut self, [term, _vote, commit]: [u64; 3]) -> Result<(), Finding> {
        let before = self.commit.unwrap_or_default();
        if term > MAX_TERM || term < self.term || term < self.highest_entry_term || commit < before {
            let text = format!(
                "a hard state of term {term} and commit index {commit} follows one of term {} and commit index {before}, and entries of term {}: raft's terms and commit index never decrease",
                self.term, self.highest_entry_term
            );
            return Err(broken_record(text));
        }
        self.term = term;
        self.commit = Some(commit);
        Ok(())
    }

    /// Adds a snapshot record.
    pub(super) fn add_snapshot(&mut self, [index, term, _]: [u64; 3]) -> Result<(), Finding> {
        if term > MAX_TERM {
            return Err(broken_record(format!("raft never writes a snapshot at index {index} of term {term}")));
        }
        if self.snapshots.len() >= MAX_LOG_SNAPSHOTS {
            // Half of the list is dropped at once, so that this runs rarely.
            self.snapshots.drain(..MAX_LOG_SNAPSHOTS / 2);
        }
        self.snapshots.push(SnapshotPosition { index, term });
        Ok(())
    }

    /// Returns the index of the first entry after the last gap: from there on no entry is missing.
    pub(super) fn contiguous_from(&self) -> Option<u64> {
        self.gaps.back().map_or(self.first_index, |gap| Some(gap.to.saturating_add(1)))
    }
}

fn broken_record(text: String) -> Finding {
    Finding::new(Code::WalRecordBroken, text)
}
