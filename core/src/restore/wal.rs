//! Builds the write-ahead log of a restored member.
//!
//! ```text
//! frame:  ├ length u64 LE; top byte 0x80 | padding, if there is any ┼ walpb.Record {type, crc, data} ┼ zeros up to 8 bytes ┤
//! ```
//! The CRC-32C of a record covers the data of all records up to it. Source: etcd's `server/storage/wal` (`encoder.go`,
//! `wal.go`).

use etcdsnap_proto::etcdserverpb::Metadata;
use etcdsnap_proto::raftpb::{ConfChange, ConfChangeType, ConfState, Entry, EntryType, HardState};
use etcdsnap_proto::walpb::{Record, Snapshot};
use prost::Message;

use crate::crc::crc32c;
use crate::restore::TERM;
use crate::restore::membership::{Cluster, NewMember};

/// File name of the first segment.
pub const FILE: &str = "0000000000000000-0000000000000000.wal";

/// Length of a segment that etcd preallocates, in bytes; zeros follow the records.
pub const SEGMENT: u64 = 64_000_000;

const METADATA_TYPE: i64 = 1;
const ENTRY_TYPE: i64 = 2;
const STATE_TYPE: i64 = 3;
const CRC_TYPE: i64 = 4;
const SNAPSHOT_TYPE: i64 = 5;

/// Encodes the records of `member`'s log.
#[must_use]
pub fn segment(cluster: &Cluster, member: &NewMember) -> Vec<u8> {
    let mut log = LogBuilder::default();
    log.append_record(CRC_TYPE, None);
    let metadata = Metadata { node_id: Some(member.id), cluster_id: Some(cluster.id) };
    log.append_record(METADATA_TYPE, Some(metadata.encode_to_vec()));
    log.append_record(
        SNAPSHOT_TYPE,
        Some(Snapshot { index: Some(0), term: Some(0), conf_state: None }.encode_to_vec()),
    );
    for (index, member) in (1..).zip(&cluster.members) {
        let change = ConfChange {
            id: Some(0),
            r#type: Some(ConfChangeType::ConfChangeAddNode.into()),
            node_id: Some(member.id),
            context: Some(member.json()),
        };
        let entry = Entry {
            r#type: Some(EntryType::EntryConfChange.into()),
            term: Some(TERM),
            index: Some(index),
            data: Some(change.encode_to_vec()),
        };
        log.append_record(ENTRY_TYPE, Some(entry.encode_to_vec()));
    }
    let vote = cluster.members.first().map(|first| first.id);
    let state = HardState { term: Some(TERM), vote, commit: Some(cluster.commit()) };
    log.append_record(STATE_TYPE, Some(state.encode_to_vec()));
    let conf_state = Some(conf_state(cluster));
    let snapshot = Snapshot { index: Some(cluster.commit()), term: Some(TERM), conf_state };
    log.append_record(SNAPSHOT_TYPE, Some(snapshot.encode_to_vec()));
    log.bytes
}

/// Returns a configuration in which all members vote.
#[must_use]
pub(crate) fn conf_state(cluster: &Cluster) -> ConfState {
    ConfState { voters: cluster.ids(), auto_leave: Some(false), ..ConfState::default() }
}

/// Appends records to a segment.
#[derive(Default)]
struct LogBuilder {
    bytes: Vec<u8>,
    /// The data of all records so far: a few hundred bytes per member.
    data: Vec<u8>,
}

impl LogBuilder {
    fn append_record(&mut self, kind: i64, data: Option<Vec<u8>>) {
        self.data.extend_from_slice(data.as_deref().unwrap_or_default());
        let record = Record { r#type: Some(kind), crc: Some(crc32c(&self.data)), data }.encode_to_vec();
        let padded = record.len().next_multiple_of(8);
        let padding = padded.saturating_sub(record.len()) as u64;
        let flag = if padding == 0 { 0 } else { (0x80 | padding) << 56 };
        self.bytes.extend_from_slice(&(record.len() as u64 | flag).to_le_bytes());
        let end = self.bytes.len().saturating_add(padded);
        self.bytes.extend_from_slice(&record);
        self.bytes.resize(end, 0);
    }
}
