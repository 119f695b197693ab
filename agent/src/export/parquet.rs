//! Writes Parquet: typed columns, Zstandard, row groups of bounded size.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::{Row, RowWriter};

/// `key_text` is the key if it is UTF-8, so that queries can compare it without a cast.
const SCHEMA: &str = "message entry {
    REQUIRED BYTE_ARRAY key;
    OPTIONAL BYTE_ARRAY key_text (STRING);
    REQUIRED INT64 mod_revision;
    REQUIRED INT64 sub_revision;
    OPTIONAL INT64 create_revision;
    OPTIONAL INT64 version;
    OPTIONAL INT64 lease;
    REQUIRED BOOLEAN deleted;
    REQUIRED INT64 value_bytes;
    OPTIONAL BYTE_ARRAY value;
}";

/// Rows of a row group at most.
const MAX_GROUP_ROWS: usize = 65_536;
/// Bytes of keys and values in a row group at most, except for one more row.
const MAX_GROUP_BYTES: usize = 32 << 20;

/// The columns of one row group. An optional column has a value only where it is not null.
#[derive(Default)]
struct Columns {
    key: Vec<ByteArray>,
    key_text: Vec<Option<ByteArray>>,
    main: Vec<i64>,
    sub: Vec<i64>,
    create: Vec<Option<i64>>,
    version: Vec<Option<i64>>,
    lease: Vec<Option<i64>>,
    deleted: Vec<bool>,
    value_len: Vec<i64>,
    value: Vec<Option<ByteArray>>,
    bytes: usize,
}

pub(super) struct ParquetWriter<'o> {
    out: SerializedFileWriter<Box<dyn Write + Send + 'o>>,
    columns: Columns,
}

impl<'o> ParquetWriter<'o> {
    pub fn new(out: Box<dyn Write + Send + 'o>) -> io::Result<Self> {
        let schema = parse_message_type(SCHEMA).map_err(failed)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let out = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
        Ok(Self { out, columns: Columns::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        // The Parquet library aborts when memory runs out, so first reserve what a row group can need at most: its pages, and the compressed ones.
        Vec::<u8>::new().try_reserve_exact(self.columns.bytes.saturating_mul(2)).map_err(|_| no_memory())?;
        self.write_group().map_err(failed)
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let columns = std::mem::take(&mut self.columns);
        let mut group = self.out.next_row_group()?;
        let mut number = 0;
        while let Some(mut column) = group.next_column()? {
            match number {
                0 => required::<ByteArrayType>(&mut column, &columns.key)?,
                1 => optional::<ByteArrayType>(&mut column, &columns.key_text)?,
                2 => required::<Int64Type>(&mut column, &columns.main)?,
                3 => required::<Int64Type>(&mut column, &columns.sub)?,
                4 => optional::<Int64Type>(&mut column, &columns.create)?,
                5 => optional::<Int64Type>(&mut column, &columns.version)?,
                6 => optional::<Int64Type>(&mut column, &columns.lease)?,
                7 => required::<BoolType>(&mut column, &columns.deleted)?,
                8 => required::<Int64Type>(&mut column, &columns.value_len)?,
                _ => optional::<ByteArrayType>(&mut column, &columns.value)?,
            }
            column.close()?;
            number += 1;
        }
        group.close()?;
        Ok(())
    }
}

type ParquetColumn<'c> = parquet::file::writer::SerializedColumnWriter<'c>;

fn required<T: DataType>(column: &mut ParquetColumn<'_>, values: &[T::T]) -> Result<(), ParquetError> {
    column.typed::<T>().write_batch(values, None, None).map(drop)
}

fn optional<T: DataType>(column: &mut ParquetColumn<'_>, values: &[Option<T::T>]) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let present: Vec<T::T> = values.iter().flatten().cloned().collect();
    column.typed::<T>().write_batch(&present, Some(&levels), None).map(drop)
}

impl RowWriter for ParquetWriter<'_> {
    fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        let columns = &mut self.columns;
        let key = copy(row.key)?;
        columns.key_text.push(std::str::from_utf8(row.key).ok().map(|_| key.clone()));
        columns.key.push(key);
        columns.main.push(row.main.get());
        columns.sub.push(row.sub);
        let alive = |number: i64| (!row.deleted).then_some(number);
        columns.create.push(alive(row.create.get()));
        columns.version.push(alive(row.version));
        columns.lease.push(Some(row.lease).filter(|lease| *lease != 0));
        columns.deleted.push(row.deleted);
        columns.value_len.push(i64::try_from(row.value_len).unwrap_or(i64::MAX));
        columns.value.push(row.value.map(copy).transpose()?);
        columns.bytes = columns.bytes.saturating_add(row.key.len()).saturating_add(row.value.map_or(0, <[u8]>::len));
        if columns.main.len() >= MAX_GROUP_ROWS || columns.bytes >= MAX_GROUP_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        if !self.columns.main.is_empty() {
            self.flush()?;
        }
        self.out.close().map(drop).map_err(failed)
    }
}

fn copy(bytes: &[u8]) -> io::Result<ByteArray> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| no_memory())?;
    copy.extend_from_slice(bytes);
    Ok(ByteArray::from(copy))
}

fn no_memory() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, "not enough memory for a row group; CSV and JSON lines take less")
}

/// Returns the underlying error of the system, if there is one.
fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => *cause,
            Err(cause) => io::Error::other(cause),
        },
        error => io::Error::other(error),
    }
}
