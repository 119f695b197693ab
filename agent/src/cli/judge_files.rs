//! The files of a command line through the library.

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

/// The text of a file, if it has any.
pub type TextOf<'f> = &'f dyn Fn(&Path, &Report) -> Result<Option<String>, Error>;

/// How the reports of several files are printed.
pub enum Form<'f> {
    /// An object for each file, one that could not be read too, together at the end.
    Json(&'f dyn Fn(&Path, &Report) -> Result<String, Error>),
    /// The text of each as soon as it is known, if it has any, with `gap` between two.
    Text { gap: &'static str, of: TextOf<'f> },
}

impl Form<'_> {
    /// What is printed of one file, if anything.
    fn of(&self, path: &Path, report: &Report) -> Result<Option<String>, Error> {
        match self {
            Self::Json(object) => object(path, report).map(Some),
            Self::Text { of, .. } => of(path, report),
        }
    }
}

/// Judges one file after the other and prints what was found; the exit code is that of the worst, where `warnings` is what warnings alone count as.
///
/// # Errors
/// When stdout cannot be written, or standard input is named twice. A file that cannot be read is told on stderr and the others go on.
pub fn judge_all(
    files: &[PathBuf],
    sha256: Sha256,
    work: WorkArgs,
    meta: MetaArgs,
    decryption: Option<&Arc<Decryption>>,
    warnings: Exit,
    form: &Form<'_>,
) -> Result<Exit, Failure> {
    check_inputs(files)?;
    let mut worst = Exit::Done;
    let mut objects = Vec::new();
    let mut between = "";
    for path in files {
        let told = judge(path, sha256, work, meta, decryption).and_then(|report| Ok((form.of(path, &report)?, report)));
        match told {
            Ok((told, report)) => {
                worst = worst.max(Exit::of_report(&report, warnings));
                // Whether it is a backup could not be found out.
                if report.findings.has(Code::ValueUnchecked) {
                    worst = worst.max(Exit::Failed);
                }
                match (form, told) {
                    (Form::Json(_), told) => objects.extend(told),
                    (Form::Text { gap, .. }, Some(text)) => {
                        output::print(&format!("{between}{text}"))?;
                        between = gap;
                    }
                    (Form::Text { .. }, None) => {}
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
    if let Form::Json(_) = form {
        output::print(&json::one_or_array(objects, files.len()))?;
    }
    Ok(worst)
}

/// Fails when standard input is named twice, or what the command prints would go into one of its inputs.
///
/// # Errors
/// What is wrong.
pub fn check_inputs(files: &[PathBuf]) -> Result<(), Failure> {
    if files.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(stdin_twice());
    }
    check_not_written(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>())
}

/// Why `-` cannot be named twice.
pub fn stdin_twice() -> Failure {
    Failure::new(
        "`-` is named twice, and standard input can be read once",
        "Save what comes through the pipe to a file.",
    )
}

/// Judges one file with a progress bar, and opens its encrypted values where there is something to open them.
///
/// # Errors
/// Those of [`etcdsnap::verify`].
pub fn judge(
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

/// Fails when what the command prints would go into one of its inputs, as in `etcdsnap keys FILE >> FILE`.
///
/// # Errors
/// What is wrong with the redirection.
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

/// Fails where a new file that counts as proven would be made of one that a server writes to.
///
/// # Errors
/// What is wrong, and what to do instead.
pub fn refuse_when_in_use(path: &Path) -> Result<(), Failure> {
    if is_in_use(path) {
        let what =
            format!("{} is open in a running etcd, so what is read may be of no single moment", printable_path(path));
        return Err(Failure::new(what, "Take a snapshot instead (etcdsnap save), or stop the member first."));
    }
    Ok(())
}

/// Warns where what is read may be of no single moment because a server writes to the file.
pub fn warn_when_in_use(path: &Path) {
    if is_in_use(path) {
        output::warn(&format!(
            "{} is open in a running etcd: what is read may be of no single moment. Take a snapshot instead.",
            printable_path(path)
        ));
    }
}

/// bolt locks the file that it has open.
fn is_in_use(path: &Path) -> bool {
    path.is_file() && etcdsnap::is_locked(path)
}
