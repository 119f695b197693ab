//! What an output path leads to, judged before any work: an output must not be an input, and what cannot be written is known at once.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatxAttributes, StatxFlags, accessat, statx};

use super::directory_sync::check_syncable;
use super::file_identity::FileIdentity;
use crate::error::plain;
use crate::printable::printable_path;

/// The bit of a directory's mode by which only owners may replace files in it.
const STICKY: u32 = 0o1000;

/// Links that are followed to see whether a path leads to a descriptor of this process; the kernel follows 40.
const MAX_LINKS: usize = 40;

/// Why nothing can be written to a path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// It is a file that is read.
    #[error(
        "{} is the same file as {}, which is read: writing to it would destroy it",
        printable_output(path),
        printable_path(input)
    )]
    Input {
        /// The output.
        path: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// It is a directory.
    #[error("{} is a directory", printable_output(path))]
    Directory {
        /// The output.
        path: PathBuf,
    },
    /// It is something that takes no file and cannot be replaced by one.
    #[error("{} {reason}", printable_output(path))]
    Kind {
        /// The output.
        path: PathBuf,
        /// What it is.
        reason: &'static str,
    },
    /// It is a terminal, and what would be written is no text.
    #[error("{} is a terminal, and a snapshot is not for reading", printable_output(path))]
    Terminal {
        /// The output.
        path: PathBuf,
    },
    /// It cannot be opened, or the directory it is in cannot be written or synced.
    #[error("cannot write to {}: {}", printable_output(path), plain(cause))]
    Write {
        /// The output or its directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl OutputError {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Input { .. } | Self::Kind { .. } => "Name another file.".into(),
            Self::Terminal { .. } => "Redirect it (`> FILE`), pipe it into a program, or name a file.".into(),
            Self::Directory { path } => format!("Name a file in it: {}", printable_output(&path.join("NAME"))),
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::NotFound => "Make the directory first.".into(),
            Self::Write { .. } => String::new(),
        }
    }
}

/// A path for a person to read; of an output, `-` is the standard output.
pub(crate) fn printable_output(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard output".to_owned() } else { printable_path(path) }
}

/// What an output path leads to.
#[derive(Debug)]
pub(crate) enum OutputTarget {
    /// Standard output: `-`, `/dev/stdout`, `/dev/fd/1` and the like.
    Stdout,
    /// A character device or a FIFO, open for writing: written directly, because it cannot be replaced.
    Stream(File),
    /// A name for a regular file. One that is there is replaced by a rename when the new one is complete.
    File {
        /// The file.
        path: PathBuf,
        /// The directory it is in.
        directory: PathBuf,
    },
}

impl OutputTarget {
    /// Judges `path`, an output of a command that reads `inputs` (`-` is the standard input). Waits, as a shell does, for a reader when it is a FIFO.
    ///
    /// # Errors
    /// When nothing can be written there, or it is one of the inputs.
    pub fn judge(path: &Path, inputs: &[&Path]) -> Result<Self, OutputError> {
        match Kind::of(path, inputs)? {
            Kind::Stdout => Ok(Self::Stdout),
            Kind::Stream(_) => OpenOptions::new()
                .write(true)
                .open(path)
                .map(Self::Stream)
                .map_err(|cause| OutputError::Write { path: path.to_owned(), cause }),
            Kind::File => Ok(Self::File { path: path.to_owned(), directory: parent(path).to_owned() }),
        }
    }
}

/// Whether a path names the standard output.
pub(super) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-" || descriptor(path) == Some(1)
}

/// Judges `path` as [`OutputTarget::judge`] does, for a command that needs a regular file. Opens nothing.
///
/// # Errors
/// When no regular file can get that name, or it is one of the inputs.
pub(crate) fn judge_file(path: &Path, inputs: &[&Path]) -> Result<(), OutputError> {
    match Kind::of(path, inputs)? {
        Kind::File => Ok(()),
        Kind::Stdout => Err(OutputError::Kind { path: path.to_owned(), reason: "is the standard output" }),
        Kind::Stream(reason) => Err(OutputError::Kind { path: path.to_owned(), reason }),
    }
}

/// Fails when no file can be made in `directory`, or its entries could not be synced.
///
/// # Errors
/// [`OutputError::Write`], [`OutputError::Kind`].
pub(crate) fn judge_directory(directory: &Path) -> Result<(), OutputError> {
    let failed = |cause: io::Error| OutputError::Write { path: directory.to_owned(), cause };
    let refuse = |reason| Err(OutputError::Kind { path: directory.to_owned(), reason });
    if !fs::metadata(directory).map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    if is_inside_a_member(directory) {
        return refuse("holds the database or the log of an etcd member, which must stay as etcd left them");
    }
    accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
        .map_err(|errno| failed(errno.into()))?;
    if attributes(directory, AtFlags::empty()).contains(StatxAttributes::APPEND) {
        return refuse("is append-only (chattr +a), so no file in it can get its final name");
    }
    check_syncable(directory).map_err(failed)
}

