//! Why a scan could not go on. What is wrong with the *file* is never an error but a [`Finding`](crate::Finding).

use crate::offset::Offset;
use crate::source::ReadError;

/// A scan could not be carried through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes at `offset` could not be read.
    #[error("cannot read {len} bytes at offset {offset}: {cause}")]
    Read {
        /// Offset in the input, in bytes.
        offset: Offset,
        /// How many bytes were asked for.
        len: u64,
        /// What the source said.
        cause: ReadError,
    },
    /// The caller's [`Watch`](crate::Watch) asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The file was to be read by its older meta page, and that one is not valid or leads to the same tree.
    #[error("there is no older tree: {0}")]
    NoOlderMeta(&'static str),
    /// Memory for a structure of bounded size could not be had.
    #[error("not enough memory for {what} ({bytes} bytes)")]
    Memory {
        /// What the memory was for.
        what: &'static str,
        /// How many bytes were asked for.
        bytes: u64,
    },
}
