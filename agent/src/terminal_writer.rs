//! Escapes control characters in text for a terminal or a log.

use std::io::{self, Write};
use std::str;

use etcdsnap_core::key_syntax::is_unprintable;

use crate::json_text::write_escape;

/// How a character is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// `\u{9b}`, as in all text output.
    Text,
    /// `\u009b`, which a JSON parser reads as the same character.
    Json,
}

/// Escapes unprintable characters except line feeds, and bytes that are not UTF-8.
#[derive(Debug)]
pub struct TerminalWriter<W: Write> {
    out: W,
    escapes: Escapes,
    /// The first bytes of an incomplete character.
    rest: Vec<u8>,
}

impl<W: Write> TerminalWriter<W> {
    /// Creates a writer to `out`.
    pub fn new(out: W, escapes: Escapes) -> Self {
        Self { out, escapes, rest: Vec::new() }
    }

    fn write_text(&mut self, text: &str) -> io::Result<()> {
        let mut safe = Vec::with_capacity(text.len());
        for char in text.chars() {
            match self.escapes {
                _ if char == '\n' || !is_unprintable(char) => write!(safe, "{char}")?,
                Escapes::Text => write!(safe, "{}", char.escape_default())?,
                Escapes::Json => write_escape(&mut safe, char)?,
            }
        }
        self.out.write_all(&safe)
    }
}

impl<W: Write> Write for TerminalWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pending = std::mem::take(&mut self.rest);
        pending.extend_from_slice(bytes);
        for chunk in pending.utf8_chunks() {
            self.write_text(chunk.valid())?;
            let cut = chunk.invalid();
            // An incomplete character at the end continues in the next bytes.
            if pending.ends_with(cut) && matches!(str::from_utf8(cut), Err(error) if error.error_len().is_none()) {
                self.rest = cut.to_vec();
            } else if !cut.is_empty() {
                self.out.write_all("\u{fffd}".as_bytes())?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8], escapes: Escapes, piece: usize) -> String {
        let mut writer = TerminalWriter::new(Vec::new(), escapes);
        text.chunks(piece).for_each(|piece| writer.write_all(piece).unwrap());
        String::from_utf8(writer.out).unwrap()
    }

    #[test]
    fn escapes_for_any_lengths_of_the_pieces() {
        let hostile = "a\u{1b}[31m\u{9b}\u{202e}\u{e0041} schön\r\n日本".as_bytes();
        for piece in 1..=hostile.len() {
            let text = written(hostile, Escapes::Text, piece);
            assert_eq!(text, "a\\u{1b}[31m\\u{9b}\\u{202e}\\u{e0041} schön\\r\n日本");
            let json = written(hostile, Escapes::Json, piece);
            assert_eq!(json, "a\\u001b[31m\\u009b\\u202e\\udb40\\udc41 schön\\u000d\n日本");
        }
        assert_eq!(written(b"a\xffb\xc3(", Escapes::Text, 1), "a\u{fffd}b\u{fffd}(");
    }
}
