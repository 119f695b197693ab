//! Formats keys and values for terminals and JSON, and parses keys as they are typed.

use std::fmt::{self, Display, Formatter, Write};

pub use etcdsnap::core::key_syntax::{is_secret, key_text as key};
use etcdsnap::core::key_syntax::{is_unprintable, key_bytes};
use etcdsnap::printable;
pub use etcdsnap::put_bytes as put;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output::Lines;

/// Formats a value: text keeps its lines and tabs, and other control characters are escaped as in a key. Bytes that are not text are escaped completely.
pub fn value(bytes: &[u8]) -> String {
    ShownValue(bytes).to_string()
}

/// Formats a value like [`value`], piece by piece: escapes take four times the memory of the value.
pub struct ShownValue<'b>(pub &'b [u8]);

impl Display for ShownValue<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Ok(text) = std::str::from_utf8(self.0) else { return self.0.escape_ascii().fmt(f) };
        for char in text.chars() {
            if is_harmless(char) {
                f.write_char(char)?;
            } else {
                char.encode_utf8(&mut [0; 4]).as_bytes().escape_ascii().fmt(f)?;
            }
        }
        Ok(())
    }
}

/// Whether the bytes can be sent to a terminal unchanged.
pub fn is_for_a_terminal(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_harmless))
}

fn is_harmless(char: char) -> bool {
    matches!(char, '\n' | '\t') || !is_unprintable(char)
}

/// Formats bytes in hexadecimal, as etcdctl prints them, piece by piece.
pub struct Hex<'b>(pub &'b [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
    }
}

/// Parses a key as it was typed: plain, or in quotes with the escapes that [`key`] writes.
pub fn typed(text: &str) -> Result<Vec<u8>, Failure> {
    key_bytes(text).ok_or_else(|| not_in_quotes(text))
}

/// The error for a text in quotes with an invalid escape.
pub fn not_in_quotes(text: &str) -> Failure {
    Failure::new(
        format!("{} is not a valid key in quotes", printable(text)),
        "Escapes are \\n \\r \\t \\\\ \\' \\\" and \\xNN.",
    )
}

/// Writes one line of JSON.
///
/// # Errors
/// When stdout cannot be written.
pub fn write_line<T: Serialize + ?Sized>(lines: &mut Lines, object: &T) -> Result<(), Failure> {
    lines.write_with(|out| {
        etcdsnap::write_json(&mut *out, object)?;
        out.write_all(b"\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_keys_can_be_typed() {
        for bytes in [
            &b"/registry/pods/a"[..],
            b"",
            b"a b",
            b"\xff\x00",
            b"\"q\"",
            b"back\\slash",
            "sch\u{f6}n".as_bytes(),
            b"\x1b[31m",
        ] {
            let printed = key(bytes);
            assert!(!printed.contains(char::is_control), "{printed}");
            assert_eq!(typed(&printed).unwrap(), bytes, "{printed}");
        }
        assert_eq!(key("sch\u{f6}n".as_bytes()), "sch\u{f6}n");
        assert!(typed("\"\\q\"").is_err() && typed("\"\\x4\"").is_err());
    }

    #[test]
    fn values_keep_their_lines_and_nothing_else() {
        assert_eq!(value(b"a: 1\n\tb: 2\n"), "a: 1\n\tb: 2\n");
        assert_eq!(value(b"\x1b[31m"), "\\x1b[31m");
        assert_eq!(value(b"k8s\0\xff"), "k8s\\x00\\xff");
        assert_eq!(value("schön\r\n\u{9b}\u{202e}".as_bytes()), "schön\\r\n\\xc2\\x9b\\xe2\\x80\\xae");
        assert!(is_for_a_terminal("schön\n\t".as_bytes()));
        assert!(!is_for_a_terminal(b"\r") && !is_for_a_terminal(b"\xff") && !is_for_a_terminal(b"\xc2\x9b"));
    }
}
