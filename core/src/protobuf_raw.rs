//! Decodes protobuf messages without a schema: numbers, texts and nested messages, as far as the bytes show what they
//! are.
//!
//! The encoding does not distinguish text, messages and other bytes, so this module guesses: readable text counts as
//! text, unless it begins like most messages and decodes as one to its last byte. Source of the encoding: the Protocol
//! Buffers documentation, "Encoding".

use serde::Serialize;

use crate::key_syntax::printable;
use crate::varint::varint;

/// Maximum depth of nested messages.
const MAX_DEPTH: u32 = 24;
/// Maximum number of fields returned per message; the rest is dropped.
pub const MAX_FIELDS: usize = 20_000;
/// Longest text returned, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// Longest value of other types returned in hexadecimal, in bytes.
const MAX_BYTES: usize = 256;

/// A field of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageField {
    /// Field number in the schema.
    pub number: u32,
    /// Number of messages around this one; 0 for the fields of the outermost message.
    pub depth: u32,
    /// `varint`, `fixed32`, `fixed64`, `text`, `bytes` or `message`.
    pub wire: &'static str,
    /// Value as text; empty for a message, whose own fields come next.
    pub value: String,
}

/// Decodes all fields of a message in byte order; `None` if the bytes are empty or not a message.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Vec<MessageField>> {
    let mut fields = Vec::new();
    (!bytes.is_empty() && is_message(bytes, MAX_DEPTH)).then(|| append_fields(bytes, 0, &mut fields))?;
    Some(fields)
}

/// A field's value by wire type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WireValue<'a> {
    Varint(u64),
    Fixed64(&'a [u8]),
    Fixed32(&'a [u8]),
    Delimited(&'a [u8]),
}

/// Decodes the next field; returns its number and value. `None` at the end, and if the bytes are not a message.
#[inline]
pub(crate) fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, WireValue<'a>)> {
    let tag = varint(rest)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number))?;
    let value = match tag & 7 {
        0 => WireValue::Varint(varint(rest)?),
        1 => WireValue::Fixed64(take(rest, 8)?),
        2 => {
            let len = usize::try_from(varint(rest)?).ok()?;
            WireValue::Delimited(take(rest, len)?)
        }
        5 => WireValue::Fixed32(take(rest, 4)?),
        _ => return None,
    };
    Some((number, value))
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(taken)
}

pub(crate) fn is_message(bytes: &[u8], depth: u32) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        if next(&mut rest).is_none() {
            return false;
        }
    }
    depth > 0
}

fn append_fields(bytes: &[u8], depth: u32, fields: &mut Vec<MessageField>) {
    let mut rest = bytes;
    while let Some((number, value)) = next(&mut rest) {
        if fields.len() >= MAX_FIELDS {
            return;
        }
        let (wire, value, inner) = match value {
            WireValue::Varint(number) => ("varint", number.to_string(), None),
            WireValue::Fixed64(bytes) => ("fixed64", hex(bytes), None),
            WireValue::Fixed32(bytes) => ("fixed32", hex(bytes), None),
            WireValue::Delimited(bytes) => match text(bytes) {
                Some(text) if !looks_like_message(bytes, depth) => ("text", text, None),
                _ if !bytes.is_empty() && is_message(bytes, MAX_DEPTH.saturating_sub(depth)) => {
                    ("message", String::new(), Some(bytes))
                }
                Some(text) => ("text", text, None),
                None => ("bytes", hex(bytes), None),
            },
        };
        fields.push(MessageField { number, depth, wire, value });
        if let Some(inner) = inner {
            append_fields(inner, depth.saturating_add(1), fields);
        }
    }
}

/// Decodes text; `None` if the bytes are not UTF-8 or contain control characters other than line breaks and tabs.
fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_control = |sign: char| sign.is_control() && !matches!(sign, '\n' | '\r' | '\t');
    if text.contains(is_control) {
        return None;
    }
    let cut = (0..=MAX_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let (shown, not_shown) = text.split_at(cut);
    let shown: String = shown.split('\n').map(printable).collect::<Vec<_>>().join("\n");
    Some(if not_shown.is_empty() { shown } else { format!("{shown}… and {} bytes more", not_shown.len()) })
}

/// Most messages begin with field 1 as text: a line feed and a length. Text seldom begins with a line feed.
fn looks_like_message(bytes: &[u8], depth: u32) -> bool {
    bytes.first() == Some(&0x0a) && bytes.len() > 1 && is_message(bytes, MAX_DEPTH.saturating_sub(depth))
}

fn hex(bytes: &[u8]) -> String {
    let shown = bytes.get(..MAX_BYTES).unwrap_or(bytes);
    let mut hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    if shown.len() < bytes.len() {
        hex.push_str(&format!("… and {} bytes more", bytes.len().saturating_sub(shown.len())));
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Vec<(u32, u32, &'static str, String)> {
        read(bytes)
            .unwrap_or_default()
            .into_iter()
            .map(|field| (field.depth, field.number, field.wire, field.value))
            .collect()
    }

    #[test]
    fn fields_are_decoded_in_byte_order() {
        let bytes =
            [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1a, 4, 0x0a, 2, b'o', b'k', 0x25, 1, 2, 3, 4, 0x2a, 1, 0xff];
        assert_eq!(
            shown(&bytes),
            [
                (0, 1, "varint", "150".into()),
                (0, 2, "text", "hi".into()),
                (0, 3, "message", String::new()),
                (1, 1, "text", "ok".into()),
                (0, 4, "fixed32", "01020304".into()),
                (0, 5, "bytes", "ff".into()),
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_message_are_rejected() {
        for bytes in [&b""[..], b"hello", &[0x08], &[0x00, 1], &[0x12, 9, 1], &[0x0b, 1], &[0xff; 20]] {
            assert_eq!(read(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let mut bytes = vec![0x08, 1];
        for _ in 0..2000 {
            let mut outer = vec![0x0a];
            let mut len = bytes.len();
            while len >= 0x80 {
                outer.push(len as u8 | 0x80);
                len >>= 7;
            }
            outer.push(len as u8);
            outer.extend(bytes);
            bytes = outer;
        }
        assert!(shown(&bytes).iter().all(|(depth, ..)| *depth <= MAX_DEPTH));
    }
}
