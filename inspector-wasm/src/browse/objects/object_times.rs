//! The approximate times of revisions.

use etcdsnap_core::kubernetes::time_line::TimeLine;
use etcdsnap_core::kubernetes::time_marks;
use etcdsnap_core::{Revision, Source};

use crate::browse::answers::RevisionTime;
use crate::browse::view::View;

impl<S: Source + ?Sized> View<'_, S> {
    /// Returns the time line of revisions; computes it at the first call. None if no object contains a time, or a read fails.
    fn time_line(&mut self) -> Option<&TimeLine> {
        if self.objects.times.is_none() {
            self.objects.times = Some(time_marks::time_line(&self.store).ok().flatten());
        }
        self.objects.times.as_ref().and_then(Option::as_ref)
    }

    /// Returns the approximate time of each revision.
    pub(crate) fn times(&mut self, revisions: &[i64]) -> Vec<Option<RevisionTime>> {
        revisions.iter().map(|revision| self.time_at(Revision::new(*revision))).collect()
    }

    /// Returns the approximate time of a revision.
    pub(crate) fn time_at(&mut self, revision: Revision) -> Option<RevisionTime> {
        let moment = self.time_line()?.at(revision);
        Some(RevisionTime { seconds: moment.seconds, within: moment.within })
    }

    /// Returns the approximate time of the current revision, if its error is bounded.
    pub(super) fn taken(&mut self) -> Option<i64> {
        let revision = self.revision;
        let moment = self.time_line()?.at(revision);
        moment.within.map(|_| moment.seconds)
    }

    /// Returns the approximate time of a revision, if the time line is already computed.
    pub(super) fn seconds_at(&self, revision: Revision) -> Option<i64> {
        let moment = self.objects.times.as_ref()?.as_ref()?.at(revision);
        moment.within.map(|_| moment.seconds)
    }
}
