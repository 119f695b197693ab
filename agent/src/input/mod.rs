//! Where a snapshot comes from: a file, a compressed file, or a stream.

mod file;
mod gzip;
mod packed;
mod spool;
mod zip;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use etcdsnap_core::{FileKind, Source, sniff};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::{Error, Fault};
use crate::fsx::file_identity::FileIdentity;
use crate::progress::{Progress, Stage};

pub use file::FileSource;
pub use packed::Format;
pub(crate) use packed::Packed;
pub(crate) use spool::Spool;

/// Bytes that core wants to see to tell what a file is.
const SNIFFED: usize = 128 << 10;

/// Bytes of one read from a stream.
const COPIED_AT_ONCE: usize = 1 << 20;

/// How long a stream is waited for before somebody looks whether it is still wanted.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// An opened input.
pub(crate) struct Input {
    /// As the caller named it.
    pub path: PathBuf,
    /// What it is.
    pub body: Body,
}

/// The two ways to read an input.
pub(crate) enum Body {
    /// By positional reads.
    Plain(FileSource),
    /// From front to back, unpacking.
    Packed(Packed),
}

impl Input {
    /// Opens `path` read-only; `-` is the standard input. What cannot be read at any offset, such as a pipe, is first copied into a
    /// file without a name.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Directory`], [`Error::Terminal`], [`Error::Spool`], and [`Error::Scan`] when the first bytes cannot
    /// be read.
    pub fn open(path: &Path, progress: &dyn Progress) -> Result<Self, Error> {
        let file = if path.as_os_str() == "-" { standard_input()? } else { open_file(path)? };
        let kind = file.metadata().map_err(|cause| open_error(path, cause))?.file_type();
        if kind.is_dir() {
            return Err(directory_error(path));
        }
        let source = if kind.is_file() {
            FileSource::new(file, path).map_err(|cause| open_error(path, cause))?
        } else if kind.is_block_device() {
            return Err(open_error(path, io::Error::other("it is a block device")));
        } else {
            copy_of_stream(file, path, progress)?
        };
        Ok(Self { path: path.to_owned(), body: body(source, path)? })
    }
}

impl Input {
    /// Which file it is; none when the system does not say.
    pub fn identity(&self) -> Option<FileIdentity> {
        let source = match &self.body {
            Body::Plain(source) => source,
            Body::Packed(packed) => packed.source(),
        };
        source.file().metadata().ok().map(|facts| FileIdentity::of(&facts))
    }
}

fn open_file(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|cause| open_error(path, cause))
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

/// Knows etcd's data directory (`member/snap/db`) from outside and from within.
fn directory_error(path: &Path) -> Error {
    let database =
        ["member/snap/db", "snap/db", "db"].map(|below| path.join(below)).into_iter().find(|path| path.is_file());
    Error::Directory { path: path.to_owned(), database }
}

fn copy_of_stream(mut stream: File, path: &Path, progress: &dyn Progress) -> Result<FileSource, Error> {
    use std::io::Read;

    progress.begin(Stage::Copy, None);
    let mut spool = Spool::new(None)?;
    let mut block = vec![0; COPIED_AT_ONCE];
    loop {
        until_readable(&stream, progress)?;
        let count = match stream.read(&mut block) {
            Ok(0) => return spool.finish(path),
            Ok(count) => count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(open_error(path, cause)),
        };
        spool.write(block.get(..count).unwrap_or_default())?;
        progress.advance(count as u64);
    }
}

/// Waits until there is something to read, or nothing more to wait for; the caller may stop it meanwhile.
fn until_readable(stream: &File, progress: &dyn Progress) -> Result<(), Error> {
    loop {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        match poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&PATIENCE)) {
            Ok(0) | Err(Errno::INTR) => {}
            // What cannot be waited for is read as it is.
            Ok(_) | Err(_) => return Ok(()),
        }
    }
}

fn body(source: FileSource, path: &Path) -> Result<Body, Error> {
    let mut head = vec![0; SNIFFED.min(usize::try_from(source.len()).unwrap_or(SNIFFED))];
    source.read_at(0, &mut head).map_err(|cause| {
        let len = head.len() as u64;
        Fault::Scan(etcdsnap_core::Error::Read { offset: 0, len, cause }).at(path)
    })?;
    Ok(match sniff(&head) {
        FileKind::Gzip => Body::Packed(Packed::new(source, Format::Gzip)),
        FileKind::Zip => Body::Packed(Packed::new(source, Format::Zip)),
        FileKind::Zstd => Body::Packed(Packed::new(source, Format::Zstd)),
        _ => Body::Plain(source),
    })
}
