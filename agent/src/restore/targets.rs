//! The target directories of a restore: resolved and checked before anything is created.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, Dir, FileType, StatxAttributes, StatxFlags, accessat, statx};
use rustix::io::Errno;

use super::created_directories::failed;
use super::destination::{LastComponent, ResolveError, ResolvedPath};
use super::owner::Owner;
use super::restore_error::RestoreError;
use super::stage_directory::slots;
use crate::fsx::directory::Directory;
use crate::fsx::leftover::is_private;

/// The directory in the data directory that holds everything, unless the log is elsewhere.
pub(super) const MEMBER: &str = "member";

/// The target paths of a restore.
pub(super) struct Targets {
    /// The data directory as the caller named it.
    data_dir: PathBuf,
    /// The directory of the log as the caller named it.
    wal_dir: PathBuf,
    pub data: ResolvedPath,
    pub log: LogPlace,
}

/// The place of the log.
pub(super) enum LogPlace {
    /// The default place, `member/wal`.
    Usual,
    /// Another place in the data directory.
    Within(PathBuf),
    /// Outside the data directory.
    Elsewhere(ResolvedPath),
}

/// How the data directory is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// It is built beside its final place and renamed at the end, replacing an empty directory if there is one.
    Whole {
        /// Whether there is an empty directory to replace.
        replaces: bool,
    },
    /// The directory stays, and `member` is renamed into it.
    Filled,
}

impl Targets {
    /// Resolves both paths.
    ///
    /// # Errors
    /// [`RestoreError::DataDir`] or [`RestoreError::WalDir`] if one of them cannot be resolved, or they conflict.
    pub fn resolve(data_dir: &Path, wal_dir: Option<&Path>) -> Result<Self, RestoreError> {
        let refuse = |path: PathBuf, reason: &str| RestoreError::DataDir { path, reason: reason.into() };
        let data = ResolvedPath::resolve(data_dir, LastComponent::Followed).map_err(|end| dead_end(end, refuse))?;
        let refuse = |path: PathBuf, reason: &str| RestoreError::WalDir { path, reason: reason.into() };
        let log = match wal_dir {
            None => LogPlace::Usual,
            Some(path) => {
                let wal = ResolvedPath::resolve(path, LastComponent::Kept).map_err(|end| dead_end(end, refuse))?;
                log_place(&data, wal).map_err(|reason| refuse(path.to_owned(), reason))?
            }
        };
        let wal_dir = wal_dir.unwrap_or(Path::new("")).to_owned();
        Ok(Self { data_dir: data_dir.to_owned(), wal_dir, data, log })
    }

    /// Returns the parent of the data directory and its name there, if the directory exists or can be created in one step.
    pub fn beside_data(&self) -> Option<(Directory, OsString)> {
        match self.data.missing.as_slice() {
            [] => named(&self.data.base, &self.data_dir),
            [name] => Some((self.data.base.try_clone().ok()?, name.clone())),
            _ => None,
        }
    }

    /// Returns the same for a log outside `member`.
    pub fn beside_log(&self) -> Option<(&Directory, &OsStr)> {
        match &self.log {
            LogPlace::Usual => None,
            LogPlace::Within(below) => self.first_within(below).map(|first| (&self.data.base, first)),
            LogPlace::Elsewhere(wal) => match wal.missing.as_slice() {
                [name] => Some((&wal.base, name)),
                _ => None,
            },
        }
    }

