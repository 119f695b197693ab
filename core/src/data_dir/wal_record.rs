//! Decodes one record of the write-ahead log and its contents.
//!
//! ```text
//! frame:  ├ length u64 LE; top byte 0x80 | padding, if there is any ┼ walpb.Record {1: type, 2: crc, 3: data} ┼ zeros up to 8 bytes ┤
//! ```
//! A length of 0 marks the end of the log; the space that etcd preallocated follows. The CRC covers the data of all
//! records so far, but not their types.

use crate::data_dir::protobuf_stream::{ByteSpan, MAX_FIELD_HEAD, MessageError, StreamValue, field, fields};
use crate::data_dir::read_window::ReadWindow;
use crate::error::Error;
use crate::int_readers::u64_le;
use crate::source::Source;

/// Size of a frame's length field, in bytes.
pub(super) const LENGTH_FIELD: u64 = 8;

/// What a segment contains at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtOffset {
    /// The end of the file.
    FileEnd,
    /// A length of zero: the end of the log.
    Zeros,
    /// Fewer bytes than a length field has, before the end of the file.
    CutLength,
    Frame(Frame),
}

/// The frame around a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// The record without its padding; it may end beyond the end of the file.
    pub body: ByteSpan,
    /// Offset of the next frame, as etcd computes it from the padding.
    pub end: u64,
    /// Whether the top byte of the length, with the padding and unused bits, is as etcd writes it.
    pub is_canonical: bool,
}

impl Frame {
    /// Reads the frame at `at`.
    pub fn read<S: Source + ?Sized>(window: &mut ReadWindow<'_, S>, at: u64) -> Result<AtOffset, Error> {
        let bytes = window.bytes(at, 8)?;
        if bytes.is_empty() {
            return Ok(AtOffset::FileEnd);
        }
        Ok(match u64_le(bytes, 0) {
            None => AtOffset::CutLength,
            Some(0) => AtOffset::Zeros,
            Some(field) => AtOffset::Frame(Self::of(field, at)),
        })
    }

    fn of(field: u64, at: u64) -> Self {
        let len = field & !(0xff << 56);
        let top = field >> 56;
        let padding = if top & 0x80 == 0 { 0 } else { top & 7 };
        let needed_padding = len.wrapping_neg() & 7;
        let canonical_top = if needed_padding == 0 { 0 } else { 0x80 | needed_padding };
        let start = at.saturating_add(LENGTH_FIELD);
        let end = start.saturating_add(len);
        Self { body: ByteSpan { start, end }, end: end.saturating_add(padding), is_canonical: top == canonical_top }
    }
}

/// A record, with its data as a byte range that is not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct WalRecord {
    pub kind: u64,
    pub crc: u32,
    pub data: ByteSpan,
    /// Whether it has exactly the fields that etcd writes.
    pub is_canonical: bool,
}

/// Maximum number of fields read from a record; etcd writes three.
const MAX_FIELDS: u32 = 16;

pub(super) const METADATA: u64 = 1;
pub(super) const ENTRY: u64 = 2;
pub(super) const STATE: u64 = 3;
pub(super) const CRC: u64 = 4;
pub(super) const SNAPSHOT: u64 = 5;

impl WalRecord {
    pub fn read<S: Source + ?Sized>(window: &mut ReadWindow<'_, S>, body: ByteSpan) -> Result<Self, MessageError> {
        let mut record = Self { is_canonical: true, ..Self::default() };
        let mut count = 0_u32;
        fields(window, body, |_, number, value| {
            count = count.saturating_add(1);
            if count > MAX_FIELDS {
                return Err(MessageError::Malformed);
            }
            match (number, value) {
                (1, StreamValue::Varint(kind)) => record.kind = kind,
                (2, StreamValue::Varint(crc)) => {
                    record.is_canonical &= crc <= u64::from(u32::MAX);
                    // etcd also uses only the lower 32 bits.
                    record.crc = u32::try_from(crc & u64::from(u32::MAX)).unwrap_or_default();
                }
                (3, StreamValue::Bytes(data)) => record.data = data,
                (1..=3, _) => return Err(MessageError::Malformed),
                _ => record.is_canonical = false,
            }
            Ok(())
        })?;
        Ok(record)
    }
}

