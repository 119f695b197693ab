//! The interface of a zstd frame decoder. There are two, one in C and one in Rust.

use std::io::{self, Read};

/// Largest window that is accepted, in bytes: the default limit of `zstd` itself. Without a limit a few hostile bytes
/// could claim gigabytes.
pub(crate) const MAX_WINDOW: u64 = 128 << 20;

/// A decoder of one frame.
pub(crate) trait Decoder<R>: Read + Sized {
    /// Decoder state that the next frame can reuse, because a file may have a million frames.
    type Reusable;
    /// Starts at the beginning of a frame whose header was checked before.
    fn new(packed: R, reusable: Option<Self::Reusable>) -> io::Result<Self>;
    /// Returns the reader, positioned after the finished frame.
    fn into_parts(self) -> io::Result<(R, Self::Reusable)>;
}
