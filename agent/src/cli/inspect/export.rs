//! `etcdsnap export FILE`

use std::io;
use std::path::{Path, PathBuf};

use etcdsnap::{Export, ExportError, ExportFormat, ExportTarget, Snapshot, printable_path};

use super::chosen_revision::chosen;
use super::{encrypted, key_text, range, report_losses};
use crate::cli::args::ExportArgs;
use crate::cli::args_inspect::ExportForm;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress_bar::Bar;
use crate::cli::render::grouped_number::counted;
use crate::cli::{judge_files, output, signals};

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or the output cannot be written.
pub fn run(args: &ExportArgs) -> Result<Exit, Failure> {
    let format = format(args)?;
    let range = range(&key_text::typed(&args.prefix)?, &args.interval)?;
    judge_files::check_not_written(&[&args.file])?;
    let decryption = encrypted::decryption(&args.decrypt, &[&args.file])?;
    let others: Vec<&Path> = args.decrypt.encryption_config.iter().map(PathBuf::as_path).collect();
    let target = ExportTarget::open(args.output.as_deref().unwrap_or(Path::new("-")), &args.file, &others)?;
    if format == ExportFormat::Parquet && target.is_terminal() {
        return Err(Failure::new("Parquet cannot be printed to a terminal", "Name a file with --output."));
    }
    let file = target.file().map(Path::to_owned);
    if let Some(warning) = target.warning() {
        output::warn(&warning);
    }
    judge_files::warn_when_in_use(&args.file);
    // From here on, a signal stops the work so that a half-written file is removed.
    let bar = signals::Cancellable::new(Bar::new(&args.file));
    let snapshot =
        Snapshot::open(&args.file, args.work.threads, &bar)?.with_meta(args.meta.choice()).with_decryption(decryption);
    let store = snapshot.store()?;
    let revision = chosen(&snapshot, &store, &args.revision)?;
    let export = Export { format, range, revision, history: args.history, show_secrets: args.show_secrets };
    let done = etcdsnap::export_to(&snapshot, &store, &export, target, &bar);
    drop(bar);
    let (rows, lost) = match done {
        Ok(done) => done,
        // The reader of stdout has gone and needs no more.
        Err(ExportError::Write(cause)) if file.is_none() && cause.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(Exit::Done);
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(file) = file {
        let said = format!("exported {} to {}\n", counted(rows, "row", "rows"), printable_path(&file));
        output::print(&said).map_err(|failure| {
            let what = format!("{} is complete and in place, but {}", printable_path(&file), failure.what);
            Failure::new(what, "")
        })?;
    }
    Ok(report_losses(&args.file, &lost).max(encrypted::report_undecrypted(&snapshot)))
}

fn format(args: &ExportArgs) -> Result<ExportFormat, Failure> {
    match args.format {
        ExportForm::Csv if args.csv_raw => Ok(ExportFormat::RawCsv),
        _ if args.csv_raw => Err(Failure::new("--csv-raw applies only to CSV", "Give --format csv, or leave it out.")),
        ExportForm::Ndjson => Ok(ExportFormat::Ndjson),
        ExportForm::Csv => Ok(ExportFormat::Csv),
        ExportForm::Parquet => Ok(ExportFormat::Parquet),
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Read(error) => error.into(),
            ExportError::Target(error) => error.into(),
            ExportError::File(error) => Self::new(error.to_string(), error.advice()),
            error => Self::new(error.to_string(), "What was written is not complete."),
        }
    }
}
