//! Checks that the keys to delete exist: a missing key was mistyped, or is in another snapshot.

use etcdsnap_core::Revision;
use etcdsnap_core::store::Store;

use super::RestoreError;
use super::restore_job::RestoreJob;
use crate::input::FileSource;
use crate::snapshot::Snapshot;

/// Checks that each key to delete exists at a revision.
///
/// # Errors
/// [`RestoreError::NoSuchKeys`]; also if the keys cannot be read.
pub(super) fn check(
    job: &RestoreJob<'_>,
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

/// Like [`check`], for a database that is copied unchanged; `source` is its file.
///
/// # Errors
/// As [`check`].
pub(super) fn check_latest(job: &RestoreJob<'_>, source: &FileSource) -> Result<(), RestoreError> {
    if job.config.delete.is_empty() {
        return Ok(());
    }
    let snapshot = Snapshot::of_source(source, &job.input.path, job.progress)?;
    let store = snapshot.store()?;
    check(job, &snapshot, &store, store.current())
}
