//! Options for verifying a file.

use std::num::NonZeroUsize;

use etcdsnap_core::MetaChoice;

use crate::progress::{NoProgress, Progress};

/// Whether to compute the SHA-256 of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sha256 {
    /// Compute it and compare it with the trailer; this reads the whole file.
    #[default]
    Check,
    /// Do not compute it; the report only says whether there is a trailer, by the file's length.
    Skip,
}

/// Options of [`verify`](crate::verify).
#[derive(Clone, Copy)]
pub struct VerifyOptions<'p> {
    /// Whether to compute the SHA-256; for a compressed file it always is.
    pub sha256: Sha256,
    /// The meta page from which to read the file.
    pub meta: MetaChoice,
    /// Number of threads; `None` means as many as there are processors.
    pub threads: Option<NonZeroUsize>,
    /// Receives progress, and may stop the work.
    pub progress: &'p dyn Progress,
}

impl Default for VerifyOptions<'_> {
    fn default() -> Self {
        Self { sha256: Sha256::Check, meta: MetaChoice::Newest, threads: None, progress: &NoProgress }
    }
}

impl VerifyOptions<'_> {
    /// Returns the number of threads to start.
    pub(crate) fn workers(&self) -> usize {
        self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}
