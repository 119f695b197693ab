//! Comma-separated values.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

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

pub(super) struct Rows<'o> {
    out: csv::Writer<Box<dyn Write + Send + 'o>>,
}

impl<'o> Rows<'o> {
    pub fn new(out: Box<dyn Write + Send + 'o>) -> io::Result<Self> {
        let mut out = csv::WriterBuilder::new().buffer_capacity(1 << 20).from_writer(out);
        out.write_record(TITLES)?;
        Ok(Self { out })
    }
}

impl Sink for Rows<'_> {
    fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        let (key, key_encoding) = text(row.key);
        let (value, value_encoding) = row.value.map_or((Cow::Borrowed(""), ""), text);
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

fn text(bytes: &[u8]) -> (Cow<'_, str>, &'static str) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.into(), "text"),
        Err(_) => (BASE64_STANDARD.encode(bytes).into(), "base64"),
    }
}
