//! Why a file cannot be unpacked.

use std::fmt;
use std::io;

/// Why a file cannot be unpacked. The messages are clauses about the file, such as "it ends too early".
#[derive(Debug)]
#[non_exhaustive]
pub enum UnpackError {
    /// The data is damaged or truncated.
    Broken(String),
    /// The data may be intact, but uses a feature that this crate does not support.
    Unsupported(String),
    /// A zstd frame needs a window of this many bytes, which exceeds the limit.
    Window(u64),
    /// There was not enough memory for a decoder with a window of this many bytes; the data may be intact.
    Memory(u64),
    /// The compressed bytes could not be read; the reader's own error.
    Input(io::Error),
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(reason) | Self::Unsupported(reason) => f.write_str(reason),
            Self::Window(bytes) => write!(f, "it needs a window of {} MiB", bytes >> 20),
            Self::Memory(window) => write!(f, "there is not enough memory for its window of {} KiB", window >> 10),
            Self::Input(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UnpackError {}

/// The part of [`UnpackError`] that this crate's readers create, wrapped in an [`io::Error`] until it leaves the crate.
#[derive(Debug, Clone)]
pub(crate) enum CarriedError {
    Broken(String),
    Unsupported(String),
    Window(u64),
    Memory(u64),
}

impl fmt::Display for CarriedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        UnpackError::from(self.clone()).fmt(f)
    }
}

impl std::error::Error for CarriedError {}

impl From<CarriedError> for UnpackError {
    fn from(carried: CarriedError) -> Self {
        match carried {
            CarriedError::Broken(reason) => Self::Broken(reason),
            CarriedError::Unsupported(reason) => Self::Unsupported(reason),
            CarriedError::Window(bytes) => Self::Window(bytes),
            CarriedError::Memory(bytes) => Self::Memory(bytes),
        }
    }
}
