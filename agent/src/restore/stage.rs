//! The place where a data directory is built, and the renames that make it appear.
//!
//! ```text
//! target absent or empty:            <data-dir>.etcdsnap-<random>/member/…   renamed to <data-dir>
//! a mount point, lost+found, cwd:    <data-dir>/member.etcdsnap-<random>/…   renamed to <data-dir>/member
//! log elsewhere:                     <wal-dir>.etcdsnap-<random>/…           renamed to <wal-dir> just before
//!                                    <stage>.wal                             says so, until the data directory is in place
//! log within the data directory:     <stage>/…                               comes with the stage
//! ```
//! What a killed run left is removed by the next ([`litter`](super::litter)), and with it the log that it had put in place already.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, RenameFlags, StatxAttributes, StatxFlags, access, renameat_with, statx};
use rustix::io::Errno;

use super::error::RestoreError;
use super::files::{failed, fsync_directory, fsync_parent, make_all, remove_made};
use super::litter::{Staged, is_of, note, sweep};
use super::owner::Owner;

/// A data directory in the making. What is not published is removed with it.
pub(super) struct Stage {
    data: Staged,
    /// A log that does not come with the stage.
    wal: Option<Staged>,
    /// Where the log goes within the stage, when not to its usual place.
    wal_within: Option<PathBuf>,
    /// Whether the stage becomes `<data-dir>/member` rather than the data directory.
    inside: bool,
    /// Mode and owner of the data directory that was there.
    before: Option<(u32, Owner)>,
    note: PathBuf,
    /// Directories around the target that were made for it, outermost first.
    made: Vec<PathBuf>,
    published: bool,
}

impl Stage {
    /// Whether the targets are free, without making anything.
    pub fn check(data_dir: &Path, wal_dir: Option<&Path>) -> Result<bool, RestoreError> {
        if let Some(wal) = wal_dir {
            let refuse = |reason: &str| Err(RestoreError::WalDir { path: wal.to_owned(), reason: reason.into() });
            if wal.symlink_metadata().is_ok() {
                return refuse("exists");
            }
            let (data, wal) = (settled(data_dir), settled(wal));
            let database = data.join("member/snap");
            if database.starts_with(&wal) || wal.starts_with(&database) {
                return refuse("is where the data directory or the database goes");
            }
        }
        let refuse = |reason: &str| Err(RestoreError::DataDir { path: data_dir.to_owned(), reason: reason.into() });
        let entries = match fs::read_dir(data_dir) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && data_dir.is_symlink() => {
                return refuse("is a link that leads nowhere");
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(_) if data_dir.symlink_metadata().is_ok_and(|facts| !facts.is_dir()) => {
                return refuse("is no directory");
            }
            Err(_) => return refuse("could not be read"),
        };
        let mut lost_and_found = false;
        for entry in entries {
            let Ok(entry) = entry else { return refuse("could not be read") };
            match entry.file_name().to_string_lossy().as_ref() {
                "lost+found" => lost_and_found = true,
                name if is_of(Path::new("member"), name) => lost_and_found = true,
                _ => return refuse("is not empty"),
            }
        }
        Ok(lost_and_found)
    }

    /// Whether something can be made where the targets are to be, without making it.
    pub fn check_writable(data_dir: &Path, wal_dir: Option<&Path>) -> Result<(), RestoreError> {
        let (data, wal) = (settled(data_dir), wal_dir.map(settled));
        let writable = |path: &Path| {
            let there = path.ancestors().find(|path| path.exists()).unwrap_or(path);
            access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(|cause| failed(there, cause.into()))
        };
        // A directory that is there can be filled where it cannot be replaced.
        writable(&around(&data)).or_else(|error| if data.is_dir() { writable(&data) } else { Err(error) })?;
        wal.map_or(Ok(()), |wal| writable(&around(&wal)))
    }

    /// Removes what killed runs left, looks whether the targets are free, and makes the directories.
    pub fn begin(data_dir: &Path, wal_dir: Option<&Path>) -> Result<Self, RestoreError> {
        let data_dir = resolved(data_dir);
        let mut made = Vec::new();
        let begun = Self::begin_in(&data_dir, wal_dir, &mut made);
        match begun {
            Ok(mut stage) => {
                stage.made = made;
                Ok(stage)
            }
            Err(error) => {
                remove_made(&made);
                Err(error)
            }
        }
    }

