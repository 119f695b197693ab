//! Keys and values for a terminal, for JSON, and as they are typed.

use etcdsnap::core::words::key_bytes;
pub use etcdsnap::core::words::{is_secret, key_text as key};
use etcdsnap::printable;
pub use etcdsnap::put_bytes as put;
use serde_json::{Map, Value};

use crate::cli::exit::Failure;

/// A value as text where it is text, with escapes otherwise.
pub fn value(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.lines().all(|line| printable(&line.replace('\t', " ")) == line.replace('\t', " ")) => {
            text.to_owned()
        }
        _ => bytes.escape_ascii().to_string(),
    }
}

/// Bytes in hexadecimal, as etcdctl prints them.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// A key as it was typed: as it is, or in quotes with the escapes that [`key`] writes.
pub fn typed(text: &str) -> Result<Vec<u8>, Failure> {
    key_bytes(text).ok_or_else(|| {
        Failure::new(
            format!("{} is no key in quotes", printable(text)),
            "Escapes are \\n \\r \\t \\\\ \\' \\\" and \\xNN.",
        )
    })
}

/// A line of JSON.
pub fn line(object: Map<String, Value>) -> String {
    format!("{}\n", Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_typed() {
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
    }
}
