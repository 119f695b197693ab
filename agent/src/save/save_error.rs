//! Why nothing was saved.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use etcdsnap_core::Report;

use crate::client::ClientError;
use crate::error::plain;
use crate::free_space::Lack;
use crate::fsx::output_error::{OutputError, printable_output, write_advice};
use crate::fsx::part_file_error::PartFileError;
use crate::grouped_number::{exact_bytes, grouped};
use crate::printable::printable_path;
use crate::rewrite::RewriteError;

/// Nothing was saved, and a file that had the name before is as it was; but for [`SaveError::NotSynced`]. Of what was streamed a part may be out: [`SaveError::CutShort`]. Its text says what is wrong; [`SaveError::advice`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// More than one endpoint, or none.
    #[error("a snapshot is taken from one server, and there are {0} endpoints")]
    Endpoints(usize),
    /// Some of the endpoints are of one cluster, some of another.
    #[error("{0} and {1} are of different clusters")]
    Clusters(String, String),
    /// The server was not reached, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// None of several servers gave a snapshot.
    #[error("no server gave a snapshot:{}", lines(.0))]
    All(Vec<SaveError>),
    /// What the server sent cannot be written anew.
    #[error("--compact: {0}")]
    Compact(RewriteError),
    /// The stream stood still.
    #[error("{endpoint} sent nothing for {}, after {} bytes", humantime::format_duration(*after), grouped(*received))]
    Stalled {
        /// The server.
        endpoint: String,
        /// How long.
        after: Duration,
        /// Bytes until then.
        received: u64,
    },
    /// The stream ended early, or its pieces do not add up.
    #[error("the snapshot of {endpoint} is incomplete: {reason}")]
    Incomplete {
        /// The server.
        endpoint: String,
        /// What is missing.
        reason: String,
    },
    /// The SHA-256 at the end is not that of what came before it.
    #[error(
        "the snapshot of {endpoint} was damaged on its way: the SHA-256 at its end is another than that of its {} bytes",
        grouped(*bytes)
    )]
    Sha256 {
        /// The server.
        endpoint: String,
        /// Bytes of the database.
        bytes: u64,
    },
    /// The database itself is damaged.
    #[error("the database of {endpoint} is damaged: {}", first(report))]
    Damaged {
        /// The server.
        endpoint: String,
        /// All findings.
        report: Box<Report>,
    },
    /// The saved file could not be judged.
    #[error(transparent)]
    Judge(#[from] crate::Error),
    /// What was streamed could not be proven on its way: a page is damaged or unusual, and a stream cannot be read again.
    #[error(
        "the snapshot of {endpoint} could not be proven while it streamed: a page that is damaged or lies in an unusual place needs a second look, which a stream does not have"
    )]
    NotProven {
        /// The server.
        endpoint: String,
    },
    /// Nothing was saved, and a part of the snapshot is at the other end of a stream.
    #[error("{0}")]
    CutShort(Box<SaveError>),
    /// The disk has not enough room.
    #[error("{} has {} free, and {} are needed", printable_path(path), exact_bytes(*available), exact_bytes(*needed))]
    Space {
        /// A directory on it.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// A file or directory cannot be written.
    #[error("cannot write to {}: {}", printable_output(path), plain(cause))]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
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
        /// What the system said.
        cause: io::Error,
    },
    /// Somebody else took the file away before it had its name, or put another in its place, or that cannot be told.
    #[error(transparent)]
    Swapped(PartFileError),
    /// The name cannot be used.
    #[error("{}: {reason}", printable_output(path))]
    Name {
        /// As it was given.
        path: PathBuf,
        /// What is the matter with it.
        reason: String,
    },
    /// A name with places is that of a file which is there, and which is not proven to be an older snapshot of the same cluster.
    #[error("{} is there already, and is not replaced: {reason}", printable_path(path))]
    Taken {
        /// The file.
        path: PathBuf,
        /// Why it is not replaced.
        reason: String,
    },
    /// The directory is not there.
    #[error("{} does not exist", printable_path(path))]
    NoDirectory {
        /// The directory.
        path: PathBuf,
        /// What may be the matter with it.
        advice: String,
    },
    /// This machine's clock is beyond the year 9999.
    #[error("this machine's clock is beyond the year 9999")]
    Clock,
    /// No file can get that name, or the file of that name is one that is read.
    #[error(transparent)]
    Target(#[from] OutputError),
    /// The time that was given for all of it has passed.
    #[error("it took longer than {}", humantime::format_duration(*.0))]
    Deadline(Duration),
    /// The caller asked to stop.
    #[error("stopped")]
    Cancelled,
}

impl From<RewriteError> for SaveError {
    fn from(error: RewriteError) -> Self {
        match error {
            RewriteError::Read(error) => Self::Judge(error),
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

impl From<Lack> for SaveError {
    fn from(Lack { path, needed, available }: Lack) -> Self {
        Self::Space { path, needed, available }
    }
}

impl SaveError {
    /// What to do about it; empty where nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Endpoints(_) => "Name one of them.".into(),
            Self::Clusters(..) => "Name the members of one cluster with --endpoints.".into(),
            Self::Client(error) => error.advice(),
            Self::All(errors) => {
                let mut all: Vec<_> = errors.iter().map(Self::advice).filter(|advice| !advice.is_empty()).collect();
                all.dedup();
                all.join(" ")
            }
            Self::Compact(error) => error.advice(),
            Self::Stalled { .. } => "See the server's log, and whether its disk is slow; --stall-timeout says how long to wait. Or take another member.".into(),
            Self::Incomplete { .. } | Self::Sha256 { .. } => {
                "Try again; if it happens again, take another member and look into the network between here and there.".into()
            }
            Self::Damaged { .. } => {
                "Take a snapshot of another member now, and replace this one (etcdctl member remove and add). --verify hash saves this database as it is.".into()
            }
            Self::NotProven { .. } => "Save it into a file, which is judged whole. --verify hash streams it with its SHA-256 checked alone.".into(),
            Self::CutShort(error) => format!("Discard what came out: it lacks its end. {}", error.advice()).trim_end().into(),
            Self::Judge(error) => error.advice(),
            Self::Target(error) => error.advice(),
            Self::Swapped(error) => error.advice(),
            Self::Space { .. } => "Make room, save elsewhere, or give --compress zstd.".into(),
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::StorageFull => "Make room, save elsewhere, or give --compress zstd.".into(),
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::NotFound => "Make the directory first.".into(),
            Self::NotSynced { .. } => "After a power cut the old file may be back. See the kernel's log for what is wrong with the disk. No old snapshot was removed.".into(),
            Self::Taken { .. } => "Put {cluster} and {time} into the name, or move that file away.".into(),
            Self::NoDirectory { advice, .. } => advice.clone(),
            Self::Clock => "Set the clock: names of snapshots tell when they were taken.".into(),
            Self::Deadline(_) => "--command-timeout says how long it may take; without it there is no limit.".into(),
            Self::Write { cause, .. } => write_advice(cause).into(),
            Self::Name { .. } | Self::Cancelled => String::new(),
        }
    }

    /// Whether a snapshot came that is no good.
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

    /// All findings, when a damaged database is what is wrong.
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

    /// Whether another server, or the same later, may do better.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Client(error) => error.is_passing(),
            Self::All(errors) => errors.iter().any(Self::is_passing),
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
