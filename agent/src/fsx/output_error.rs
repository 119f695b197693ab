//! Why nothing can be written to a path.

use std::io;
use std::path::{Path, PathBuf};

use super::other_users::ForeignLink;
use crate::error::plain;
use crate::printable::printable_path;

/// Why nothing can be written to a path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// It is a file that is read.
    #[error(
        "{} is the same file as {}, which is read: writing to it would destroy it",
        printable_output(path),
        printable_path(input)
    )]
    Input {
        /// The output.
        path: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// It is a directory.
    #[error("{} is a directory", printable_output(path))]
    Directory {
        /// The output.
        path: PathBuf,
    },
    /// It is there already, and what is made may not take its place.
    #[error("{} exists already, and nothing is overwritten", printable_output(path))]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// It is something that takes no file and cannot be replaced by one.
    #[error("{} {reason}", printable_output(path))]
    Kind {
        /// The output.
        path: PathBuf,
        /// What it is.
        reason: &'static str,
    },
    /// It is a terminal, and what would be written is no text.
    #[error("{} is a terminal, and a snapshot is not for reading", printable_output(path))]
    Terminal {
        /// The output.
        path: PathBuf,
    },
    /// It cannot be opened, or the directory it is in cannot be written or synced.
    #[error("cannot write to {}: {}", printable_output(path), plain(cause))]
    Write {
        /// The output or its directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is complete and has its name; what came after that failed.
    #[error(
        "{} is complete and in place, but it is not known to be on the disk: {}",
        printable_output(path),
        plain(cause)
    )]
    InPlace {
        /// The output.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl OutputError {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Input { .. } | Self::Kind { .. } => "Name another file.".into(),
            Self::Terminal { .. } => "Redirect it (`> FILE`), pipe it into a program, or name a file.".into(),
            Self::Exists { .. } => "Name a directory that does not exist yet.".into(),
            Self::Directory { path } => format!("Name a file in it: {}", printable_output(&path.join("NAME"))),
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::NotFound => "Make the directory first.".into(),
            Self::Write { cause, .. } => write_advice(cause).into(),
            Self::InPlace { .. } => {
                "A power cut may take it away. See the kernel's log for what is wrong with the disk.".into()
            }
        }
    }
}

/// What to do when a file or directory cannot be written; empty where nothing helps.
pub(crate) fn write_advice(cause: &io::Error) -> &'static str {
    match (ForeignLink::advice(cause), cause.kind()) {
        ("", io::ErrorKind::PermissionDenied) => {
            "Whoever runs this must be able to write to that directory and to enter it: w and x in `ls -ld`."
        }
        (advice, _) => advice,
    }
}

/// A path for a person to read; of an output, `-` is the standard output.
pub(crate) fn printable_output(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard output".to_owned() } else { printable_path(path) }
}
