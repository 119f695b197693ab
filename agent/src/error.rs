//! Why a file could not be verified or read.

use std::io;
use std::path::{Path, PathBuf};

use etcdsnap_core::limits::{MAX_EXTRA_BYTES, MAX_WITHOUT_PAGE};
use etcdsnap_core::{ClaimedLength, ReadError};
use etcdsnap_unpack::Format;

use crate::grouped_number::{exact_bytes, grouped};
use crate::printable::{printable_path, typed_path};

/// Why a file could not be verified or read. The text says what is wrong; [`Error::advice`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened.
    #[error("cannot open {}: {}", printable_path(path), plain(cause))]
    Open {
        /// As the caller named it.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// The path is a directory.
    #[error("{} is a directory{}", printable_path(path), if *is_data_dir || database.is_some() { ": an etcd data directory, not a snapshot" } else { "" })]
    Directory {
        /// As the caller named it.
        path: PathBuf,
        /// The database in it, if there is one.
        database: Option<PathBuf>,
        /// Whether it is a member's data directory, or its `member` folder.
        is_data_dir: bool,
    },
    /// Standard input is a terminal, so no snapshot will come from it.
    #[error("standard input is a terminal, not a snapshot")]
    Terminal,
    /// The scan failed.
    #[error("cannot read {}: {cause}", printable_path(path))]
    Scan {
        /// As the caller named it.
        path: PathBuf,
        /// The error, with its offset.
        cause: etcdsnap_core::Error,
    },
    /// The file is not a snapshot, or has lost the pages through which all others are found.
    #[error("{} is not a readable snapshot: {}", printable_path(path), first(report))]
    NoStore {
        /// As the caller named it.
        path: PathBuf,
        /// The report of the scan.
        report: Box<etcdsnap_core::Report>,
    },
    /// The file was written to while it was read.
    #[error("{} changed while it was read", printable_path(path))]
    Changed {
        /// As the caller named it.
        path: PathBuf,
    },
    /// A compressed file is corrupt or truncated.
    #[error("{} is a broken {format} file: after {} unpacked bytes: {cause}", printable_path(path), grouped(*at))]
    Unpack {
        /// As the caller named it.
        path: PathBuf,
        /// How it is compressed.
        format: Format,
        /// Number of bytes that could be unpacked.
        at: u64,
        /// The error of the decompressor.
        cause: String,
    },
    /// A compressed file may be sound, but its kind is not supported, or it does not contain exactly one file.
    #[error("{} is a {format} file that cannot be read here: {}", printable_path(path), crate::printable(reason))]
    Unsupported {
        /// As the caller named it.
        path: PathBuf,
        /// How it is compressed.
        format: Format,
        /// The reason.
        reason: String,
    },
    /// The file continues far beyond its database and SHA-256.
    #[error("{} is not a snapshot: it has more than {} MiB after the {} of one", printable_path(path), MAX_EXTRA_BYTES >> 20, exact_bytes(*snapshot))]
    TooLong {
        /// As the caller named it.
        path: PathBuf,
        /// Bytes of the database with its SHA-256.
        snapshot: u64,
    },
    /// A compressed file continues without pages of its database.
    #[error("{} is not a snapshot: {} MiB after byte {} contain no page of its database", printable_path(path), MAX_WITHOUT_PAGE >> 20, grouped(*at))]
    NoPages {
        /// As the caller named it.
        path: PathBuf,
        /// The offset of the last page, in unpacked bytes.
        at: u64,
    },
    /// A zstd file needs more memory than is allowed.
    #[error("{} was compressed with a window of more than 128 MiB", printable_path(path))]
    Window {
        /// As the caller named it.
        path: PathBuf,
    },
    /// A temporary copy is needed but could not be made.
    #[error("cannot make a temporary copy in {}: {}", printable_path(directory), spool_reason(*needed, *available, cause.as_ref()))]
    Spool {
        /// The directory for temporary files.
        directory: PathBuf,
        /// Bytes that the copy needs, if known.
        needed: Option<u64>,
        /// Bytes that were free, if known.
        available: Option<u64>,
        /// The error of the system, if a write failed.
        cause: Option<io::Error>,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Cancelled,
    /// A bug of this program.
    #[error("a bug in etcdsnap itself: {0}")]
    Defect(String),
}

impl Error {
    pub(crate) fn too_long(path: &Path, claimed: &ClaimedLength) -> Self {
        Self::TooLong { path: path.to_owned(), snapshot: claimed.snapshot().unwrap_or_default() }
    }

    /// Says what to do, in a sentence or two; empty if nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Open { cause, .. } => match cause.kind() {
                io::ErrorKind::NotFound => "Check the path. Nothing was read.".into(),
                io::ErrorKind::PermissionDenied => {
                    "Only its owner may read it, which is usual for snapshots (mode 0600) and etcd's data directories (mode 0700). Run this command as that user (`ls -ld` on the file or its directory shows the name) or as root.".into()
                }
                _ => "Nothing was read.".into(),
            },
            Self::Directory { path, database, is_data_dir } => directory_advice(path, database.as_deref(), *is_data_dir),
            Self::Terminal => "Give a file, or redirect one: etcdsnap verify - < FILE".into(),
            Self::Scan { cause: etcdsnap_core::Error::Read { .. }, .. } => {
                "The disk or file system failed at that place: check the kernel's log, and first of all copy the file elsewhere.".into()
            }
            Self::Scan { cause: etcdsnap_core::Error::Memory { .. }, .. } => "Run this on a machine with more free memory.".into(),
            Self::Scan { cause: etcdsnap_core::Error::NoOlderMeta(_), .. } => {
                "Leave out --meta older: only a copy of a member's database (member/snap/db) can have two trees.".into()
            }
            Self::NoStore { path, .. } => format!("For details: etcdsnap verify {}", typed_path(path)),
            Self::Changed { .. } => {
                "Another program still writes to it: wait until the save or copy is complete, or stop the member that uses this database.".into()
            }
            Self::Unpack { .. } => {
                "The file was cut short or damaged after it was compressed: copy it again from its source, or use another backup.".into()
            }
            Self::Unsupported { .. } => "Unpack it with its own tool and give the snapshot inside.".into(),
            Self::TooLong { snapshot, .. } => format!(
                "Copy it again from its source. If there is no other, unpack and truncate a copy (truncate -s {snapshot} COPY), and verify that."
            ),
            Self::NoPages { .. } => "Copy it again from its source, or use another backup.".into(),
            Self::Window { .. } => "Unpack it by hand (zstd -d --long=31) and give the result.".into(),
            Self::Spool { .. } => {
                "Set TMPDIR to a directory with enough space, or unpack or save the snapshot to a file and give that.".into()
            }
            Self::Scan { .. } | Self::Cancelled => String::new(),
            Self::Defect(_) => "The file may be sound. Please report this, with the file if you can share it.".into(),
        }
    }

    /// Whether the error itself proves that the file is damaged, as for a broken gzip file.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Unpack { .. } | Self::NoStore { .. } | Self::TooLong { .. } | Self::NoPages { .. })
    }
}

