//! Rewrites the database of a stopped member in place.
//!
//! bolt opens a database by its path, waits for the lock, and does not check again that the path still leads to the same file. A server that is started meanwhile would serve, and write to, a file
//! without a name, and lose all those writes. So the meta pages of the old file are erased before its lock is released: such a server fails at once, and the next start finds the new file.

use std::ffi::OsString;
use std::fs::{File, Metadata, Permissions, TryLockError};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};

use super::new_file::Ending;
use super::{NewFile, Rewrite, RewriteError, Rewritten, rewrite_sealed};
use crate::error::Error;
use crate::fsx::directory::Directory;
use crate::fsx::file_identity::FileIdentity;
use crate::input::database_path::database_of;
use crate::progress::Progress;
use crate::snapshot::Snapshot;

/// A member whose database was rewritten.
#[derive(Debug, Clone, PartialEq)]
pub struct DefragmentedMember {
    /// The path of the database.
    pub database: PathBuf,
    /// The result.
    pub done: Rewritten,
    /// A warning about unfinished files beside it, which killed runs seem to have left.
    pub leftovers: Option<String>,
}

/// Rewrites the database of the stopped member in `data_dir` without free pages, and replaces the old file. All entries, the owner and the mode are kept.
///
/// Meanwhile the old database is locked as etcd locks it. It is unchanged until the last step, the rename.
///
/// # Errors
/// When a server uses the database, it is damaged or read-only, or the new one cannot be written or given to its owner.
pub fn defragment_member(
    data_dir: &Path,
    threads: Option<NonZeroUsize>,
    progress: &dyn Progress,
) -> Result<DefragmentedMember, RewriteError> {
    let old = Locked::open(data_dir)?;
    let target = NewFile::within(&old.directory, old.name.clone(), old.path.clone(), Ending::Nothing)?;
    let leftovers = target.warning();
    let handle = old.file.try_clone().map_err(|cause| old.failed(cause))?;
    let snapshot = Snapshot::of_file(handle, &old.path, progress)?.with_threads(threads);
    let (target, done) = rewrite_sealed(&snapshot, Rewrite::Defragment, target, progress)?;
    old.make_alike(&target.handle()?)?;
    old.check_place()?;
    if progress.cancelled() {
        return Err(Error::Cancelled.into());
    }
    // Only after the rename is synced: after a crash before that, the old file is still the database.
    target.publish()?;
    let page_size = snapshot.store().map_or(0, |store| store.page_size());
    old.retire(page_size);
    Ok(DefragmentedMember { database: old.path, done, leftovers })
}

/// The old database, locked.
struct Locked {
    file: File,
    facts: Metadata,
    directory: Directory,
    /// Its name there.
    name: OsString,
    path: PathBuf,
}

impl Locked {
    fn open(data_dir: &Path) -> Result<Self, RewriteError> {
        let none = || RewriteError::NoDatabase { path: data_dir.to_owned() };
        let path = database_of(data_dir).ok_or_else(none)?;
        let failed = |cause: io::Error| RewriteError::Member { path: path.clone(), cause };
        let folder = Directory::open(path.parent().ok_or_else(none)?).map_err(failed)?;
        // If it is a link to a file on another disk, the new file must be created there.
        let (directory, name, _) = folder.follow_to_file(Path::new("db")).map_err(failed)?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(&directory, Path::new(&name), flags, Mode::empty());
        let file = File::from(opened.map_err(|cause| failed(cause.into()))?);
        let facts = file.metadata().map_err(failed)?;
        if !facts.is_file() {
            return Err(none());
        }
        // Its owner made it read-only on purpose; root could write to it all the same.
        if facts.mode() & 0o200 == 0 {
            let what = format!("its mode {:04o} makes it read-only (chmod u+w)", facts.mode() & 0o7777);
            return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, what)));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RewriteError::Running { path }),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let old = Self { file, facts, directory, name, path };
        old.check_place()?;
        Ok(old)
    }

    fn failed(&self, cause: io::Error) -> RewriteError {
        RewriteError::Member { path: self.path.clone(), cause }
    }

    /// Checks that no other file has its name by now.
    fn check_place(&self) -> Result<(), RewriteError> {
        let named = statat(&self.directory, Path::new(&self.name), AtFlags::SYMLINK_NOFOLLOW);
        let is_there = named.is_ok_and(|named| FileIdentity::of_stat(&named) == FileIdentity::of(&self.facts));
        if is_there { Ok(()) } else { Err(RewriteError::Replaced { path: self.path.clone() }) }
    }

    /// Gives another file the same owner and mode.
    fn make_alike(&self, new: &File) -> Result<(), RewriteError> {
        let facts = new.metadata().map_err(|cause| self.failed(cause))?;
        let given = if (facts.uid(), facts.gid()) == (self.facts.uid(), self.facts.gid()) {
            Ok(())
        } else {
            fchown(new, Some(self.facts.uid()), Some(self.facts.gid()))
        };
        let given = given.and_then(|()| new.set_permissions(Permissions::from_mode(self.facts.mode() & 0o7777)));
        let given = given.and_then(|()| new.sync_all());
        given.map_err(|cause| RewriteError::Owner { path: self.path.clone(), owner: self.facts.uid(), cause })
    }

    /// Makes the old file useless after it lost its name, for a server that waits for its lock. Then releases the lock.
    fn retire(&self, page_size: u32) {
        if self.file.metadata().is_ok_and(|facts| facts.nlink() == 0) {
            // Nobody can open this file any more, so an error would not matter.
            let _ = self.file.write_all_at(&vec![0; (page_size as usize).saturating_mul(2)], 0);
        }
    }
}
