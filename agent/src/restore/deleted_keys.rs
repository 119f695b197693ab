//! Keys that are deleted on the way must be there: one that is not was mistyped, or is in another snapshot.

use etcdsnap_core::Revision;
use etcdsnap_core::store::Store;

use super::RestoreError;
use super::restore_job::Job;
use crate::input::FileSource;
use crate::snapshot::Snapshot;

/// Fails when a key that is to be deleted does not live at a revision.
///
/// # Errors
/// [`RestoreError::NoSuchKeys`]; also when the keys cannot be read.
pub(super) fn check(
    job: &Job<'_>,
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    revision: Revision,
) -> Result<(), RestoreError> {
    if job.config.delete.is_empty() {
        return Ok(());
    }
    let (absent, lost) = snapshot.absent(store, &job.config.delete, revision, job.progress)?;
    if absent.is_empty() {
        return Ok(());
    }
    Err(RestoreError::NoSuchKeys { path: job.input.path.clone(), keys: absent, revision, unread: lost.places })
}

/// The same of a database that is copied as it is, which `source` holds.
///
/// # Errors
/// As [`check`].
pub(super) fn check_latest(job: &Job<'_>, source: &FileSource) -> Result<(), RestoreError> {
    if job.config.delete.is_empty() {
        return Ok(());
    }
    let snapshot = Snapshot::of_source(source, &job.input.path, job.progress)?;
    let store = snapshot.store()?;
    check(job, &snapshot, &store, store.current())
}
