//! A private directory beside a target, in which the target is built.
//!
//! ```text
//! <target>.etcdsnap-<n>/            mode 0700, locked (flock) while a run uses it
//!   etcdsnap-stage                  the marker: proves that this program made the directory, and for which target
//!   log-stage, log                  notes about a log that is elsewhere (`log_notes`)
//!   new/…                           renamed to the target when it is complete
//! ```
//! If others may write to the parent directory, they can move this one away or replace it. So all operations use open handles, and only the
//! content is renamed: the marker and the notes stay in a directory that nobody else may enter.

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::iter::once;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, RenameFlags, openat, renameat, renameat_with};
use rustix::io::Errno;

use super::created_directories::failed;
use super::owner::Owner;
use super::restore_error::RestoreError;
use crate::fsx::directory::Directory;
use crate::fsx::directory_sync::DirectorySync;
use crate::fsx::file_identity::FileIdentity;

/// The name of the content in the stage.
pub(super) const CONTENT_NAME: &str = "new";

/// The name of the marker.
pub(super) const MARKER_NAME: &str = "etcdsnap-stage";

/// The name of a temporary file for testing whether the owner of files can be changed.
pub(super) const PROBE_NAME: &str = "owner";

/// How many numbers are tried in turn for a stage's name. They are few, so that leftovers of killed runs are found without listing the parent directory.
const MAX_STAGES: u32 = 16;

/// The longest file name on nearly all file systems, in bytes.
const MAX_NAME_LEN: usize = 255;

/// A stage: a directory in progress. If dropped before it is finished, it is removed with everything that was created in it.
pub(super) struct StageDirectory {
    parent: Directory,
    slot: OsString,
    directory: Directory,
    identity: FileIdentity,
    /// Holds the lock.
    _lock: File,
    /// The content's open handle, for the steps after its rename.
    content: Option<Directory>,
    /// What was created here, in order.
    entries: RefCell<Vec<Entry>>,
    /// What the content contains after its rename, with paths relative to it.
    moved: RefCell<Vec<Entry>>,
    /// The owner to give files to.
    owner: Cell<Option<Owner>>,
}

#[derive(Debug, Clone)]
struct Entry {
    path: PathBuf,
    is_directory: bool,
}

/// What may be replaced at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replace {
    /// An empty directory.
    EmptyDirectory,
    /// Nothing.
    Nothing,
}

impl StageDirectory {
    /// Creates a stage in `parent` for a target with the name `target`.
    ///
    /// # Errors
    /// [`RestoreError::Write`]; then the stage was removed.
    pub fn make(parent: Directory, target: &OsStr) -> Result<Self, RestoreError> {
        let failed = |cause| failed(parent.display_path(), cause);
        // Another user may have taken all the numbered names.
        let odd = stage_name(target, &format!("{:016x}", rand::random::<u64>()));
        for slot in slots(target).chain(once(odd)) {
            match parent.make(Path::new(&slot)) {
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(failed)?,
            }
            match Self::adopt(&parent, &slot, target) {
                Ok(Some(made)) => return Ok(made),
                Ok(None) => {}
                Err(cause) => {
                    let _ = parent.remove(Path::new(&slot), true);
                    return Err(failed(cause));
                }
            }
        }
        Err(failed(io::Error::other(format!("the names {}.etcdsnap-… are all taken", target.to_string_lossy()))))
    }

    /// Opens, locks and marks the new directory; `None` if another run removed it as an empty leftover.
    fn adopt(parent: &Directory, slot: &OsStr, target: &OsStr) -> io::Result<Option<Self>> {
        let directory = match parent.open_below(Path::new(slot)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let lock = directory.readable()?;
        check_private(parent, &lock)?;
        // If the file system has no locks, the next run cannot tell whether this one still uses the stage, and does not remove it.
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(None);
        }
        let identity = directory.identity()?;
        if !parent.has(Path::new(slot), identity)? {
            return Ok(None);
        }
        let mut stage = Self {
            parent: parent.try_clone()?,
            slot: slot.to_owned(),
            directory,
            identity,
            _lock: lock,
            content: None,
            entries: RefCell::default(),
            moved: RefCell::default(),
            owner: Cell::default(),
        };
        stage.write_note(MARKER_NAME, &marker(identity, parent.identity()?, target))?;
        stage.directory.make(Path::new(CONTENT_NAME))?;
        stage.note_created(Path::new(CONTENT_NAME), true);
        let content = stage.directory.open_below(Path::new(CONTENT_NAME))?.readable()?;
        stage.content = Some(Directory::from_readable(content, stage.path_of(Path::new(CONTENT_NAME))));
        Ok(Some(stage))
    }