    fn begin_in(data_dir: &Path, wal_dir: Option<&Path>, made: &mut Vec<PathBuf>) -> Result<Self, RestoreError> {
        let (parent, member) = (around(data_dir), data_dir.join("member"));
        make_all(&parent, made)?;
        sweep(&parent, data_dir)?;
        sweep(data_dir, &member)?;
        if let Some(wal) = wal_dir {
            sweep(&around(wal), wal)?;
        }
        let occupied = Self::check(data_dir, wal_dir)?;
        let facts = fs::metadata(data_dir).ok();
        let before = facts
            .as_ref()
            .map(|facts| (facts.mode() & 0o7777, Owner { user: Some(facts.uid()), group: Some(facts.gid()) }));
        // Who stands in it would stand in a directory that is gone.
        let ours = std::env::current_dir().is_ok_and(|here| here == data_dir);
        let mounted = facts.is_some() && is_mounted(data_dir, &parent);
        let outside = if occupied || mounted || ours { None } else { Some(Staged::make(&parent, data_dir)) };
        let (data, inside) = match outside {
            Some(Ok(staged)) => (staged, false),
            // The directory is ours to write to, the one around it is not.
            Some(Err(RestoreError::Write { cause, .. }))
                if facts.is_some() && cause.kind() == io::ErrorKind::PermissionDenied =>
            {
                (Staged::make(data_dir, &member)?, true)
            }
            Some(Err(error)) => return Err(error),
            None => (Staged::make(data_dir, &member)?, true),
        };
        let note = note(&data.stage);
        let mut stage =
            Self { data, wal: None, wal_within: None, inside, before, note, made: Vec::new(), published: false };
        let Some(wal) = wal_dir else { return Ok(stage) };
        let settled_wal = settled(wal);
        stage.wal_within = settled_wal.strip_prefix(settled(&stage.data.target)).ok().map(Path::to_owned);
        if let Some(below) = &stage.wal_within {
            make_all(&around(&stage.data.stage.join(below)), &mut Vec::new())?;
        } else {
            make_all(&around(wal), made)?;
            stage.wal = Some(Staged::make(&around(wal), wal)?);
        }
        Ok(stage)
    }

    /// Whether the files can be given to `owner`, before any of them is written.
    pub fn check_owner(&self, owner: Owner) -> Result<(), RestoreError> {
        let file = tempfile::tempfile_in(&self.data.stage).map_err(|cause| failed(&self.data.stage, cause))?;
        fchown(&file, owner.user, owner.group).map_err(|cause| RestoreError::NotOurs(crate::error::plain(&cause)))
    }

    /// What becomes `<data-dir>/member`.
    pub fn member(&self) -> PathBuf {
        if self.inside { self.data.stage.clone() } else { self.data.stage.join("member") }
    }

    /// What becomes the data directory; none where only `member` in it does.
    pub fn root(&self) -> Option<&Path> {
        (!self.inside).then_some(&*self.data.stage)
    }

    /// Where the log goes.
    pub fn wal_dir(&self) -> PathBuf {
        match (&self.wal, &self.wal_within) {
            (Some(wal), _) => wal.stage.clone(),
            (None, Some(below)) => self.data.stage.join(below),
            (None, None) => self.member().join("wal"),
        }
    }

