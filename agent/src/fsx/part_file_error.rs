//! Why a file that is written to a directory did not come about.

use std::io;
use std::path::PathBuf;

use super::output_error::write_advice;
use crate::error::plain;
use crate::printable::printable_path;

/// Why a file did not get its name, or is not known to keep it.
#[derive(Debug, thiserror::Error)]
pub enum PartFileError {
    /// No file may take that name.
    #[error("{}: {reason}", printable_path(path))]
    Target {
        /// The name.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file or directory cannot be written.
    #[error("cannot write to {}: {}", printable_path(path), plain(cause))]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Somebody else moved the unfinished file away, or put another in its place.
    #[error(
        "the unfinished file for {} was moved away or replaced by somebody else who may write to its directory",
        printable_path(path)
    )]
    Taken {
        /// The name that it was to have.
        path: PathBuf,
    },
    /// Somebody else put another file in its place in the moment when it got its name.
    #[error(
        "what is called {} now is not what was written: somebody else who may write to its directory put it there",
        printable_path(path)
    )]
    Swapped {
        /// The name.
        path: PathBuf,
    },
    /// The file is complete and has its name, as far as the rename says; the look at it failed.
    #[error(
        "{} is complete and in place, but it cannot be told whether somebody else replaced it meanwhile: {}",
        printable_path(path),
        plain(cause)
    )]
    NotSeen {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is complete and has its name, but the directory could not be synced.
    #[error(
        "{} is complete and in place, but its directory could not be synced to the disk: {}",
        printable_path(path),
        plain(cause)
    )]
    NotSynced {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl PartFileError {
    /// What to do about it; empty where nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::StorageFull => {
                "Make room, or name another place.".into()
            }
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::NotFound => "Make the directory first.".into(),
            Self::NotSynced { .. } => {
                "After a power cut the old file may be back. See the kernel's log for what is wrong with the disk."
                    .into()
            }
            Self::Taken { .. } | Self::Swapped { .. } => {
                "Do not use what is there. Write to a directory that nobody else may write to (chmod 700).".into()
            }
            Self::NotSeen { .. } => "Verify it before you rely on it.".into(),
            Self::Write { cause, .. } => write_advice(cause).into(),
            Self::Target { .. } => String::new(),
        }
    }
}
