//! `etcdsnap compact FILE -o OUT`, `etcdsnap defrag FILE -o OUT`

use etcdsnap::core::Revision;
use std::collections::BTreeMap;
use std::path::Path;

use etcdsnap::{
    Code, DefragmentedMember, NewFile, Report, Rewrite, RewriteError, Rewritten, Snapshot, Verdict, printable_path,
    put_path,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::args::{CompactArgs, DefragArgs};
use super::args_restore::RestoreForm;
use super::args_rewrite::NewFileArgs;
use super::exit::Exit;
use super::failure::Failure;
use super::inspect::chosen_revision::chosen_by;
use super::progress_bar::Bar;
use super::render::grouped_number::{counted, exact_bytes, grouped, grouped_revision};
use super::render::json;
use super::{judge_files, output, signals};

/// Runs `compact`.
///
/// # Errors
/// When the file cannot be read or is damaged, or the new one cannot be written.
pub fn compact(args: &CompactArgs) -> Result<Exit, Failure> {
    run(&args.new, |snapshot| {
        let revision = match &args.at {
            Some(time) => chosen_by(snapshot, &snapshot.store()?, args.rev, Some(time))?,
            None => args.rev,
        };
        Ok(Rewrite::Compact { revision })
    })
}

/// Runs `defrag`.
///
/// # Errors
/// As [`compact`].
pub fn defrag(args: &DefragArgs) -> Result<Exit, Failure> {
    match (&args.data_dir, &args.file, &args.output) {
        (Some(data_dir), ..) => member(data_dir, args),
        (None, Some(file), Some(output)) => {
            let (file, output) = (file.clone(), output.clone());
            let new = NewFileArgs { file, output, write_out: args.write_out, work: args.work, meta: args.meta };
            run(&new, |_| Ok(Rewrite::Defragment))
        }
        // clap refuses such a command line before.
        _ => Err(Failure::new("expected FILE and --output, or --data-dir", "")),
    }
}

/// Rewrites the database of a stopped member in place.
fn member(data_dir: &Path, args: &DefragArgs) -> Result<Exit, Failure> {
    let bar = signals::Cancellable::new(Bar::new(data_dir));
    let done = etcdsnap::defragment_member(data_dir, args.work.threads, &bar);
    drop(bar);
    let DefragmentedMember { database: path, done, leftovers } = done?;
    leftovers.iter().for_each(|warning| output::warn(warning));
    let said = match args.write_out {
        RestoreForm::Text => format!(
            "defragmented {}: {}, all kept; {} instead of {}; {}\n",
            printable_path(&path),
            counted(done.entries, "entry", "entries"),
            exact_bytes(bytes(&done.report)),
            exact_bytes(done.bytes_before),
            // A member's own database never has a SHA-256, so its absence is no finding.
            if done.report.findings.counts().keys().all(|code| *code == Code::TrailerMissing) {
                "read back and sound".to_owned()
            } else {
                format!("read back, with the same warnings as before: {}", warned_codes(&done.report))
            }
        ),
        RestoreForm::Json => format!("{}\n", json::line(&NewFileObject::of(&path, &done))),
    };
    output::print_of(&format!("{} is complete and in place", printable_path(&path)), &said)?;
    Ok(Exit::Done)
}

/// Lists the codes of the warnings, without the missing SHA-256 that a member's own database never has.
fn warned_codes(report: &Report) -> String {
    let codes = report.findings.counts().keys().filter(|code| **code != Code::TrailerMissing);
    codes.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn run(args: &NewFileArgs, what: impl FnOnce(&Snapshot) -> Result<Rewrite, Failure>) -> Result<Exit, Failure> {
    let Opened { target, bar, snapshot } = open(args)?;
    let what = what(&snapshot)?;
    let done = etcdsnap::rewrite(&snapshot, what, target, &bar);
    drop(bar);
    let done = done?;
    let said = match args.write_out {
        RestoreForm::Text => text(&args.file, &args.output, &done),
        RestoreForm::Json => format!("{}\n", json::line(&NewFileObject::of(&args.output, &done))),
    };
    print(args, &said)?;
    Ok(Exit::Done)
}

/// An input file that is open, and an output file that is prepared.
pub struct Opened {
    pub target: NewFile,
    pub bar: signals::Cancellable<Bar>,
    pub snapshot: Snapshot,
}

/// Prepares the output file, then opens the input file.
///
/// # Errors
/// When the input cannot be opened, the output cannot be prepared, or a running server uses the input.
pub fn open(args: &NewFileArgs) -> Result<Opened, Failure> {
    judge_files::check_not_written(&[&args.file])?;
    judge_files::refuse_when_in_use(&args.file)?;
    let target = NewFile::open(&args.output, &args.file)?;
    if let Some(warning) = target.warning() {
        output::warn(&warning);
    }
    // From here on, a signal stops the work so that a half-written file is removed.
    let bar = signals::Cancellable::new(Bar::new(&args.file));
    let snapshot = Snapshot::open(&args.file, args.work.threads, &bar)?.with_meta(args.meta.choice());
    Ok(Opened { target, bar, snapshot })
}

/// Prints the result; if that fails, the message says that the new file is complete all the same.
///
/// # Errors
/// When stdout cannot be written.
pub fn print(args: &NewFileArgs, said: &str) -> Result<(), Failure> {
    output::print_of(&format!("{} is complete and in place", printable_path(&args.output)), said)
}

fn text(old: &Path, path: &Path, done: &Rewritten) -> String {
    let gone = done.entries_before.saturating_sub(done.entries);
    let first = match done.compacted {
        Some(revision) => format!(
            "compacted at revision {}: {} kept, {} gone",
            grouped_revision(revision),
            counted(done.entries, "entry", "entries"),
            grouped(gone)
        ),
        None => format!("defragmented: {}, all kept", counted(done.entries, "entry", "entries")),
    };
    format!("{first}\n{}", in_place(old, path, done))
}

/// Describes the new file in a line, with the warnings about the old one.
pub fn in_place(old: &Path, path: &Path, done: &Rewritten) -> String {
    format!(
        "{} is complete, verified and in place: {} instead of {}; SHA-256 {}{}\n",
        printable_path(path),
        exact_bytes(bytes(&done.report)),
        exact_bytes(done.bytes_before),
        sha256(&done.report).unwrap_or_default(),
        warnings(old, done)
    )
}

/// Lists warnings about the old file, which also concern the new one even if it no longer shows them: a missing SHA-256, for example, is now present.
fn warnings(old: &Path, done: &Rewritten) -> String {
    let codes: Vec<String> = done.old.findings.counts().keys().map(ToString::to_string).collect();
    if codes.is_empty() {
        return String::new();
    }
    let mut text = format!("\nwarnings about {}: {}", printable_path(old), codes.join(", "));
    if done.old.findings.has(Code::TrailerMissing) {
        text.push_str(". It had no SHA-256, so nothing proves that its bytes are those that etcd wrote. The SHA-256 of the new file proves only that it holds what was read");
    }
    text
}

fn bytes(report: &Report) -> u64 {
    report.status.as_ref().map_or(0, |status| status.total_size)
}

fn sha256(report: &Report) -> Option<&str> {
    report.trailer.actual.as_ref().map(|hex| hex.0.as_str())
}

/// The `-w json` output about a new file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewFileObject<'r> {
    #[serde(flatten)]
    file: Map<String, Value>,
    /// Only after a compaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    compact_revision: Option<Revision>,
    revision: Revision,
    entries_before: u64,
    entries: u64,
    bytes_before: u64,
    bytes: u64,
    sha256: Option<&'r str>,
    verdict: Verdict,
    /// The verdict about the old file, which also concerns the new one.
    input_verdict: Verdict,
    input_finding_counts: &'r BTreeMap<Code, u64>,
}

impl<'r> NewFileObject<'r> {
    /// Describes the new file at `path`.
    pub fn of(path: &Path, done: &'r Rewritten) -> Self {
        let mut file = Map::new();
        put_path(&mut file, "file", path);
        Self {
            file,
            compact_revision: done.compacted,
            revision: done.report.status.as_ref().map_or(Revision::ZERO, |status| status.revision),
            entries_before: done.entries_before,
            entries: done.entries,
            bytes_before: done.bytes_before,
            bytes: bytes(&done.report),
            sha256: sha256(&done.report),
            verdict: done.report.verdict,
            input_verdict: done.old.verdict,
            input_finding_counts: done.old.findings.counts(),
        }
    }
}

impl From<RewriteError> for Failure {
    fn from(error: RewriteError) -> Self {
        match error {
            RewriteError::Read(error) => error.into(),
            RewriteError::Target(error) => error.into(),
            error @ RewriteError::Damaged { .. } => {
                Self { what: error.to_string(), advice: error.advice(), exit: Exit::Damage }
            }
            error => Self::new(error.to_string(), error.advice()),
        }
    }
}
