//! Unpacks a gzip, zip or zstd file from front to back, with the same result for the agent and the page.
//!
//! It accepts everything that the formats' own tools accept: several members or frames in sequence, skippable frames,
//! zeros after the last one, and the extra files of macOS archives. Errors distinguish damaged data from unsupported
//! data.
//!
//! Memory is limited to a few buffers and the format's window, whatever a file claims. The output is limited by the
//! file's length, and the caller may stop earlier.

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

use error::CarriedError;
use input::{LastRead, RecordingInput};

/// Number of bytes that every file may unpack to; few etcd databases are larger.
const MAX_FIXED_OUTPUT: u64 = 4 << 30;

/// Number of bytes that a file may unpack to beyond [`MAX_FIXED_OUTPUT`], for each byte of its length. Real databases
/// rarely compress to less than a thirtieth, while a few kilobytes of zstd can hold terabytes that look like a
/// database.
const MAX_OUTPUT_PER_BYTE: u64 = 256;

/// Number of bytes read from the compressed file at a time.
const READ_BUFFER_LEN: usize = 256 << 10;

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

/// The unpacked bytes of a file, read from front to back.
pub struct Unpacked<'r> {
    reader: Box<dyn Read + 'r>,
    last_read: LastRead,
    stored: Option<Range<u64>>,
    /// Number of bytes that may still be unpacked.
    left: u64,
}

impl<'r> Unpacked<'r> {
    /// Starts to unpack `packed`, a file of this format.
    ///
    /// # Errors
    /// Returns an [`UnpackError`] if the file cannot be read, or is not supported.
    pub fn new<R: Read + Seek + 'r>(format: Format, mut packed: R) -> Result<Self, UnpackError> {
        let packed_len = packed.seek(SeekFrom::End(0)).map_err(UnpackError::Input)?;
        packed.rewind().map_err(UnpackError::Input)?;
        let left = MAX_FIXED_OUTPUT.saturating_add(packed_len.saturating_mul(MAX_OUTPUT_PER_BYTE));
        let (input, last_read) = RecordingInput::new(packed);
        let buffered = |input| BufReader::with_capacity(READ_BUFFER_LEN, input);
        let mut stored = None;
        let reader: io::Result<Box<dyn Read + 'r>> = match format {
            Format::Gzip => Ok(Box::new(gzip::GzipMembers::new(buffered(input)))),
            Format::Zstd => Ok(Box::new(zstd_frames::ZstdFrames::<_, zstd_frames::Frame<_>>::new(buffered(input)))),
            Format::Zip => zip_member::only_file(input).map(|member| {
                stored.clone_from(&member.stored);
                member.reader
            }),
        };
        match reader {
            Ok(reader) => Ok(Self { reader, last_read, stored, left }),
            Err(error) => Err(last_read.explain(error)),
        }
    }

    /// Returns the byte range of the data in a zip archive that stores it uncompressed; `None` for other files.
    #[must_use]
    pub fn stored(&self) -> Option<Range<u64>> {
        self.stored.clone()
    }

    /// Fills `out` and returns how many bytes it read: fewer than its length only at the end.
    ///
    /// # Errors
    /// Returns an [`UnpackError`], with the number of bytes that this call read before it failed.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize, (usize, UnpackError)> {
        let mut filled = 0_usize;
        while let Some(room) = out.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.reader.read(room) {
                Ok(0) => break,
                Ok(count) => {
                    filled = filled.saturating_add(count);
                    self.left = match self.left.checked_sub(count as u64) {
                        Some(left) => left,
                        None => return Err((filled, UnpackError::Unsupported(too_much_output_text()))),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((filled, self.last_read.explain(error))),
            }
        }
        Ok(filled)
    }
}

fn too_much_output_text() -> String {
    format!(
        "it unpacks to more than {MAX_OUTPUT_PER_BYTE} times its length and {} GiB, which no database does",
        MAX_FIXED_OUTPUT >> 30
    )
}

/// Creates an error for damaged data.
fn broken(text: impl Into<String>) -> io::Error {
    carried_error(CarriedError::Broken(text.into()))
}

/// Wraps an error of this crate for a reader.
fn carried_error(carried: CarriedError) -> io::Error {
    io::Error::other(carried)
}
