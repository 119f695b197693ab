//! The place where a data directory is built, and the renames that make it appear.
//!
//! ```text
//! target absent or empty:            <data-dir>.etcdsnap-<random>/member/…   renamed to <data-dir>
//! a mount point, or lost+found:      <data-dir>/member.etcdsnap-<random>/…   renamed to <data-dir>/member
//! log elsewhere:                     <wal-dir>.etcdsnap-<random>/…           renamed to <wal-dir> just before
//!                                    <stage>.wal                             says so, until the data directory is in place
//! ```
//! A run holds a lock (flock) on its stage. A stage that nobody has locked is what a killed run left: the next run removes it, and the log that
//! this one had put in place already. Making and locking a stage, and looking for old ones, happens under a lock on the directory around it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::error::RestoreError;
use super::owner::Owner;

const MARK: &str = ".etcdsnap-";

/// A data directory in the making. What is not published is removed with it.
pub(super) struct Stage {
    data: Staged,
    wal: Option<Staged>,
    /// Whether the stage becomes `<data-dir>/member` rather than the data directory.
    inside: bool,
    /// Mode and owner of the data directory that was there.
    before: Option<(u32, Owner)>,
    note: PathBuf,
    /// Directories around the target that were made for it, outermost first.
    made: Vec<PathBuf>,
    published: bool,
}

/// A directory under a name of its own, and the name it is to have.
struct Staged {
    stage: PathBuf,
    target: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl Stage {
    /// Whether the targets are free, without making anything.
    pub fn check(data_dir: &Path, wal_dir: Option<&Path>) -> Result<bool, RestoreError> {
        if let Some(wal) = wal_dir
            && wal.symlink_metadata().is_ok()
        {
            return Err(RestoreError::WalDir { path: wal.to_owned(), reason: "exists".into() });
        }
        let refuse = |reason: &str| Err(RestoreError::DataDir { path: data_dir.to_owned(), reason: reason.into() });
        let entries = match fs::read_dir(data_dir) {
            Ok(entries) => entries,
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
                name if name.starts_with("member.etcdsnap-") => lost_and_found = true,
                _ => return refuse("is not empty"),
            }
        }
        Ok(lost_and_found)
    }

