//! Writes comma-separated values.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use etcdsnap_core::key_syntax::is_unprintable;

use super::{Row, RowWriter};

const HEADER: [&str; 11] = [
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

/// First characters by which spreadsheets recognize a formula (OWASP, "CSV Injection"; full-width ones where Japanese or Chinese is set), and the apostrophe, which is itself put in front of those.
const FORMULA_STARTS: [char; 12] =
    ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\t', '\r', '\n', '\''];

/// Characters after which a spreadsheet begins a new cell if it uses another separator than the comma (as in most of Europe, or when configured), although the text is in quotes:
/// it recognizes quotes only at the start of a cell.
const CELL_ENDS: [char; 4] = [';', '\t', '\r', '\n'];

/// How to write keys and values that start like a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Formulas {
    /// Puts an apostrophe in front of them, and in front of such text after one of [`CELL_ENDS`] in them.
    Escaped,
    /// Writes them unchanged.
    Unchanged,
}

pub(super) struct CsvWriter<'o> {
    out: csv::Writer<Box<dyn Write + Send + 'o>>,
    formulas: Formulas,
}

impl<'o> CsvWriter<'o> {
    pub fn new(out: Box<dyn Write + Send + 'o>, formulas: Formulas) -> io::Result<Self> {
        let mut out = csv::WriterBuilder::new().buffer_capacity(1 << 20).from_writer(out);
        out.write_record(HEADER)?;
        Ok(Self { out, formulas })
    }

    /// Returns a cell's text, and its encoding.
    fn text<'b>(&self, bytes: &'b [u8]) -> (Cow<'b, str>, &'static str) {
        let (text, encoding) = match std::str::from_utf8(bytes) {
            Ok(text) => (Cow::Borrowed(text), "text"),
            Err(_) => (BASE64_STANDARD.encode(bytes).into(), "base64"),
        };
        match self.formulas {
            Formulas::Escaped => (escape_formulas(text), encoding),
            Formulas::Unchanged => (text, encoding),
        }
    }
}

/// Puts an apostrophe wherever a cell could start like a formula: at the start of the text, and after one of [`CELL_ENDS`].
fn escape_formulas(text: Cow<'_, str>) -> Cow<'_, str> {
    let starts = text.match_indices(CELL_ENDS).map(|(at, end)| at.saturating_add(end.len()));
    let starts = std::iter::once(0).chain(starts);
    let mut safe = String::new();
    let mut done = 0;
    for start in starts {
        let cell = text.get(start..).unwrap_or_default();
        let armed = if start == 0 { is_formula(cell) } else { has_formula_after_cell_end(cell) };
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

/// Whether a spreadsheet would run a cell with this text as a formula.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches(is_skipped_before_formula).starts_with(FORMULA_STARTS)
}

/// Whether a spreadsheet would run the text after one of [`CELL_ENDS`] as a formula. Quotes there may belong to the cell; another end starts one more cell.
fn has_formula_after_cell_end(text: &str) -> bool {
    let text = text.trim_start_matches(|char| char == '"' || is_skipped_before_formula(char));
    text.starts_with(FORMULA_STARTS) && !text.starts_with(CELL_ENDS)
}

/// Whether some spreadsheets skip this invisible character in front of a formula.
fn is_skipped_before_formula(char: char) -> bool {
    char == ' ' || is_unprintable(char) && !FORMULA_STARTS.contains(&char)
}

impl RowWriter for CsvWriter<'_> {
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
