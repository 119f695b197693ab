//! Writes a new snapshot from an old one: compacted, without free pages, with only some of its keys, redacted, or recovered from a damaged one.
//!
//! The input is only read. The output gets its name after it is complete, was read back and found sound, and is synced.

mod background_progress;
mod block_sink;
mod cut_keys;
mod member_database;
mod new_file;
mod redact_values;
mod rewrite_error;
mod salvage_file;

use std::path::Path;

use etcdsnap_core::bolt::write::file_builder::BuiltFile;
use etcdsnap_core::rewrite::{EntryTotals, Plan, write};
use etcdsnap_core::store::{LostParts, Store};
use etcdsnap_core::{Finding, Report, Revision, Severity, Verdict};

use crate::error::{Error, PathlessError};
use crate::input::FileSource;
use crate::progress::{Progress, Stage};
use crate::snapshot::Snapshot;
use crate::threads;

pub(crate) use background_progress::Aside;
pub(crate) use block_sink::BlockSink;
pub use cut_keys::{CutDone, cut};
pub use member_database::{DefragmentedMember, defragment_member};
pub(crate) use new_file::Ending;
pub use new_file::NewFile;
pub use redact_values::{RedactDone, redact};
pub use rewrite_error::RewriteError;
pub use salvage_file::{DamagedSnapshot, SalvageOptions, Salvaged, salvage};

/// Which entries of the input are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewrite {
    /// All of them.
    Defragment,
    /// Those that a compaction at this revision leaves; 0 is the latest.
    Compact {
        /// The main revision.
        revision: Revision,
    },
}

impl Rewrite {
    /// Returns the revision of the compaction; `None` if everything is kept.
    fn revision(self, store: &Store<'_, FileSource>) -> Result<Option<Revision>, RewriteError> {
        match self {
            Self::Defragment => Ok(None),
            Self::Compact { revision } => Ok(Some(store.at(revision)?)),
        }
    }
}

/// The result of a rewrite.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewritten {
    /// The revision of the compaction, if there was one.
    pub compacted: Option<Revision>,
    /// Entries of bucket `key` in the input.
    pub entries_before: u64,
    /// Entries of bucket `key` in the output.
    pub entries: u64,
    /// Bytes of the input's database, without its trailer.
    pub bytes_before: u64,
    /// The report about the input.
    pub old: Report,
    /// The report about the output, with its SHA-256 and numbers.
    pub report: Report,
}

/// Writes the kept entries of `snapshot` to `target`. Refuses a damaged input.
///
/// # Errors
/// When the input cannot be read or is damaged, does not contain the revision, or the output cannot be written; then no output is left.
pub fn rewrite(
    snapshot: &Snapshot,
    what: Rewrite,
    target: NewFile,
    progress: &dyn Progress,
) -> Result<Rewritten, RewriteError> {
    let (target, done) = rewrite_sealed(snapshot, what, target, progress)?;
    target.publish()?;
    Ok(done)
}

/// Like [`rewrite`], but leaves the final rename to the caller: the file is complete, verified and synced.
///
/// # Errors
/// As [`rewrite`].
pub(crate) fn rewrite_sealed(
    snapshot: &Snapshot,
    what: Rewrite,
    target: NewFile,
    progress: &dyn Progress,
) -> Result<(NewFile, Rewritten), RewriteError> {
    let store = snapshot.store()?;
    let compacted = what.revision(&store)?;
    let write = |target: &NewFile| kept(snapshot, &store, compacted, target, progress);
    let (target, done) = judged(snapshot, &store, target, progress, write)?;
    Ok((target, Rewritten { compacted, ..done }))
}

