//! Detects files that other users may have planted: in a directory that others may write to, only files of this user and of root are trusted.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::{error, fmt, io};

use crate::printable::printable_path;

/// Bits of a mode that let the group or others write.
pub(crate) const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Whether the owner is this user or root, who are both trusted.
pub(crate) fn is_ours(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

/// Whether a user other than this one and root can put entries into a directory.
pub(crate) fn is_open_to_others(directory: &Metadata) -> bool {
    !is_owner_trusted(directory) || directory.mode() & WRITABLE_BY_OTHERS != 0
}

/// Whether the owner of `/` is trusted as root: in a user namespace, the machine's root has the number of the owner of `/`, and can do everything anyway.
pub(super) fn is_owner_trusted(directory: &Metadata) -> bool {
    is_ours(directory.uid()) || fs::metadata("/").is_ok_and(|root| root.uid() == directory.uid())
}

/// A symbolic link that another user may have planted, and that is therefore not followed.
#[derive(Debug)]
pub(crate) struct ForeignLink {
    /// Its path.
    pub path: PathBuf,
    /// The user id of its owner.
    pub owner: u32,
}

impl ForeignLink {
    /// Says what to do about an error from [`Directory::open`](super::directory::Directory::open) and similar functions; empty for other errors.
    pub fn advice(cause: &io::Error) -> &'static str {
        if cause.get_ref().is_some_and(|inner| inner.is::<Self>()) {
            "If you trust it, give the path that it leads to."
        } else {
            ""
        }
    }
}

impl fmt::Display for ForeignLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is a symbolic link of user {}, in a directory that other users may write to, and is not followed",
            printable_path(&self.path),
            self.owner
        )
    }
}

impl error::Error for ForeignLink {}

impl From<ForeignLink> for io::Error {
    fn from(link: ForeignLink) -> Self {
        Self::other(link)
    }
}
