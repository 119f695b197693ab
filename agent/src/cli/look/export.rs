//! `etcdsnap export FILE`

use std::io::{self, IsTerminal};

use etcdsnap::{Export, ExportError, ExportFormat, Snapshot, printable_path};

use super::{range, revision, told};
use crate::cli::args::ExportArgs;
use crate::cli::args_look::ExportForm;
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Bar;
use crate::cli::render::number::counted;
use crate::cli::{input, output, signals};

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or the output cannot be written.
pub fn run(args: &ExportArgs) -> Result<Exit, Failure> {
    if args.output.is_none() && args.format == ExportForm::Parquet && io::stdout().is_terminal() {
        return Err(Failure::new("Parquet is nothing for a terminal", "Name a file with --output."));
    }
    let range = range(&args.prefix, &args.interval)?;
    input::warn_when_in_use(&args.file);
    // A signal ends it in good order: what is half written is removed.
    let bar = signals::Cancellable::new(Bar::new(&args.file));
    let snapshot = Snapshot::open(&args.file, args.work.threads, &bar)?;
    let store = snapshot.store()?;
    let export = Export {
        format: match args.format {
            ExportForm::Ndjson => ExportFormat::Ndjson,
            ExportForm::Csv => ExportFormat::Csv,
            ExportForm::Parquet => ExportFormat::Parquet,
        },
        range,
        revision: revision(&store, args.rev)?,
        history: args.history,
        show_secrets: args.show_secrets,
    };
    let done = match &args.output {
        Some(path) => etcdsnap::export_to(&snapshot, &store, &export, path, &bar),
        None => etcdsnap::export(&snapshot, &store, &export, Box::new(io::stdout()), &bar),
    };
    drop(bar);
    let (rows, lost) = match done {
        Ok(done) => done,
        // A reader that went away has all that it wanted.
        Err(ExportError::Write(cause)) if args.output.is_none() && cause.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(Exit::Done);
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(path) = &args.output {
        output::print(&format!("exported {} to {}\n", counted(rows, "row", "rows"), printable_path(path)))?;
    }
    Ok(told(&args.file, &lost))
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Read(error) => error.into(),
            ExportError::File(error) => Self::new(error.to_string(), error.advice()),
            error => Self::new(error.to_string(), "What was written is not complete."),
        }
    }
}
