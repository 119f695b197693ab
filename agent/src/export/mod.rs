//! Exports keys and values as files for other programs, one line or row per entry.

mod csv;
mod export_target;
mod ndjson;
mod parquet;

use std::io::{self, Write};

use etcdsnap_core::Revision;
use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::etcd::revision_key::FullRevision;
use etcdsnap_core::key_syntax::is_secret;
use etcdsnap_core::store::{KeyRange, LostParts, Order, Store};

use crate::error::Error;
use crate::fsx::output_error::OutputError;
use crate::fsx::part_file_error::PartFileError;
use crate::input::FileSource;
use crate::progress::{Progress, Stage};
use crate::snapshot::Snapshot;

use csv::Formulas;
pub use export_target::ExportTarget;

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object per line. Bytes that are not UTF-8 are in base64, under `keyBase64` and `valueBase64`.
    Ndjson,
    /// Comma-separated values with a header line (RFC 4180); `encoding` columns say which cells are in base64. A key or value that a spreadsheet could treat as a formula
    /// starts with an apostrophe, and so does one that starts with an apostrophe itself: to get the text, drop one apostrophe at the start of a cell.
    Csv,
    /// The same without added apostrophes, for programs that run no formulas.
    RawCsv,
    /// Parquet with typed columns, compressed with Zstandard, in row groups of bounded size.
    Parquet,
}

/// What to export.
#[derive(Debug, Clone)]
pub struct Export {
    /// The format.
    pub format: ExportFormat,
    /// The keys to export.
    pub range: KeyRange,
    /// The main revision whose live keys are exported, in order; with `history`, every retained entry up to it, ordered by revision.
    pub revision: Revision,
    /// Whether to export older entries and tombstones, too.
    pub history: bool,
    /// Whether to export values of Kubernetes secrets ([`is_secret`]).
    pub show_secrets: bool,
}

/// Exports to a target. A file gets its name only after the snapshot was read completely without a change, and the file was synced.
///
/// # Errors
/// As [`export`]; then nothing is left of a file.
pub fn export_to(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    what: &Export,
    target: ExportTarget,
    progress: &dyn Progress,
) -> Result<(u64, LostParts), ExportError> {
    let done = export(snapshot, store, what, target.writer(what.format)?, progress)?;
    target.finish()?;
    Ok(done)
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The snapshot cannot be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// The target cannot be used.
    #[error(transparent)]
    Target(#[from] OutputError),
    /// The file cannot be created.
    #[error(transparent)]
    File(#[from] PartFileError),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Write(#[from] io::Error),
}

/// One entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'r> {
    pub key: &'r [u8],
    pub main: Revision,
    pub sub: i64,
    pub create: Revision,
    pub version: i64,
    pub lease: i64,
    pub deleted: bool,
    pub value_len: u64,
    /// `None` for a tombstone, and for a hidden secret.
    pub value: Option<&'r [u8]>,
}

/// Receives rows in order.
pub(crate) trait RowWriter {
    fn row(&mut self, row: &Row<'_>) -> io::Result<()>;
    /// Writes buffered rows.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Writes an export of `store`, a store of `snapshot`, to `out`. Returns the number of rows, and the parts that could not be read. Memory is bounded by the keys (for a history, by a few pages) and one row group.
///
/// # Errors
/// When the snapshot cannot be read, changed meanwhile, or `out` cannot be written; the output so far is then meaningless.
pub fn export<'o>(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    export: &Export,
    out: Box<dyn Write + Send + 'o>,
    progress: &dyn Progress,
) -> Result<(u64, LostParts), ExportError> {
    let mut sink: Box<dyn RowWriter + 'o> = match export.format {
        ExportFormat::Ndjson => Box::new(ndjson::NdjsonWriter::new(out)),
        ExportFormat::Csv => Box::new(csv::CsvWriter::new(out, Formulas::Escaped)?),
        ExportFormat::RawCsv => Box::new(csv::CsvWriter::new(out, Formulas::Unchanged)?),
        ExportFormat::Parquet => Box::new(parquet::ParquetWriter::new(out)?),
    };
    let done = if export.history {
        history(snapshot, store, export, sink.as_mut(), progress)?
    } else {
        living(snapshot, store, export, sink.as_mut(), progress)?
    };
    sink.finish()?;
    snapshot.assert_unchanged()?;
    Ok(done)
}

/// Whether the value of an entry is left out: that of a tombstone, or of a hidden secret.
fn is_hidden(export: &Export, deleted: bool, key: &[u8]) -> bool {
    deleted || (is_secret(key) && !export.show_secrets)
}

fn row<'r>(at: FullRevision, deleted: bool, message: &KeyValue<'r>, value: Option<&'r [u8]>) -> Row<'r> {
    Row {
        key: message.key,
        main: at.main,
        sub: at.sub,
        create: message.create_revision,
        version: message.version,
        lease: message.lease,
        deleted,
        value_len: message.value.len() as u64,
        value,
    }
}

fn living(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    export: &Export,
    sink: &mut dyn RowWriter,
    progress: &dyn Progress,
) -> Result<(u64, LostParts), ExportError> {
    let query = store.query(export.range.clone(), export.revision);
    let (index, lost) = snapshot.keys(store, &query, progress)?;
    let order = Order::try_of(&index, |key| !key.deleted).map_err(|cause| snapshot.failed(cause))?;
    let keys = || (0..order.len()).filter_map(|number| order.get(&index, number));
    progress.begin(Stage::Copy, Some(keys().map(|key| u64::from(key.value_len)).sum()));
    for key in keys() {
        if progress.cancelled() {
            return Err(Error::Cancelled.into());
        }
        let message = snapshot.message(store, key.place)?;
        let parsed = snapshot.pair(&message)?;
        let value = (!is_hidden(export, false, parsed.key)).then(|| snapshot.decrypted_value(key.place, &parsed));
        sink.row(&row(key.revision, false, &parsed, value.as_deref()))?;
        progress.advance(u64::from(key.value_len));
    }
    Ok((order.len() as u64, lost))
}

fn history(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    export: &Export,
    sink: &mut dyn RowWriter,
    progress: &dyn Progress,
) -> Result<(u64, LostParts), ExportError> {
    progress.begin(Stage::Read, Some(store.bytes()));
    let query = store.query(export.range.clone(), export.revision);
    let mut rows = 0_u64;
    let mut outcome = Ok(());
    let mut lost = store
        .entries_in_order(progress, &mut |entry, lost| {
            let at = entry.key.revision;
            if at.main > query.revision {
                return false;
            }
            if let Some(message) = query.message(entry, lost) {
                rows = rows.saturating_add(1);
                let deleted = entry.key.tombstone;
                let is_hidden = is_hidden(export, deleted, message.key);
                let value = (!is_hidden).then(|| snapshot.decrypted_value(entry.place, &message));
                outcome = sink.row(&row(at, deleted, &message, value.as_deref()));
            }
            outcome.is_ok()
        })
        .map_err(|cause| snapshot.failed(cause))?;
    outcome?;
    lost.append(store.lost());
    Ok((rows, lost))
}
