//! JSON that is safe for terminals: the usual compact form, with control characters escaped.

use std::io::{self, Write};

use etcdsnap_core::key_syntax::is_unprintable;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Formats JSON on one line. A character that [`is_unprintable`] becomes an escape like `\u009b`, which a parser reads as the same character.
///
/// # Errors
/// As [`serde_json::to_string`]: plain data cannot fail.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let mut text = Vec::new();
    write_json(&mut text, value)?;
    // The input is text, so the output is UTF-8.
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Like [`to_json`], to a writer.
///
/// # Errors
/// As [`to_json`], and those of the writer.
pub fn write_json<T: Serialize + ?Sized>(out: impl Write, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Escaping))
}

/// Writes the escape of a character in a JSON string; a character beyond 16 bits needs two.
pub(crate) fn write_escape<W: Write + ?Sized>(out: &mut W, char: char) -> io::Result<()> {
    char.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
}

/// Formats like serde_json's compact form, except for control characters.
struct Escaping;

impl Formatter for Escaping {
    /// Writes a piece of a string that contains nothing that JSON itself escapes.
    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        // DEL is the only ASCII control character that JSON does not escape.
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return out.write_all(fragment.as_bytes());
        }
        let mut written = 0;
        for (at, char) in fragment.char_indices().filter(|(_, char)| is_unprintable(*char)) {
            out.write_all(fragment.get(written..at).unwrap_or_default().as_bytes())?;
            write_escape(out, char)?;
            written = at.saturating_add(char.len_utf8());
        }
        out.write_all(fragment.get(written..).unwrap_or_default().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn escaped_json_parses_to_the_same_text() {
        let hostile = "a\u{9b}31m\u{7f}\r\u{202e}b\u{200b}\u{e0041}\"\\ schön 日本\n";
        let value = json!({"text": hostile, hostile: [1, 2.5, null, true, {}], "empty": ""});
        let text = to_json(&value).unwrap();
        assert!(!text.chars().any(is_unprintable), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(text.contains(r#""a\u009b31m\u007f\r\u202eb\u200b\udb40\udc41\"\\ schön 日本\n""#), "{text}");
    }

    #[test]
    fn other_text_is_the_same_as_from_serde_json() {
        let value = json!({"key": "/registry/pods/a", "n": -1, "list": ["schön", "\u{1}"], "none": null});
        assert_eq!(to_json(&value).unwrap(), serde_json::to_string(&value).unwrap());
    }
}
