//! Why a file could not be written to a directory.

use std::io;
use std::path::PathBuf;

use super::output_error::write_advice;
use crate::error::plain;
use crate::printable::printable_path;

/// Why a file did not get its name, or may not keep it.
#[derive(Debug, thiserror::Error)]
pub enum PartFileError {
    /// The name cannot be used for a file.
    #[error("{}: {reason}", printable_path(path))]
    Target {
        /// The name.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A file or directory cannot be written.
    #[error("cannot write to {}: {}", printable_path(path), plain(cause))]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// Another user moved the unfinished file away, or replaced it.
    #[error(
        "the unfinished file for {} was moved away or replaced by another user who may write to its directory",
        printable_path(path)
    )]
    Taken {
        /// The final name.
        path: PathBuf,
    },
    /// Another user replaced the file just when it got its name.
    #[error(
        "{} is not the file that was written: another user who may write to its directory replaced it",
        printable_path(path)
    )]
    Swapped {
        /// The name.
        path: PathBuf,
    },
    /// The file is complete and was renamed, but checking the name failed.
    #[error(
        "{} is complete and in place, but checking whether another user replaced it meanwhile failed: {}",
        printable_path(path),
        plain(cause)
    )]
    NotSeen {
        /// The file.
        path: PathBuf,
        /// The error of the system.
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
        /// The error of the system.
        cause: io::Error,
    },
}

impl PartFileError {
    /// Says what to do; empty if nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::StorageFull => {
                "Free some space, or use another directory.".into()
            }
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                "Create the directory first.".into()
            }
            Self::NotSynced { .. } => {
                "After a power failure the old file may be back. Check the kernel's log for disk errors.".into()
            }
            Self::Taken { .. } | Self::Swapped { .. } => {
                "Do not use that file. Write to a directory that nobody else may write to (chmod 700).".into()
            }
            Self::NotSeen { .. } => "Verify it before you rely on it.".into(),
            Self::Write { cause, .. } => write_advice(cause).into(),
            Self::Target { .. } => String::new(),
        }
    }
}
