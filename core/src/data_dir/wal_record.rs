//! One record of the write-ahead log, and what it holds.
//!
//! ```text
//! frame:  ├ length u64 LE; top byte 0x80 | padding, when there is any ┼ walpb.Record {1: type, 2: crc, 3: data} ┼ zeros up to 8 bytes ┤
//! ```
//! A length of 0 is the end: behind it lies room that etcd preallocated. The CRC covers the data of all records so far, not the type.

use crate::data_dir::protobuf_stream::{HEAD, Span, Unreadable, Value, field, fields};
use crate::data_dir::window::Window;
use crate::error::Error;
use crate::int_readers::u64_le;
use crate::source::Source;

/// Bytes of a frame's length.
pub(super) const LENGTH: u64 = 8;

/// What is at a place of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The file ends here.
    FileEnd,
    /// A length of zero.
    Zeros,
    /// Fewer bytes than a length has.
    Stub,
    Frame(Frame),
}

/// The length of a record, and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// The record without its padding; it may end behind the file.
    pub body: Span,
    /// Where the next frame begins, as etcd reads the padding.
    pub end: u64,
    /// Whether the bits of the length that say nothing, and the padding, are as etcd writes them.
    pub is_plain: bool,
}

impl Frame {
    /// Reads the length at `at`.
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
        Self { body: Span { start, end }, end: end.saturating_add(padding), is_plain: top == written }
    }
}

/// A record, whose data has not been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Record {
    pub kind: u64,
    pub crc: u32,
    pub data: Span,
    /// Whether it has exactly the fields that etcd writes.
    pub is_plain: bool,
}

/// Fields of a record that are read; etcd writes three.
const MOST_FIELDS: u32 = 16;

pub(super) const METADATA: u64 = 1;
pub(super) const ENTRY: u64 = 2;
pub(super) const STATE: u64 = 3;
pub(super) const CRC: u64 = 4;
pub(super) const SNAPSHOT: u64 = 5;

impl Record {
    pub fn read<S: Source + ?Sized>(window: &mut Window<'_, S>, body: Span) -> Result<Self, Unreadable> {
        let mut record = Self { is_plain: true, ..Self::default() };
        let mut count = 0_u32;
        fields(window, body, |_, number, value| {
            count = count.saturating_add(1);
            if count > MOST_FIELDS {
                return Err(Unreadable::Malformed);
            }
            match (number, value) {
                (1, Value::Varint(kind)) => record.kind = kind,
                (2, Value::Varint(crc)) => {
                    record.is_plain &= crc <= u64::from(u32::MAX);
                    // etcd keeps the low half, too.
                    record.crc = u32::try_from(crc & u64::from(u32::MAX)).unwrap_or_default();
                }
                (3, Value::Bytes(data)) => record.data = data,
                (1..=3, _) => return Err(Unreadable::Malformed),
                _ => record.is_plain = false,
            }
            Ok(())
        })?;
        Ok(record)
    }
}

/// What a record itself says of its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnLength {
    /// Its fields end after so many bytes.
    Bytes(u64),
    /// The source ends before they do.
    Unknown,
}

/// How long the record at `start` is by its own fields, for a length before it that leads out of the file.
///
/// # Errors
/// When bytes cannot be read.
pub(super) fn own_length<S: Source + ?Sized>(window: &mut Window<'_, S>, start: u64) -> Result<OwnLength, Error> {
    let mut end = start;
    let mut at = start;
    // Type, CRC and data: three fields, of which the last may end behind the file.
    for _ in 0..3 {
        match field(window, Span { start: at, end: u64::MAX }) {
            Ok((1..=3, _, next)) => (at, end) = (next, next),
            Ok(_) | Err(Unreadable::Malformed) => break,
            Err(Unreadable::Failed(error)) => return Err(error),
        }
    }
    if end > window.len() {
        return Ok(OwnLength::Bytes(end.saturating_sub(start)));
    }
    // A field's head takes up to 20 bytes: nearer to the end it may be that it is cut off.
    let is_cut = window.len().saturating_sub(end) < HEAD as u64;
    Ok(if is_cut { OwnLength::Unknown } else { OwnLength::Bytes(end.saturating_sub(start)) })
}

/// An entry of raft's log: `raftpb.Entry {1: type, 2: term, 3: index, 4: data}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct EntryHead {
    pub kind: u64,
    pub term: u64,
    pub index: u64,
    pub data: Span,
}

/// The type of an entry that adds or removes a member.
pub(super) const CONF_CHANGE: u64 = 1;

impl EntryHead {
    pub fn read<S: Source + ?Sized>(window: &mut Window<'_, S>, data: Span) -> Result<Self, Unreadable> {
        let mut entry = Self::default();
        fields(window, data, |_, number, value| {
            match (number, value) {
                (1, Value::Varint(kind)) => entry.kind = kind,
                (2, Value::Varint(term)) => entry.term = term,
                (3, Value::Varint(index)) => entry.index = index,
                (4, Value::Bytes(data)) => entry.data = data,
                _ => return Err(Unreadable::Malformed),
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
    /// The member it is about.
    pub member: u64,
    /// Whether it removes that; it adds or changes it otherwise.
    pub removes: bool,
}

/// A change of members: `raftpb.ConfChange {1: id, 2: type, 3: node_id, 4: context}`. None when the bytes are none, which nobody but etcd judges.
pub(super) fn conf_change<S: Source + ?Sized>(
    window: &mut Window<'_, S>,
    entry: EntryHead,
) -> Result<Option<ConfChange>, Error> {
    /// Type 1 of 0 to 3.
    const REMOVES: u64 = 1;
    let (mut kind, mut member) = (0, 0);
    let read = fields(window, entry.data, |_, number, value| {
        match (number, value) {
            (2, Value::Varint(value)) => kind = value,
            (3, Value::Varint(value)) => member = value,
            _ => {}
        }
        Ok(())
    });
    match read {
        Ok(()) => Ok(Some(ConfChange { index: entry.index, member, removes: kind == REMOVES })),
        Err(Unreadable::Malformed) => Ok(None),
        Err(Unreadable::Failed(error)) => Err(error),
    }
}

/// Two or three numbers in fields 1 to 3, and perhaps a message in the third: the other records are of this form.
///
/// - metadata: node id, cluster id
/// - state: term, vote, commit
/// - snapshot: index, term, and since etcd 3.5 the members
pub(super) fn numbers<S: Source + ?Sized>(window: &mut Window<'_, S>, data: Span) -> Result<[u64; 3], Unreadable> {
    let mut numbers = [0; 3];
    fields(window, data, |_, number, value| {
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        match (place.and_then(|place| numbers.get_mut(place)), value) {
            (Some(place), Value::Varint(value)) => *place = value,
            (Some(_), Value::Bytes(_)) if number == 3 => {}
            _ => return Err(Unreadable::Malformed),
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
        let plain = Frame { body: Span { start: 8, end: 8 + 13 }, end: 24, is_plain: true };
        assert_eq!(frame(13 | 0x83 << 56), plain);
        assert_eq!(frame(16), Frame { body: Span { start: 8, end: 24 }, end: 24, is_plain: true });
        // etcd ignores all but the highest bit and the lowest three.
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
