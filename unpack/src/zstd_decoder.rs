//! What a decoder of zstd frames is: two do it, one in C and one in Rust.

use std::io::{self, Read};

/// Bytes of the largest window that is taken: what `zstd` itself takes without being told, so that a few hostile bytes cannot claim gigabytes.
pub(crate) const MAX_WINDOW: u64 = 128 << 20;

/// A decoder of one frame.
pub(crate) trait Decoder<R>: Read + Sized {
    /// What the next frame can use again: a file may have a million frames.
    type Spare;
    /// At the start of a frame, whose header was looked at.
    fn new(packed: R, spare: Option<Self::Spare>) -> io::Result<Self>;
    /// The reader, behind the frame that was read to its end.
    fn into_parts(self) -> io::Result<(R, Self::Spare)>;
}