    /// Sets the owner of all files that are created from now on.
    pub fn give_files_to(&self, owner: Owner) {
        self.owner.set(Some(owner));
    }

    /// Checks that files can be given to `owner`.
    ///
    /// # Errors
    /// An error of the system.
    pub fn check_owner(&self, owner: Owner) -> io::Result<()> {
        let probe = Path::new(PROBE_NAME);
        let file = self.new_file(probe)?;
        let given = owner.set_on(&file);
        self.directory.remove(probe, false)?;
        self.entries.borrow_mut().retain(|entry| entry.path != probe);
        given
    }

    /// Creates a directory of mode 0700 and its missing parents.
    pub fn make_directory(&self, path: &Path) -> Result<(), RestoreError> {
        let mut names: Vec<&Path> = path.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
        names.reverse();
        for name in names {
            if self.entries.borrow().iter().any(|entry| entry.is_directory && entry.path == name) {
                continue;
            }
            self.directory.make(name).map_err(|cause| failed(&self.path_of(name), cause))?;
            self.note_created(name, true);
        }
        Ok(())
    }

    /// Creates a file that only its owner may read and write.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        let file = self.new_file(path)?;
        self.set_owner(&file)?;
        Ok(file)
    }

    /// Like [`create`](Self::create), and also opens the file to bypass the page cache, if the file system allows it.
    pub fn create_direct(&self, path: &Path) -> io::Result<(File, Option<File>)> {
        let file = self.new_file(path)?;
        let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let direct = openat(&self.directory, path, flags, Mode::empty()).ok().map(File::from);
        self.set_owner(&file)?;
        Ok((file, direct))
    }

    /// Writes a complete and synced file beside the content.
    pub fn write_note(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.new_file(Path::new(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        DirectorySync::prepare(&self.directory)?.run()
    }

    fn new_file(&self, path: &Path) -> io::Result<File> {
        let file = self.directory.create(path)?;
        self.note_created(path, false);
        Ok(file)
    }

    fn set_owner(&self, file: &File) -> io::Result<()> {
        self.owner.get().map_or(Ok(()), |owner| owner.set_on(file))
    }

    fn note_created(&self, path: &Path, is_directory: bool) {
        self.entries.borrow_mut().push(Entry { path: path.to_owned(), is_directory });
    }

    /// Gives the directories of the content to the owner of the files, sets the mode of the content itself, and syncs everything.
    pub fn set_owner_and_sync(&self, mode: Option<u32>) -> Result<(), RestoreError> {
        if let Some(mode) = mode {
            // The owner must be able to enter it until it is renamed; `set_mode` sets the final mode.
            let failed = |cause| failed(&self.path_of(Path::new(CONTENT_NAME)), cause);
            self.change_mode(mode | Mode::RWXU.as_raw_mode()).map_err(failed)?;
        }
        let entries = self.entries.borrow();
        let directories = entries.iter().filter(|entry| entry.is_directory && entry.path.starts_with(CONTENT_NAME));
        // From the innermost outwards: after a change of owner, this user may not be able to enter.
        for entry in directories.rev() {
            let settle = || {
                let directory = self.directory.open_below(&entry.path)?;
                let sync = DirectorySync::prepare(&directory)?;
                self.owner.get().map_or(Ok(()), |owner| owner.set_on(&directory))?;
                sync.run()
            };
            settle().map_err(|cause| failed(&self.path_of(&entry.path), cause))?;
        }
        Ok(())
    }

    /// Sets the mode of the content after its rename.
    ///
    /// # Errors
    /// An error of the system.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        let open = Mode::RWXU.as_raw_mode();
        match &self.content {
            // The mode is already right.
            Some(content) if mode & open != open => {
                self.change_mode(mode)?;
                Ok(rustix::fs::fsync(content)?)
            }
            _ => Ok(()),
        }
    }

    fn change_mode(&self, mode: u32) -> io::Result<()> {
        let Some(content) = &self.content else { return Ok(()) };
        Ok(rustix::fs::fchmod(content, Mode::from_raw_mode(mode))?)
    }

    /// Renames the content to `name` in `to`.
    pub fn move_content(&self, to: &Directory, name: &OsStr, replace: Replace) -> Result<(), Errno> {
        let plain = || renameat(&self.directory, CONTENT_NAME, to, name);
        match replace {
            Replace::EmptyDirectory => plain(),
            Replace::Nothing => {
                match renameat_with(&self.directory, CONTENT_NAME, to, name, RenameFlags::NOREPLACE) {
                    // Some file systems do not support the flag; a plain rename can only replace an empty directory.
                    Err(Errno::INVAL | Errno::NOSYS) => plain(),
                    other => other,
                }
            }
        }?;
        let mut entries = self.entries.borrow_mut();
        let moved = entries.iter().filter_map(|entry| {
            let path = entry.path.strip_prefix(CONTENT_NAME).ok()?.to_owned();
            Some(Entry { path, is_directory: entry.is_directory })
        });
        *self.moved.borrow_mut() = moved.filter(|entry| !entry.path.as_os_str().is_empty()).collect();
        entries.retain(|entry| !entry.path.starts_with(CONTENT_NAME));
        Ok(())
    }

    /// Removes the renamed content `name` in `from`: only what this run created, and only if it still has that name.
    pub fn remove_moved(&self, from: &Directory, name: &OsStr) {
        let Some(content) = &self.content else { return };
        remove_entries(content, &self.moved.borrow());
        if content.identity().and_then(|identity| from.has(Path::new(name), identity)).is_ok_and(|ours| ours) {
            let _ = from.remove(Path::new(name), true);
        }
    }

    /// Removes the stage after its content was renamed.
    ///
    /// # Errors
    /// An error of the system; then the next run for this target removes it.
    pub fn finish(self) -> io::Result<()> {
        let entries = self.entries.take();
        for entry in entries.iter().rev() {
            self.directory.remove(&entry.path, entry.is_directory)?;
        }
        self.remove_itself()
    }

    fn remove_itself(&self) -> io::Result<()> {
        // If another user moved it away, it has no known name by which to remove it.
        if self.parent.has(Path::new(&self.slot), self.identity)? {
            self.parent.remove(Path::new(&self.slot), true)?;
        }
        Ok(())
    }

    /// Returns its path, for messages.
    pub fn display_path(&self) -> &Path {
        self.directory.display_path()
    }

    /// Returns the path of an entry, for messages.
    pub fn path_of(&self, path: &Path) -> PathBuf {
        self.directory.path_of(path)
    }

    /// Returns the metadata of the content, or of a file in it.
    pub fn metadata(&self, path: &Path) -> io::Result<std::fs::Metadata> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        File::from(openat(&self.directory, path, flags, Mode::empty())?).metadata()
    }
}

