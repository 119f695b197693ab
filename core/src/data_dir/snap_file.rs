//! Reads `.snap` files: raft snapshots, whose index, term and members etcd 3.4 to 3.6 need.
//!
//! ```text
//! snappb.Snapshot { 1: crc, 2: data }      CRC-32C of data
//! data = raftpb.Snapshot { 1: data, 2: metadata { 1: conf_state { 1: voters, 2: learners, … }, 2: index, 3: term } }
//! ```

use std::collections::BTreeSet;

use crate::crc::CrcCombiner;
use crate::data_dir::protobuf_stream::{ByteSpan, MessageError, StreamValue, fields, hash};
use crate::data_dir::read_window::ReadWindow;
use crate::error::Error;
use crate::limits::{CONF_STATE_MEMBERS, MAX_SNAP_FILE};
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::varint::varint;

/// The contents of a `.snap` file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RaftSnapshot {
    /// Index of the last raft entry in the snapshot.
    pub index: u64,
    /// Term of that entry.
    pub term: u64,
    /// Ids of the cluster's members, learners included.
    pub members: BTreeSet<u64>,
}

/// Reads a `.snap` file of any length in pieces.
///
/// # Errors
/// Outer: a read fails. Inner: a description of the damage.
pub fn read<S: Source + ?Sized>(
    source: &S,
    progress: &dyn ScanProgress,
) -> Result<Result<RaftSnapshot, String>, Error> {
    let len = source.len();
    if len == 0 {
        return Ok(Err("the file is empty".into()));
    }
    if len > MAX_SNAP_FILE {
        return Ok(Err(format!("the file has {len} bytes, more than a message of etcd can have")));
    }
    let mut window = ReadWindow::new(source, progress);
    match parse(&mut window, len) {
        Ok(outcome) => Ok(outcome),
        Err(MessageError::Malformed) => Ok(Err("the file is not a raft snapshot, or is cut off".into())),
        Err(MessageError::Failed(error)) => Err(error),
    }
}

fn parse<S: Source + ?Sized>(
    window: &mut ReadWindow<'_, S>,
    len: u64,
) -> Result<Result<RaftSnapshot, String>, MessageError> {
    let (mut crc, mut data) = (0, ByteSpan::default());
    fields(window, ByteSpan { start: 0, end: len }, |_, number, value| {
        match (number, value) {
            (1, StreamValue::Varint(value)) => crc = value,
            (2, StreamValue::Bytes(span)) => data = span,
            _ => return Err(MessageError::Malformed),
        }
        Ok(())
    })?;
    if crc == 0 || data.len() == 0 {
        return Ok(Err("the file lacks the data or the CRC".into()));
    }
    let actual = hash(window, data, &CrcCombiner::default())?.crc;
    if u64::from(actual) != crc {
        return Ok(Err(format!("the CRC of the data is {actual:08x}, but the file claims {crc:08x}")));
    }
    let mut snapshot = RaftSnapshot::default();
    fields(window, data, |window, number, value| match (number, value) {
        (2, StreamValue::Bytes(metadata)) => fields(window, metadata, |window, number, value| {
            match (number, value) {
                (1, StreamValue::Bytes(members)) => conf_state(window, members, &mut snapshot.members)?,
                (2, StreamValue::Varint(index)) => snapshot.index = index,
                (3, StreamValue::Varint(term)) => snapshot.term = term,
                _ => {}
            }
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(Ok(snapshot))
}

/// Reads the member ids in fields 1 to 4 of a `raftpb.ConfState`: voters, learners, and those of a joint configuration.
/// Each id is a separate field, or several are packed into one.
fn conf_state<S: Source + ?Sized>(
    window: &mut ReadWindow<'_, S>,
    span: ByteSpan,
    members: &mut BTreeSet<u64>,
) -> Result<(), MessageError> {
    let mut add = |id| {
        if members.len() < CONF_STATE_MEMBERS {
            members.insert(id);
        }
    };
    fields(window, span, |window, number, value| {
        match (number, value) {
            (1..=4, StreamValue::Varint(id)) => add(id),
            (1..=4, StreamValue::Bytes(packed)) => {
                let max_len = CONF_STATE_MEMBERS.saturating_mul(10);
                let mut bytes =
                    window.bytes(packed.start, usize::try_from(packed.len()).unwrap_or(max_len).min(max_len))?;
                while let Some(id) = varint(&mut bytes) {
                    add(id);
                }
            }
            _ => {}
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc::crc32c;
    use crate::progress::IgnoreProgress;
    use etcdsnap_proto::{raftpb, snappb};
    use prost::Message;

    fn file() -> Vec<u8> {
        let conf_state = raftpb::ConfState { voters: vec![7, u64::MAX], learners: vec![9], ..Default::default() };
        let metadata = raftpb::SnapshotMetadata { conf_state: Some(conf_state), index: Some(63), term: Some(2) };
        let inner = raftpb::Snapshot { data: Some(vec![b'x'; 150]), metadata: Some(metadata) }.encode_to_vec();
        snappb::Snapshot { crc: Some(crc32c(&inner)), data: Some(inner) }.encode_to_vec()
    }

    #[test]
    fn index_term_and_members_are_read() {
        let snapshot = read(&file(), &IgnoreProgress).unwrap().unwrap();
        assert_eq!(snapshot, RaftSnapshot { index: 63, term: 2, members: BTreeSet::from([7, 9, u64::MAX]) });
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let whole = file();
        for bit in 0..whole.len() * 8 {
            let mut file = whole.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&file, &IgnoreProgress).unwrap().is_err(), "bit {bit}");
        }
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut], &IgnoreProgress).unwrap().is_err(), "cut at {cut}");
        }
    }
}
