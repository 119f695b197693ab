//! Opens snapshots: files, compressed files, and streams.

pub(crate) mod database_path;
mod file;
mod packed;
mod piped_input;
mod unnamed_copy;

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use etcdsnap_core::limits::{HEAD_LEN, MAX_WITHOUT_META};
use etcdsnap_core::{ClaimedLength, FileKind, Report, Source, refusal_report};

use crate::error::{Error, PathlessError};
use crate::fsx::file_identity::FileIdentity;
use crate::fsx::waitless_open::open_without_waiting;
use crate::progress::Progress;
use database_path::{database_of, is_data_dir};

pub use etcdsnap_unpack::Format;
pub use file::FileSource;
pub(crate) use packed::Packed;
pub(crate) use unnamed_copy::Spool;

/// A file or stream that was opened for reading.
pub(crate) struct Input {
    /// The path as the caller gave it.
    pub path: PathBuf,
    /// How it is read.
    pub body: Body,
    /// Its first bytes, unpacked.
    head: Vec<u8>,
    claimed_length: ClaimedLength,
}

/// The ways to read an input.
pub(crate) enum Body {
    /// Read at any offset.
    Plain(FileSource),
    /// Unpacked from front to back.
    Packed(Packed),
}

impl Input {
    /// Opens `path` read-only; `-` is standard input. A pipe or other stream is first copied into a
    /// file without a name. Reads the first bytes, unpacked if necessary, by which all commands recognize the format.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Directory`], [`Error::Terminal`], [`Error::Spool`], [`Error::Scan`] if the first bytes cannot be read,
    /// and those of a compressed file that cannot be unpacked so far.
    pub fn open(path: &Path, progress: &dyn Progress) -> Result<Self, Error> {
        Self::of(Self::source(path, 0, progress)?, path, Packed::open)
    }

    /// Like [`Input::open`], for a file that may have lost its first pages, or whose compressed data may break off.
    ///
    /// # Errors
    /// As [`Input::open`].
    pub fn open_damaged(path: &Path, progress: &dyn Progress) -> Result<Self, Error> {
        Self::of(Self::source(path, MAX_WITHOUT_META, progress)?, path, Packed::open_damaged)
    }

    fn source(path: &Path, least: u64, progress: &dyn Progress) -> Result<FileSource, Error> {
        let file = if path.as_os_str() == "-" { standard_input()? } else { open_file(path)? };
        let kind = file.metadata().map_err(|cause| open_error(path, cause))?.file_type();
        if kind.is_dir() {
            return Err(directory_error(path));
        }
        if kind.is_file() {
            FileSource::new(file, path).map_err(|cause| open_error(path, cause))
        } else if kind.is_block_device() {
            Err(open_error(path, io::Error::other("it is a block device")))
        } else {
            piped_input::copy(file, path, least, progress)
        }
    }

    /// Wraps an open regular file, even if its name belongs to another file now; `path` is for messages.
    ///
    /// # Errors
    /// As [`Input::open`].
    pub fn of_file(file: File, path: &Path) -> Result<Self, Error> {
        Self::of(FileSource::new(file, path).map_err(|cause| open_error(path, cause))?, path, Packed::open)
    }

    fn of(
        source: FileSource,
        path: &Path,
        open_packed: impl Fn(FileSource, Format) -> Result<Packed, Error>,
    ) -> Result<Self, Error> {
        let head = read_head(&source, path)?;
        let claimed_length = ClaimedLength::of(&head);
        let (body, head) = match packing(claimed_length.kind()) {
            Some(format) => {
                let packed = open_packed(source, format)?;
                let head = packed.head().to_vec();
                (Body::Packed(packed), head)
            }
            None => (Body::Plain(source), head),
        };
        Ok(Self { path: path.to_owned(), claimed_length: ClaimedLength::of(&head), body, head })
    }

    /// Returns the lengths that it can have according to its first bytes.
    pub fn claimed_length(&self) -> &ClaimedLength {
        &self.claimed_length
    }

