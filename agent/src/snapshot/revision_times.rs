//! Estimates when the revisions of a snapshot were written.

use std::path::Path;

use etcdsnap_core::MetaChoice;
use etcdsnap_core::kubernetes::time_line::{Moment, TimeLine};
use etcdsnap_core::kubernetes::time_marks;
use etcdsnap_core::store::Store;

use super::Snapshot;
use crate::error::Error;
use crate::input::{Body, FileSource, Input};
use crate::progress::Progress;

impl Snapshot {
    /// Estimates when each revision was written, from the timestamps in Kubernetes objects; `None` if there are none. Reads a few hundred pages.
    ///
    /// # Errors
    /// When bytes cannot be read, or the file was written to meanwhile.
    pub fn time_line(&self, store: &Store<'_, FileSource>) -> Result<Option<TimeLine>, Error> {
        let line = time_marks::time_line(store).map_err(|cause| self.failed(cause))?;
        self.assert_unchanged()?;
        Ok(line)
    }
}

/// Estimates when the latest revision of a snapshot was written; `None` if no object shows it, the file is not a snapshot, or it has no random access (a compressed file, standard input).
///
/// # Errors
/// When the file cannot be read, or was written to meanwhile.
pub fn state_as_of(path: &Path, meta: MetaChoice, progress: &dyn Progress) -> Result<Option<Moment>, Error> {
    if path.as_os_str() == "-" || !path.metadata().is_ok_and(|facts| facts.is_file()) {
        return Ok(None);
    }
    let input = Input::open(path, progress)?;
    if input.expect_database().is_err() || matches!(input.body, Body::Packed(_)) {
        return Ok(None);
    }
    let snapshot = Snapshot::of_input(input, None, progress)?.with_meta(meta);
    let store = match snapshot.store() {
        Err(Error::NoStore { .. }) => return Ok(None),
        store => store?,
    };
    Ok(snapshot.time_line(&store)?.map(|line| line.at(store.current())))
}
