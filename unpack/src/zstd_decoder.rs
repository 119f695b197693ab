//! The interface of a zstd frame decoder. There are two, one in C and one in Rust.

use std::io::{self, Read};

/// Size of the largest accepted window: the default limit of `zstd` itself, so that a few hostile bytes cannot claim gigabytes.
pub(crate) const MAX_WINDOW: u64 = 128 << 20;

/// A decoder of one frame.
pub(crate) trait Decoder<R>: Read + Sized {
    /// State that the next frame can reuse: a file may have a million frames.
    type Spare;
    /// Starts at a frame whose header was parsed already.
    fn new(packed: R, spare: Option<Self::Spare>) -> io::Result<Self>;
    /// Returns the reader, positioned after the finished frame.
    fn into_parts(self) -> io::Result<(R, Self::Spare)>;
}