    /// Returns the report about a file that is not a database according to its first bytes; `None` if it is a database, or may be one that lost its meta pages.
    pub fn foreign_report(&self) -> Option<Report> {
        let foreign = !matches!(self.claimed_length.kind(), FileKind::Bolt | FileKind::BrokenBolt);
        foreign.then(|| refusal_report(&self.head, self.head.len() as u64))
    }

    /// Checks that it is a database with a valid meta page.
    ///
    /// # Errors
    /// [`Error::NoStore`].
    pub fn expect_database(&self) -> Result<(), Error> {
        if self.claimed_length.kind() == FileKind::Bolt {
            return Ok(());
        }
        let report = Box::new(refusal_report(&self.head, self.head.len() as u64));
        Err(Error::NoStore { path: self.path.clone(), report })
    }

    /// Checks that its first bytes are not those of another known format. A database that has lost them matches no known format.
    ///
    /// # Errors
    /// [`Error::NoStore`].
    pub fn expect_damaged_database(&self) -> Result<(), Error> {
        match self.claimed_length.kind() {
            FileKind::BrokenBolt | FileKind::Zeros | FileKind::Unknown => Ok(()),
            _ => self.expect_database(),
        }
    }

    /// Checks that it is a snapshot according to its first bytes and length. The length of compressed data is only known after unpacking.
    ///
    /// # Errors
    /// [`Error::NoStore`], [`Error::TooLong`].
    pub fn expect_snapshot(&self) -> Result<(), Error> {
        self.expect_database()?;
        match &self.body {
            Body::Plain(file) if file.len() > self.claimed_length.read_limit() => {
                Err(Error::too_long(&self.path, &self.claimed_length))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the compression format of a kind of file; `None` if it is not compressed.
fn packing(kind: FileKind) -> Option<Format> {
    match kind {
        FileKind::Gzip => Some(Format::Gzip),
        FileKind::Zip => Some(Format::Zip),
        FileKind::Zstd => Some(Format::Zstd),
        _ => None,
    }
}

fn read_head(source: &FileSource, path: &Path) -> Result<Vec<u8>, Error> {
    let mut head = vec![0; HEAD_LEN.min(usize::try_from(source.len()).unwrap_or(HEAD_LEN))];
    source.read_at(0, &mut head).map_err(|cause| {
        let len = head.len() as u64;
        PathlessError::Scan(etcdsnap_core::Error::Read { offset: etcdsnap_core::Offset::START, len, cause }).at(path)
    })?;
    Ok(head)
}

impl Input {
    /// Returns the identity of the file; `None` if the system does not say.
    pub fn identity(&self) -> Option<FileIdentity> {
        let source = match &self.body {
            Body::Plain(source) => source,
            Body::Packed(packed) => packed.source(),
        };
        source.file().metadata().ok().map(|facts| FileIdentity::of(&facts))
    }
}

/// Opens a file for reading. A FIFO is opened without waiting for a writer: the reader waits for bytes, and checks meanwhile whether to stop.
fn open_file(path: &Path) -> Result<File, Error> {
    // Of other files, an opening that does not wait would fail while another program gives up a lease of the file.
    let is_fifo = fs::metadata(path).is_ok_and(|facts| facts.file_type().is_fifo());
    let opened = if is_fifo { open_without_waiting(path) } else { File::open(path) };
    opened.map_err(|cause| open_error(path, cause))
}

fn open_error(path: &Path, cause: io::Error) -> Error {
    Error::Open { path: path.to_owned(), cause }
}

fn standard_input() -> Result<File, Error> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Error::Terminal);
    }
    let own = stdin.as_fd().try_clone_to_owned().map_err(|cause| open_error(Path::new("-"), cause))?;
    Ok(File::from(own))
}

fn directory_error(path: &Path) -> Error {
    Error::Directory { path: path.to_owned(), database: database_of(path), is_data_dir: is_data_dir(path) }
}
