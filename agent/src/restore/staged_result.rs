//! The stages of a restore, and the renames that make the result appear.
//!
//! ```text
//! target absent or empty:            <data-dir>.etcdsnap-<n>/new          renamed to <data-dir>
//! a mount point, lost+found, cwd:    <data-dir>/member.etcdsnap-<n>/new   renamed to <data-dir>/member
//! log elsewhere:                     <wal-dir>.etcdsnap-<n>/new           renamed to <wal-dir> just before
//! log inside the data directory:                                          is renamed with it
//! ```
//! The next run removes the leftovers of a killed run ([`stale_stages`](super::stale_stages)), including a log that was already renamed.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::created_directories::{CreatedDirectories, failed};
use super::destination::ResolvedPath;
use super::log_notes::{StageNote, leave_log_note};
use super::owner::{self, Owner};
use super::restore_error::RestoreError;
use super::stage_directory::{CONTENT_NAME, Replace, StageDirectory};
use super::stale_stages::{CurrentRun, remove_stale};
use super::targets::{Layout, LogPlace, MEMBER, Targets};
use crate::fsx::directory::Directory;
use crate::fsx::directory_sync::DirectorySync;
use crate::fsx::file_identity::FileIdentity;
use crate::fsx::other_users::is_ours;
use crate::fsx::parent_directories::parent_open_to_others;

/// A data directory in progress. If it is not published, it is removed.
pub(super) struct StagedRestore {
    /// A log outside the data directory. Its stage is removed first: the note in the other stage says where it is.
    log: Option<StagedDirectory>,
    data: StagedDirectory,
    /// The path of the log in its stage.
    log_path: PathBuf,
    layout: Layout,
    /// The mode of an existing data directory that is replaced.
    mode: Option<u32>,
    owner: Option<Owner>,
    made: CreatedDirectories,
}

/// One of the two directories, and its target.
struct StagedDirectory {
    stage: StageDirectory,
    parent: Directory,
    name: OsString,
    /// Syncs `parent`.
    sync: DirectorySync,
}

/// How an existing data directory may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplaceNeed {
    /// It may be filled or replaced.
    Either,
    /// It must be replaced as a whole.
    Whole,
}

/// The directory that exists at the data directory's path.
enum ExistingDirectory {
    Nothing,
    /// A directory that was prepared for this.
    Prepared(Metadata),
    /// A directory that another user may have planted.
    Planted {
        owner: u32,
        /// The parent directory in which that was possible.
        around: PathBuf,
    },
}

impl ExistingDirectory {
    fn prepared(&self) -> Option<&Metadata> {
        if let Self::Prepared(facts) = self { Some(facts) } else { None }
    }
}

/// The requirements for a stage.
pub(super) struct StageRequest<'w> {
    pub data_dir: &'w Path,
    pub wal_dir: Option<&'w Path>,
    pub need: ReplaceNeed,
    /// The owner of the files, if one was named.
    pub owner: Option<Owner>,
    /// The snapshot as the caller named it, and its file.
    pub snapshot: (&'w Path, Option<FileIdentity>),
}

