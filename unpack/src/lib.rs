//! What is inside a gzip, zip or zstd file, read from front to back: one way for the agent and for the page.
//!
//! Everything that the formats' own tools accept is accepted: several members or frames one after the other, skippable frames, zeros behind
//! the last one, and what macOS adds to its archives. What is damaged and what cannot be read here are told apart.
//!
//! Memory is a few buffers and the window of the format, whatever a file claims; how much comes out is for the caller to bound.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod error;
mod gzip;
mod input;
#[cfg(test)]
mod tests;
mod zip_member;
mod zstd_c;
mod zstd_frames;
mod zstd_header;
mod zstd_rust;

use std::fmt;
use std::io::{self, BufReader, Read, Seek};
use std::ops::Range;

pub use error::UnpackError;

use error::Refusal;
use input::{Input, Outcome};

/// Bytes read from the compressed file at once.
const READ_AT_ONCE: usize = 256 << 10;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One gzip member or several.
    Gzip,
    /// A zip archive of one file.
    Zip,
    /// One zstd frame or several.
    Zstd,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zip => "zip",
            Self::Zstd => "zstd",
        })
    }
}

/// The unpacked bytes of a file, from front to back.
pub struct Unpacked<'r> {
    reader: Box<dyn Read + 'r>,
    outcome: Outcome,
    stored: Option<Range<u64>>,
}

impl<'r> Unpacked<'r> {
    /// Begins at the front of what is packed as `format` in `packed`.
    ///
    /// # Errors
    /// An [`UnpackError`] when the file cannot be read, or is of a kind that is not read here.
    pub fn new<R: Read + Seek + 'r>(format: Format, packed: R) -> Result<Self, UnpackError> {
        let (input, outcome) = Input::new(packed);
        let buffered = |input| BufReader::with_capacity(READ_AT_ONCE, input);
        let mut stored = None;
        let reader: io::Result<Box<dyn Read + 'r>> = match format {
            Format::Gzip => Ok(Box::new(gzip::Members::new(buffered(input)))),
            Format::Zstd => Ok(Box::new(zstd_frames::Frames::<_, zstd_frames::Frame<_>>::new(buffered(input)))),
            Format::Zip => zip_member::only_file(input).map(|member| {
                stored.clone_from(&member.stored);
                member.reader
            }),
        };
        match reader {
            Ok(reader) => Ok(Self { reader, outcome, stored }),
            Err(error) => Err(outcome.explain(error)),
        }
    }

    /// Where the unpacked bytes lie in the packed file as they are, which a zip archive can have.
    #[must_use]
    pub fn stored(&self) -> Option<Range<u64>> {
        self.stored.clone()
    }

    /// Fills `out` as far as there are bytes; how many there were. Fewer than its length at the end only.
    ///
    /// # Errors
    /// An [`UnpackError`], with the number of bytes that came before it in this call.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize, (usize, UnpackError)> {
        let mut filled = 0_usize;
        while let Some(room) = out.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.reader.read(room) {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((filled, self.outcome.explain(error))),
            }
        }
        Ok(filled)
    }
}

/// An error in data that is damaged.
fn broken(text: impl Into<String>) -> io::Error {
    refused(Refusal::Broken(text.into()))
}

/// An error with a reason of ours.
fn refused(refusal: Refusal) -> io::Error {
    io::Error::other(refusal)
}