    /// Returns the entry besides `member` that the log needs in an existing data directory.
    fn first_within<'p>(&self, below: &'p Path) -> Option<&'p OsStr> {
        let first = below.iter().next().filter(|first| *first != OsStr::new(MEMBER));
        first.filter(|_| self.data.missing.is_empty())
    }

    /// Checks that both places are free. Returns whether the data directory contains entries that may stay there.
    pub fn check_free(&self) -> Result<bool, RestoreError> {
        self.check_log_free()?;
        if !self.data.missing.is_empty() {
            return Ok(false);
        }
        let refuse = |reason: String| RestoreError::DataDir { path: self.data_dir.clone(), reason };
        let unreadable = |cause: io::Error| match self.data.base.metadata() {
            Ok(facts) if cause.kind() == io::ErrorKind::PermissionDenied => RestoreError::Unreadable {
                path: self.data_dir.clone(),
                uid: facts.uid(),
                mode: facts.mode() & 0o7777,
                cause,
            },
            _ => refuse(format!("cannot be read: {}", crate::error::plain(&cause))),
        };
        let entries = self.data.base.readable().and_then(|opened| Ok(Dir::read_from(opened)?));
        let mut stays = false;
        for entry in entries.map_err(unreadable)? {
            let entry = entry.map_err(|cause| unreadable(cause.into()))?;
            let name = std::os::unix::ffi::OsStrExt::from_bytes(entry.file_name().to_bytes());
            if name == OsStr::new(".") || name == OsStr::new("..") {
                continue;
            }
            if !self.may_stay(name) {
                let name = crate::printable(&name.to_string_lossy());
                return Err(refuse(format!("is not empty: it has {name:?}")));
            }
            stays = true;
        }
        Ok(stays)
    }

    /// Whether a name is `lost+found` of a file system, or a stage that another run of this user created here.
    fn may_stay(&self, name: &OsStr) -> bool {
        if name == OsStr::new("lost+found") {
            let found = self.data.base.stat(Path::new(name));
            return found.is_ok_and(|found| {
                found.is_some_and(|facts| FileType::from_raw_mode(facts.st_mode) == FileType::Directory)
            });
        }
        let stage = || self.data.base.open_below(Path::new(name))?.metadata();
        let device = || self.data.base.metadata().map(|facts| facts.dev());
        let log = if let LogPlace::Within(below) = &self.log { self.first_within(below) } else { None };
        let mut made = [Some(OsStr::new(MEMBER)), log].into_iter().flatten();
        made.any(|made| slots(made).any(|slot| slot == name))
            && matches!((stage(), device()), (Ok(facts), Ok(device)) if is_private(&facts, device))
    }

    fn check_log_free(&self) -> Result<(), RestoreError> {
        let (base, names): (_, Vec<&OsStr>) = match &self.log {
            LogPlace::Usual => return Ok(()),
            LogPlace::Within(path) => (&self.data.base, path.iter().collect()),
            LogPlace::Elsewhere(wal) => (&wal.base, wal.missing.iter().map(OsString::as_os_str).collect()),
        };
        let refuse = |reason: &str| RestoreError::WalDir { path: self.wal_dir.clone(), reason: reason.into() };
        let exists = match names.as_slice() {
            // For example `.`, which always exists.
            [] => true,
            // In a data directory that does not exist yet, every name is free.
            [_] if matches!(self.log, LogPlace::Within(_)) && !self.data.missing.is_empty() => false,
            [name] => base.stat(Path::new(name)).map_err(|cause| failed(&self.wal_dir, cause))?.is_some(),
            _ => false,
        };
        if exists { Err(refuse("exists")) } else { Ok(()) }
    }

    /// Returns the ways in which the data directory can be created, best first.
    pub fn layouts(&self, stays: bool) -> Vec<Layout> {
        if !self.data.missing.is_empty() {
            return vec![Layout::Whole { replaces: false }];
        }
        let (whole, filled) = (Layout::Whole { replaces: true }, Layout::Filled);
        let facts = (self.data.base.metadata(), named(&self.data.base, &self.data_dir));
        let (Ok(facts), Some((parent, _))) = facts else { return vec![filled] };
        let movable = !stays
            && !is_mounted(&self.data.base, &facts, &parent)
            // If the working directory were replaced, this process would be in a removed directory.
            && !is_working_directory(&facts)
            && may_be_replaced(&facts, &parent);
        let ours = rustix::process::geteuid().is_root() || facts.uid() == rustix::process::geteuid().as_raw();
        match (movable, ours) {
            (false, _) => vec![filled],
            (true, true) => vec![whole, filled],
            // A directory that another user prepared stays that user's directory.
            (true, false) => vec![filled, whole],
        }
    }

    /// Checks that the targets can be created, without creating them; `owner` is the future owner.
    pub fn check_writable(&self, layouts: &[Layout], owner: Option<Owner>) -> Result<(), RestoreError> {
        let mut outcome = Ok(());
        for layout in layouts {
            outcome = match (layout, self.beside_data()) {
                (Layout::Whole { .. }, Some((parent, _))) => try_write(&parent, owner),
                _ => try_write(&self.data.base, owner),
            };
            if outcome.is_ok() {
                break;
            }
        }
        outcome?;
        match &self.log {
            LogPlace::Elsewhere(wal) => try_write(&wal.base, owner),
            _ => Ok(()),
        }
    }
}

