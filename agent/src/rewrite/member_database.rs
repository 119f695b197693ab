//! The database of a stopped member, written anew in its place.
//!
//! bolt opens a database by its path, waits for the lock, and does not look again whether the path still leads there. A server that is started meanwhile would serve, and write to, a file that
//! has no name any more, and all of that would be lost with it. So the old file loses its meta pages before its lock goes: such a server fails at once, and the next start finds the new one.

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

/// A member whose database was written anew.
#[derive(Debug, Clone, PartialEq)]
pub struct DefragmentedMember {
    /// The database.
    pub database: PathBuf,
    /// What it is now.
    pub done: Rewritten,
    /// What a person should know of unfinished files beside it, which killed runs seem to have left.
    pub leftovers: Option<String>,
}

/// Writes the database of the stopped member in `data_dir` anew, without free pages, and puts it in the place of the old one. Every entry, the owner and the mode stay.
///
/// The old database is locked meanwhile, as etcd locks it. Until the last step, in which the new one takes its name, it is as it was.
///
/// # Errors
/// When a server runs on it, it is damaged or read-only, or the new one cannot be written or given to its owner.
pub fn defragment_member(
    data_dir: &Path,
    threads: Option<NonZeroUsize>,
    progress: &dyn Progress,
) -> Result<DefragmentedMember, RewriteError> {
    let old = Locked::open(data_dir)?;
    let target = NewFile::within(&old.directory, old.name.clone(), old.path.clone(), Ending::Nothing)?;
    let leftovers = target.warning();
    let handle = old.file.try_clone().map_err(|cause| old.failed(cause))?;
    let snapshot = Snapshot::of_file(handle, &old.path, progress)?.on_threads(threads);
    let (target, done) = rewrite_sealed(&snapshot, Rewrite::Defragment, target, progress)?;
    old.make_alike(&target.handle()?)?;
    old.check_place()?;
    if progress.cancelled() {
        return Err(Error::Cancelled.into());
    }
    // Only when the rename is on the disk: after a crash before that, the old file is the database.
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
        // It may be a link to a file on another disk: that is where the new one belongs then.
        let (directory, name, _) = folder.trace(Path::new("db")).map_err(failed)?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(&directory, Path::new(&name), flags, Mode::empty());
        let file = File::from(opened.map_err(|cause| failed(cause.into()))?);
        let facts = file.metadata().map_err(failed)?;
        if !facts.is_file() {
            return Err(none());
        }
        // Who made it so does not want it changed; the superuser could all the same.
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

    /// Fails when another file has its name by now.
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

    /// Makes the old file useless once it has no name, for a server that waits for its lock. Then the lock goes.
    fn retire(&self, page_size: u32) {
        if self.file.metadata().is_ok_and(|facts| facts.nlink() == 0) {
            // A file that nobody can open any more: there is nobody to tell what goes wrong.
            let _ = self.file.write_all_at(&vec![0; (page_size as usize).saturating_mul(2)], 0);
        }
    }
}
