//! Writes a snapshot with only some of the keys, each with its whole history.

use etcdsnap_core::rewrite::{Cut, CutReport, CutSide, KeyChoice, Plan};

use super::{NewFile, RewriteError, Rewritten, judged, pages};
use crate::progress::Progress;
use crate::snapshot::Snapshot;

/// The result of a cut.
#[derive(Debug, Clone, PartialEq)]
pub struct CutDone {
    /// The new file.
    pub rewritten: Rewritten,
    /// The numbers of kept and dropped keys.
    pub cut: CutReport,
}

/// Writes to `target` a snapshot with only some of the keys; `choices` are kept or dropped, according to `side`. Refuses a damaged input, and, unless `may_be_empty`, a result without
/// live keys.
///
/// # Errors
/// When the input cannot be read or is damaged, no key would be kept, or the output cannot be written; then no output is left.
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
