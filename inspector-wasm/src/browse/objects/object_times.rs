//! About when revisions were written.

use etcdsnap_core::kubernetes::time_line::TimeLine;
use etcdsnap_core::kubernetes::time_marks;
use etcdsnap_core::{Revision, Source};

use crate::browse::answers::RevisionTime;
use crate::browse::view::View;

impl<S: Source + ?Sized> View<'_, S> {
    /// The line through the times in objects, which is looked for once; none where no object tells one, or some cannot be read.
    fn time_line(&mut self) -> Option<&TimeLine> {
        if self.objects.times.is_none() {
            self.objects.times = Some(time_marks::time_line(&self.store).ok().flatten());
        }
        self.objects.times.as_ref().and_then(Option::as_ref)
    }

    /// About when each of some revisions was written.
    pub(crate) fn times(&mut self, revisions: &[i64]) -> Vec<Option<RevisionTime>> {
        revisions.iter().map(|revision| self.time_at(Revision::new(*revision))).collect()
    }

    /// About when a revision was written.
    pub(crate) fn time_at(&mut self, revision: Revision) -> Option<RevisionTime> {
        let moment = self.time_line()?.at(revision);
        Some(RevisionTime { seconds: moment.seconds, within: moment.within })
    }

    /// About when the revision was written whose keys were read, if anything bounds it.
    pub(super) fn taken(&mut self) -> Option<i64> {
        let revision = self.revision;
        let moment = self.time_line()?.at(revision);
        moment.within.map(|_| moment.seconds)
    }

    /// About when a revision was written, once it was looked for.
    pub(super) fn seconds_at(&self, revision: Revision) -> Option<i64> {
        let moment = self.objects.times.as_ref()?.as_ref()?.at(revision);
        moment.within.map(|_| moment.seconds)
    }
}