    /// Removes what killed runs left, looks whether the targets are free, and makes the directories.
    pub fn begin(data_dir: &Path, wal_dir: Option<&Path>) -> Result<Self, RestoreError> {
        let data_dir = resolved(data_dir);
        let wal_dir = wal_dir.map(resolved);
        let mut made = Vec::new();
        let around = |path: &Path| {
            path.parent().filter(|path| !path.as_os_str().is_empty()).map_or(PathBuf::from("."), Path::to_owned)
        };
        let parent = around(&data_dir);
        make_all(&parent, &mut made)?;
        if let Some(wal) = &wal_dir {
            make_all(&around(wal), &mut made)?;
        }
        let begun = Self::begin_in(&data_dir, wal_dir.as_deref(), &parent, &around);
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

    fn begin_in(
        data_dir: &Path,
        wal_dir: Option<&Path>,
        parent: &Path,
        around: &dyn Fn(&Path) -> PathBuf,
    ) -> Result<Self, RestoreError> {
        sweep(parent, data_dir)?;
        let member = data_dir.join("member");
        if data_dir.is_dir() {
            sweep(data_dir, &member)?;
        }
        let occupied = Self::check(data_dir, wal_dir)?;
        let facts = fs::metadata(data_dir).ok();
        let before = facts
            .as_ref()
            .map(|facts| (facts.mode() & 0o7777, Owner { user: Some(facts.uid()), group: Some(facts.gid()) }));
        let device = |path: &Path| fs::metadata(path).map(|facts| facts.dev()).ok();
        let mounted = facts.is_some() && device(data_dir) != device(parent);
        let outside = if occupied || mounted { None } else { Some(Staged::make(parent, data_dir)) };
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
        let mut note = data.stage.clone().into_os_string();
        note.push(".wal");
        let mut stage = Self { data, wal: None, inside, before, note: note.into(), made: Vec::new(), published: false };
        if let Some(wal) = wal_dir {
            sweep(&around(wal), wal)?;
            stage.wal = Some(Staged::make(&around(wal), wal)?);
        }
        Ok(stage)
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
        self.wal.as_ref().map_or_else(|| self.member().join("wal"), |wal| wal.stage.clone())
    }

    /// Makes it appear: the log first, where it lies elsewhere, then the data directory.
    pub fn publish(mut self, owner: Option<Owner>) -> Result<(), RestoreError> {
        let kept = self.before.map(|(_, owner)| owner);
        // Root restores into a directory prepared for another user: the files are to be that user's.
        if let Some(owner) = owner.or(kept) {
            give(&self.data.stage, owner)?;
            self.wal.as_ref().map_or(Ok(()), |wal| give(&wal.stage, owner))?;
        }
        if let (Some((mode, _)), false) = (self.before, self.inside) {
            let path = &self.data.stage;
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|cause| failed(path, cause))?;
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

impl Staged {
    fn make(around: &Path, target: &Path) -> Result<Self, RestoreError> {
        let guard = lock_around(around)?;
        let name = prefix(target);
        let made = tempfile::Builder::new()
            .prefix(&name)
            .rand_bytes(8)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(around);
        let stage = made.map_err(|cause| failed(around, plain_cause(cause)))?.keep();
        let lock = File::open(&stage).map_err(|cause| failed(&stage, cause))?;
        // A file system without locks cannot tell whose it is; `sweep` then leaves it alone.
        let _ = lock.try_lock();
        drop(guard);
        Ok(Self { stage, target: target.to_owned(), _lock: lock })
    }
}

/// tempfile wraps the system's error into one with the path.
fn plain_cause(cause: io::Error) -> io::Error {
    io::Error::new(cause.kind(), cause.to_string())
}

fn prefix(target: &Path) -> String {
    format!("{}{MARK}", target.file_name().unwrap_or_default().to_string_lossy())
}

fn lock_around(around: &Path) -> Result<File, RestoreError> {
    let directory = File::open(around).map_err(|cause| failed(around, cause))?;
    let _ = directory.lock();
    Ok(directory)
}

/// Removes the stages of `target` that nobody works on.
fn sweep(around: &Path, target: &Path) -> Result<(), RestoreError> {
    let guard = lock_around(around)?;
    let prefix = prefix(target);
    let entries = fs::read_dir(around).map_err(|cause| failed(around, cause))?;
    let names: Vec<_> =
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).collect();
    for entry in &names {
        let path = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(directory) = File::open(&path) else { continue };
        match directory.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => continue,
        }
        let mut note = path.clone().into_os_string();
        note.push(".wal");
        take_back(Path::new(&note));
        fs::remove_dir_all(&path).map_err(|cause| failed(&path, cause))?;
        let _ = fs::remove_file(&note);
    }
    for entry in &names {
        let path = entry.path();
        let stage = path.with_extension("");
        // The data directory was put in place, and the run killed before it could remove its note.
        if path.extension().is_some_and(|extension| extension == "wal") && !stage.exists() {
            let _ = fs::remove_file(&path);
        }
    }
    drop(guard);
    Ok(())
}

/// Removes a log that was put in place without its data directory, if it is still the very one.
fn take_back(note: &Path) {
    let Ok(text) = fs::read(note) else { return };
    let Ok(note) = serde_json::from_slice::<serde_json::Value>(&text) else { return };
    let number = |name: &str| note.get(name).and_then(serde_json::Value::as_u64);
    let Some(wal) = note.get("wal").and_then(serde_json::Value::as_str) else { return };
    let same = fs::symlink_metadata(wal)
        .is_ok_and(|facts| Some(facts.dev()) == number("device") && Some(facts.ino()) == number("inode"));
    if same {
        let _ = fs::remove_dir_all(wal);
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Errno> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag; a plain rename replaces an empty directory at most.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::rename(from, to),
        other => other,
    }
}

/// Follows links, so that what they point to is replaced and not the link.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Makes a directory of mode 0700.
pub(super) fn make_directory(path: &Path) -> Result<(), RestoreError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).create(path).map_err(|cause| failed(path, cause))
}

fn make_all(path: &Path, made: &mut Vec<PathBuf>) -> Result<(), RestoreError> {
    let missing: Vec<_> = path
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .map(Path::to_owned)
        .collect();
    for path in missing.into_iter().rev() {
        if let Err(error) = make_directory(&path) {
            remove_made(made);
            return Err(error);
        }
        made.push(path);
    }
    Ok(())
}

fn remove_made(made: &[PathBuf]) {
    for path in made.iter().rev() {
        let _ = fs::remove_dir(path);
    }
}

/// Syncs a directory's entries.
pub(super) fn fsync_directory(path: &Path) -> Result<(), RestoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|cause| failed(path, cause))
}

fn fsync_parent(path: &Path) -> Result<(), RestoreError> {
    fsync_directory(path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

fn give(path: &Path, owner: Owner) -> Result<(), RestoreError> {
    let facts = fs::symlink_metadata(path).map_err(|cause| failed(path, cause))?;
    let differs =
        owner.user.is_some_and(|user| user != facts.uid()) || owner.group.is_some_and(|group| group != facts.gid());
    if differs {
        chown(path, owner.user, owner.group).map_err(|cause| failed(path, cause))?;
    }
    if facts.is_dir() {
        for entry in fs::read_dir(path).map_err(|cause| failed(path, cause))? {
            give(&entry.map_err(|cause| failed(path, cause))?.path(), owner)?;
        }
    }
    Ok(())
}

fn failed(path: &Path, cause: io::Error) -> RestoreError {
    RestoreError::Write { path: path.to_owned(), cause }
}
