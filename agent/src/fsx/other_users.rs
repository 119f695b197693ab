//! What other users of the machine may have put somewhere: in a directory that they may write to, nothing but this user's and root's own counts as meant.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::{error, fmt, io};

use crate::printable::printable_path;

/// Bits of a mode that let the group or others write.
pub(crate) const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Whether something belongs to this user or to root, neither of whom is a stranger here.
pub(crate) fn is_ours(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

/// Whether a user other than this one and root can put things into a directory.
pub(crate) fn is_open_to_others(directory: &Metadata) -> bool {
    !is_owner_trusted(directory) || directory.mode() & WRITABLE_BY_OTHERS != 0
}

/// In a user namespace root of the machine has another number: that of the owner of `/`, who can do everything anyway.
pub(super) fn is_owner_trusted(directory: &Metadata) -> bool {
    is_ours(directory.uid()) || fs::metadata("/").is_ok_and(|root| root.uid() == directory.uid())
}

/// A symbolic link that another user may have planted, and that is therefore not followed.
#[derive(Debug)]
pub(crate) struct ForeignLink {
    /// Its path.
    pub path: PathBuf,
    /// To whom it belongs.
    pub owner: u32,
}

impl ForeignLink {
    /// What to do about an error that [`Directory::open`](super::directory::Directory::open) and its like gave; empty when it is about anything else.
    pub fn advice(cause: &io::Error) -> &'static str {
        if cause.get_ref().is_some_and(|inner| inner.is::<Self>()) {
            "Name the place that it leads to, if you trust it."
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
