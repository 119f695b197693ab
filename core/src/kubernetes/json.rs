//! Writes JSON as the API prints it: without blanks, and with members in the order in which they arrive.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::go_numbers;
use super::object_visitor::Sink;
use super::raw_json;

/// A sink that writes JSON.
#[derive(Debug, Default)]
pub struct JsonText {
    out: Vec<u8>,
    /// Whether a comma comes before the next key or element.
    comma: bool,
}

impl JsonText {
    /// Creates a sink that appends to `out`.
    #[must_use]
    pub fn into(out: Vec<u8>) -> Self {
        Self { out, comma: false }
    }

    /// Returns the written bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn before(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }
}

impl<'a> Sink<'a> for JsonText {
    fn begin_object(&mut self) {
        self.before();
        self.out.push(b'{');
        self.comma = false;
    }

    fn end_object(&mut self) {
        self.out.push(b'}');
        self.comma = true;
    }

    fn begin_array(&mut self) {
        self.before();
        self.out.push(b'[');
        self.comma = false;
    }

    fn end_array(&mut self) {
        self.out.push(b']');
        self.comma = true;
    }

    fn key(&mut self, key: Cow<'a, str>) {
        self.before();
        quote(&key, &mut self.out);
        self.out.push(b':');
        self.comma = false;
    }

    fn null(&mut self) {
        self.before();
        self.out.extend_from_slice(b"null");
    }

    fn bool(&mut self, value: bool) {
        self.before();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn int(&mut self, value: i64) {
        self.before();
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    fn uint(&mut self, value: u64) {
        self.before();
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    fn float(&mut self, value: f64) {
        self.before();
        self.out.extend_from_slice(go_numbers::json(value).as_bytes());
    }

    fn string(&mut self, value: Cow<'a, str>) {
        self.before();
        quote(&value, &mut self.out);
    }

    fn bytes(&mut self, value: &'a [u8]) {
        self.before();
        self.out.push(b'"');
        self.out.extend_from_slice(STANDARD.encode(value).as_bytes());
        self.out.push(b'"');
    }

    fn raw(&mut self, json: &'a [u8]) {
        self.before();
        raw_json::compact(json, &mut self.out);
    }
}

/// Writes a text in quotes with the escapes of Go's `encoding/json`, which also escapes characters with a meaning in HTML and JavaScript.
pub fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    if raw_json::is_each(bytes, is_plain) {
        out.extend_from_slice(bytes);
        return out.push(b'"');
    }
    let mut from = 0_usize;
    for (at, byte) in bytes.iter().enumerate() {
        if is_plain(*byte) {
            continue;
        }
        let (skip, escape): (usize, Cow<'static, str>) = match byte {
            b'"' => (1, "\\\"".into()),
            b'\\' => (1, "\\\\".into()),
            b'\n' => (1, "\\n".into()),
            b'\r' => (1, "\\r".into()),
            b'\t' => (1, "\\t".into()),
            0x08 => (1, "\\b".into()),
            0x0c => (1, "\\f".into()),
            0xe2 => match bytes.get(at.saturating_add(1)..at.saturating_add(3)) {
                Some([0x80, 0xa8]) => (3, "\\u2028".into()),
                Some([0x80, 0xa9]) => (3, "\\u2029".into()),
                _ => continue,
            },
            other => (1, format!("\\u{other:04x}").into()),
        };
        out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        out.extend_from_slice(escape.as_bytes());
        from = at.saturating_add(skip);
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    out.push(b'"');
}

/// Whether a byte is written unchanged, whatever follows it. U+2028 and U+2029 begin with 0xe2.
#[inline]
fn is_plain(byte: u8) -> bool {
    !matches!(byte, 0..0x20 | b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_escapes_of_go() {
        let mut out = Vec::new();
        quote("a\"\\\n\r\t\u{8}\u{c}\u{1}<>&\u{2028}\u{2029}é€\u{7f}", &mut out);
        let want = "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u003c\\u003e\\u0026\\u2028\\u2029é€\u{7f}\"";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