fn directory_advice(path: &Path, database: Option<&Path>, is_data_dir: bool) -> String {
    let check =
        if is_data_dir { format!(" Whether it is sound: etcdsnap verify {}", typed_path(path)) } else { String::new() };
    match database {
        Some(database) => format!(
            "Its database is {}. Take a snapshot from the running member (etcdctl snapshot save FILE), or stop the member first and give that file.{check}",
            printable_path(database)
        ),
        None if is_data_dir => format!("It has no database (member/snap/db).{check}"),
        None => {
            "Give the snapshot file itself, or a member's data directory to verify (it has a folder `member`).".into()
        }
    }
}

/// Returns the system's message without the number that Rust appends.
pub(crate) fn plain(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => {
            let text = cause.to_string();
            text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
        }
    }
}

fn spool_reason(needed: Option<u64>, available: Option<u64>, cause: Option<&io::Error>) -> String {
    match (needed, available, cause) {
        (Some(needed), Some(available), _) => {
            format!("it needs {}, but only {} are free", exact_bytes(needed), exact_bytes(available))
        }
        (_, _, Some(cause)) if cause.kind() == io::ErrorKind::StorageFull => "no space is left there".to_owned(),
        (_, _, Some(cause)) => plain(cause),
        _ => "it does not fit".to_owned(),
    }
}

/// Why a scan failed, without the path of the file.
#[derive(Debug)]
pub(crate) enum PathlessError {
    /// Core's own error.
    Scan(etcdsnap_core::Error),
    /// A panic, with its message.
    Panic(String),
}

fn first(report: &etcdsnap_core::Report) -> String {
    report.findings.list().first().map(|finding| crate::printable(&finding.message)).unwrap_or_default()
}

impl PathlessError {
    /// Converts it to an error about the file `path`.
    pub(crate) fn at(self, path: &Path) -> Error {
        match self {
            Self::Scan(etcdsnap_core::Error::Cancelled) => Error::Cancelled,
            Self::Scan(etcdsnap_core::Error::Read { cause: ReadError::Changed, .. }) => {
                Error::Changed { path: path.to_owned() }
            }
            Self::Scan(cause) => Error::Scan { path: path.to_owned(), cause },
            Self::Panic(message) => Error::Defect(message),
        }
    }

    /// Extracts the message of a panic.
    pub(crate) fn panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Self::Panic(text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default())
    }
}
