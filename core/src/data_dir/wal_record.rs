//! Decodes one record of the write-ahead log and its contents.
//!
//! ```text
//! frame:  ├ length u64 LE; top byte 0x80 | padding, when there is any ┼ walpb.Record {1: type, 2: crc, 3: data} ┼ zeros up to 8 bytes ┤
//! ```
//! A length of 0 ends the log; the space that etcd preallocated follows. The CRC covers the data of all records so far,
//! but not their types.

use crate::data_dir::protobuf_stream::{ByteSpan, HEAD, MessageError, StreamValue, field, fields};
use crate::data_dir::window::Window;
use crate::error::Error;
use crate::int_readers::u64_le;
use crate::source::Source;

/// Size of a frame's length field, in bytes.
pub(super) const LENGTH: u64 = 8;

/// What begins at an offset of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The end of the file.
    FileEnd,
    /// A length of zero: the end of the log.
    Zeros,
    /// Fewer bytes than a length field.
    Stub,
    Frame(Frame),
}

/// The frame around a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// The record without its padding; it may end beyond the file.
    pub body: ByteSpan,
    /// Offset of the next frame, as etcd computes it from the padding.
    pub end: u64,
    /// Whether the unused bits of the length and the padding are as etcd writes them.
    pub is_plain: bool,
}

impl Frame {
    /// Reads the frame at `at`.
    pub fn read<S: Source + ?Sized>(window: &mut Window<'_, S>, at: u64) -> Result<Next, Error> {
        let bytes = window.bytes(at, 8)?;
        if bytes.is_empty() {
            return Ok(Next::FileEnd);
        }
        Ok(match u64_le(bytes, 0) {
            None => Next::Stub,
            Some(0) => Next::Zeros,
            Some(field) => Next::Frame(Self::of(field, at)),
        })
    }

    fn of(field: u64, at: u64) -> Self {
        let len = field & !(0xff << 56);
        let top = field >> 56;
        let padding = if top & 0x80 == 0 { 0 } else { top & 7 };
        let due = len.wrapping_neg() & 7;
        let written = if due == 0 { 0 } else { 0x80 | due };
        let start = at.saturating_add(LENGTH);
        let end = start.saturating_add(len);
        Self { body: ByteSpan { start, end }, end: end.saturating_add(padding), is_plain: top == written }
    }
}

/// A record whose data has not been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct WalRecord {
    pub kind: u64,
    pub crc: u32,
    pub data: ByteSpan,
    /// Whether it has exactly the fields that etcd writes.
    pub is_plain: bool,
}

/// Maximum number of fields read from a record; etcd writes three.
const MOST_FIELDS: u32 = 16;

pub(super) const METADATA: u64 = 1;
pub(super) const ENTRY: u64 = 2;
pub(super) const STATE: u64 = 3;
pub(super) const CRC: u64 = 4;
pub(super) const SNAPSHOT: u64 = 5;

impl WalRecord {
    pub fn read<S: Source + ?Sized>(window: &mut Window<'_, S>, body: ByteSpan) -> Result<Self, MessageError> {
        let mut record = Self { is_plain: true, ..Self::default() };
        let mut count = 0_u32;
        fields(window, body, |_, number, value| {
            count = count.saturating_add(1);
            if count > MOST_FIELDS {
                return Err(MessageError::Malformed);
            }
            match (number, value) {
                (1, StreamValue::Varint(kind)) => record.kind = kind,
                (2, StreamValue::Varint(crc)) => {
                    record.is_plain &= crc <= u64::from(u32::MAX);
                    // etcd truncates to the low half, too.
                    record.crc = u32::try_from(crc & u64::from(u32::MAX)).unwrap_or_default();
                }
                (3, StreamValue::Bytes(data)) => record.data = data,
                (1..=3, _) => return Err(MessageError::Malformed),
                _ => record.is_plain = false,
            }
            Ok(())
        })?;
        Ok(record)
    }
}

/// The length of a record according to its own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnLength {
    /// Its fields end after this many bytes.
    Bytes(u64),
    /// The source ends before its fields do.
    Unknown,
}

/// Computes the length of the record at `start` from its own fields, because its length field points beyond the file.
///
/// # Errors
/// A read fails.
pub(super) fn own_length<S: Source + ?Sized>(window: &mut Window<'_, S>, start: u64) -> Result<OwnLength, Error> {
    let mut end = start;
    let mut at = start;
    // Type, CRC and data: three fields; the last may end beyond the file.
    for _ in 0..3 {
        match field(window, ByteSpan { start: at, end: u64::MAX }) {
            Ok((1..=3, _, next)) => (at, end) = (next, next),
            Ok(_) | Err(MessageError::Malformed) => break,
            Err(MessageError::Failed(error)) => return Err(error),
        }
    }
    if end > window.len() {
        return Ok(OwnLength::Bytes(end.saturating_sub(start)));
    }
    // A field's head takes up to 20 bytes; closer to the end of the file it may be cut off.
    let is_cut = window.len().saturating_sub(end) < HEAD as u64;
    Ok(if is_cut { OwnLength::Unknown } else { OwnLength::Bytes(end.saturating_sub(start)) })
}

