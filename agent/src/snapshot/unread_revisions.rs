//! Finds the revisions that a damaged snapshot has lost.

use etcdsnap_core::Revision;
use etcdsnap_core::store::{LostParts, Store, UnreadRevisions};

use super::Snapshot;
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::{Progress, Stage};
use crate::verify_options::Sha256;

impl Snapshot {
    /// Finds the revisions that may be missing in an answer as of a revision; empty if it is complete. A damaged file is read once or twice more for this.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn unread_revisions(
        &self,
        store: &Store<'_, FileSource>,
        lost: &LostParts,
        revision: Revision,
        progress: &dyn Progress,
    ) -> Result<UnreadRevisions, Error> {
        if lost.places == 0 {
            return Ok(UnreadRevisions::default());
        }
        progress.begin(Stage::Read, Some(store.bytes()));
        let mut unread = store.unread_revisions(progress).map_err(|cause| self.failed(cause))?;
        self.assert_unchanged()?;
        // If pages above the leaves are damaged, only the separators around them show which keys were below.
        if store.lost().places > 0 {
            match self.scan(Sha256::Skip, progress)?.lost {
                Some(history) if !history.unreadable.is_empty() => unread.add_history(&history),
                _ => unread = UnreadRevisions::any(),
            }
        }
        // The lost entries belonged to some revision, even if nothing shows which.
        if unread.is_empty() {
            unread = UnreadRevisions::any();
        }
        // The latest readable revision may not be the latest one.
        Ok(if revision < store.current() { unread.up_to(revision) } else { unread })
    }
}