impl StageRequest<'_> {
    /// Checks that everything can be created, without creating anything.
    pub fn check(&self) -> Result<(), RestoreError> {
        let targets = Targets::resolve(self.data_dir, self.wal_dir)?;
        let before = self.before(&targets)?;
        let layouts = self.layouts(&targets, &before)?;
        targets.check_writable(&layouts, self.owner)
    }

    /// Finds the existing directory. As root, the owner and mode of a directory that another user may have planted are not used: that user would own the database.
    ///
    /// # Errors
    /// [`RestoreError::Planted`] if it may be planted and no owner was named.
    fn before(&self, targets: &Targets) -> Result<ExistingDirectory, RestoreError> {
        let failed = |cause| failed(self.data_dir, cause);
        if !targets.data.missing.is_empty() {
            return Ok(ExistingDirectory::Nothing);
        }
        let facts = targets.data.base.metadata().map_err(failed)?;
        let named = self.owner.and_then(|owner| owner.user);
        // Without root, files keep this user as their owner.
        if !rustix::process::geteuid().is_root() || is_ours(facts.uid()) || named == Some(facts.uid()) {
            return Ok(ExistingDirectory::Prepared(facts));
        }
        match parent_open_to_others(&targets.data.base, self.data_dir).map_err(failed)? {
            None => Ok(ExistingDirectory::Prepared(facts)),
            Some(around) if named.is_some() => Ok(ExistingDirectory::Planted { owner: facts.uid(), around }),
            Some(around) => Err(self.planted(facts.uid(), around)),
        }
    }

    fn planted(&self, owner: u32, around: PathBuf) -> RestoreError {
        RestoreError::Planted { path: self.data_dir.to_owned(), owner, around }
    }

    fn layouts(&self, targets: &Targets, before: &ExistingDirectory) -> Result<Vec<Layout>, RestoreError> {
        let stays = targets.check_free()?;
        let mut layouts = targets.layouts(stays);
        if let ExistingDirectory::Planted { owner, around } = before {
            // The owner of the remaining directory could put another member into it.
            layouts.retain(|layout| *layout != Layout::Filled);
            if layouts.is_empty() {
                return Err(self.planted(*owner, around.clone()));
            }
        }
        if self.need == ReplaceNeed::Whole {
            layouts.retain(|layout| *layout != Layout::Filled);
        }
        if layouts.is_empty() {
            let reason = "cannot be replaced as a whole (a mount point, the working directory, another user's, or not empty): name a directory below it";
            return Err(RestoreError::DataDir { path: self.data_dir.to_owned(), reason: reason.into() });
        }
        Ok(layouts)
    }

    /// Removes leftovers of killed runs, checks that the targets are free, and creates the stages.
    pub fn begin(&self) -> Result<StagedRestore, RestoreError> {
        let targets = Targets::resolve(self.data_dir, self.wal_dir)?;
        self.before(&targets)?;
        self.remove_leftovers(&targets)?;
        // A log that a killed run left in place may have the same name as the new log.
        let targets = Targets::resolve(self.data_dir, self.wal_dir)?;
        let before = self.before(&targets)?;
        let mut refused = None;
        for layout in self.layouts(&targets, &before)? {
            match self.make(&targets, &layout, &before) {
                // This user may be able to write to the directory but not to its parent, or the reverse.
                Err(RestoreError::Write { path, cause }) if cause.kind() == io::ErrorKind::PermissionDenied => {
                    refused.get_or_insert(RestoreError::Write { path, cause });
                }
                outcome => return outcome,
            }
        }
        Err(refused.unwrap_or_else(|| failed(self.data_dir, io::ErrorKind::PermissionDenied.into())))
    }

    fn remove_leftovers(&self, targets: &Targets) -> Result<(), RestoreError> {
        let asked = CurrentRun { snapshot: self.snapshot, log: targets.beside_log() };
        if let Some((parent, name)) = targets.beside_data() {
            remove_stale(&parent, &name, &asked)?;
        }
        if targets.data.missing.is_empty() {
            remove_stale(&targets.data.base, OsStr::new(MEMBER), &asked)?;
        }
        match targets.beside_log() {
            Some((parent, name)) => remove_stale(parent, name, &asked),
            None => Ok(()),
        }
    }

    fn make(
        &self,
        targets: &Targets,
        layout: &Layout,
        before: &ExistingDirectory,
    ) -> Result<StagedRestore, RestoreError> {
        let mut made = CreatedDirectories::default();
        let again =
            |directory: &Directory| directory.try_clone().map_err(|cause| failed(directory.display_path(), cause));
        let (parent, name) = match layout {
            Layout::Filled => (again(&targets.data.base)?, OsString::from(MEMBER)),
            Layout::Whole { replaces: true } => {
                targets.beside_data().ok_or_else(|| failed(self.data_dir, io::Error::other("it was moved away")))?
            }
            Layout::Whole { replaces: false } => place(&targets.data, &mut made)?,
        };
        let data = StagedDirectory::make(parent, name, None)?;
        let (log, log_path) = match (&targets.log, layout) {
            (LogPlace::Usual, _) => (None, member(layout).join("wal")),
            (LogPlace::Within(below), Layout::Whole { .. }) => (None, Path::new(CONTENT_NAME).join(below)),
            (LogPlace::Within(below), Layout::Filled) => match below.strip_prefix(MEMBER) {
                Ok(below) => (None, Path::new(CONTENT_NAME).join(below)),
                Err(_) => {
                    // Everything is built beside `member`, so that the data directory never contains an incomplete `member`.
                    let mut names = below.iter();
                    let first = names.next().unwrap_or_default().to_owned();
                    let part = StagedDirectory::make(again(&targets.data.base)?, first, Some(&data))?;
                    (Some(part), Path::new(CONTENT_NAME).join(names.as_path()))
                }
            },
            (LogPlace::Elsewhere(wal), _) => {
                let (parent, name) = place(wal, &mut made)?;
                (Some(StagedDirectory::make(parent, name, Some(&data))?), PathBuf::from(CONTENT_NAME))
            }
        };
        let before = before.prepared();
        let owner = self.owner_of_files(&data.stage, before.map(Owner::of))?;
        for part in [Some(&data), log.as_ref()].into_iter().flatten() {
            if let Some(owner) = owner {
                part.stage.give_files_to(owner);
            }
        }
        let replaced = before.filter(|_| *layout != Layout::Filled);
        let mode = replaced.map(|facts| facts.mode() & 0o7777);
        Ok(StagedRestore { log, data, log_path, layout: layout.clone(), mode, owner, made })
    }

    /// Chooses the owner of the files: the named one, or else the owner of the existing directory if this user may give files to it.
    fn owner_of_files(&self, stage: &StageDirectory, before: Option<Owner>) -> Result<Option<Owner>, RestoreError> {
        let Some(owner) = self.owner.or(before) else { return Ok(None) };
        match stage.check_owner(owner) {
            Ok(()) => Ok(Some(owner)),
            Err(cause) if self.owner.is_some() => Err(RestoreError::NotOurs(crate::error::plain(&cause))),
            // The flags name no owner, so the files stay this user's.
            Err(cause) if owner::is_refusal(&cause) => Ok(None),
            Err(cause) => Err(failed(stage.display_path(), cause)),
        }
    }
}

