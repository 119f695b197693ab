//! Some of a snapshot's keys with their whole history.

use etcdsnap_core::rewrite::{Cut, CutReport, CutSide, KeyChoice, Plan};

use super::{NewFile, RewriteError, Rewritten, judged, pages};
use crate::progress::Progress;
use crate::snapshot::Snapshot;

/// What a cut made.
#[derive(Debug, Clone, PartialEq)]
pub struct CutDone {
    /// The new file.
    pub rewritten: Rewritten,
    /// What stays, and what is gone.
    pub cut: CutReport,
}

/// Writes a snapshot with some of the keys of another one to `target`: `choices` stay or go. An old file that is damaged is refused, and unless `may_be_empty`, a cut after which no
/// key lives.
///
/// # Errors
/// When the old file cannot be read or is damaged, nothing would be kept, or the new one cannot be written; nothing is left of that then.
pub fn cut(
    snapshot: &Snapshot,
    choices: &[KeyChoice],
    side: CutSide,
    may_be_empty: bool,
    target: NewFile,
    progress: &dyn Progress,
) -> Result<CutDone, RewriteError> {
    let store = snapshot.store()?;
    let mut report = CutReport::default();
    let (target, rewritten) = judged(snapshot, &store, target, progress, |target| {
        let mut filter = Cut::new(choices, side, store.compacted());
        let written = pages(snapshot, &store, Plan::Filtered(&mut filter), target, progress)?;
        report = filter.into_report();
        if report.kept.keys == 0 && !may_be_empty {
            return Err(RewriteError::NothingKept { path: snapshot.path().to_owned() });
        }
        Ok(written)
    })?;
    target.publish()?;
    Ok(CutDone { rewritten, cut: report })
}
