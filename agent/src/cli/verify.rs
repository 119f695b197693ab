//! `etcdsnap verify FILE|DIR…`

use std::path::Path;
use std::sync::Arc;

use etcdsnap::{Decryption, DirectoryReport, Error, Sha256, Verdict, VerifyOptions};

use super::args::{VerifyArgs, VerifyForm};
use super::exit::Exit;
use super::failure::{self, Failure};
use super::inspect;
use super::judge_files::{self, ReportForm};
use super::output;
use super::progress_bar::Bar;
use super::render::finding_groups::ShownFindings;
use super::render::{json, text_directory, text_verify};

/// Runs the command; the exit code is that of the worst file or directory.
///
/// # Errors
/// Those of [`judge_files::verify_all`]; also when `--wal-dir` is given without exactly one directory.
pub fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    let directories = args.files.iter().filter(|path| path.is_dir()).count();
    if args.wal_dir.is_some() && (directories != 1 || args.files.len() != 1) {
        return Err(Failure::new(
            "--wal-dir requires exactly one data directory",
            "Verify each directory by itself: etcdsnap verify DIR --wal-dir DIR",
        ));
    }
    let warnings = if args.strict { Exit::Damage } else { Exit::Done };
    let shown = if args.all { ShownFindings::All } else { ShownFindings::First };
    let decryption = decryption(args)?;
    if directories > 0 && decryption.is_some() {
        return Err(Failure::new(
            "encrypted values can be checked only in snapshots, not in data directories",
            "Verify the database of the directory (member/snap/db), or leave out --encryption-config and --kms-socket.",
        ));
    }
    if directories > 0 {
        return verify_with_directories(args, warnings, shown);
    }
    let form = match args.write_out {
        VerifyForm::Json => ReportForm::Json(&|path, report| Ok(json::verify(path, report))),
        VerifyForm::Text => {
            ReportForm::Text { gap: "\n", of: &|path, report| Ok(Some(text_verify::text(path, report, shown))) }
        }
    };
    judge_files::verify_all(&args.files, Sha256::Check, args.work, args.meta, decryption.as_ref(), warnings, &form)
}

/// Returns the decryption if the command line gives keys or plugins for it.
fn decryption(args: &VerifyArgs) -> Result<Option<Arc<Decryption>>, Failure> {
    let files: Vec<&Path> = args.files.iter().map(AsRef::as_ref).collect();
    let decryption = inspect::encrypted::decryption(&args.decrypt, &files)?;
    Ok(decryption.can_decrypt().then_some(decryption))
}

/// The outcome for one argument.
enum ArgumentOutcome {
    File(Box<etcdsnap::Report>),
    Directory(Box<DirectoryReport>),
    Failed(Error),
}

/// Verifies a list of directories and files. All are verified before JSON is printed, because each object says whether its member is the newest.
fn verify_with_directories(args: &VerifyArgs, warnings: Exit, shown: ShownFindings) -> Result<Exit, Failure> {
    judge_files::check_inputs(&args.files)?;
    if let Some(log) = &args.wal_dir {
        judge_files::check_not_written(&[log])?;
    }
    let mut worst = Exit::Done;
    let mut all = Vec::new();
    for path in &args.files {
        let outcome = verify_argument(args, path);
        worst = worst.max(exit_of(&outcome, warnings));
        if let ArgumentOutcome::Failed(error) = &outcome {
            output::complain(&error.to_string(), &error.advice());
        } else if args.write_out == VerifyForm::Text {
            let gap =
                if all.iter().any(|(_, outcome)| !matches!(outcome, ArgumentOutcome::Failed(_))) { "\n" } else { "" };
            output::print(&format!("{gap}{}", text(path, &outcome, shown)))?;
        }
        all.push((path.as_path(), outcome));
    }
    let directories: Vec<(&Path, &DirectoryReport)> = all.iter().filter_map(directory).collect();
    let newest = newest(&directories);
    match args.write_out {
        VerifyForm::Text if directories.len() > 1 => {
            output::print(&format!("\n{}", text_directory::comparison(&directories, newest.as_deref())))?;
        }
        VerifyForm::Text => {}
        VerifyForm::Json => {
            let mut flags = newest.unwrap_or_default().into_iter();
            let is_compared = directories.len() > 1;
            let object = |(path, outcome): &(&Path, ArgumentOutcome)| match outcome {
                ArgumentOutcome::File(report) => json::verify(path, report),
                ArgumentOutcome::Directory(report) => {
                    json::directory(path, report, flags.next().filter(|_| is_compared))
                }
                ArgumentOutcome::Failed(error) => json::error(path, error),
            };
            let objects = all.iter().map(object).collect();
            output::print(&json::one_or_array(objects, args.files.len()))?;
        }
    }
    Ok(worst)
}

fn verify_argument(args: &VerifyArgs, path: &Path) -> ArgumentOutcome {
    if !path.is_dir() {
        return match judge_files::verify_file(path, Sha256::Check, args.work, args.meta, None) {
            Ok(report) => ArgumentOutcome::File(Box::new(report)),
            Err(error) => ArgumentOutcome::Failed(error),
        };
    }
    let bar = Bar::new(path);
    let (threads, meta) = (args.work.threads, args.meta.choice());
    let options = VerifyOptions { sha256: Sha256::Skip, meta, threads, progress: &bar };
    match etcdsnap::verify_directory(path, args.wal_dir.as_deref(), options) {
        Ok(report) => ArgumentOutcome::Directory(Box::new(report)),
        Err(error) => ArgumentOutcome::Failed(error),
    }
}

fn exit_of(outcome: &ArgumentOutcome, warnings: Exit) -> Exit {
    match outcome {
        ArgumentOutcome::File(report) => Exit::of_report(report, warnings),
        ArgumentOutcome::Directory(report) if !report.database_judged => Exit::Failed,
        ArgumentOutcome::Directory(report) => Exit::of_verdict(report.verdict, warnings),
        ArgumentOutcome::Failed(error) => failure::exit_of(error),
    }
}

fn text(path: &Path, outcome: &ArgumentOutcome, shown: ShownFindings) -> String {
    match outcome {
        ArgumentOutcome::File(report) => text_verify::text(path, report, shown),
        ArgumentOutcome::Directory(report) => text_directory::text(path, report, shown),
        ArgumentOutcome::Failed(_) => String::new(),
    }
}

fn directory<'j>((path, outcome): &'j (&Path, ArgumentOutcome)) -> Option<(&'j Path, &'j DirectoryReport)> {
    match outcome {
        ArgumentOutcome::Directory(report) => Some((path, report)),
        ArgumentOutcome::File(_) | ArgumentOutcome::Failed(_) => None,
    }
}

/// Finds the directories that no other one is newer than; `None` if they belong to several clusters. A damaged directory may report wrong numbers, so it counts as newest only
/// if all are damaged.
fn newest(directories: &[(&Path, &DirectoryReport)]) -> Option<Vec<bool>> {
    let cluster = directories.iter().find_map(|(_, report)| report.cluster.as_ref());
    if directories.iter().any(|(_, report)| report.cluster.is_some() && report.cluster.as_ref() != cluster) {
        return None;
    }
    let rank = |report: &DirectoryReport| (report.verdict != Verdict::Damaged, report.standing);
    let best = directories.iter().map(|(_, report)| rank(report)).max()?;
    Some(directories.iter().map(|(_, report)| rank(report) == best).collect())
}