/// The length of a record, computed from its protobuf fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LengthByFields {
    /// Its fields end after this many bytes.
    Bytes(u64),
    /// The file ends before the record's fields do.
    Unknown,
}

/// Computes the length of the record at `start` from its protobuf fields. Used if the length field of its frame points
/// beyond the end of the file.
///
/// # Errors
/// A read fails.
pub(super) fn length_by_fields<S: Source + ?Sized>(
    window: &mut ReadWindow<'_, S>,
    start: u64,
) -> Result<LengthByFields, Error> {
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
        return Ok(LengthByFields::Bytes(end.saturating_sub(start)));
    }
    // A field's head takes up to 20 bytes; closer to the end of the file it may be cut off.
    let is_cut = window.len().saturating_sub(end) < MAX_FIELD_HEAD as u64;
    Ok(if is_cut { LengthByFields::Unknown } else { LengthByFields::Bytes(end.saturating_sub(start)) })
}

/// An entry of raft's log, with its data as a byte range: `raftpb.Entry {1: type, 2: term, 3: index, 4: data}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct EntryHeader {
    pub kind: u64,
    pub term: u64,
    pub index: u64,
    pub data: ByteSpan,
}

/// The type of an entry that adds or removes a member.
pub(super) const CONF_CHANGE: u64 = 1;

impl EntryHeader {
    pub fn read<S: Source + ?Sized>(window: &mut ReadWindow<'_, S>, data: ByteSpan) -> Result<Self, MessageError> {
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

/// Decodes the membership change in an entry: `raftpb.ConfChange {1: id, 2: type, 3: node_id, 4: context}`. `None` if
/// the bytes cannot be decoded, which is not reported.
pub(super) fn conf_change<S: Source + ?Sized>(
    window: &mut ReadWindow<'_, S>,
    entry: EntryHeader,
) -> Result<Option<ConfChange>, Error> {
    /// `ConfChangeRemoveNode`.
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

/// Decodes the data of the other records: two or three numbers in fields 1 to 3. The third field may be a message,
/// which is skipped.
///
/// - metadata: node id, cluster id
/// - state: term, vote, commit
/// - snapshot: index, term, and since etcd 3.5 the members
pub(super) fn read_numbers<S: Source + ?Sized>(
    window: &mut ReadWindow<'_, S>,
    data: ByteSpan,
) -> Result<[u64; 3], MessageError> {
    let mut numbers = [0; 3];
    fields(window, data, |_, number, value| {
        let slot = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        match (slot.and_then(|slot| numbers.get_mut(slot)), value) {
            (Some(slot), StreamValue::Varint(value)) => *slot = value,
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
    use crate::progress::IgnoreProgress;

    fn frame(field: u64) -> Frame {
        let bytes = field.to_le_bytes().to_vec();
        match Frame::read(&mut ReadWindow::new(&bytes, &IgnoreProgress), 0).unwrap() {
            AtOffset::Frame(frame) => frame,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_padding_is_read_from_the_top_byte() {
        let plain = Frame { body: ByteSpan { start: 8, end: 8 + 13 }, end: 24, is_canonical: true };
        assert_eq!(frame(13 | 0x83 << 56), plain);
        assert_eq!(frame(16), Frame { body: ByteSpan { start: 8, end: 24 }, end: 24, is_canonical: true });
        // etcd ignores all bits but the highest one and the lowest three.
        assert_eq!(frame(13 | 0xab << 56), Frame { is_canonical: false, ..plain });
        assert!(!frame(16 | 0x80 << 56).is_canonical);
        assert!(!frame(13).is_canonical);
        assert!(frame(u64::MAX).end >= 1 << 56);
    }

    #[test]
    fn kinds_of_ends_are_distinguished() {
        let read = |bytes: &[u8]| Frame::read(&mut ReadWindow::new(bytes, &IgnoreProgress), 0).unwrap();
        assert_eq!(read(&[]), AtOffset::FileEnd);
        assert_eq!(read(&[0; 8]), AtOffset::Zeros);
        assert_eq!(read(&[0; 7]), AtOffset::CutLength);
    }
}
