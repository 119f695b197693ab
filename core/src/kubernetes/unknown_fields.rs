//! Shows fields without a schema: by number, with a guess at their type.
//!
//! A key is `field 12 (unknown)`. The encoding does not tell whether bytes are a message, a text or neither. Bytes that are valid text are shown as text, bytes that parse as a message
//! as a message, and others as base64.

use std::borrow::Cow;

use super::object_visitor::{MAX_VALUES, Sink};
use crate::key_syntax::is_unprintable;
use crate::protobuf_raw::{WireValue, is_message, next};

/// Maximum depth to which nested messages are guessed.
const MAX_DEPTH: u32 = 16;

/// Passes fields to a sink, each under its number; several with the same number as a list. At most `left` values.
pub(super) fn fields<'a>(found: &mut [(u32, WireValue<'a>)], depth: u32, left: &mut u32, sink: &mut impl Sink<'a>) {
    found.sort_by_key(|(number, _)| *number);
    for same in found.chunk_by(|a, b| a.0 == b.0) {
        let Some((number, one)) = same.first().filter(|_| *left > 0) else { return };
        sink.key(Cow::Owned(format!("field {number} (unknown)")));
        if same.len() == 1 {
            value(*one, depth, left, sink);
            continue;
        }
        sink.begin_array();
        for (_, each) in same.iter().take(*left as usize) {
            value(*each, depth, left, sink);
        }
        sink.end_array();
    }
}

/// Passes the fields of a message of unknown type to a sink.
fn message<'a>(raw: &'a [u8], depth: u32, left: &mut u32, sink: &mut impl Sink<'a>) {
    let mut found = Vec::new();
    let mut rest = raw;
    while let Some(field) = next(&mut rest) {
        found.push(field);
    }
    fields(&mut found, depth, left, sink);
}

fn value<'a>(value: WireValue<'a>, depth: u32, left: &mut u32, sink: &mut impl Sink<'a>) {
    *left = left.saturating_sub(1);
    match value {
        WireValue::Varint(number) => match i64::try_from(number) {
            Ok(number) => sink.int(number),
            Err(_) => sink.uint(number),
        },
        WireValue::Fixed64(bytes) | WireValue::Fixed32(bytes) => sink.bytes(bytes),
        WireValue::Delimited(bytes) => match text(bytes) {
            Some(text) => sink.string(Cow::Borrowed(text)),
            None if depth < MAX_DEPTH && is_message(bytes, 1) => {
                sink.begin_object();
                message(bytes, depth.saturating_add(1), left, sink);
                sink.end_object();
            }
            None => sink.bytes(bytes),
        },
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    let odd = |sign: char| is_unprintable(sign) && !matches!(sign, '\n' | '\t');
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains(odd))
}

/// Passes an object of unknown kind to a sink.
pub(super) fn object<'a>((api_version, kind): (&'a str, &'a str), raw: &'a [u8], sink: &mut impl Sink<'a>) {
    let mut left = MAX_VALUES;
    sink.begin_object();
    for (name, text) in [("kind", kind), ("apiVersion", api_version)] {
        sink.key(Cow::Borrowed(name));
        sink.string(Cow::Borrowed(text));
    }
    message(raw, 0, &mut left, sink);
    sink.end_object();
}