/// Returns the path of `<data-dir>/member` in the stage.
fn member(layout: &Layout) -> PathBuf {
    match layout {
        Layout::Filled => CONTENT_NAME.into(),
        Layout::Whole { .. } => Path::new(CONTENT_NAME).join(MEMBER),
    }
}

/// Opens or creates the parent directory of a destination, and returns it with the name in it.
fn place(destination: &ResolvedPath, made: &mut CreatedDirectories) -> Result<(Directory, OsString), RestoreError> {
    let shown = destination.display_path();
    let failed = |cause| failed(&shown, cause);
    let Some((name, around)) = destination.missing.split_last() else {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    };
    let base = destination.base.try_clone().map_err(failed)?;
    Ok((made.make(base, around)?, name.clone()))
}

impl StagedDirectory {
    /// Creates the stage for `name` in `parent`. For a log, a note is first written to the stage of its data directory.
    fn make(parent: Directory, name: OsString, data: Option<&StagedDirectory>) -> Result<Self, RestoreError> {
        let shown = parent.path_of(&name);
        let failed = |cause| failed(&shown, cause);
        let sync = DirectorySync::prepare(&parent).map_err(failed)?;
        if let Some(data) = data {
            let note = StageNote::of(&parent, &name).and_then(|note| note.leave_in(&data.stage));
            note.map_err(|cause| super::created_directories::failed(data.stage.display_path(), cause))?;
        }
        let stage = StageDirectory::make(parent.try_clone().map_err(failed)?, &name)?;
        Ok(Self { stage, parent, name, sync })
    }