impl Drop for StageDirectory {
    fn drop(&mut self) {
        // Remove it by name, without opening another handle: the run may have failed for lack of file descriptors.
        remove_entries(&self.directory, &self.entries.borrow());
        let _ = self.remove_itself();
    }
}

fn remove_entries(directory: &Directory, entries: &[Entry]) {
    for entry in entries.iter().rev() {
        let _ = directory.remove(&entry.path, entry.is_directory);
    }
}

/// Checks that only this user may enter the directory that was just created: another user may have replaced it.
fn check_private(parent: &Directory, made: &File) -> io::Result<()> {
    let facts = made.metadata()?;
    let ours = rustix::process::geteuid().as_raw();
    // A network file system may change the owner of what root creates.
    let squashed = || parent.nameless_file()?.map_or(Ok(ours), |file| Ok::<_, io::Error>(file.metadata()?.uid()));
    if facts.mode() & 0o077 == 0 && (facts.uid() == ours || facts.uid() == squashed()?) {
        return Ok(());
    }
    Err(io::Error::other("another user replaced the new directory"))
}

/// Returns the possible names of stages for `target`.
pub(super) fn slots(target: &OsStr) -> impl Iterator<Item = OsString> {
    (0..MAX_STAGES).map(move |number| stage_name(target, &number.to_string()))
}

fn stage_name(target: &OsStr, end: &str) -> OsString {
    let end = format!(".etcdsnap-{end}");
    let mut name = target.as_bytes().to_vec();
    name.truncate(MAX_NAME_LEN.saturating_sub(end.len()));
    name.extend_from_slice(end.as_bytes());
    OsString::from_vec(name)
}

/// Returns the content of the marker. It has no device numbers, which change when the machine restarts.
pub(super) fn marker(stage: FileIdentity, parent: FileIdentity, target: &OsStr) -> Vec<u8> {
    let start = format!("etcdsnap restore\nstage {}\nparent {}\ntarget ", stage.inode(), parent.inode());
    [start.as_bytes(), target.as_bytes(), b"\n"].concat()
}