fn dead_end(end: ResolveError, refuse: impl Fn(PathBuf, &str) -> RestoreError) -> RestoreError {
    match end {
        ResolveError::Unfit(path, reason) => refuse(path, reason),
        ResolveError::System(path, cause) => failed(&path, cause),
    }
}

/// Finds the place of the log relative to the data directory by comparing directories, not path texts.
fn log_place(data: &ResolvedPath, wal: ResolvedPath) -> Result<LogPlace, &'static str> {
    let same_base = matches!((data.base.identity(), wal.base.identity()), (Ok(a), Ok(b)) if a == b);
    if !same_base {
        return Ok(LogPlace::Elsewhere(wal));
    }
    if let Some(below) = wal.missing.strip_prefix(data.missing.as_slice()) {
        let below: PathBuf = below.iter().collect();
        let database = Path::new(MEMBER).join("snap");
        return match below {
            below if below == Path::new(MEMBER).join("wal") => Ok(LogPlace::Usual),
            below if database.starts_with(&below) || below.starts_with(&database) => {
                Err("is the path of the data directory or the database")
            }
            below => Ok(LogPlace::Within(below)),
        };
    }
    if data.missing.starts_with(&wal.missing) {
        return Err("is a parent of the data directory");
    }
    Ok(LogPlace::Elsewhere(wal))
}

/// Returns the parent of an existing directory and its name there; `None` if that is unknown, as in a chroot.
fn named(directory: &Directory, path: &Path) -> Option<(Directory, OsString)> {
    let (parent, identity) = (directory.follow(Path::new("..")).ok()?, directory.identity().ok()?);
    let real = std::fs::canonicalize(path).ok();
    let names = [path.file_name(), real.as_deref().and_then(Path::file_name)];
    let name = names
        .into_iter()
        .flatten()
        .find(|name| parent.has(Path::new(name), identity).is_ok_and(|same| same))?
        .to_owned();
    let shown = path.parent().filter(|_| path.file_name() == Some(&name)).map(Path::to_owned);
    let shown = shown.or_else(|| real.and_then(|real| real.parent().map(Path::to_owned)));
    Some((parent.with_display_path(&shown.unwrap_or_default()), name))
}

/// Whether a directory is a mount point, which no rename can replace. A bind mount can have the same device as its parent.
fn is_mounted(directory: &Directory, facts: &Metadata, parent: &Directory) -> bool {
    let attributes = statx(directory, "", AtFlags::EMPTY_PATH, StatxFlags::empty()).ok();
    let attributes = attributes.filter(|facts| facts.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT));
    attributes.is_some_and(|facts| facts.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        || !parent.metadata().is_ok_and(|parent| parent.dev() == facts.dev())
}

fn is_working_directory(facts: &Metadata) -> bool {
    std::fs::metadata(".").is_ok_and(|here| here.dev() == facts.dev() && here.ino() == facts.ino())
}

/// Whether a rename may replace the file: in a directory with the sticky bit, only the owners of the directory and of the file may.
fn may_be_replaced(facts: &Metadata, parent: &Directory) -> bool {
    let user = rustix::process::geteuid();
    let Ok(parent) = parent.metadata() else { return false };
    parent.mode() & 0o1000 == 0 || user.is_root() || [facts.uid(), parent.uid()].contains(&user.as_raw())
}

/// Tests writing and changing the owner with a file without a name, if the file system supports that.
fn try_write(directory: &Directory, owner: Option<Owner>) -> Result<(), RestoreError> {
    let failed = |cause| failed(directory.display_path(), cause);
    if let Some(file) = directory.nameless_file().map_err(failed)? {
        let given = owner.map_or(Ok(()), |owner| owner.set_on(&file));
        return given.map_err(|cause| RestoreError::NotOurs(crate::error::plain(&cause)));
    }
    match accessat(directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        // An old kernel may not know the flag.
        Ok(()) | Err(Errno::NOSYS | Errno::INVAL) => Ok(()),
        Err(cause) => Err(failed(cause.into())),
    }
}