    /// Makes it appear: the log first, where it lies elsewhere, then the data directory.
    pub fn publish(mut self, owner: Option<Owner>) -> Result<(), RestoreError> {
        let kept = self.before.map(|(_, owner)| owner);
        // Root restores into a directory prepared for another user: the files are to be that user's.
        if let Some(owner) = owner.or(kept) {
            self.made.iter().try_for_each(|path| give_one(path, owner))?;
            give(&self.data.stage, owner)?;
            self.wal.as_ref().map_or(Ok(()), |wal| give(&wal.stage, owner))?;
        }
        if let (Some((mode, _)), false) = (self.before, self.inside) {
            let path = &self.data.stage;
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|cause| failed(path, cause))?;
        }
        for path in self.wal_within.iter().flat_map(|below| below.ancestors().skip(1)) {
            fsync_directory(&self.data.stage.join(path))?;
        }
        fsync_directory(&self.data.stage)?;
        if let Some(wal) = &self.wal {
            fsync_directory(&wal.stage)?;
            self.leave_note(wal)?;
            rename(&wal.stage, &wal.target).map_err(|cause| match cause {
                Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR => RestoreError::WalDir {
                    path: wal.target.clone(),
                    reason: "appeared while the snapshot was restored".into(),
                },
                cause => failed(&wal.target, cause.into()),
            })?;
            fsync_parent(&wal.target)?;
        }
        let target = &self.data.target;
        // An empty directory gives way to a rename, one with anything in it does not.
        let renamed = if self.before.is_some() && !self.inside {
            rustix::fs::rename(&self.data.stage, target)
        } else {
            rename(&self.data.stage, target)
        };
        if let Err(cause) = renamed {
            if let Some(wal) = &self.wal {
                // It was put there a moment ago and belongs to nobody yet.
                let _ = fs::rename(&wal.target, &wal.stage);
            }
            return Err(match cause {
                Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR => RestoreError::DataDir {
                    path: target.clone(),
                    reason: "appeared while the snapshot was restored".into(),
                },
                cause => failed(target, cause.into()),
            });
        }
        self.published = true;
        fsync_parent(target)?;
        self.made.iter().try_for_each(|path| fsync_parent(path))?;
        if self.wal.is_some() {
            let _ = fs::remove_file(&self.note);
        }
        Ok(())
    }

    /// Says where the log goes, so that it can be taken back when this run is killed before the data directory is in place.
    fn leave_note(&self, wal: &Staged) -> Result<(), RestoreError> {
        let facts = fs::metadata(&wal.stage).map_err(|cause| failed(&wal.stage, cause))?;
        let path = std::path::absolute(&wal.target).map_err(|cause| failed(&wal.target, cause))?;
        let note = serde_json::json!({ "wal": path, "device": facts.dev(), "inode": facts.ino() });
        fs::write(&self.note, note.to_string())
            .and_then(|()| File::open(&self.note)?.sync_all())
            .map_err(|cause| failed(&self.note, cause))?;
        fsync_parent(&self.note)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        let _ = fs::remove_dir_all(&self.data.stage);
        if let Some(wal) = &self.wal {
            let _ = fs::remove_dir_all(&wal.stage);
            let _ = fs::remove_file(&self.note);
        }
        remove_made(&self.made);
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Errno> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag; a plain rename replaces an empty directory at most.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::rename(from, to),
        other => other,
    }
}

/// Whether a directory is the root of a mount, which nothing can be renamed over. A bind mount is on the device that the directory around it is on, too.
fn is_mounted(path: &Path, parent: &Path) -> bool {
    let facts = statx(CWD, path, AtFlags::empty(), StatxFlags::empty()).ok();
    let told = facts.filter(|facts| facts.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT));
    let device = |path: &Path| fs::metadata(path).map(|facts| facts.dev()).ok();
    told.is_some_and(|facts| facts.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        || device(path) != device(parent)
}

/// The directory that something is in.
fn around(path: &Path) -> PathBuf {
    path.parent().filter(|path| !path.as_os_str().is_empty()).map_or(PathBuf::from("."), Path::to_owned)
}

/// The one path among all that lead there, as far as it can be told of what is not there yet.
fn settled(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find_map(|start| Some((start, fs::canonicalize(start).ok()?)));
    let Some((start, real)) = there else { return path };
    path.strip_prefix(start).map_or(path.clone(), |rest| real.join(rest).components().collect())
}

/// Follows links, so that what they point to is replaced and not the link.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn give(path: &Path, owner: Owner) -> Result<(), RestoreError> {
    give_one(path, owner)?;
    if fs::symlink_metadata(path).is_ok_and(|facts| facts.is_dir()) {
        for entry in fs::read_dir(path).map_err(|cause| failed(path, cause))? {
            give(&entry.map_err(|cause| failed(path, cause))?.path(), owner)?;
        }
    }
    Ok(())
}

fn give_one(path: &Path, owner: Owner) -> Result<(), RestoreError> {
    let facts = fs::symlink_metadata(path).map_err(|cause| failed(path, cause))?;
    let differs =
        owner.user.is_some_and(|user| user != facts.uid()) || owner.group.is_some_and(|group| group != facts.gid());
    if differs {
        chown(path, owner.user, owner.group).map_err(|cause| failed(path, cause))?;
    }
    Ok(())
}
