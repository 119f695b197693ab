//! The progress of work beside other work.

use std::sync::atomic::{AtomicBool, Ordering};

use etcdsnap_core::Watch;

use crate::progress::{Progress, Stage};

/// Work beside other work: it is not shown, and stops when that fails or is stopped.
pub(crate) struct Aside<'p> {
    progress: &'p dyn Progress,
    stop: AtomicBool,
}

impl<'p> Aside<'p> {
    /// Beside work that `progress` shows.
    pub fn new(progress: &'p dyn Progress) -> Self {
        Self { progress, stop: AtomicBool::new(false) }
    }

    /// Has it stop, or not.
    pub fn stop_if(&self, failed: bool) {
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