/// The directory that `path` is in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What an output path leads to, before anything is opened.
enum Kind {
    Stdout,
    /// A character device or a FIFO, in words.
    Stream(&'static str),
    File,
}

impl Kind {
    fn of(path: &Path, inputs: &[&Path]) -> Result<Self, OutputError> {
        if is_stdout(path) {
            check_output_streams(inputs)?;
            return Ok(Self::Stdout);
        }
        check_not_input(path, inputs)?;
        let failed = |cause: io::Error| OutputError::Write { path: path.to_owned(), cause };
        let refuse = |reason| Err(OutputError::Kind { path: path.to_owned(), reason });
        let kind = match fs::metadata(path) {
            Ok(facts) => Some(facts.file_type()),
            // A link that leads nowhere is replaced, as a file is.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(failed(cause)),
        };
        match kind {
            Some(kind) if kind.is_dir() => return Err(OutputError::Directory { path: path.to_owned() }),
            Some(kind) if kind.is_char_device() => return Ok(Self::Stream("is a character device")),
            Some(kind) if kind.is_fifo() => return Ok(Self::Stream("is a FIFO")),
            Some(kind) if kind.is_block_device() => return refuse("is a block device"),
            Some(kind) if kind.is_socket() => return refuse("is a socket"),
            Some(_) if descriptor(path).is_some() => {
                return refuse("is an open file of this process, which no other file can replace");
            }
            Some(_) => {}
            None if path.file_name().is_none() => return Err(failed(io::ErrorKind::NotFound.into())),
            None if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            None => {}
        }
        let attributes = attributes(path, AtFlags::SYMLINK_NOFOLLOW);
        if attributes.contains(StatxAttributes::MOUNT_ROOT) {
            return refuse("is mounted by itself, so no other file can replace it");
        }
        if attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND) {
            return refuse("is immutable or append-only (chattr), so no other file can replace it");
        }
        judge_directory(parent(path))?;
        if is_kept_from_us(path, parent(path)) {
            return Err(failed(io::ErrorKind::PermissionDenied.into()));
        }
        Ok(Self::File)
    }
}

/// Fails when `path` leads to one of the `inputs`, under whichever name: device and inode tell. A device is no file whose contents could be lost.
///
/// # Errors
/// [`OutputError::Input`].
pub(crate) fn check_not_input(path: &Path, inputs: &[&Path]) -> Result<(), OutputError> {
    let Ok(facts) = fs::metadata(path) else { return Ok(()) };
    check_facts(path, &facts, inputs)
}

/// Fails when the standard output or the standard error is redirected to one of the `inputs`, as in `etcdsnap keys FILE >> FILE`.
///
/// # Errors
/// [`OutputError::Input`].
pub fn check_output_streams(inputs: &[&Path]) -> Result<(), OutputError> {
    let facts = |descriptor: &dyn std::os::fd::AsFd| File::from(descriptor.as_fd().try_clone_to_owned()?).metadata();
    for (name, facts) in [("/dev/stderr", facts(&io::stderr())), ("-", facts(&io::stdout()))] {
        if let Ok(facts) = facts {
            check_facts(Path::new(name), &facts, inputs)?;
        }
    }
    Ok(())
}

fn check_facts(path: &Path, facts: &fs::Metadata, inputs: &[&Path]) -> Result<(), OutputError> {
    let kind = facts.file_type();
    if !(kind.is_file() || kind.is_fifo() || kind.is_block_device()) {
        return Ok(());
    }
    let output = FileIdentity::of(facts);
    match inputs.iter().find(|input| FileIdentity::of_input(input) == Some(output)) {
        Some(input) => Err(OutputError::Input { path: path.to_owned(), input: input.to_path_buf() }),
        None => Ok(()),
    }
}

/// The descriptor of this process that a path such as `/dev/stdout` leads to.
pub(super) fn descriptor(path: &Path) -> Option<u32> {
    let own = PathBuf::from(format!("/proc/{}/fd", std::process::id()));
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let directory = fs::canonicalize(path.parent()?).ok()?;
        if directory == own {
            return path.file_name()?.to_str()?.parse().ok();
        }
        path = directory.join(fs::read_link(&path).ok()?);
    }
    None
}

/// What keeps a file from being replaced or renamed: attributes of the file system, and whether it is mounted by itself, as containers do with single files.
fn attributes(path: &Path, flags: AtFlags) -> StatxAttributes {
    statx(CWD, path, flags, StatxFlags::TYPE).map_or(StatxAttributes::empty(), |facts| facts.stx_attributes)
}

/// Whether a directory is a member's own, under whichever name: etcd reads every file in `member/wal`, and `member/snap/db` is its database.
fn is_inside_a_member(directory: &Path) -> bool {
    fs::canonicalize(directory).is_ok_and(|path| path.ends_with("member/snap") || path.ends_with("member/wal"))
}

