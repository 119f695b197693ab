//! Lets a caller follow and stop the work on a file.

use etcdsnap_core::ScanProgress;

/// A stage of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Reading the file; counts the bytes of its pages and, if the SHA-256 is computed, the bytes of the file once more.
    Read,
    /// Unpacking and verifying a compressed file; counts compressed bytes.
    Unpack,
    /// Receiving a snapshot from a server; counts bytes of the database.
    Receive,
    /// Copying a stream into a temporary file; the total is unknown.
    Copy,
}

/// Receives each stage and the number of bytes done in it, and can stop the work.
pub trait Progress: ScanProgress + Sync {
    /// Reports that a stage begins, in which at most `total` bytes will be processed.
    fn begin(&self, stage: Stage, total: Option<u64>);
}

/// Ignores progress and never stops the work.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl ScanProgress for NoProgress {
    fn advance(&self, _bytes: u64) {}
}

impl Progress for NoProgress {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
}
