//! How a file is to be verified.

use std::num::NonZeroUsize;

use etcdsnap_core::MetaChoice;

use crate::progress::{NoProgress, Progress};

/// Whether the SHA-256 of the file is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sha256 {
    /// Computed and compared with the trailer: the whole file is read.
    #[default]
    Check,
    /// Left out: only what the length says of the trailer is known.
    Skip,
}

/// How [`verify`](crate::verify) works.
#[derive(Clone, Copy)]
pub struct VerifyOptions<'p> {
    /// Whether the SHA-256 is computed; for a compressed file it always is.
    pub sha256: Sha256,
    /// By which of the two meta pages the file is read.
    pub meta: MetaChoice,
    /// How many threads work; none: as many as there are processors.
    pub threads: Option<NonZeroUsize>,
    /// Who is told how far the work is, and may stop it.
    pub progress: &'p dyn Progress,
}

impl Default for VerifyOptions<'_> {
    fn default() -> Self {
        Self { sha256: Sha256::Check, meta: MetaChoice::Newest, threads: None, progress: &NoProgress }
    }
}

impl VerifyOptions<'_> {
    /// How many threads to start.
    pub(crate) fn workers(&self) -> usize {
        self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}
