//! Finds the files of a data directory, and opens them without blocking.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use etcdsnap_core::data_dir::{FileName, SnapshotPosition};
use rustix::fs::OFlags;

use crate::error::Error;
use crate::input::database_path::{database_of, member_folder};
use crate::printable::printable_path;

/// Names of a folder that are read at most. etcd keeps a handful of files; an installation that keeps all segments has one for each 64 MB.
const MAX_NAMES: usize = 200_000;

/// The locations of a member's files.
#[derive(Debug, Clone)]
pub(super) struct MemberFiles {
    /// The folder that contains `snap` and `wal`.
    member: PathBuf,
    /// The folder of the log.
    log: PathBuf,
    /// The same, as findings name it.
    log_name: String,
}

/// A segment of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundSegment {
    pub path: PathBuf,
    pub sequence: u64,
    pub index: u64,
}

/// The contents of the folders.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    /// Ordered by sequence number.
    pub segments: Vec<FoundSegment>,
    /// Ordered by name.
    pub snaps: Vec<(PathBuf, SnapshotPosition)>,
    /// The indexes of the `.snap.db` files.
    pub snap_databases: Vec<u64>,
}

impl MemberFiles {
    /// The database, as findings name it.
    pub const DATABASE: &str = "member/snap/db";

    /// Finds the folders of `path`, a data directory or its `member` folder.
    ///
    /// # Errors
    /// [`Error::Directory`] if it is neither, [`Error::Open`] if it does not exist.
    pub fn find(path: &Path, wal_dir: Option<&Path>) -> Result<Self, Error> {
        // etcd's folders are readable only for its own user, so other users cannot tell whether this is a data directory.
        let member = Some(path.join("member")).filter(|folder| folder.is_dir());
        for folder in [Some(path), member.as_deref(), wal_dir].into_iter().flatten() {
            fs::read_dir(folder).map_err(|cause| Error::Open { path: folder.to_owned(), cause })?;
        }
        let not_one = || Error::Directory { path: path.to_owned(), database: database_of(path), is_data_dir: false };
        let member = member_folder(path).ok_or_else(not_one)?;
        let log = wal_dir.map_or_else(|| member.join("wal"), Path::to_owned);
        let log_name = wal_dir.map_or_else(|| "member/wal".to_owned(), printable_path);
        Ok(Self { member, log, log_name })
    }

    pub fn database(&self) -> PathBuf {
        self.member.join("snap/db")
    }

    /// Returns the folder of the log, as findings name it.
    pub fn log_name(&self) -> &str {
        &self.log_name
    }

    pub fn segment_name(&self, path: &Path) -> String {
        format!("{}/{}", self.log_name, last_part(path))
    }

    pub fn snap_name(&self, path: &Path) -> String {
        format!("member/snap/{}", last_part(path))
    }

    /// Reads the names in both folders. A missing folder counts as empty.
    ///
    /// # Errors
    /// When a folder cannot be read, or has too many names.
    pub fn list(&self) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        for (path, name) in names(&self.log)? {
            if let FileName::Segment { sequence, index } = name {
                listing.segments.push(FoundSegment { path, sequence, index });
            }
        }
        for (path, name) in names(&self.member.join("snap"))? {
            match name {
                FileName::Snap { term, index } => listing.snaps.push((path, SnapshotPosition { index, term })),
                FileName::SnapDatabase { index } => listing.snap_databases.push(index),
                FileName::Segment { .. } => {}
            }
        }
        listing.segments.sort_by_key(|segment| (segment.sequence, segment.index));
        listing.snaps.sort();
        Ok(listing)
    }
}

fn last_part(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn names(folder: &Path) -> Result<Vec<(PathBuf, FileName)>, Error> {
    let failed = |cause| Error::Open { path: folder.to_owned(), cause };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    };
    let mut names = Vec::new();
    for (count, entry) in entries.enumerate() {
        if count >= MAX_NAMES {
            return Err(failed(io::Error::other("it contains more files than any folder of etcd")));
        }
        let name = entry.map_err(failed)?.file_name();
        if let Some(known) = name.to_str().and_then(FileName::parse) {
            names.push((folder.join(&name), known));
        }
    }
    Ok(names)
}

/// Opens a regular file for reading. Other files are not opened: a FIFO would block, and opening a device may have effects.
///
/// # Errors
/// [`Error::Open`].
pub(super) fn open(path: &Path) -> Result<File, Error> {
    open_regular(path).map_err(|cause| Error::Open { path: path.to_owned(), cause })
}

/// Like [`open`]; `None` if the file does not exist.
///
/// # Errors
/// [`Error::Open`].
pub(super) fn open_if_there(path: &Path) -> Result<Option<File>, Error> {
    match open_regular(path) {
        Ok(file) => Ok(Some(file)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::Open { path: path.to_owned(), cause }),
    }
}

fn open_regular(path: &Path) -> io::Result<File> {
    let not_regular = || io::Error::other("it is not a regular file");
    if !fs::metadata(path)?.is_file() {
        return Err(not_regular());
    }
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // Another file may have replaced it since.
    if !file.metadata()?.is_file() {
        return Err(not_regular());
    }
    Ok(file)
}
