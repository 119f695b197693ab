//! Notes in the stage of a data directory about its write-ahead log, if that is elsewhere.
//!
//! The log is renamed just before the data directory. A run that is killed between the two renames leaves a log without its data directory; the notes let
//! the next run recognize exactly that log.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use etcdsnap_core::restore::wal;
use rustix::fs::{Dir, Mode, OFlags, openat};
use serde::{Deserialize, Serialize};

use super::stage_directory::{CONTENT_NAME, StageDirectory};
use crate::fsx::directory::Directory;
use crate::fsx::leftover::is_private;

/// The note about the stage of the log.
const STAGE_NOTE: &str = "log-stage";

/// The note about the log itself, written before the log gets its name.
const LOG_NOTE: &str = "log";

/// Bytes of a note that are read at most: two paths.
const MAX_NOTE_LEN: u64 = 64 << 10;

/// All notes, for code that removes them.
pub(super) const NOTES: [&str; 2] = [STAGE_NOTE, LOG_NOTE];

/// Where the log is staged.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StageNote {
    /// The path of the log's parent directory, in base64.
    parent: String,
    /// The inode of that directory.
    parent_inode: u64,
    /// The name of the log in it, in base64.
    log: String,
}

/// Identifies the log.
#[derive(Debug, Serialize, Deserialize)]
struct LogNote {
    /// The inode of the directory that is renamed.
    directory: u64,
    /// The names of the directories in it that lead to the log, in base64. Empty if it is the log itself.
    within: Vec<String>,
    /// The inode of the log's only file.
    file: u64,
    /// When that file last changed (ctime), in seconds and nanoseconds. No program can set this time.
    changed: (i64, i64),
}

impl StageNote {
    /// Describes a log that will be called `name` in `parent` and is staged there.
    pub fn of(parent: &Directory, name: &OsStr) -> io::Result<Self> {
        Ok(Self {
            parent: BASE64_STANDARD.encode(std::path::absolute(parent.display_path())?.as_os_str().as_bytes()),
            parent_inode: parent.identity()?.inode(),
            log: BASE64_STANDARD.encode(name.as_bytes()),
        })
    }

    /// Writes the note into the stage of the data directory, before the log's own stage is made.
    pub fn leave_in(&self, data: &StageDirectory) -> io::Result<()> {
        data.write_note(STAGE_NOTE, &serde_json::to_vec(self)?)
    }

    /// Reads the note in the stage of a killed run; `None` if there is no note, or it cannot be trusted.
    pub fn read(stage: &Directory) -> Option<Self> {
        serde_json::from_slice(&read_small(stage, STAGE_NOTE)?).ok()
    }

    /// Opens the parent directory of the log, if it is still there.
    pub fn parent(&self) -> Option<Directory> {
        let parent = Directory::open(Path::new(&text(&self.parent)?)).ok()?;
        (parent.identity().ok()?.inode() == self.parent_inode).then_some(parent)
    }

    /// Returns the name of the log.
    pub fn log(&self) -> Option<OsString> {
        text(&self.log)
    }

    /// Whether the note is about the log `name` in `parent`.
    pub fn is_about(&self, parent: &Directory, name: &OsStr) -> bool {
        parent.identity().is_ok_and(|parent| parent.inode() == self.parent_inode) && self.log().as_deref() == Some(name)
    }
}

/// Writes the note about the log itself into the stage of the data directory; `path` is its place in its own stage.
pub(super) fn leave_log_note(data: &StageDirectory, log: &StageDirectory, path: &Path) -> io::Result<()> {
    let file = log.metadata(&path.join(wal::FILE))?;
    let within = path.strip_prefix(CONTENT_NAME).unwrap_or(path).iter();
    let note = LogNote {
        directory: log.metadata(Path::new(CONTENT_NAME))?.ino(),
        within: within.map(|name| BASE64_STANDARD.encode(name.as_bytes())).collect(),
        file: file.ino(),
        changed: changed(&file),
    };
    data.write_note(LOG_NOTE, &serde_json::to_vec(&note)?)
}

/// Removes the log `name` in `parent` if it is exactly the log of the note in `stage`, nobody has written to it since, and nothing else is there.
pub(super) fn remove_log(stage: &Directory, parent: &Directory, name: &OsStr) -> io::Result<()> {
    let note = read_small(stage, LOG_NOTE).and_then(|note| serde_json::from_slice::<LogNote>(&note).ok());
    let Some(note) = note else { return Ok(()) };
    let Some(within) = note.within.iter().map(|name| text(name)).collect::<Option<Vec<_>>>() else { return Ok(()) };
    let Ok(outermost) = parent.open_below(Path::new(name)) else { return Ok(()) };
    let facts = outermost.metadata()?;
    if facts.ino() != note.directory || facts.dev() != parent.metadata()?.dev() {
        return Ok(());
    }
    let mut directories = vec![outermost];
    for next in within.iter().map(OsString::as_os_str).chain([OsStr::new(wal::FILE)]) {
        let Some(directory) = directories.last() else { return Ok(()) };
        if !holds_only(directory, next)? {
            return Ok(());
        }
        if directories.len() <= within.len() {
            let Ok(below) = directory.open_below(Path::new(next)) else { return Ok(()) };
            directories.push(below);
        }
    }
    let Some(log) = directories.last() else { return Ok(()) };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = openat(log, wal::FILE, flags, Mode::empty()) else { return Ok(()) };
    let file = File::from(file).metadata()?;
    if !file.is_file() || file.ino() != note.file || changed(&file) != note.changed {
        return Ok(());
    }
    log.remove(Path::new(wal::FILE), false)?;
    for (directory, name) in directories.iter().zip(&within).rev() {
        directory.remove(Path::new(name), true)?;
    }
    parent.remove(Path::new(name), true)
}

fn changed(facts: &Metadata) -> (i64, i64) {
    (facts.ctime(), facts.ctime_nsec())
}

fn holds_only(directory: &Directory, name: &OsStr) -> io::Result<bool> {
    let mut there = false;
    for entry in Dir::read_from(directory.readable()?)? {
        match entry?.file_name().to_bytes() {
            b"." | b".." => {}
            found if found == name.as_bytes() => there = true,
            _ => return Ok(false),
        }
    }
    Ok(there)
}

/// Reads a small regular file that only this user can have written. Never blocks, and never reads more than a note can have.
pub(super) fn read_small(directory: &Directory, name: &str) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(openat(directory, name, flags, Mode::empty()).ok()?);
    let facts = file.metadata().ok()?;
    // In some overlays the device of a file is that of a lower layer, so it is not compared with the directory's.
    if !facts.is_file() || facts.len() > MAX_NOTE_LEN || !is_private(&facts, facts.dev()) {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_NOTE_LEN).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn text(base64: &str) -> Option<OsString> {
    BASE64_STANDARD.decode(base64).ok().map(OsString::from_vec)
}
