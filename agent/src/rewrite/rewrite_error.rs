//! Why a rewrite failed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use etcdsnap_core::Finding;
use etcdsnap_core::bolt::write::file_builder::BuildError;
use etcdsnap_core::rewrite;
use etcdsnap_core::store::RevisionUnavailable;

use crate::error::{Error, PathlessError, plain};
use crate::fsx::output_error::{OutputError, write_advice};
use crate::fsx::part_file_error::PartFileError;
use crate::printable::{printable_path, typed_path};

/// Why a rewrite failed; no output is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The input cannot be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// The target cannot be used.
    #[error(transparent)]
    Target(#[from] OutputError),
    /// The output cannot be created.
    #[error(transparent)]
    File(#[from] PartFileError),
    /// The input does not contain the revision.
    #[error(transparent)]
    Revision(#[from] RevisionUnavailable),
    /// The input is damaged.
    #[error("{} is damaged, and nothing was written{}", printable_path(path), with_finding(finding.as_deref()))]
    Damaged {
        /// As the caller named it.
        path: PathBuf,
        /// The first damage.
        finding: Option<Box<Finding>>,
    },
    /// No keys can be read.
    #[error("no keys in {} can be read", printable_path(path))]
    Nothing {
        /// As the caller named it.
        path: PathBuf,
    },
    /// No live key would be left after a cut.
    #[error("no key of {} would be left", printable_path(path))]
    NothingKept {
        /// As the caller named it.
        path: PathBuf,
    },
    /// Users and roles are damaged.
    #[error("users and roles in {} cannot be read completely", printable_path(path))]
    Auth {
        /// As the caller named it.
        path: PathBuf,
    },
    /// The readable entries do not make a sound store.
    #[error("the readable entries of {} do not make a sound store{}", printable_path(path), with_finding(finding.as_deref()))]
    Contradiction {
        /// As the caller named it.
        path: PathBuf,
        /// The problem.
        finding: Option<Box<Finding>>,
    },
    /// The directory has no database of a member.
    #[error("{} is not a data directory of a member: it has no member/snap/db", printable_path(path))]
    NoDatabase {
        /// The directory.
        path: PathBuf,
    },
    /// A server has the database open.
    #[error("{} is open in a running etcd, or in one of its tools", printable_path(path))]
    Running {
        /// The database.
        path: PathBuf,
    },
    /// The database of a member cannot be opened, locked or replaced.
    #[error("cannot replace {}: {}", printable_path(path), plain(cause))]
    Member {
        /// The database.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The new database of a member cannot be given to the owner of the old one.
    #[error(
        "the new database cannot be given to user {owner}, the owner of {}: {}",
        printable_path(path),
        plain(cause)
    )]
    Owner {
        /// The database.
        path: PathBuf,
        /// The id of its owner.
        owner: u32,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Another file replaced the database meanwhile.
    #[error("another file replaced {} meanwhile", printable_path(path))]
    Replaced {
        /// The database.
        path: PathBuf,
    },
    /// The input contains something that the output cannot.
    #[error("{} cannot be rewritten: {reason}", printable_path(path))]
    Contents {
        /// As the caller named it.
        path: PathBuf,
        /// What it contains.
        reason: String,
    },
}

impl RewriteError {
    pub(super) fn damaged(path: &Path, finding: Option<Finding>) -> Self {
        Self::Damaged { path: path.to_owned(), finding: finding.map(Box::new) }
    }

    /// Converts core's error about the file at `path`.
    pub(super) fn of_core(path: &Path, error: rewrite::RewriteError<PartFileError>) -> Self {
        match error {
            rewrite::RewriteError::Read(cause) => PathlessError::Scan(cause).at(path).into(),
            rewrite::RewriteError::Damaged(finding) => Self::damaged(path, Some(finding)),
            rewrite::RewriteError::Build(BuildError::Sink(error)) => error.into(),
            error => Self::Contents { path: path.to_owned(), reason: crate::printable(&error.to_string()) },
        }
    }

    /// Whether the contents of the input are the cause.
    pub(super) fn is_about_contents(&self) -> bool {
        matches!(self, Self::Contents { .. } | Self::Damaged { .. } | Self::NothingKept { .. })
    }

    /// Says what to do, in a sentence or two; empty if nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Read(error) => error.advice(),
            Self::Target(error) => error.advice(),
            Self::File(error) => error.advice(),
            Self::Revision(RevisionUnavailable::Compacted { .. }) => {
                "A compaction cannot be undone. Leave the revision out for the latest one.".into()
            }
            Self::Revision(RevisionUnavailable::Future { .. }) => "Leave the revision out for the latest one.".into(),
            Self::Damaged { path, .. } => {
                format!("For details: etcdsnap verify {0}. Use another copy or backup; if there is none, recover the readable part: etcdsnap salvage {0} -o OUT", typed_path(path))
            }
            Self::Nothing { .. } => "Nothing was written. Use another copy or backup.".into(),
            Self::NothingKept { path } => format!(
                "Nothing was written. Find the keys: etcdsnap usage {}. To write a snapshot without keys all the same, use --allow-empty.",
                typed_path(path)
            ),
            Self::Auth { .. } => {
                "Nothing was written: if some are missing, users may get access that they must not have. To write the keys without users and roles, with access for everybody, use --reset-auth.".into()
            }
            Self::Contradiction { .. } => "Nothing was written. Use another copy or backup.".into(),
            Self::NoDatabase { .. } => "Give the directory that etcd uses as its --data-dir.".into(),
            Self::Running { .. } => {
                "Nothing was changed. Stop the member first, or let it defragment itself: etcdctl defrag".into()
            }
            Self::Member { cause, .. } if cause.kind() == ErrorKind::PermissionDenied => {
                "The old database is unchanged. Run this as the owner of that file or as root, and make the file writable.".into()
            }
            Self::Member { cause, .. } => format!("The old database is unchanged. {}", write_advice(cause)),
            Self::Owner { .. } => "The old database is unchanged. Run this as root, or as its owner.".into(),
            Self::Replaced { .. } => {
                "Nothing was changed. Check which other program uses this data directory, and run this again.".into()
            }
            Self::Contents { path, .. } => format!("For details: etcdsnap status {}", typed_path(path)),
        }
    }
}

fn with_finding(finding: Option<&Finding>) -> String {
    finding.map_or_else(String::new, |finding| format!(": {} [{}]", crate::printable(&finding.message), finding.code))
}
