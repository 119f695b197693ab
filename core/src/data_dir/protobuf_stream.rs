//! Protobuf messages read from a window field by field: long fields are places, not bytes in memory.

use crate::crc::{Combiner, Run};
use crate::data_dir::window::{WINDOW, Window};
use crate::error::Error;
use crate::source::Source;
use crate::varint::varint;

/// Bytes of a tag and a number at most.
pub(super) const HEAD: usize = 20;

/// Bytes of a source from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub start: u64,
    pub end: u64,
}

impl Span {
    pub fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Varint(u64),
    /// Four or eight bytes, which none of these messages has.
    Fixed,
    Bytes(Span),
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The bytes are no message.
    Malformed,
    /// The bytes cannot be had.
    Failed(Error),
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Hands out the fields of the message in `span`, in the order of its bytes.
///
/// # Errors
/// What is no message, also after fields were handed out; and what `take` says.
pub(super) fn fields<S: Source + ?Sized>(
    window: &mut Window<'_, S>,
    span: Span,
    mut take: impl FnMut(&mut Window<'_, S>, u32, Value) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut at = span.start;
    while at < span.end {
        let (number, value, next) = field(window, Span { start: at, end: span.end })?;
        take(window, number, value)?;
        at = next;
    }
    Ok(())
}

/// The field at the start of `span`: its number, its value, and where the next one begins.
///
/// # Errors
/// As [`fields`].
pub(super) fn field<S: Source + ?Sized>(
    window: &mut Window<'_, S>,
    span: Span,
) -> Result<(u32, Value, u64), Unreadable> {
    let room = usize::try_from(span.len()).unwrap_or(HEAD).min(HEAD);
    let head = window.bytes(span.start, room)?;
    let whole = head.len();
    let mut rest = head;
    let tag = varint(&mut rest).ok_or(Unreadable::Malformed)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
    let number = number.ok_or(Unreadable::Malformed)?;
    let after = |rest: &[u8]| span.start.saturating_add(whole.saturating_sub(rest.len()) as u64);
    let ending =
        |start: u64, len: u64| start.checked_add(len).filter(|end| *end <= span.end).ok_or(Unreadable::Malformed);
    match tag & 7 {
        0 => {
            let value = varint(&mut rest).ok_or(Unreadable::Malformed)?;
            Ok((number, Value::Varint(value), after(rest)))
        }
        1 => ending(after(rest), 8).map(|end| (number, Value::Fixed, end)),
        5 => ending(after(rest), 4).map(|end| (number, Value::Fixed, end)),
        2 => {
            let len = varint(&mut rest).ok_or(Unreadable::Malformed)?;
            let start = after(rest);
            let end = ending(start, len)?;
            Ok((number, Value::Bytes(Span { start, end }), end))
        }
        _ => Err(Unreadable::Malformed),
    }
}

/// CRC-32C and length of the bytes of a span.
///
/// # Errors
/// When they cannot be read.
pub(super) fn hash<S: Source + ?Sized>(
    window: &mut Window<'_, S>,
    span: Span,
    combiner: &Combiner,
) -> Result<Run, Error> {
    let mut run = Run::default();
    let mut at = span.start;
    while at < span.end {
        let want = usize::try_from(span.end.saturating_sub(at)).unwrap_or(WINDOW).min(WINDOW);
        let bytes = window.bytes(at, want)?;
        if bytes.is_empty() {
            break;
        }
        run = run.then(Run::of(bytes), combiner);
        at = at.saturating_add(bytes.len() as u64);
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Unwatched;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, Value)>, Unreadable> {
        let mut window = Window::new(bytes, &Unwatched);
        let mut list = Vec::new();
        fields(&mut window, Span { start: 0, end: bytes.len() as u64 }, |_, number, value| {
            list.push((number, value));
            Ok(())
        })?;
        Ok(list)
    }

    #[test]
    fn fields_come_in_order() {
        let list = read(&[0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 1, 2, 3, 4, 0x22, 0]).unwrap();
        let expected = [
            (1, Value::Varint(150)),
            (2, Value::Bytes(Span { start: 5, end: 7 })),
            (3, Value::Fixed),
            (4, Value::Bytes(Span { start: 14, end: 14 })),
        ];
        assert_eq!(list, expected);
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        for bytes in [&[0x08][..], &[0, 1], &[0x12, 9, 1], &[0x0b, 1], &[0xff; 20], &[0x0d, 1, 2]] {
            assert_eq!(read(bytes), Err(Unreadable::Malformed), "{bytes:x?}");
        }
    }
}
