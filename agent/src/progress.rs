//! How a caller follows and stops the work on a file.

use etcdsnap_core::Watch;

/// What the work is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Reading the file; bytes count its pages and, where the SHA-256 is computed, its bytes once more.
    Read,
    /// Unpacking a compressed file and judging what comes out; bytes are those of the compressed file.
    Unpack,
    /// Receiving a snapshot from a server; bytes are those of the database.
    Receive,
    /// Copying a stream into a temporary file; the total is not known.
    Copy,
}

/// Told of each stage, of the bytes worked through in it, and asked whether to stop.
pub trait Progress: Watch + Sync {
    /// A stage begins; `total` bytes will be worked through at most.
    fn begin(&self, stage: Stage, total: Option<u64>);
}

/// Follows nothing and never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Watch for NoProgress {
    fn advance(&self, _bytes: u64) {}
}

impl Progress for NoProgress {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
}