/// An entry of raft's log: `raftpb.Entry {1: type, 2: term, 3: index, 4: data}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct EntryHead {
    pub kind: u64,
    pub term: u64,
    pub index: u64,
    pub data: ByteSpan,
}

/// The type of an entry that adds or removes a member.
pub(super) const CONF_CHANGE: u64 = 1;

impl EntryHead {
    pub fn read<S: Source + ?Sized>(window: &mut Window<'_, S>, data: ByteSpan) -> Result<Self, MessageError> {
        let mut entry = Self::default();
        fields(window, data, |_, number, value| {
            match (number, value) {
                (1, StreamValue::Varint(kind)) => entry.kind = kind,
                (2, StreamValue::Varint(term)) => entry.term = term,
                (3, StreamValue::Varint(index)) => entry.index = index,
                (4, StreamValue::Bytes(data)) => entry.data = data,
                _ => return Err(MessageError::Malformed),
            }
            Ok(())
        })?;
        Ok(entry)
    }
}

/// An entry that changes the cluster's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConfChange {
    pub index: u64,
    /// Member id.
    pub member: u64,
    /// Whether it removes the member; otherwise it adds or changes it.
    pub removes: bool,
}

/// Decodes a membership change: `raftpb.ConfChange {1: id, 2: type, 3: node_id, 4: context}`. `None` if the bytes do
/// not decode; only etcd judges that.
pub(super) fn conf_change<S: Source + ?Sized>(
    window: &mut Window<'_, S>,
    entry: EntryHead,
) -> Result<Option<ConfChange>, Error> {
    /// Type 1 of 0 to 3.
    const REMOVES: u64 = 1;
    let (mut kind, mut member) = (0, 0);
    let read = fields(window, entry.data, |_, number, value| {
        match (number, value) {
            (2, StreamValue::Varint(value)) => kind = value,
            (3, StreamValue::Varint(value)) => member = value,
            _ => {}
        }
        Ok(())
    });
    match read {
        Ok(()) => Ok(Some(ConfChange { index: entry.index, member, removes: kind == REMOVES })),
        Err(MessageError::Malformed) => Ok(None),
        Err(MessageError::Failed(error)) => Err(error),
    }
}

/// Decodes the other records: two or three numbers in fields 1 to 3, the third of which may be a message.
///
/// - metadata: node id, cluster id
/// - state: term, vote, commit
/// - snapshot: index, term, and since etcd 3.5 the members
pub(super) fn numbers<S: Source + ?Sized>(
    window: &mut Window<'_, S>,
    data: ByteSpan,
) -> Result<[u64; 3], MessageError> {
    let mut numbers = [0; 3];
    fields(window, data, |_, number, value| {
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        match (place.and_then(|place| numbers.get_mut(place)), value) {
            (Some(place), StreamValue::Varint(value)) => *place = value,
            (Some(_), StreamValue::Bytes(_)) if number == 3 => {}
            _ => return Err(MessageError::Malformed),
        }
        Ok(())
    })?;
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Unwatched;

    fn frame(field: u64) -> Frame {
        let bytes = field.to_le_bytes().to_vec();
        match Frame::read(&mut Window::new(&bytes, &Unwatched), 0).unwrap() {
            Next::Frame(frame) => frame,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_padding_stands_in_the_top_byte() {
        let plain = Frame { body: ByteSpan { start: 8, end: 8 + 13 }, end: 24, is_plain: true };
        assert_eq!(frame(13 | 0x83 << 56), plain);
        assert_eq!(frame(16), Frame { body: ByteSpan { start: 8, end: 24 }, end: 24, is_plain: true });
        // etcd ignores all bits but the highest one and the lowest three.
        assert_eq!(frame(13 | 0xab << 56), Frame { is_plain: false, ..plain });
        assert!(!frame(16 | 0x80 << 56).is_plain);
        assert!(!frame(13).is_plain);
        assert!(frame(u64::MAX).end >= 1 << 56);
    }

    #[test]
    fn ends_are_told_apart() {
        let read = |bytes: &[u8]| Frame::read(&mut Window::new(bytes, &Unwatched), 0).unwrap();
        assert_eq!(read(&[]), Next::FileEnd);
        assert_eq!(read(&[0; 8]), Next::Zeros);
        assert_eq!(read(&[0; 7]), Next::Stub);
    }
}
