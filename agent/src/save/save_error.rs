//! Why a save failed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use etcdsnap_core::Report;

use crate::client::ClientError;
use crate::error::plain;
use crate::free_space::NotEnoughSpace;
use crate::fsx::output_error::{OutputError, printable_output, write_advice};
use crate::fsx::part_file_error::PartFileError;
use crate::grouped_number::{exact_bytes, grouped};
use crate::printable::printable_path;
use crate::rewrite::RewriteError;

/// Why nothing was saved. An existing file with the name is unchanged, except after [`SaveError::NotSynced`]. Part of a stream may have been output: [`SaveError::CutShort`]. The text says what is wrong; [`SaveError::advice`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// There is not exactly one endpoint.
    #[error("a snapshot is taken from one server, but {0} endpoints were given")]
    Endpoints(usize),
    /// The endpoints belong to different clusters.
    #[error("{0} and {1} belong to different clusters")]
    Clusters(String, String),
    /// The server was not reached, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No server of several sent a snapshot.
    #[error("no server sent a snapshot:{}", lines(.0))]
    All(Vec<SaveError>),
    /// The received snapshot cannot be rewritten.
    #[error("--compact: {0}")]
    Compact(RewriteError),
    /// The stream stalled.
    #[error("{endpoint} sent nothing for {}, after {} bytes", humantime::format_duration(*after), grouped(*received))]
    Stalled {
        /// The server.
        endpoint: String,
        /// The time without data.
        after: Duration,
        /// Bytes received before.
        received: u64,
    },
    /// The stream ended early, or its messages are inconsistent.
    #[error("the snapshot of {endpoint} is incomplete: {reason}")]
    Incomplete {
        /// The server.
        endpoint: String,
        /// What is missing.
        reason: String,
    },
    /// The SHA-256 at the end does not match the data before it.
    #[error(
        "the snapshot of {endpoint} was damaged in transit: the SHA-256 at its end does not match its {} bytes",
        grouped(*bytes)
    )]
    Sha256 {
        /// The server.
        endpoint: String,
        /// Bytes of the database.
        bytes: u64,
    },
    /// The server's database itself is damaged.
    #[error("the database of {endpoint} is damaged: {}", first(report))]
    Damaged {
        /// The server.
        endpoint: String,
        /// The report with all findings.
        report: Box<Report>,
    },
    /// The saved file could not be verified.
    #[error(transparent)]
    NotVerified(#[from] crate::Error),
    /// The stream could not be fully checked: a page is damaged or unusual, and a stream cannot be read again.
    #[error(
        "the snapshot of {endpoint} could not be verified while it was streamed: a page is damaged or in an unusual place and must be read again, which is not possible in a stream"
    )]
    NotProven {
        /// The server.
        endpoint: String,
    },
    /// Nothing was saved, but part of the snapshot was streamed.
    #[error("{0}")]
    CutShort(Box<SaveError>),
    /// The disk has too little free space.
    #[error("{} has {} free, but {} are needed", printable_path(path), exact_bytes(*available), exact_bytes(*needed))]
    Space {
        /// A directory on that disk.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// A file or directory cannot be written.
    #[error("cannot write to {}: {}", printable_output(path), plain(cause))]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// The snapshot is complete and has its name, but the directory could not be synced.
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
    /// Another user moved the file away or replaced it before it had its name, or this could not be checked.
    #[error(transparent)]
    Swapped(PartFileError),
    /// The name cannot be used.
    #[error("{}: {reason}", printable_output(path))]
    Name {
        /// The name as given.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// A name with placeholders belongs to an existing file that is not proven to be an older snapshot of the same cluster.
    #[error("{} exists already and is not replaced: {reason}", printable_path(path))]
    Taken {
        /// The file.
        path: PathBuf,
        /// Why it is not replaced.
        reason: String,
    },
    /// The directory does not exist.
    #[error("{} does not exist", printable_path(path))]
    NoDirectory {
        /// The directory.
        path: PathBuf,
        /// A possible cause, and what to do.
        advice: String,
    },
    /// This machine's clock is beyond the year 9999.
    #[error("this machine's clock is beyond the year 9999")]
    Clock,
    /// No file can get that name, or an input has the name.
    #[error(transparent)]
    Target(#[from] OutputError),
    /// The time limit was exceeded.
    #[error("it took longer than {}", humantime::format_duration(*.0))]
    Deadline(Duration),
    /// The caller asked to stop.
    #[error("stopped")]
    Cancelled,
}

impl From<RewriteError> for SaveError {
    fn from(error: RewriteError) -> Self {
        match error {
            RewriteError::Read(error) => Self::NotVerified(error),
            RewriteError::File(error) => error.into(),
            error => Self::Compact(error),
        }
    }
}

impl From<PartFileError> for SaveError {
    fn from(error: PartFileError) -> Self {
        match error {
            PartFileError::Target { path, reason } => Self::Name { path, reason },
            PartFileError::Write { path, cause } => Self::Write { path, cause },
            PartFileError::NotSynced { path, cause } => Self::NotSynced { path, cause },
            taken @ (PartFileError::Taken { .. } | PartFileError::Swapped { .. } | PartFileError::NotSeen { .. }) => {
                Self::Swapped(taken)
            }
        }
    }
}

impl From<NotEnoughSpace> for SaveError {
    fn from(NotEnoughSpace { path, needed, available }: NotEnoughSpace) -> Self {
        Self::Space { path, needed, available }
    }
}

impl SaveError {
    /// Says what to do; empty if nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Endpoints(_) => "Give exactly one.".into(),
            Self::Clusters(..) => "With --endpoints, name members of one cluster only.".into(),
            Self::Client(error) => error.advice(),
            Self::All(errors) => {
                let mut all: Vec<_> = errors.iter().map(Self::advice).filter(|advice| !advice.is_empty()).collect();
                all.dedup();
                all.join(" ")
            }
            Self::Compact(error) => error.advice(),
            Self::Stalled { .. } => "Check the server's log, and whether its disk is slow; --stall-timeout sets how long to wait. Or use another member.".into(),
            Self::Incomplete { .. } | Self::Sha256 { .. } => {
                "Try again; if it happens again, use another member and check the network to the server.".into()
            }
            Self::Damaged { .. } => {
                "Take a snapshot of another member now, and replace this one (etcdctl member remove and add). --verify hash saves this database all the same.".into()
            }
            Self::NotProven { .. } => "Save it to a file, which can be read again. With --verify hash, a stream is checked only by its SHA-256.".into(),
            Self::CutShort(error) => format!("Discard the output: it lacks its end. {}", error.advice()).trim_end().into(),
            Self::NotVerified(error) => error.advice(),
            Self::Target(error) => error.advice(),
            Self::Swapped(error) => error.advice(),
            Self::Space { .. } => "Free some space, save elsewhere, or use --compress zstd.".into(),
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::StorageFull => "Free some space, save elsewhere, or use --compress zstd.".into(),
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::NotFound => "Create the directory first.".into(),
            Self::NotSynced { .. } => "After a power failure the old file may be back. Check the kernel's log for disk errors. No old snapshot was removed.".into(),
            Self::Taken { .. } => "Put {cluster} and {time} into the name, or move that file away.".into(),
            Self::NoDirectory { advice, .. } => advice.clone(),
            Self::Clock => "Set the clock: names of snapshots contain the time.".into(),
            Self::Deadline(_) => "--command-timeout sets the time limit; without it there is none.".into(),
            Self::Write { cause, .. } => write_advice(cause).into(),
            Self::Name { .. } | Self::Cancelled => String::new(),
        }
    }

    /// Whether the received snapshot is bad.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Sha256 { .. } | Self::Damaged { .. } => true,
            Self::Compact(error) => matches!(error, RewriteError::Damaged { .. }),
            Self::All(errors) => errors.iter().any(Self::is_damage),
            Self::CutShort(error) => error.is_damage(),
            _ => false,
        }
    }

    /// Returns the findings if a damaged database is the cause.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Damaged { report, .. } => Some(report),
            Self::CutShort(error) => error.report(),
            _ => None,
        }
    }

    /// Whether the caller asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled => true,
            Self::CutShort(error) => error.is_cancelled(),
            _ => false,
        }
    }

    /// Whether a retry, with another server or later, may succeed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Client(error) => error.is_temporary(),
            Self::All(errors) => errors.iter().any(Self::is_temporary),
            Self::Stalled { .. } | Self::Incomplete { .. } | Self::Sha256 { .. } | Self::Damaged { .. } => true,
            _ => false,
        }
    }
}

fn lines(errors: &[SaveError]) -> String {
    errors.iter().map(|error| format!("\n  {error}")).collect()
}

fn first(report: &Report) -> String {
    let damage = |finding: &&etcdsnap_core::Finding| finding.severity == etcdsnap_core::Severity::Damage;
    let first = report.findings.list().iter().find(damage);
    first.map(|finding| format!("{} [{}]", crate::printable(&finding.message), finding.code)).unwrap_or_default()
}
