//! A new snapshot out of an old one: compacted, without the room that free pages take, with some of its keys, or with what a damaged one still holds.
//!
//! The old file is only read. The new one has its name when it is complete, was read back and found sound, and is on the disk.

mod cut_keys;
mod error;
mod new_file;
mod salvage;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use etcdsnap_core::bolt::write::file_builder::Built;
use etcdsnap_core::rewrite::{Counts, Plan, write};
use etcdsnap_core::store::{Lost, Store};
use etcdsnap_core::{Finding, Report, Severity, Verdict, Watch};

use crate::error::{Error, Fault};
use crate::input::FileSource;
use crate::look::Snapshot;
use crate::progress::{Progress, Stage};
use crate::threads;

pub use cut_keys::{CutDone, cut};
pub use error::RewriteError;
pub use new_file::NewFile;
pub use salvage::{SalvageOptions, Salvaged, salvage};

/// What becomes of the old file's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewrite {
    /// All of them are kept.
    Defragment,
    /// Those are kept that a compaction at this revision leaves; 0 is the latest.
    Compact {
        /// The main revision.
        revision: i64,
    },
}

/// What the new file is.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewritten {
    /// The revision of the compaction.
    pub compacted: Option<i64>,
    /// Entries of bucket `key` in the old file.
    pub entries_before: u64,
    /// Entries of bucket `key` in the new file.
    pub entries: u64,
    /// Bytes of the old database, without what stands behind it.
    pub bytes_before: u64,
    /// The judgement of the old file.
    pub old: Report,
    /// The judgement of the new file, with its SHA-256 and numbers.
    pub report: Report,
}

/// Writes what `what` leaves of `snapshot` to `target`. An old file that is damaged is refused.
///
/// # Errors
/// When the old file cannot be read or is damaged, has no such revision, or the new one cannot be written; nothing is left of that then.
pub fn rewrite(
    snapshot: &Snapshot,
    what: Rewrite,
    target: NewFile,
    progress: &dyn Progress,
) -> Result<Rewritten, RewriteError> {
    let store = snapshot.store()?;
    let compacted = match what {
        Rewrite::Defragment => None,
        Rewrite::Compact { revision } => Some(store.at(revision)?),
    };
    let rewritten = judged(snapshot, &store, target, progress, |target| {
        let survivors = match compacted {
            Some(revision) => {
                let (survivors, lost) = snapshot.survivors(&store, revision, progress)?;
                whole(snapshot.path(), lost)?;
                Some(survivors)
            }
            None => None,
        };
        pages(snapshot, &store, survivors.as_ref().map_or(Plan::Everything, Plan::Compacted), target, progress)
    })?;
    Ok(Rewritten { compacted, ..rewritten })
}

/// Has `write` write all but the meta pages, judges both files, and completes the new one.
fn judged(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    target: NewFile,
    progress: &dyn Progress,
    write: impl FnOnce(&NewFile) -> Result<(Built, Counts), RewriteError>,
) -> Result<Rewritten, RewriteError> {
    // The old file is judged while the new one is written: hashing is most of the one, and a thread of its own.
    let aside = Aside::new(progress);
    let (judged, written) = threads::both(
        || snapshot.judge(&aside),
        || {
            let written = write(&target);
            // What the old file holds may be why: its judgement says so then.
            let is_about_input = matches!(&written, Err(error) if error.is_about_contents());
            aside.stop_if(written.is_err() && !is_about_input);
            written
        },
    );
    let judged = match judged.unwrap_or_else(|payload| Err(Fault::panic(payload.as_ref()).at(snapshot.path()))) {
        // It was stopped because nothing could be written.
        Err(Error::Cancelled) => return Err(written.err().unwrap_or_else(|| Error::Cancelled.into())),
        judged => judged?,
    };
    if judged.verdict == Verdict::Damaged {
        return Err(RewriteError::damaged(snapshot.path(), first(&judged)));
    }
    let (built, counts) = written?;
    snapshot.assert_unchanged()?;
    let report = target.judge(&built, snapshot.chosen_threads(), progress)?;
    target.complete(&built, &report)?;
    Ok(Rewritten {
        compacted: None,
        entries_before: counts.read,
        entries: counts.kept,
        bytes_before: store.database_bytes(),
        old: judged,
        report,
    })
}

/// Writes all but the meta pages.
fn pages(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    plan: Plan<'_>,
    target: &NewFile,
    progress: &dyn Progress,
) -> Result<(Built, Counts), RewriteError> {
    progress.begin(Stage::Copy, Some(store.bytes()));
    let (built, sink, counts) = write(store, plan, target.sink(store.page_size())?, progress)
        .map_err(|error| RewriteError::of_core(snapshot.path(), error))?;
    sink.finish()?;
    Ok((built, counts))
}

fn whole(path: &Path, lost: Lost) -> Result<(), RewriteError> {
    lost.first.map_or(Ok(()), |finding| Err(RewriteError::damaged(path, Some(finding))))
}

/// Work beside other work: it is not shown, and stops when that fails or is stopped.
struct Aside<'p> {
    progress: &'p dyn Progress,
    stop: AtomicBool,
}

impl<'p> Aside<'p> {
    fn new(progress: &'p dyn Progress) -> Self {
        Self { progress, stop: AtomicBool::new(false) }
    }

    fn stop_if(&self, failed: bool) {
        self.stop.store(failed, Ordering::Relaxed);
    }
}

impl Watch for Aside<'_> {
    fn advance(&self, _bytes: u64) {}

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.progress.cancelled()
    }
}

impl Progress for Aside<'_> {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
}

/// The first damage of a report.
fn first(report: &Report) -> Option<Finding> {
    report.findings.list().iter().find(|finding| finding.severity == Severity::Damage).cloned()
}
