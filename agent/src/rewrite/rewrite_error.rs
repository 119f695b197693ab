//! Why there is no new file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use etcdsnap_core::Finding;
use etcdsnap_core::bolt::write::file_builder::BuildError;
use etcdsnap_core::rewrite;
use etcdsnap_core::store::Unavailable;

use crate::error::{Error, Fault, plain};
use crate::fsx::output_error::{OutputError, write_advice};
use crate::fsx::part_file_error::PartFileError;
use crate::printable::{printable_path, typed_path};

/// Why there is no new file. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The old file cannot be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// Nothing can be written to the target.
    #[error(transparent)]
    Target(#[from] OutputError),
    /// The new file cannot be made.
    #[error(transparent)]
    File(#[from] PartFileError),
    /// The old file has no such revision any more, or not yet.
    #[error(transparent)]
    Revision(#[from] Unavailable),
    /// The old file is damaged.
    #[error("{} is damaged, and nothing was written{}", printable_path(path), told(finding.as_deref()))]
    Damaged {
        /// As the caller named it.
        path: PathBuf,
        /// The first damage that was found.
        finding: Option<Box<Finding>>,
    },
    /// Nothing of the keys can be read.
    #[error("nothing of the keys in {} can be read", printable_path(path))]
    Nothing {
        /// As the caller named it.
        path: PathBuf,
    },
    /// A cut after which no key lives.
    #[error("no key of {} would be left", printable_path(path))]
    NothingKept {
        /// As the caller named it.
        path: PathBuf,
    },
    /// Users and roles are damaged.
    #[error("users and roles in {} cannot be read whole", printable_path(path))]
    Auth {
        /// As the caller named it.
        path: PathBuf,
    },
    /// What can be read makes no sound store.
    #[error("what can be read of {} makes no sound store{}", printable_path(path), told(finding.as_deref()))]
    Contradiction {
        /// As the caller named it.
        path: PathBuf,
        /// What would be wrong with it.
        finding: Option<Box<Finding>>,
    },
    /// A directory has no database of a member.
    #[error("{} is no data directory of a member: it has no member/snap/db", printable_path(path))]
    NoDatabase {
        /// The directory.
        path: PathBuf,
    },
    /// A server has the database open.
    #[error("{} is open in a running etcd, or in a tool of it", printable_path(path))]
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
        "the new database cannot be given to user {owner}, to whom {} belongs: {}",
        printable_path(path),
        plain(cause)
    )]
    Owner {
        /// The database.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Another file came in the place of the database meanwhile.
    #[error("another file has taken the place of {} meanwhile", printable_path(path))]
    Replaced {
        /// The database.
        path: PathBuf,
    },
    /// The old file holds what a new one cannot.
    #[error("{} cannot be written anew: {reason}", printable_path(path))]
    Contents {
        /// As the caller named it.
        path: PathBuf,
        /// What it holds.
        reason: String,
    },
}

impl RewriteError {
    pub(super) fn damaged(path: &Path, finding: Option<Finding>) -> Self {
        Self::Damaged { path: path.to_owned(), finding: finding.map(Box::new) }
    }

    /// The error of core about the file at `path`.
    pub(super) fn of_core(path: &Path, error: rewrite::RewriteError<PartFileError>) -> Self {
        match error {
            rewrite::RewriteError::Read(cause) => Fault::Scan(cause).at(path).into(),
            rewrite::RewriteError::Damaged(finding) => Self::damaged(path, Some(finding)),
            rewrite::RewriteError::Build(BuildError::Sink(error)) => error.into(),
            error => Self::Contents { path: path.to_owned(), reason: crate::printable(&error.to_string()) },
        }
    }

    /// Whether what the old file holds is the reason.
    pub(super) fn is_about_contents(&self) -> bool {
        matches!(self, Self::Contents { .. } | Self::Damaged { .. } | Self::NothingKept { .. })
    }

    /// What to do about it, in a sentence or two; empty where nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Read(error) => error.advice(),
            Self::Target(error) => error.advice(),
            Self::File(error) => error.advice(),
            Self::Revision(Unavailable::Compacted { .. }) => {
                "A compaction cannot be undone. Leave the revision out for the latest one.".into()
            }
            Self::Revision(Unavailable::Future { .. }) => "Leave the revision out for the latest one.".into(),
            Self::Damaged { path, .. } => {
                format!("See what is wrong: etcdsnap verify {0}. Use another copy or backup; if there is none, get out what can be read: etcdsnap salvage {0} -o OUT", typed_path(path))
            }
            Self::Nothing { .. } => "Nothing was written. Use another copy or backup.".into(),
            Self::NothingKept { path } => format!(
                "Nothing was written. See which keys there are: etcdsnap usage {}. To get a snapshot without keys all the same: --allow-empty",
                typed_path(path)
            ),
            Self::Auth { .. } => {
                "Nothing was written: with some of them missing, others might read and write what they may not. To get the keys without users and roles, open to everybody: --reset-auth".into()
            }
            Self::Contradiction { .. } => "Nothing was written. Use another copy or backup.".into(),
            Self::NoDatabase { .. } => "Name the directory that etcd has as its --data-dir.".into(),
            Self::Running { .. } => {
                "Nothing was changed. Stop the member first, or let it defragment itself: etcdctl defrag".into()
            }
            Self::Member { cause, .. } if cause.kind() == ErrorKind::PermissionDenied => {
                "The old database is as it was. Run this as the owner of that file or as root, and let the file be writable.".into()
            }
            Self::Member { cause, .. } => format!("The old database is as it was. {}", write_advice(cause)),
            Self::Owner { .. } => "The old database is as it was. Run this as root, or as its owner.".into(),
            Self::Replaced { .. } => {
                "Nothing was changed. Look who else works on this data directory, and run this again.".into()
            }
            Self::Contents { path, .. } => format!("See what is in it: etcdsnap status {}", typed_path(path)),
        }
    }
}

fn told(finding: Option<&Finding>) -> String {
    finding.map_or_else(String::new, |finding| format!(": {} [{}]", crate::printable(&finding.message), finding.code))
}
