//! Removes leftovers of killed runs beside a target.
//!
//! Another user who may write to the parent directory can create entries with the names of stages. So a name proves nothing: a directory counts as a stage only if it
//! belongs to this user, nobody else may write to it, it is on the device of its parent directory, nobody has locked it, and its marker names its
//! own inode, that of its parent directory, and the target. Only this user can have written that marker, and it matches no other directory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Dir, FileType};

use super::created_directories::failed;
use super::log_notes::{NOTES, StageNote, read_small, remove_log};
use super::restore_error::RestoreError;
use super::stage_directory::{CONTENT_NAME, MARKER_NAME, PROBE_NAME, marker, slots};
use crate::fsx::directory::Directory;
use crate::fsx::file_identity::FileIdentity;
use crate::fsx::leftover::is_private;
use crate::fsx::parent_directories::MAX_PARENTS;
use crate::fsx::remove_tree::{contains, remove_tree};

/// The paths of the current run, which decide what may be removed.
pub(super) struct CurrentRun<'a> {
    /// The snapshot as the caller named it, and its file.
    pub snapshot: (&'a Path, Option<FileIdentity>),
    /// A log outside the data directory: its parent directory and its name.
    pub log: Option<(&'a Directory, &'a OsStr)>,
}

/// A stage that no run uses.
struct StaleStage {
    directory: Directory,
    name: OsString,
    state: LeftoverState,
    /// Holds the lock.
    _lock: File,
}

/// How far the killed run got.
#[derive(Debug, PartialEq, Eq)]
enum LeftoverState {
    /// It is empty.
    Empty,
    /// It has an empty marker.
    Begun,
    /// It has a complete marker.
    Marked,
}

/// Removes the stages for `target` in `parent` that killed runs left, and logs that these runs renamed before their data directory.
///
/// # Errors
/// [`RestoreError::InLeftover`] if the snapshot is inside one of them, or [`RestoreError::Leftover`] if one cannot be removed.
pub(super) fn remove_stale(parent: &Directory, target: &OsStr, asked: &CurrentRun<'_>) -> Result<(), RestoreError> {
    for name in slots(target) {
        if let Some(stale) = stale(parent, name, target) {
            stale.remove(parent, asked)?;
        }
    }
    Ok(())
}

/// Opens the stage of that name, if this program created it and no run uses it.
fn stale(parent: &Directory, name: OsString, target: &OsStr) -> Option<StaleStage> {
    let path = Path::new(&name);
    // Usually there is none.
    let named = parent.stat(path).ok()??;
    if FileType::from_raw_mode(named.st_mode) != FileType::Directory {
        return None;
    }
    let directory = parent.open_below(path).ok()?;
    let lock = directory.readable().ok()?;
    let facts = lock.metadata().ok()?;
    if !is_private(&facts, parent.metadata().ok()?.dev()) || lock.try_lock().is_err() {
        return None;
    }
    // After locking it, check again: the run that created it may have just ended.
    let identity = directory.identity().ok()?;
    if !parent.has(path, identity).ok()? {
        return None;
    }
    let expected = marker(identity, parent.identity().ok()?, target);
    let state = state(&directory, &expected)?;
    Some(StaleStage { directory, name, state, _lock: lock })
}

fn state(directory: &Directory, marker: &[u8]) -> Option<LeftoverState> {
    let found = read_small(directory, MARKER_NAME);
    if found.as_deref() == Some(marker) {
        return Some(LeftoverState::Marked);
    }
    // The run was killed at its very start, so the directory contains nothing valuable.
    let names = names(directory)?;
    match names.as_slice() {
        [] => Some(LeftoverState::Empty),
        [only] if only == MARKER_NAME && found.is_some_and(|bytes| bytes.is_empty()) => Some(LeftoverState::Begun),
        _ => None,
    }
}

/// Returns the first two names in a directory, enough to know whether it is empty or holds a single file.
fn names(directory: &Directory) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory.readable().ok()?).ok()? {
        let name = entry.ok()?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
        if names.len() > 1 {
            break;
        }
    }
    Some(names)
}

/// Whether a directory is `name` in `parent`, or is below it.
fn lies_in(directory: &Directory, parent: &Directory, name: &OsStr) -> bool {
    let outer = parent.open_below(Path::new(name)).and_then(|outer| outer.identity());
    let (Ok(outer), Ok(mut inner)) = (outer, directory.try_clone()) else { return false };
    for _ in 0..MAX_PARENTS {
        let (Ok(here), Ok(around)) = (inner.identity(), inner.follow(Path::new(".."))) else { return false };
        if here == outer {
            return true;
        }
        if around.identity().is_ok_and(|around| around == here) {
            return false;
        }
        inner = around;
    }
    false
}

impl StaleStage {
    fn remove(self, parent: &Directory, asked: &CurrentRun<'_>) -> Result<(), RestoreError> {
        let here = &self.directory;
        let failed = |cause| RestoreError::Leftover { path: here.display_path().to_owned(), cause };
        if let (snapshot, Some(file)) = asked.snapshot
            && contains(here, Path::new("."), file).map_err(failed)?
        {
            return Err(RestoreError::InLeftover {
                snapshot: snapshot.to_owned(),
                stage: here.display_path().to_owned(),
            });
        }
        if self.state == LeftoverState::Marked {
            self.remove_log_of(asked)?;
            if here.stat(Path::new(CONTENT_NAME)).map_err(failed)?.is_some() {
                remove_tree(here, Path::new(CONTENT_NAME)).map_err(failed)?;
            }
            NOTES.iter().try_for_each(|note| here.remove(Path::new(note), false)).map_err(failed)?;
            here.remove(Path::new(PROBE_NAME), false).map_err(failed)?;
        }
        if self.state != LeftoverState::Empty {
            here.remove(Path::new(MARKER_NAME), false).map_err(failed)?;
        }
        parent.remove(Path::new(&self.name), true).map_err(failed)
    }

    /// Removes the log, which may be in its own stage or already renamed.
    fn remove_log_of(&self, asked: &CurrentRun<'_>) -> Result<(), RestoreError> {
        let here = &self.directory;
        let Some(note) = StageNote::read(here) else { return Ok(()) };
        let (Some(parent), Some(log)) = (note.parent(), note.log()) else { return Ok(()) };
        remove_stale(&parent, &log, &CurrentRun { log: None, ..*asked })?;
        // If the data directory is no longer in the stage, it is in place, and the log belongs to it.
        let unfinished = here.stat(Path::new(CONTENT_NAME)).is_ok_and(|found| found.is_some());
        if let Some((around, name)) = asked.log
            && unfinished
            // A log that is nested deeper was renamed together with its parents.
            && (note.is_about(around, name) || lies_in(around, &parent, &log))
        {
            remove_log(here, &parent, &log).map_err(|cause| failed(&parent.path_of(&log), cause))?;
        }
        Ok(())
    }
}
