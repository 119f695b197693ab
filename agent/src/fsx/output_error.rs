//! Why an output cannot be written.

use std::io;
use std::path::{Path, PathBuf};

use super::other_users::ForeignLink;
use crate::error::plain;
use crate::printable::{printable_path, typed_path};

/// Why an output cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// It is also an input.
    #[error(
        "{} is the same file as {}, which is an input: writing to it would destroy it",
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
    /// It exists already, and must not be replaced.
    #[error("{} exists already and is not overwritten", printable_output(path))]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// It is of a kind that cannot hold the output or be replaced by a file.
    #[error("{} {reason}", printable_output(path))]
    Kind {
        /// The output.
        path: PathBuf,
        /// Its kind.
        reason: &'static str,
    },
    /// It has the name of a compressed file, but the output is not compressed.
    #[error("{} has the name of a compressed file, but the output is not compressed", printable_output(path))]
    CompressedName {
        /// The output.
        path: PathBuf,
        /// The ending of its name, such as `.zst`.
        ending: &'static str,
    },
    /// It is a terminal, and the output is binary.
    #[error("{} is a terminal, which cannot show a snapshot", printable_output(path))]
    Terminal {
        /// The output.
        path: PathBuf,
    },
    /// It cannot be opened, or its directory cannot be written or synced.
    #[error("cannot write to {}: {}", printable_output(path), plain(cause))]
    Write {
        /// The output or its directory.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// It is complete and has its name, but a later step failed.
    #[error("{} is complete and in place, but it may not be on the disk yet: {}", printable_output(path), plain(cause))]
    InPlace {
        /// The output.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
}

impl OutputError {
    /// Says what to do.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Input { .. } | Self::Kind { .. } => "Name another file.".into(),
            Self::CompressedName { path, ending } => {
                let (plain, packed) = (typed_path(&path.with_extension("")), typed_path(path));
                let command = match *ending {
                    ".gz" => format!("gzip {plain}"),
                    ".zip" => format!("zip {packed} {plain}"),
                    _ => format!("zstd --rm {plain} -o {packed}"),
                };
                format!("Write it to {plain}, and compress that afterwards: {command}")
            }
            Self::Terminal { .. } => "Redirect the output (`> FILE`), pipe it into a program, or name a file.".into(),
            Self::Exists { .. } => "Name a directory that does not exist yet.".into(),
            Self::Directory { path } => format!("Name a file in it: {}", printable_output(&path.join("NAME"))),
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                "Create the directory first.".into()
            }
            Self::Write { cause, .. } => write_advice(cause).into(),
            Self::InPlace { .. } => "A power failure may undo it. Check the kernel's log for disk errors.".into(),
        }
    }
}

/// Says what to do if a file or directory cannot be written; empty if nothing helps.
pub(crate) fn write_advice(cause: &io::Error) -> &'static str {
    match (ForeignLink::advice(cause), cause.kind()) {
        ("", io::ErrorKind::PermissionDenied) => {
            "The user who runs this needs permission to write to that directory and to enter it: w and x in `ls -ld`."
        }
        (advice, _) => advice,
    }
}

/// Formats an output path; `-` is standard output.
pub(crate) fn printable_output(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard output".to_owned() } else { printable_path(path) }
}
