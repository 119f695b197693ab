//! A `.snap` file: raft's snapshot, of which etcd 3.4 to 3.6 need the index, the term and the members.
//!
//! ```text
//! snappb.Snapshot { 1: crc, 2: data }      CRC-32C of data
//! data = raftpb.Snapshot { 1: data, 2: metadata { 1: conf_state { 1: voters, 2: learners, … }, 2: index, 3: term } }
//! ```

use std::collections::BTreeSet;

use crate::crc::Combiner;
use crate::data_dir::protobuf_stream::{Span, Unreadable, Value, fields, hash};
use crate::data_dir::window::Window;
use crate::error::Error;
use crate::limits::{CONF_STATE_MEMBERS, MAX_SNAP_FILE};
use crate::progress::Watch;
use crate::source::Source;
use crate::varint::varint;

/// What a `.snap` file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RaftSnapshot {
    /// The index of raft's log up to which it holds.
    pub index: u64,
    /// The term of the entry at that index.
    pub term: u64,
    /// Ids of the cluster's members, learners among them.
    pub members: BTreeSet<u64>,
}

/// Reads a `.snap` file, in pieces however long it is.
///
/// # Errors
/// The outer error when it cannot be read; the inner one says what is wrong with it.
pub fn read<S: Source + ?Sized>(source: &S, watch: &dyn Watch) -> Result<Result<RaftSnapshot, String>, Error> {
    let len = source.len();
    if len == 0 {
        return Ok(Err("it is empty".into()));
    }
    if len > MAX_SNAP_FILE {
        return Ok(Err(format!("it has {len} bytes, more than any message of etcd")));
    }
    let mut window = Window::new(source, watch);
    match parse(&mut window, len) {
        Ok(outcome) => Ok(outcome),
        Err(Unreadable::Malformed) => Ok(Err("it is no snapshot of raft, or is cut off".into())),
        Err(Unreadable::Failed(error)) => Err(error),
    }
}

fn parse<S: Source + ?Sized>(window: &mut Window<'_, S>, len: u64) -> Result<Result<RaftSnapshot, String>, Unreadable> {
    let (mut crc, mut data) = (0, Span::default());
    fields(window, Span { start: 0, end: len }, |_, number, value| {
        match (number, value) {
            (1, Value::Varint(value)) => crc = value,
            (2, Value::Bytes(span)) => data = span,
            _ => return Err(Unreadable::Malformed),
        }
        Ok(())
    })?;
    if crc == 0 || data.len() == 0 {
        return Ok(Err("it holds no data or no CRC".into()));
    }
    let actual = hash(window, data, &Combiner::default())?.crc;
    if u64::from(actual) != crc {
        return Ok(Err(format!("the CRC of its data is {actual:08x}, and it says {crc:08x}")));
    }
    let mut snapshot = RaftSnapshot::default();
    fields(window, data, |window, number, value| match (number, value) {
        (2, Value::Bytes(metadata)) => fields(window, metadata, |window, number, value| {
            match (number, value) {
                (1, Value::Bytes(members)) => conf_state(window, members, &mut snapshot.members)?,
                (2, Value::Varint(index)) => snapshot.index = index,
                (3, Value::Varint(term)) => snapshot.term = term,
                _ => {}
            }
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(Ok(snapshot))
}

/// Fields 1 to 4 are lists of ids: voters, learners, and those of a change in two steps; each id by itself, or many packed.
fn conf_state<S: Source + ?Sized>(
    window: &mut Window<'_, S>,
    span: Span,
    members: &mut BTreeSet<u64>,
) -> Result<(), Unreadable> {
    let mut take = |id| {
        if members.len() < CONF_STATE_MEMBERS {
            members.insert(id);
        }
    };
    fields(window, span, |window, number, value| {
        match (number, value) {
            (1..=4, Value::Varint(id)) => take(id),
            (1..=4, Value::Bytes(packed)) => {
                let room = CONF_STATE_MEMBERS.saturating_mul(10);
                let mut bytes = window.bytes(packed.start, usize::try_from(packed.len()).unwrap_or(room).min(room))?;
                while let Some(id) = varint(&mut bytes) {
                    take(id);
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
    use crate::progress::Unwatched;
    use etcdsnap_proto::{raftpb, snappb};
    use prost::Message;

    fn file() -> Vec<u8> {
        let conf_state = raftpb::ConfState { voters: vec![7, u64::MAX], learners: vec![9], ..Default::default() };
        let metadata = raftpb::SnapshotMetadata { conf_state: Some(conf_state), index: Some(63), term: Some(2) };
        let inner = raftpb::Snapshot { data: Some(vec![b'x'; 150]), metadata: Some(metadata) }.encode_to_vec();
        snappb::Snapshot { crc: Some(crc32c(&inner)), data: Some(inner) }.encode_to_vec()
    }

    #[test]
    fn a_file_says_index_term_and_members() {
        let snapshot = read(&file(), &Unwatched).unwrap().unwrap();
        assert_eq!(snapshot, RaftSnapshot { index: 63, term: 2, members: BTreeSet::from([7, 9, u64::MAX]) });
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let whole = file();
        for bit in 0..whole.len() * 8 {
            let mut file = whole.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&file, &Unwatched).unwrap().is_err(), "bit {bit}");
        }
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut], &Unwatched).unwrap().is_err(), "cut at {cut}");
        }
    }
}
