//! What is inside a gzip, zip or zstd file, read from front to back: one way for the agent and for the page.
//!
//! Everything that the formats' own tools accept is accepted: several members or frames one after the other, skippable frames, zeros behind
//! the last one, and what macOS adds to its archives. What is damaged and what cannot be read here are told apart.
//!
//! Memory is a few buffers and the window of the format, whatever a file claims. How much comes out is bounded by the file's length, and the caller may want less.

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
mod zstd_decoder;
mod zstd_frames;
mod zstd_header;
mod zstd_rust;

use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

pub use error::UnpackError;

use error::Refusal;
use input::{Input, Outcome};

/// Bytes that come out of any file: most etcds have no larger database.
const MOST: u64 = 4 << 30;

/// Bytes that come out of a file beyond [`MOST`], for each of its own. Real databases are hardly ever a thirtieth of their length when they are compressed; a few kilobytes of zstd can hold
/// terabytes that look like a database.
const MOST_PER_BYTE: u64 = 256;

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
    /// How many bytes may still come out.
    left: u64,
}

impl<'r> Unpacked<'r> {
    /// Begins at the front of what is packed as `format` in `packed`.
    ///
    /// # Errors
    /// An [`UnpackError`] when the file cannot be read, or is of a kind that is not read here.
    pub fn new<R: Read + Seek + 'r>(format: Format, mut packed: R) -> Result<Self, UnpackError> {
        let packed_len = packed.seek(SeekFrom::End(0)).map_err(UnpackError::Input)?;
        packed.rewind().map_err(UnpackError::Input)?;
        let left = MOST.saturating_add(packed_len.saturating_mul(MOST_PER_BYTE));
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
            Ok(reader) => Ok(Self { reader, outcome, stored, left }),
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
                Ok(count) => {
                    filled = filled.saturating_add(count);
                    self.left = match self.left.checked_sub(count as u64) {
                        Some(left) => left,
                        None => return Err((filled, UnpackError::Unsupported(too_much()))),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((filled, self.outcome.explain(error))),
            }
        }
        Ok(filled)
    }
}

fn too_much() -> String {
    format!("it unpacks to more than {MOST_PER_BYTE} times its length and {} GiB, which no database does", MOST >> 30)
}

/// An error in data that is damaged.
fn broken(text: impl Into<String>) -> io::Error {
    refused(Refusal::Broken(text.into()))
}

/// An error with a reason of ours.
fn refused(refusal: Refusal) -> io::Error {
    io::Error::other(refusal)
}
