//! Removes what killed runs left beside a target.
//!
//! Whoever may write to the directory around the target can put things there under the names of stages. So a name proves nothing: a stage counts only if it
//! belongs to this user, nobody else may write to it, it lies on the device of the directory around it, nobody has it locked, and the marker in it names its
//! own number, that of the directory around it, and the target. Only this user can have written that marker, and it fits no other directory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Dir, FileType};

use super::log_notes::{NOTES, StageNote, read_small, remove_log};
use super::made_directories::failed;
use super::restore_error::RestoreError;
use super::stage_directory::{CONTENT, MARKER, PROBE, marker, slots};
use crate::fsx::directory::Directory;
use crate::fsx::file_identity::FileIdentity;
use crate::fsx::leftover::is_private;
use crate::fsx::parent_directories::DEEPEST;
use crate::fsx::remove_tree::{contains, remove_tree};

/// What a run asks for, by which it is judged what may go.
pub(super) struct Asked<'a> {
    /// The snapshot as the caller named it, and its file.
    pub snapshot: (&'a Path, Option<FileIdentity>),
    /// The log, where it lies elsewhere: the directory around it, and its name.
    pub log: Option<(&'a Directory, &'a OsStr)>,
}

/// A stage that nobody works on.
struct Stale {
    directory: Directory,
    name: OsString,
    state: State,
    /// Holds the lock.
    _lock: File,
}

/// How far the killed run had come.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// It is empty.
    Empty,
    /// It has a marker without a byte.
    Begun,
    /// It is marked.
    Marked,
}

/// Removes the stages for `target` in `parent` that killed runs left, and the logs that these had put in place without their data directory.
///
/// # Errors
/// [`RestoreError::InLeftover`] when the snapshot lies in one of them, or [`RestoreError::Leftover`] when one cannot be removed.
pub(super) fn remove_stale(parent: &Directory, target: &OsStr, asked: &Asked<'_>) -> Result<(), RestoreError> {
    for name in slots(target) {
        if let Some(stale) = stale(parent, name, target) {
            stale.remove(parent, asked)?;
        }
    }
    Ok(())
}

/// The stage of that name, if it is one that this program made and nobody works on.
fn stale(parent: &Directory, name: OsString, target: &OsStr) -> Option<Stale> {
    let path = Path::new(&name);
    // Nearly always there is none.
    let named = parent.look(path).ok()??;
    if FileType::from_raw_mode(named.st_mode) != FileType::Directory {
        return None;
    }
    let directory = parent.open_below(path).ok()?;
    let lock = directory.readable().ok()?;
    let facts = lock.metadata().ok()?;
    if !is_private(&facts, parent.facts().ok()?.dev()) || lock.try_lock().is_err() {
        return None;
    }
    // Locked, it is looked at once more: the run that made it may have ended a moment ago.
    let identity = directory.identity().ok()?;
    if !parent.has(path, identity).ok()? {
        return None;
    }
    let expected = marker(identity, parent.identity().ok()?, target);
    let state = state(&directory, &expected)?;
    Some(Stale { directory, name, state, _lock: lock })
}

fn state(directory: &Directory, marker: &[u8]) -> Option<State> {
    let found = read_small(directory, MARKER);
    if found.as_deref() == Some(marker) {
        return Some(State::Marked);
    }
    // A run that was killed right at its start. Such a directory holds nothing that could be lost.
    let names = names(directory)?;
    match names.as_slice() {
        [] => Some(State::Empty),
        [only] if only == MARKER && found.is_some_and(|bytes| bytes.is_empty()) => Some(State::Begun),
        _ => None,
    }
}

/// The first names in a directory; two are enough to know that it is neither empty nor holds one file.
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

/// Whether a directory is `name` in `parent`, or lies somewhere in it.
fn lies_in(directory: &Directory, parent: &Directory, name: &OsStr) -> bool {
    let outer = parent.open_below(Path::new(name)).and_then(|outer| outer.identity());
    let (Ok(outer), Ok(mut inner)) = (outer, directory.again()) else { return false };
    for _ in 0..DEEPEST {
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

impl Stale {
    fn remove(self, parent: &Directory, asked: &Asked<'_>) -> Result<(), RestoreError> {
        let here = &self.directory;
        let failed = |cause| RestoreError::Leftover { path: here.shown().to_owned(), cause };
        if let (snapshot, Some(file)) = asked.snapshot
            && contains(here, Path::new("."), file).map_err(failed)?
        {
            return Err(RestoreError::InLeftover { snapshot: snapshot.to_owned(), stage: here.shown().to_owned() });
        }
        if self.state == State::Marked {
            self.remove_log_of(asked)?;
            if here.look(Path::new(CONTENT)).map_err(failed)?.is_some() {
                remove_tree(here, Path::new(CONTENT)).map_err(failed)?;
            }
            NOTES.iter().try_for_each(|note| here.remove(Path::new(note), false)).map_err(failed)?;
            here.remove(Path::new(PROBE), false).map_err(failed)?;
        }
        if self.state != State::Empty {
            here.remove(Path::new(MARKER), false).map_err(failed)?;
        }
        parent.remove(Path::new(&self.name), true).map_err(failed)
    }

    /// The log may be in its own stage, or in place already.
    fn remove_log_of(&self, asked: &Asked<'_>) -> Result<(), RestoreError> {
        let here = &self.directory;
        let Some(note) = StageNote::read(here) else { return Ok(()) };
        let (Some(parent), Some(log)) = (note.parent(), note.log()) else { return Ok(()) };
        remove_stale(&parent, &log, &Asked { log: None, ..*asked })?;
        // Once the data directory is in place, so that it is no longer in the stage, the log belongs to it.
        let unfinished = here.look(Path::new(CONTENT)).is_ok_and(|found| found.is_some());
        if let Some((around, name)) = asked.log
            && unfinished
            // A log that lies deeper came with the directories around it.
            && (note.is_about(around, name) || lies_in(around, &parent, &log))
        {
            remove_log(here, &parent, &log).map_err(|cause| failed(&parent.path_of(&log), cause))?;
        }
        Ok(())
    }
}
