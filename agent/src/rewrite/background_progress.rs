//! The progress of work in the background of other work.

use std::sync::atomic::{AtomicBool, Ordering};

use etcdsnap_core::ScanProgress;

use crate::progress::{Progress, Stage};

/// The progress of background work: it is not displayed, and it stops when the main work fails or is stopped.
pub(crate) struct Aside<'p> {
    progress: &'p dyn Progress,
    stop: AtomicBool,
}

impl<'p> Aside<'p> {
    /// Creates it beside the main work's `progress`.
    pub fn new(progress: &'p dyn Progress) -> Self {
        Self { progress, stop: AtomicBool::new(false) }
    }

    /// Stops the background work if `failed`.
    pub fn stop_if(&self, failed: bool) {
        self.stop.store(failed, Ordering::Relaxed);
    }
}

impl ScanProgress for Aside<'_> {
    fn advance(&self, _bytes: u64) {}

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.progress.cancelled()
    }
}

impl Progress for Aside<'_> {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
}
