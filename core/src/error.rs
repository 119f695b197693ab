//! Errors that end a scan. Damage in the *file* is never an error but a [`Finding`](crate::Finding).

use crate::offset::Offset;
use crate::source::ReadError;

/// An error that ended a scan or a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes at `offset` could not be read.
    #[error("cannot read {len} bytes at offset {offset}: {cause}")]
    Read {
        /// Offset in the input, in bytes.
        offset: Offset,
        /// Number of bytes requested.
        len: u64,
        /// The error of the source.
        cause: ReadError,
    },
    /// The caller requested a stop, through its [`ScanProgress`](crate::ScanProgress).
    #[error("cancelled")]
    Cancelled,
    /// The older meta page was chosen, but it is not valid or leads to the same tree.
    #[error("the file has no older tree: {0}")]
    NoOlderMeta(&'static str),
    /// Memory ran out.
    #[error("not enough memory for {what} ({bytes} bytes)")]
    Memory {
        /// The purpose of the memory.
        what: &'static str,
        /// Number of bytes requested.
        bytes: u64,
    },
}
