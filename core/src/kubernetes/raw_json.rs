//! Reads values that are stored as JSON: custom resources, and JSON inside other objects.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::object_visitor::Sink;

/// Whether the bytes are exactly one JSON value.
#[must_use]
pub fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok() && std::str::from_utf8(bytes).is_ok()
}

/// Passes a JSON value to a sink. Numbers become what the API server makes of them: 64-bit integers if possible, otherwise floats.
///
/// # Errors
/// When the bytes are not JSON, or nested deeper than 128 levels. The sink may have received a part, with all objects and lists closed.
pub fn read<'a>(json: &'a [u8], sink: &mut impl Sink<'a>) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let cell = RefCell::new(sink);
    let read = Value { sink: &cell, of: PhantomData }.deserialize(&mut deserializer);
    read.and_then(|()| deserializer.end())
}

/// Copies JSON without the blanks between its tokens, and escapes the characters that the API server escapes.
pub(super) fn compact(json: &[u8], out: &mut Vec<u8>) {
    // Most JSON inside objects is that of managedFields, which is already compact.
    if is_each(json, |byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'<' | b'>' | b'&' | 0xe2)) {
        return out.extend_from_slice(json);
    }
    let (mut in_text, mut escaped) = (false, false);
    let mut from = 0_usize;
    let copy = |from: usize, to: usize, out: &mut Vec<u8>| {
        out.extend_from_slice(json.get(from..to).unwrap_or_default());
    };
    for (at, byte) in json.iter().enumerate() {
        let behind = at.saturating_add(1);
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' if !in_text => {
                copy(from, at, out);
                from = behind;
            }
            b'<' | b'>' | b'&' => {
                copy(from, at, out);
                out.extend_from_slice(match byte {
                    b'<' => b"\\u003c",
                    b'>' => b"\\u003e",
                    _ => b"\\u0026",
                });
                from = behind;
            }
            0xe2 => {
                // U+2028 and U+2029 break lines in JavaScript.
                if let Some([0x80, last @ (0xa8 | 0xa9)]) = json.get(behind..at.saturating_add(3)) {
                    copy(from, at, out);
                    out.extend_from_slice(if *last == 0xa8 { b"\\u2028" } else { b"\\u2029" });
                    from = at.saturating_add(3);
                }
            }
            b'"' if !escaped => in_text = !in_text,
            _ => {}
        }
        escaped = in_text && *byte == b'\\' && !escaped;
    }
    copy(from, json.len(), out);
}

/// Whether a test holds for each byte. Tests many bytes at once, which is several times as fast as one by one.
#[inline]
pub(super) fn is_each(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    bytes.chunks(32).all(|some| some.iter().fold(true, |all, byte| all & is(*byte)))
}

/// A JSON value that is passed to a sink while it is parsed.
struct Value<'c, 's, S> {
    sink: &'c RefCell<&'s mut S>,
    of: PhantomData<S>,
}

impl<S> Value<'_, '_, S> {
    fn again(&self) -> Self {
        Self { sink: self.sink, of: PhantomData }
    }
}

impl<'a, S: Sink<'a>> DeserializeSeed<'a> for Value<'_, '_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, S: Sink<'a>> Visitor<'a> for Value<'_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.sink.borrow_mut().null();
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.sink.borrow_mut().bool(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.sink.borrow_mut().int(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.sink.borrow_mut().int(value),
            Err(_) => self.sink.borrow_mut().float(value as f64),
        }
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.sink.borrow_mut().float(value);
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<(), E> {
        self.sink.borrow_mut().string(Cow::Borrowed(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.sink.borrow_mut().string(Cow::Owned(value.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
        self.sink.borrow_mut().begin_array();
        let read = loop {
            match items.next_element_seed(self.again()) {
                Ok(Some(())) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.sink.borrow_mut().end_array();
        read
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<(), A::Error> {
        self.sink.borrow_mut().begin_object();
        let read = loop {
            match members.next_key::<BorrowedKey<'a>>() {
                Ok(Some(key)) => self.sink.borrow_mut().key(key.0),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            if let Err(error) = members.next_value_seed(self.again()) {
                break Err(error);
            }
        };
        self.sink.borrow_mut().end_object();
        read
    }
}

/// A key, borrowed if it contains no escapes.
#[derive(serde::Deserialize)]
struct BorrowedKey<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_compacted_with_the_escapes_of_the_api() {
        let mut out = Vec::new();
        compact("{ \"a b\" : \"\\\" <&>\u{2028}\", \n\t\"c\\\\\": [ 1.50 , 2e3 ] }".as_bytes(), &mut out);
        let want = r#"{"a b":"\" \u003c\u0026\u003e\u2028","c\\":[1.50,2e3]}"#;
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn invalid_json_is_refused() {
        assert!(is_json(b" {\"a\":[1]} "));
        for bytes in [&b""[..], b"{", b"{} x", b"\"\xff\"", b"[1,]"] {
            assert!(!is_json(bytes), "{bytes:?}");
        }
    }
}
