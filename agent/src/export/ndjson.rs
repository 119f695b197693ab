//! Writes one JSON object per line.

use std::io::{self, BufWriter, Write};

use serde_json::Map;

use super::{Row, RowWriter};
use crate::byte_text::put_bytes;
use crate::json_text::write_json;

pub(super) struct NdjsonWriter<'o> {
    out: BufWriter<Box<dyn Write + Send + 'o>>,
}

impl<'o> NdjsonWriter<'o> {
    pub fn new(out: Box<dyn Write + Send + 'o>) -> Self {
        Self { out: BufWriter::with_capacity(1 << 20, out) }
    }
}

impl RowWriter for NdjsonWriter<'_> {
    fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        let mut object = Map::new();
        put_bytes(&mut object, "key", row.key);
        object.insert("modRevision".into(), row.main.into());
        object.insert("subRevision".into(), row.sub.into());
        if row.deleted {
            object.insert("deleted".into(), true.into());
        } else {
            object.insert("createRevision".into(), row.create.into());
            object.insert("version".into(), row.version.into());
            if row.lease != 0 {
                object.insert("lease".into(), format!("{:x}", row.lease).into());
            }
            object.insert("valueBytes".into(), row.value_len.into());
        }
        if let Some(value) = row.value {
            put_bytes(&mut object, "value", value);
        }
        write_json(&mut self.out, &object)?;
        self.out.write_all(b"\n")
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