/// Whether `path` is somebody else's in a directory such as `/tmp`, where only owners replace their files.
fn is_kept_from_us(path: &Path, directory: &Path) -> bool {
    let (Ok(file), Ok(directory)) = (fs::symlink_metadata(path), fs::metadata(directory)) else { return false };
    let own = rustix::process::geteuid();
    directory.mode() & STICKY != 0 && !own.is_root() && ![file.uid(), directory.uid()].contains(&own.as_raw())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_input_is_known_under_every_name() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("below")).unwrap();
        fs::write(at("input"), "").unwrap();
        fs::write(at("other"), "").unwrap();
        fs::hard_link(at("input"), at("hard")).unwrap();
        symlink("input", at("soft")).unwrap();
        symlink("soft", at("softer")).unwrap();
        for name in ["input", "./input", "below/../input", "hard", "soft", "softer"] {
            for input in ["input", "hard", "soft"] {
                let outcome = OutputTarget::judge(&at(name), &[&at("other"), &at(input)]);
                assert!(matches!(outcome, Err(OutputError::Input { .. })), "{name} {input}: {outcome:?}");
            }
        }
        assert!(matches!(OutputTarget::judge(&at("other"), &[&at("input")]), Ok(OutputTarget::File { .. })));
    }

    #[test]
    fn what_takes_no_file_is_refused_before_any_work() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("directory")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
        symlink("loop", at("loop")).unwrap();
        let long = "x".repeat(256);
        for (name, words) in [
            ("directory", "is a directory"),
            ("directory/", "is a directory"),
            ("directory/..", "is a directory"),
            ("socket", "is a socket"),
            ("loop", "cannot write"),
            ("missing/file", "there is no such file"),
            ("missing/", "cannot write"),
            ("file/below", "cannot write"),
            (&long, "cannot write"),
        ] {
            let error = OutputTarget::judge(&at(name), &[]).unwrap_err();
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
        assert!(OutputTarget::judge(Path::new(""), &[]).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4);
    }

    #[test]
    fn who_needs_a_file_is_refused_a_stream_without_waiting_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        rustix::fs::mknodat(CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for (path, words) in [
            (at("fifo").as_path(), "is a FIFO"),
            (Path::new("/dev/null"), "is a character device"),
            (Path::new("/dev/stdout"), "is the standard output"),
        ] {
            let error = judge_file(path, &[]).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        judge_file(&at("new"), &[]).unwrap();
        fs::create_dir_all(at("member/snap")).unwrap();
        fs::create_dir_all(at("member/wal")).unwrap();
        symlink(at("member/snap"), at("link")).unwrap();
        for inside in ["member/snap/db", "member/wal/x", "link/db"] {
            let error = judge_file(&at(inside), &[]).unwrap_err();
            assert!(error.to_string().contains("etcd member"), "{error}");
        }
        judge_file(&at("member/backup.db"), &[]).unwrap();
    }

    #[test]
    fn what_may_not_be_replaced_is_known_before() {
        use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept");
        let set = |path: &Path, flag: IFlags, on: bool| {
            let file = File::open(path).unwrap();
            let mut flags = ioctl_getflags(&file)?;
            flags.set(flag, on);
            ioctl_setflags(&file, flags)
        };
        fs::write(&path, "old").unwrap();
        if set(&path, IFlags::IMMUTABLE, true).is_err() {
            eprintln!("*** not run: no file can be made immutable here ***");
            return;
        }
        let immutable = judge_file(&path, &[]);
        set(&path, IFlags::IMMUTABLE, false).unwrap();
        set(directory.path(), IFlags::APPEND, true).unwrap();
        let append_only = judge_file(&path, &[]);
        set(directory.path(), IFlags::APPEND, false).unwrap();
        assert!(immutable.unwrap_err().to_string().contains("immutable"));
        assert!(append_only.unwrap_err().to_string().contains("append-only"));
        judge_file(&path, &[]).unwrap();
    }

    #[test]
    fn files_links_and_devices_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("old"), "old").unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("/dev/null", at("null")).unwrap();
        for name in ["new", "old", "dangling"] {
            match OutputTarget::judge(&at(name), &[]).unwrap() {
                OutputTarget::File { path, directory: parent } => {
                    assert_eq!((path, parent.as_path()), (at(name), directory.path()));
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(fs::read(at("old")).unwrap(), b"old");
        for path in [Path::new("/dev/null"), &at("null")] {
            assert!(matches!(OutputTarget::judge(path, &[]).unwrap(), OutputTarget::Stream(_)));
        }
        for path in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            assert!(matches!(OutputTarget::judge(Path::new(path), &[]).unwrap(), OutputTarget::Stdout), "{path}");
        }
        assert_eq!(descriptor(Path::new("/dev/stderr")), Some(2));
        assert_eq!(descriptor(&at("old")), None);
    }
}
