//! Comma-separated values.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use etcdsnap_core::key_syntax::is_unprintable;

use super::{Row, Sink};

const TITLES: [&str; 11] = [
    "key",
    "key_encoding",
    "mod_revision",
    "sub_revision",
    "create_revision",
    "version",
    "lease",
    "deleted",
    "value_bytes",
    "value",
    "value_encoding",
];

/// First characters by which spreadsheets take a cell for a formula (OWASP, "CSV Injection"; those of full width where Japanese or Chinese is set), and the apostrophe, which is itself put in front of those.
const ARMED: [char; 12] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\t', '\r', '\n', '\''];

/// Where a spreadsheet that takes another separator than the comma (as it does in most of Europe, or when it is told to) begins a new cell, although the text is in quotes:
/// quotes count for it only at the start of a cell of its own.
const ENDS: [char; 4] = [';', '\t', '\r', '\n'];

/// Whether keys and values may begin like a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Formulas {
    /// They begin with an apostrophe then, and so does what follows one of [`ENDS`] in them.
    Disarmed,
    /// They are written as they are.
    Kept,
}

pub(super) struct Rows<'o> {
    out: csv::Writer<Box<dyn Write + Send + 'o>>,
    formulas: Formulas,
}

impl<'o> Rows<'o> {
    pub fn new(out: Box<dyn Write + Send + 'o>, formulas: Formulas) -> io::Result<Self> {
        let mut out = csv::WriterBuilder::new().buffer_capacity(1 << 20).from_writer(out);
        out.write_record(TITLES)?;
        Ok(Self { out, formulas })
    }

    /// A cell of text, and its encoding.
    fn text<'b>(&self, bytes: &'b [u8]) -> (Cow<'b, str>, &'static str) {
        let (text, encoding) = match std::str::from_utf8(bytes) {
            Ok(text) => (Cow::Borrowed(text), "text"),
            Err(_) => (BASE64_STANDARD.encode(bytes).into(), "base64"),
        };
        match self.formulas {
            Formulas::Disarmed => (disarmed(text), encoding),
            Formulas::Kept => (text, encoding),
        }
    }
}

/// A text with an apostrophe wherever a cell could begin like a formula in it: at its start, and behind one of [`ENDS`].
fn disarmed(text: Cow<'_, str>) -> Cow<'_, str> {
    let starts = text.match_indices(ENDS).map(|(at, end)| at.saturating_add(end.len()));
    let starts = std::iter::once(0).chain(starts);
    let mut safe = String::new();
    let mut done = 0;
    for start in starts {
        let cell = text.get(start..).unwrap_or_default();
        let armed = if start == 0 { is_armed(cell) } else { is_armed_behind_an_end(cell) };
        if armed {
            safe.push_str(text.get(done..start).unwrap_or_default());
            safe.push('\'');
            done = start;
        }
    }
    if safe.is_empty() {
        return text;
    }
    safe.push_str(text.get(done..).unwrap_or_default());
    safe.into()
}

/// Whether a spreadsheet would compute a cell of this text.
fn is_armed(text: &str) -> bool {
    text.trim_start_matches(is_passed_over).starts_with(ARMED)
}

/// The same of what follows one of [`ENDS`]: quotes may be the cell's own there, and another end is the next cell's business.
fn is_armed_behind_an_end(text: &str) -> bool {
    let text = text.trim_start_matches(|char| char == '"' || is_passed_over(char));
    text.starts_with(ARMED) && !text.starts_with(ENDS)
}

/// Some spreadsheets pass over what cannot be seen in front of a formula.
fn is_passed_over(char: char) -> bool {
    char == ' ' || is_unprintable(char) && !ARMED.contains(&char)
}

impl Sink for Rows<'_> {
    fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        let (key, key_encoding) = self.text(row.key);
        let (value, value_encoding) = row.value.map_or((Cow::Borrowed(""), ""), |value| self.text(value));
        let lease = if row.lease == 0 { String::new() } else { format!("{:x}", row.lease) };
        self.out.write_record([
            key.as_ref(),
            key_encoding,
            &row.main.to_string(),
            &row.sub.to_string(),
            &row.create.to_string(),
            &row.version.to_string(),
            &lease,
            if row.deleted { "true" } else { "false" },
            &row.value_len.to_string(),
            value.as_ref(),
            value_encoding,
        ])?;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