/// Lets `write` write everything except the meta pages, verifies both files, and completes the output except for its name.
fn judged(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    target: NewFile,
    progress: &dyn Progress,
    write: impl FnOnce(&NewFile) -> Result<(BuiltFile, EntryTotals), RewriteError>,
) -> Result<(NewFile, Rewritten), RewriteError> {
    // The input is verified while the output is written: verification is mostly hashing, on its own thread.
    let aside = Aside::new(progress);
    let (judged, written) = threads::run_both(
        || match target.ending() {
            Ending::Sha256 => snapshot.verify(&aside),
            // The input's database has no SHA-256, so the output gets none.
            Ending::Nothing => snapshot.status(&aside),
        },
        || {
            let written = write(&target);
            // Damage of the input may be the cause; then its report says so.
            let is_about_input = matches!(&written, Err(error) if error.is_about_contents());
            aside.stop_if(written.is_err() && !is_about_input);
            written
        },
    );
    let judged = match judged.unwrap_or_else(|payload| Err(PathlessError::panic(payload.as_ref()).at(snapshot.path())))
    {
        // Verification was stopped because writing failed.
        Err(Error::Cancelled) => return Err(written.err().unwrap_or_else(|| Error::Cancelled.into())),
        judged => judged?,
    };
    if judged.verdict == Verdict::Damaged {
        return Err(RewriteError::damaged(snapshot.path(), first(&judged)));
    }
    let (built, counts) = written?;
    let report = sealed(snapshot, &target, &built, progress)?;
    let done = Rewritten {
        compacted: None,
        entries_before: counts.read,
        entries: counts.kept,
        bytes_before: store.database_bytes(),
        old: judged,
        report,
    };
    Ok((target, done))
}

/// Like [`rewrite_sealed`], for an input that was already verified.
///
/// # Errors
/// As [`rewrite`].
pub(crate) fn rewrite_proven(
    snapshot: &Snapshot,
    what: Rewrite,
    target: NewFile,
    progress: &dyn Progress,
) -> Result<(NewFile, Report), RewriteError> {
    let store = snapshot.store()?;
    let compacted = what.revision(&store)?;
    let (built, _) = kept(snapshot, &store, compacted, &target, progress)?;
    let report = sealed(snapshot, &target, &built, progress)?;
    Ok((target, report))
}

/// Verifies the output, and completes it except for its name.
fn sealed(
    snapshot: &Snapshot,
    target: &NewFile,
    built: &BuiltFile,
    progress: &dyn Progress,
) -> Result<Report, RewriteError> {
    snapshot.assert_unchanged()?;
    let report = target.judge(built, snapshot.chosen_threads(), progress)?;
    target.seal(built, &report)?;
    Ok(report)
}

/// Writes what a compaction at this revision leaves, or everything, except the meta pages.
fn kept(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    compacted: Option<Revision>,
    target: &NewFile,
    progress: &dyn Progress,
) -> Result<(BuiltFile, EntryTotals), RewriteError> {
    let Some(revision) = compacted else { return pages(snapshot, store, Plan::Everything, target, progress) };
    let (survivors, lost) = snapshot.survivors(store, revision, progress)?;
    whole(snapshot.path(), lost)?;
    pages(snapshot, store, Plan::Compacted(&survivors), target, progress)
}

/// Writes everything except the meta pages.
fn pages(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    plan: Plan<'_>,
    target: &NewFile,
    progress: &dyn Progress,
) -> Result<(BuiltFile, EntryTotals), RewriteError> {
    progress.begin(Stage::Copy, Some(store.bytes()));
    target.with_sink(store.page_size(), |sink| {
        let written = write(store, plan, sink, progress);
        let (built, sink, counts) = written.map_err(|error| RewriteError::of_core(snapshot.path(), error))?;
        sink.finish()?;
        Ok((built, counts))
    })
}

fn whole(path: &Path, lost: LostParts) -> Result<(), RewriteError> {
    lost.first.map_or(Ok(()), |finding| Err(RewriteError::damaged(path, Some(finding))))
}

/// Returns the first damage in a report.
fn first(report: &Report) -> Option<Finding> {
    report.findings.list().iter().find(|finding| finding.severity == Severity::Damage).cloned()
}
