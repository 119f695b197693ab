//! Reads protobuf messages field by field through a window. Long fields are returned as byte ranges, so that they need
//! no memory.

use crate::crc::{CrcCombiner, PartialCrc};
use crate::data_dir::read_window::{ReadWindow, WINDOW_LEN};
use crate::error::Error;
use crate::source::Source;
use crate::varint::varint;

/// Maximum length of a tag and a varint together, in bytes.
pub(super) const MAX_FIELD_HEAD: usize = 20;

/// A byte range of a source, from `start` up to, but not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ByteSpan {
    pub start: u64,
    pub end: u64,
}

impl ByteSpan {
    pub fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamValue {
    Varint(u64),
    /// A number of fixed width, which none of etcd's messages here has.
    Fixed,
    Bytes(ByteSpan),
}

/// Why a message could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MessageError {
    /// The bytes are not a valid message.
    Malformed,
    /// A read failed.
    Failed(Error),
}

impl From<Error> for MessageError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Calls `take` with each field of the message in `span`, in byte order.
///
/// # Errors
/// The bytes are not a valid message (`take` may have received some fields before), or `take` fails.
pub(super) fn fields<S: Source + ?Sized>(
    window: &mut ReadWindow<'_, S>,
    span: ByteSpan,
    mut take: impl FnMut(&mut ReadWindow<'_, S>, u32, StreamValue) -> Result<(), MessageError>,
) -> Result<(), MessageError> {
    let mut at = span.start;
    while at < span.end {
        let (number, value, next) = field(window, ByteSpan { start: at, end: span.end })?;
        take(window, number, value)?;
        at = next;
    }
    Ok(())
}

/// Decodes the field at the start of `span`; returns its number, its value and the offset of the next field.
///
/// # Errors
/// The same errors as [`fields`].
pub(super) fn field<S: Source + ?Sized>(
    window: &mut ReadWindow<'_, S>,
    span: ByteSpan,
) -> Result<(u32, StreamValue, u64), MessageError> {
    let limit = usize::try_from(span.len()).unwrap_or(MAX_FIELD_HEAD).min(MAX_FIELD_HEAD);
    let head = window.bytes(span.start, limit)?;
    let head_len = head.len();
    let mut rest = head;
    let tag = varint(&mut rest).ok_or(MessageError::Malformed)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
    let number = number.ok_or(MessageError::Malformed)?;
    let after = |rest: &[u8]| span.start.saturating_add(head_len.saturating_sub(rest.len()) as u64);
    let checked_end =
        |start: u64, len: u64| start.checked_add(len).filter(|end| *end <= span.end).ok_or(MessageError::Malformed);
    match tag & 7 {
        0 => {
            let value = varint(&mut rest).ok_or(MessageError::Malformed)?;
            Ok((number, StreamValue::Varint(value), after(rest)))
        }
        1 => checked_end(after(rest), 8).map(|end| (number, StreamValue::Fixed, end)),
        5 => checked_end(after(rest), 4).map(|end| (number, StreamValue::Fixed, end)),
        2 => {
            let len = varint(&mut rest).ok_or(MessageError::Malformed)?;
            let start = after(rest);
            let end = checked_end(start, len)?;
            Ok((number, StreamValue::Bytes(ByteSpan { start, end }), end))
        }
        _ => Err(MessageError::Malformed),
    }
}

/// Computes CRC-32C and length of the bytes of a span.
///
/// # Errors
/// A read fails.
pub(super) fn hash<S: Source + ?Sized>(
    window: &mut ReadWindow<'_, S>,
    span: ByteSpan,
    combiner: &CrcCombiner,
) -> Result<PartialCrc, Error> {
    let mut crc = PartialCrc::default();
    let mut at = span.start;
    while at < span.end {
        let want = usize::try_from(span.end.saturating_sub(at)).unwrap_or(WINDOW_LEN).min(WINDOW_LEN);
        let bytes = window.bytes(at, want)?;
        if bytes.is_empty() {
            break;
        }
        crc = crc.then(PartialCrc::of(bytes), combiner);
        at = at.saturating_add(bytes.len() as u64);
    }
    Ok(crc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::IgnoreProgress;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, StreamValue)>, MessageError> {
        let mut window = ReadWindow::new(bytes, &IgnoreProgress);
        let mut list = Vec::new();
        fields(&mut window, ByteSpan { start: 0, end: bytes.len() as u64 }, |_, number, value| {
            list.push((number, value));
            Ok(())
        })?;
        Ok(list)
    }

    #[test]
    fn fields_are_read_in_byte_order() {
        let list = read(&[0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 1, 2, 3, 4, 0x22, 0]).unwrap();
        let expected = [
            (1, StreamValue::Varint(150)),
            (2, StreamValue::Bytes(ByteSpan { start: 5, end: 7 })),
            (3, StreamValue::Fixed),
            (4, StreamValue::Bytes(ByteSpan { start: 14, end: 14 })),
        ];
        assert_eq!(list, expected);
    }

    #[test]
    fn bytes_that_are_no_message_are_malformed() {
        for bytes in [&[0x08][..], &[0, 1], &[0x12, 9, 1], &[0x0b, 1], &[0xff; 20], &[0x0d, 1, 2]] {
            assert_eq!(read(bytes), Err(MessageError::Malformed), "{bytes:x?}");
        }
    }
}
