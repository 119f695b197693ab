//! Sources of a snapshot's bytes.

use std::fmt;

/// Random access to the bytes of a snapshot: a file, a browser Blob, a slice, an object in a bucket.
///
/// Implementations do the I/O; core only requests bytes. The length must not change during a scan.
pub trait Source {
    /// The length in bytes.
    fn len(&self) -> u64;

    /// Fills `out` with the bytes at `offset`; a short read is an error.
    ///
    /// # Errors
    /// A [`ReadError`] if the range lies outside the source or the medium fails.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError>;

    /// Whether the source has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn len(&self) -> u64 {
        (**self).len()
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        (**self).read_at(offset, out)
    }
}

impl Source for [u8] {
    fn len(&self) -> u64 {
        self.len() as u64
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let start = usize::try_from(offset).map_err(|_| ReadError::OutOfRange)?;
        let end = start.checked_add(out.len()).ok_or(ReadError::OutOfRange)?;
        let bytes = self.get(start..end).ok_or(ReadError::OutOfRange)?;
        out.copy_from_slice(bytes);
        Ok(())
    }
}

impl Source for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        self.as_slice().read_at(offset, out)
    }
}

/// A source that cannot be read again, such as a stream that was read to its end. It has a length in bytes, but every
/// read fails.
#[derive(Debug, Clone, Copy)]
pub struct Consumed(pub u64);

impl Source for Consumed {
    fn len(&self) -> u64 {
        self.0
    }
    fn read_at(&self, _offset: u64, _out: &mut [u8]) -> Result<(), ReadError> {
        Err(ReadError::Consumed)
    }
}

/// Why bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The range lies outside the source.
    OutOfRange,
    /// The source is a stream that was read already; a copy with random access is needed.
    Consumed,
    /// The source became shorter while it was read.
    Changed,
    /// The medium failed; the text is the platform's own message.
    Medium(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange => f.write_str("the range lies outside the file"),
            Self::Consumed => f.write_str("the stream cannot be read a second time"),
            Self::Changed => f.write_str("the file became shorter while it was read"),
            Self::Medium(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ReadError {}
