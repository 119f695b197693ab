//! Verifies the files of a command line and prints the reports.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcdsnap::core::Code;
use etcdsnap::{Decryption, Error, OutputError, Report, Sha256, VerifyOptions, printable_path};

use super::args::{MetaArgs, WorkArgs};
use super::exit::Exit;
use super::failure::{Failure, exit_of};
use super::output;
use super::progress_bar::Bar;
use super::render::json;

/// Formats the report of a file; `None` prints nothing.
pub type FormatText<'f> = &'f dyn Fn(&Path, &Report) -> Result<Option<String>, Error>;

/// How to print the reports of several files.
pub enum ReportForm<'f> {
    /// One JSON object per file, also for a file that could not be read; all are printed together at the end.
    Json(&'f dyn Fn(&Path, &Report) -> Result<String, Error>),
    /// A text per file, printed as soon as the file is verified, with `gap` between two texts.
    Text { gap: &'static str, of: FormatText<'f> },
}

impl ReportForm<'_> {
    /// Formats the report of one file; `None` prints nothing.
    fn of(&self, path: &Path, report: &Report) -> Result<Option<String>, Error> {
        match self {
            Self::Json(object) => object(path, report).map(Some),
            Self::Text { of, .. } => of(path, report),
        }
    }
}

/// Verifies one file after the other and prints the reports. Returns the exit code of the worst file; `warnings` is the code for warnings alone.
///
/// # Errors
/// When stdout cannot be written, or standard input is named twice. A file that cannot be read is reported on stderr, and the next ones are verified.
pub fn verify_all(
    files: &[PathBuf],
    sha256: Sha256,
    work: WorkArgs,
    meta: MetaArgs,
    decryption: Option<&Arc<Decryption>>,
    warnings: Exit,
    form: &ReportForm<'_>,
) -> Result<Exit, Failure> {
    check_inputs(files)?;
    let mut worst = Exit::Done;
    let mut objects = Vec::new();
    let mut between = "";
    for path in files {
        let formatted =
            verify_file(path, sha256, work, meta, decryption).and_then(|report| Ok((form.of(path, &report)?, report)));
        match formatted {
            Ok((formatted, report)) => {
                worst = worst.max(Exit::of_report(&report, warnings));
                // The values could not be checked, so the file is not known to be a usable backup.
                if report.findings.has(Code::ValueUnchecked) {
                    worst = worst.max(Exit::Failed);
                }
                match (form, formatted) {
                    (ReportForm::Json(_), formatted) => objects.extend(formatted),
                    (ReportForm::Text { gap, .. }, Some(text)) => {
                        output::print(&format!("{between}{text}"))?;
                        between = gap;
                    }
                    (ReportForm::Text { .. }, None) => {}
                }
            }
            Err(error) => {
                worst = worst.max(exit_of(&error));
                objects.push(json::error(path, &error));
                let failure = Failure::from(error);
                output::complain(&failure.what, &failure.advice);
            }
        }
    }
    if let ReportForm::Json(_) = form {
        output::print(&json::one_or_array(objects, files.len()))?;
    }
    Ok(worst)
}

/// Checks that standard input is named at most once, and that the output does not go into one of the inputs.
///
/// # Errors
/// When either is violated; the error says what is wrong.
pub fn check_inputs(files: &[PathBuf]) -> Result<(), Failure> {
    if files.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(stdin_twice());
    }
    check_not_written(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>())
}

/// Returns the error for a second `-`.
pub fn stdin_twice() -> Failure {
    Failure::new("`-` is named twice, but standard input can be read only once", "Save the snapshot to a file first.")
}

/// Verifies one file with a progress bar, and decrypts its encrypted values if `decryption` is given.
///
/// # Errors
/// Those of [`etcdsnap::verify`].
pub fn verify_file(
    path: &Path,
    sha256: Sha256,
    work: WorkArgs,
    meta: MetaArgs,
    decryption: Option<&Arc<Decryption>>,
) -> Result<Report, Error> {
    warn_when_in_use(path);
    let bar = Bar::new(path);
    let options = VerifyOptions { sha256, meta: meta.choice(), threads: work.threads, progress: &bar };
    match decryption {
        Some(decryption) => etcdsnap::verify_values(path, options, decryption),
        None => etcdsnap::verify(path, options),
    }
}

/// Checks that the output does not go into one of the inputs, as in `etcdsnap keys FILE >> FILE`.
///
/// # Errors
/// When it does; the error names the redirection.
pub fn check_not_written(inputs: &[&Path]) -> Result<(), Failure> {
    etcdsnap::check_output_streams(inputs).map_err(|error| {
        if matches!(&error, OutputError::Input { path, .. } if path == Path::new("/dev/stderr")) {
            output::be_silent();
        }
        error.into()
    })
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::new(error.to_string(), error.advice())
    }
}

/// Refuses an input that a running server writes to, for commands whose output counts as verified.
///
/// # Errors
/// When a server has the file open; the advice says what to do instead.
pub fn refuse_when_in_use(path: &Path) -> Result<(), Failure> {
    if is_in_use(path) {
        let what =
            format!("{} is open in a running etcd, so its parts may come from different moments", printable_path(path));
        return Err(Failure::new(what, "Take a snapshot instead (etcdsnap save), or stop the member first."));
    }
    Ok(())
}

/// Warns if a running server writes to the file, because its parts may come from different moments.
pub fn warn_when_in_use(path: &Path) {
    if is_in_use(path) {
        output::warn(&format!(
            "{} is open in a running etcd: its parts may come from different moments. Take a snapshot instead (etcdsnap save).",
            printable_path(path)
        ));
    }
}

/// Whether a server has the file open: bolt locks its database file.
fn is_in_use(path: &Path) -> bool {
    path.is_file() && etcdsnap::is_locked(path)
}