    fn display_path(&self) -> PathBuf {
        self.parent.path_of(&self.name)
    }
}

impl StagedRestore {
    /// Returns the stage of the data directory, and the path of `<data-dir>/member` in it.
    pub fn member(&self) -> (&StageDirectory, PathBuf) {
        (&self.data.stage, member(&self.layout))
    }

    /// Returns the stage of the data directory.
    pub fn data(&self) -> &StageDirectory {
        &self.data.stage
    }

    /// Returns the stage of the log, and the log's path in it.
    pub fn log(&self) -> (&StageDirectory, PathBuf) {
        (self.log.as_ref().map_or(&self.data.stage, |log| &log.stage), self.log_path.clone())
    }

    /// Renames the result into place: first a log outside the data directory, then the data directory.
    ///
    /// # Errors
    /// [`RestoreError::InPlace`] if the result is in place but a later step failed. Otherwise nothing is in place.
    pub fn publish(mut self) -> Result<(), RestoreError> {
        self.made.set_owner_and_sync(self.owner)?;
        self.data.stage.set_owner_and_sync(self.mode)?;
        if let Some(log) = &self.log {
            log.stage.set_owner_and_sync(None)?;
            leave_log_note(&self.data.stage, &log.stage, &self.log_path)
                .map_err(|cause| failed(self.data.stage.display_path(), cause))?;
            log.stage.move_content(&log.parent, &log.name, Replace::Nothing).map_err(|cause| match cause {
                Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR => RestoreError::WalDir {
                    path: log.display_path(),
                    reason: "appeared while the snapshot was restored".into(),
                },
                cause => failed(&log.display_path(), cause.into()),
            })?;
        }
        if let Err(error) = self.publish_data() {
            if let Some(log) = &self.log {
                log.stage.remove_moved(&log.parent, &log.name);
            }
            return Err(error);
        }
        self.made.keep();
        self.after()
    }

    fn publish_data(&self) -> Result<(), RestoreError> {
        if let Some(log) = &self.log {
            log.sync.run().map_err(|cause| failed(&log.display_path(), cause))?;
        }
        let StagedDirectory { stage, parent, name, .. } = &self.data;
        let replace = match self.layout {
            Layout::Whole { replaces: true } => Replace::EmptyDirectory,
            _ => Replace::Nothing,
        };
        stage.move_content(parent, name, replace).map_err(|cause| match cause {
            Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR => RestoreError::DataDir {
                path: self.data.display_path(),
                reason: "appeared while the snapshot was restored".into(),
            },
            cause => failed(&self.data.display_path(), cause.into()),
        })
    }

    /// Does the remaining steps after the rename: tries all, and reports the first failure.
    fn after(self) -> Result<(), RestoreError> {
        let path = self.data.display_path();
        let in_place = |what: &str| {
            let (path, what) = (path.clone(), what.to_owned());
            move |cause| RestoreError::InPlace { path, what, cause }
        };
        let mode = self.mode.map_or(Ok(()), |mode| self.data.stage.set_mode(mode));
        let synced = self.data.sync.run();
        // The stage of the log first: the note in the other stage says where it is.
        let log = self.log.map(|log| (log.stage.display_path().to_owned(), log.stage.finish()));
        let data = (self.data.stage.display_path().to_owned(), self.data.stage.finish());
        synced.map_err(in_place("its parent directory could not be synced"))?;
        mode.map_err(in_place("the mode of the replaced directory could not be set"))?;
        for (stage, finished) in [log, Some(data)].into_iter().flatten() {
            finished.map_err(in_place(&format!("{} could not be removed", crate::printable_path(&stage))))?;
        }
        Ok(())
    }
}
