//! What a write-ahead log says, segment after segment: who wrote it, its entries, votes and snapshots.

use crate::offset::Offset;
use std::collections::VecDeque;

use crate::crc::Combiner;
use crate::data_dir::placed_findings::PlacedFindings;
use crate::data_dir::wal_record::{ConfChange, EntryHead};
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::limits::{MAX_LOG_CONF_CHANGES, MAX_LOG_GAPS, MAX_SNAPSHOT_MARKS, MAX_TERM};

/// A snapshot of raft that the log names: etcd starts from one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The index up to which the snapshot holds.
    pub index: u64,
    /// The term of the entry at that index.
    pub term: u64,
}

/// A last record that was not written to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment's file.
    pub file: String,
    /// Where the record begins, in bytes.
    pub offset: Offset,
    /// Bytes from there to the last that is not zero: what etcd cuts off.
    pub bytes: u64,
}

/// Entries that are missing between two that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub file: String,
    pub offset: Offset,
    /// The first that is missing.
    pub from: u64,
    /// The last that is missing.
    pub to: u64,
}

/// The log as far as it has been read.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// The member that wrote it, and the cluster; none before the first record of metadata.
    pub identity: Option<Identity>,
    /// Segments read.
    pub segments: u64,
    /// Records read.
    pub records: u64,
    /// The first index of the first segment, by its name.
    pub opened_at: u64,
    /// The first entry that is there.
    pub first_index: Option<u64>,
    /// The last entry that counts: one that was overwritten does not.
    pub last_index: Option<u64>,
    /// The term of the last entry.
    pub last_term: u64,
    /// Raft's term, by the last record of state.
    pub term: u64,
    /// The index up to which the cluster has agreed, by the last record of state.
    pub commit: Option<u64>,
    /// The snapshots it names, the newest of them when there are very many.
    pub marks: Vec<Mark>,
    /// Its end, when that is not whole.
    pub torn: Option<Torn>,
    /// What is wrong with it.
    pub findings: PlacedFindings,
    /// Gaps in the entries that count, the last of them when there are very many.
    pub(super) gaps: VecDeque<Gap>,
    /// Changes of members, the last of them when there are very many.
    pub(super) conf_changes: VecDeque<ConfChange>,
    /// Whether a record could not be read, so that entries may be missing that the log had.
    pub(super) is_broken: bool,
    /// The CRC that the next record continues; none when it is not known.
    pub(super) chain: Option<u32>,
    pub(super) sequence: Option<u64>,
    pub(super) combiner: Combiner,
    metadata: Vec<u8>,
    highest_entry_term: u64,
}

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The member's id.
    pub member: u64,
    /// The cluster's id.
    pub cluster: u64,
}

impl Log {
    /// Takes in the metadata of a segment.
    pub(super) fn metadata(&mut self, bytes: &[u8], [member, cluster, _]: [u64; 3]) -> Result<(), Finding> {
        let identity = Identity { member, cluster };
        match self.identity {
            Some(first) if self.metadata != bytes => Err(Finding::new(
                Code::DirectoryIdentity,
                format!(
                    "this segment was written by member {member:x} of cluster {cluster:x}, the ones before by member {:x} of cluster {:x}; etcd does not start",
                    first.member, first.cluster
                ),
            )),
            Some(_) => Ok(()),
            None => {
                self.identity = Some(identity);
                self.metadata = bytes.to_vec();
                Ok(())
            }
        }
    }

    /// Takes in an entry. One with an index that is there already replaces it and all behind it.
    pub(super) fn entry(&mut self, entry: EntryHead, file: &str, offset: Offset) -> Result<(), Finding> {
        let EntryHead { kind, term, index, .. } = entry;
        if kind > 2 || term == 0 || term > MAX_TERM || index == 0 {
            return Err(broken(format!("entry {index} of term {term} and type {kind} is none that raft writes")));
        }
        while self.conf_changes.back().is_some_and(|change| change.index >= index) {
            self.conf_changes.pop_back();
        }
        // Those behind an entry that is written anew go with what was behind it.
        while let Some(gap) = self.gaps.pop_back() {
            if gap.from < index {
                self.gaps.push_back(Gap { to: gap.to.min(index.saturating_sub(1)), ..gap });
                break;
            }
        }
        match self.last_index {
            Some(last) if index > last.saturating_add(1) => {
                let (from, to) = (last.saturating_add(1), index.saturating_sub(1));
                if self.gaps.len() >= MAX_LOG_GAPS {
                    self.gaps.pop_front();
                }
                self.gaps.push_back(Gap { file: file.to_owned(), offset, from, to });
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

    /// Takes in the change of members that an entry holds.
    pub(super) fn conf_change(&mut self, change: ConfChange) {
        if self.conf_changes.len() >= MAX_LOG_CONF_CHANGES {
            self.conf_changes.pop_front();
        }
        self.conf_changes.push_back(change);
    }

    /// Takes in what the member must not forget: the term, its vote, and how far the cluster has agreed.
    pub(super) fn state(&mut self, [term, _vote, commit]: [u64; 3]) -> Result<(), Finding> {
        let before = self.commit.unwrap_or_default();
        if term > MAX_TERM || term < self.term || term < self.highest_entry_term || commit < before {
            let text = format!(
                "a state of term {term} and commit index {commit} stands behind one of term {} and commit index {before}, and entries of term {}: raft goes back nowhere",
                self.term, self.highest_entry_term
            );
            return Err(broken(text));
        }
        self.term = term;
        self.commit = Some(commit);
        Ok(())
    }

    /// Takes in a snapshot.
    pub(super) fn mark(&mut self, [index, term, _]: [u64; 3]) -> Result<(), Finding> {
        if term > MAX_TERM {
            return Err(broken(format!("a snapshot at index {index} of term {term} is none that raft writes")));
        }
        if self.marks.len() >= MAX_SNAPSHOT_MARKS {
            // Seldom: once for as many again.
            self.marks.drain(..MAX_SNAPSHOT_MARKS / 2);
        }
        self.marks.push(Mark { index, term });
        Ok(())
    }

    /// The entries from which on none is missing.
    pub(super) fn contiguous_from(&self) -> Option<u64> {
        self.gaps.back().map_or(self.first_index, |gap| Some(gap.to.saturating_add(1)))
    }
}

fn broken(text: String) -> Finding {
    Finding::new(Code::WalRecordBroken, text)
}
