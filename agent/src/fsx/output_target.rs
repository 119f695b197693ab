//! Checks an output path before any work: it must not be an input, and problems with writing are found at once.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Stat, StatxAttributes, statat};
use rustix::io::Errno;

use super::directory::Directory;
use super::file_identity::FileIdentity;
use super::named_stream::NamedStream;
use super::not_an_input::{check_facts, check_identity, check_not_in_directories};
use super::output_directory::{attributes, check_directory, directory_of};
use super::output_error::OutputError;

/// The bit of a directory's mode that lets only owners replace their files in it.
const STICKY_BIT: u32 = 0o1000;

/// Links followed to find out whether a path leads to a file descriptor of this process; the kernel follows 40.
const MAX_LINKS: usize = 40;

/// What an output path leads to.
#[derive(Debug)]
pub(crate) enum OutputTarget {
    /// Standard output: `-`, `/dev/stdout`, `/dev/fd/1` and the like.
    Stdout,
    /// A character device or a FIFO, open for writing; written directly, because it cannot be replaced.
    Stream(File),
    /// A name for a regular file. An existing file is replaced by a rename when the new one is complete.
    File {
        /// The directory that contains it.
        directory: Directory,
        /// Its name there.
        name: OsString,
        /// The path as the caller gave it.
        path: PathBuf,
    },
}

impl OutputTarget {
    /// Checks `path`, an output of a command that reads `inputs` (`-` is standard input). If it is a FIFO, waits for a reader, as a shell does.
    ///
    /// # Errors
    /// When nothing can be written there, or it is one of the inputs.
    pub fn open(path: &Path, inputs: &[&Path]) -> Result<Self, OutputError> {
        match OutputKind::of(path, inputs)? {
            OutputKind::Stdout => Ok(Self::Stdout),
            OutputKind::Stream(stream) => stream.open(path, inputs).map(Self::Stream),
            OutputKind::File { directory, name } => Ok(Self::File { directory, name, path: path.to_owned() }),
        }
    }
}

/// Returns the directory and name for a regular file to create or replace; `None` for standard output, a FIFO or a device. Opens nothing, because a FIFO would wait for a reader.
///
/// # Errors
/// As [`OutputTarget::open`].
pub(crate) fn file_target(path: &Path, inputs: &[&Path]) -> Result<Option<(Directory, OsString)>, OutputError> {
    match OutputKind::of(path, inputs)? {
        OutputKind::Stdout | OutputKind::Stream(_) => Ok(None),
        OutputKind::File { directory, name } => Ok(Some((directory, name))),
    }
}

/// Whether a path names standard output.
pub(super) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-" || descriptor(path) == Some(1)
}

/// Checks, like [`OutputTarget::open`], that a stream can be written to `path`. Opens nothing.
///
/// # Errors
/// As [`OutputTarget::open`].
pub(super) fn check_stream(path: &Path, inputs: &[&Path]) -> Result<(), OutputError> {
    OutputKind::of(path, inputs).map(drop)
}

/// Checks that a regular file can get the name `name` in `directory`, and that the name is not one of the `inputs`; `path` is the full path, for messages. Opens nothing.
///
/// # Errors
/// As [`OutputTarget::open`].
pub(crate) fn check_file_name(
    directory: &Directory,
    name: &Path,
    path: &Path,
    inputs: &[&Path],
) -> Result<(), OutputError> {
    match named_kind(directory, name, path, inputs)? {
        NamedKind::File => Ok(()),
        NamedKind::Stream(FileType::Fifo) => Err(OutputError::Kind { path: path.to_owned(), reason: "is a FIFO" }),
        NamedKind::Stream(_) => Err(OutputError::Kind { path: path.to_owned(), reason: "is a character device" }),
    }
}

/// What an output path leads to, before anything is opened.
enum OutputKind {
    Stdout,
    Stream(NamedStream),
    File { directory: Directory, name: OsString },
}

/// What a name in a directory leads to, if it can be written to.
enum NamedKind {
    /// A character device or a FIFO.
    Stream(FileType),
    /// A regular file to replace, or nothing.
    File,
}

impl OutputKind {
    fn of(path: &Path, inputs: &[&Path]) -> Result<Self, OutputError> {
        if is_stdout(path) {
            check_output_streams(inputs)?;
            return Ok(Self::Stdout);
        }
        let failed = |cause: io::Error| OutputError::Write { path: path.to_owned(), cause };
        if descriptor(path).is_some() {
            check_not_input(path, inputs)?;
            let facts = fs::metadata(path).map_err(failed)?;
            let kind = FileType::from_raw_mode(facts.mode());
            check_kind(kind, path)?;
            if kind == FileType::RegularFile {
                let reason = "is an open file of this process, which no other file can replace";
                return Err(OutputError::Kind { path: path.to_owned(), reason });
            }
            return Ok(Self::Stream(NamedStream::Descriptor));
        }
        let name = match path.file_name() {
            Some(name) if !path.as_os_str().as_encoded_bytes().ends_with(b"/") => name.to_owned(),
            // The path ends with `..`, or with a name that only a directory can have.
            name => {
                let facts = fs::metadata(path).map_err(|cause| match (cause.kind(), name) {
                    (io::ErrorKind::NotFound, Some(_)) => failed(io::ErrorKind::IsADirectory.into()),
                    _ => failed(cause),
                })?;
                check_kind(FileType::from_raw_mode(facts.mode()), path)?;
                return Err(failed(io::ErrorKind::NotADirectory.into()));
            }
        };
        let directory = directory_of(path)?;
        match named_kind(&directory, Path::new(&name), path, inputs)? {
            NamedKind::Stream(kind) => NamedStream::follow(&directory, Path::new(&name), kind, path).map(Self::Stream),
            NamedKind::File => {
                check_directory(&directory)?;
                Ok(Self::File { directory, name })
            }
        }
    }
}

fn check_kind(kind: FileType, path: &Path) -> Result<(), OutputError> {
    let refuse = |reason| Err(OutputError::Kind { path: path.to_owned(), reason });
    match kind {
        FileType::Directory => Err(OutputError::Directory { path: path.to_owned() }),
        FileType::BlockDevice => refuse("is a block device"),
        FileType::Socket => refuse("is a socket"),
        _ => Ok(()),
    }
}

fn named_kind(directory: &Directory, name: &Path, path: &Path, inputs: &[&Path]) -> Result<NamedKind, OutputError> {
    let failed = |cause: io::Error| OutputError::Write { path: path.to_owned(), cause };
    let refuse = |reason| Err(OutputError::Kind { path: path.to_owned(), reason });
    let Some(own) = directory.stat(name).map_err(failed)? else { return Ok(NamedKind::File) };
    match statat(directory, name, AtFlags::empty()) {
        Ok(facts) => {
            let kind = FileType::from_raw_mode(facts.st_mode);
            check_identity(path, kind, FileIdentity::of_stat(&facts), inputs)?;
            check_kind(kind, path)?;
            if matches!(kind, FileType::CharacterDevice | FileType::Fifo) {
                return Ok(NamedKind::Stream(kind));
            }
        }
        // A dangling link is replaced, like a file.
        Err(Errno::NOENT) => {}
        Err(cause) => return Err(failed(cause.into())),
    }
    let attributes = attributes(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    if attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return refuse("is a mount point, so no other file can replace it");
    }
    if attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND) {
        return refuse("is immutable or append-only (chattr), so no other file can replace it");
    }
    if is_protected_by_sticky_bit(&own, directory) {
        return Err(failed(io::ErrorKind::PermissionDenied.into()));
    }
    Ok(NamedKind::File)
}

/// Checks that `path` is not one of the `inputs` under any name, by device and inode. A device may be both: it has no contents to lose.
///
/// # Errors
/// [`OutputError::Input`].
pub(crate) fn check_not_input(path: &Path, inputs: &[&Path]) -> Result<(), OutputError> {
    let Ok(facts) = fs::metadata(path) else { return Ok(()) };
    check_facts(path, &facts, inputs)
}

/// Checks that standard output and standard error are not redirected to one of the `inputs`, as in `etcdsnap keys FILE >> FILE`.
///
/// # Errors
/// [`OutputError::Input`].
pub fn check_output_streams(inputs: &[&Path]) -> Result<(), OutputError> {
    let facts = |descriptor: &dyn std::os::fd::AsFd| File::from(descriptor.as_fd().try_clone_to_owned()?).metadata();
    for (name, facts) in [("/dev/stderr", facts(&io::stderr())), ("-", facts(&io::stdout()))] {
        if let Ok(facts) = facts {
            check_facts(Path::new(name), &facts, inputs)?;
            check_not_in_directories(Path::new(name), &facts, inputs)?;
        }
    }
    Ok(())
}

/// Whether a file is this process's standard output or standard error.
pub(crate) fn is_output_stream(facts: &fs::Metadata) -> bool {
    let stream = |descriptor: &dyn std::os::fd::AsFd| {
        let facts = descriptor.as_fd().try_clone_to_owned().and_then(|handle| File::from(handle).metadata());
        facts.ok().map(|facts| FileIdentity::of(&facts))
    };
    [stream(&io::stdout()), stream(&io::stderr())].contains(&Some(FileIdentity::of(facts)))
}

/// Returns the file descriptor of this process that a path such as `/dev/stdout` leads to.
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

/// Whether another user owns the file in a directory such as `/tmp`, where only owners may replace their files.
fn is_protected_by_sticky_bit(facts: &Stat, directory: &Directory) -> bool {
    let Ok(directory) = directory.metadata() else { return false };
    let own = rustix::process::geteuid();
    directory.mode() & STICKY_BIT != 0 && !own.is_root() && ![facts.st_uid, directory.uid()].contains(&own.as_raw())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::CWD;

    use super::*;

    /// Checks a path that needs a regular file.
    fn check_path(path: &Path) -> Result<(), OutputError> {
        match OutputKind::of(path, &[])? {
            OutputKind::Stdout => Err(OutputError::Kind { path: path.to_owned(), reason: "is the standard output" }),
            _ => check_file_name(&directory_of(path)?, Path::new(path.file_name().unwrap()), path, &[]),
        }
    }

    #[test]
    fn an_input_is_recognized_under_every_name() {
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
                let outcome = OutputTarget::open(&at(name), &[&at("other"), &at(input)]);
                assert!(matches!(outcome, Err(OutputError::Input { .. })), "{name} {input}: {outcome:?}");
            }
        }
        assert!(matches!(OutputTarget::open(&at("other"), &[&at("input")]), Ok(OutputTarget::File { .. })));
    }

    #[test]
    fn unusable_outputs_are_refused_before_any_work() {
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
            let error = OutputTarget::open(&at(name), &[]).unwrap_err();
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
        assert!(OutputTarget::open(Path::new(""), &[]).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_stream_in_place_of_a_file_is_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        rustix::fs::mknodat(CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for (path, words) in [
            (at("fifo").as_path(), "is a FIFO"),
            (Path::new("/dev/null"), "is a character device"),
            (Path::new("/dev/stdout"), "is the standard output"),
        ] {
            let error = check_path(path).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        check_path(&at("new")).unwrap();
        fs::create_dir_all(at("member/snap")).unwrap();
        fs::create_dir_all(at("member/wal")).unwrap();
        symlink(at("member/snap"), at("link")).unwrap();
        for inside in ["member/snap/db", "member/wal/x", "link/db"] {
            let error = check_path(&at(inside)).unwrap_err();
            assert!(error.to_string().contains("etcd member"), "{error}");
        }
        check_path(&at("member/backup.db")).unwrap();
    }

    #[test]
    fn files_that_may_not_be_replaced_are_found_before_any_work() {
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
        let immutable = check_path(&path);
        set(&path, IFlags::IMMUTABLE, false).unwrap();
        set(directory.path(), IFlags::APPEND, true).unwrap();
        let append_only = check_path(&path);
        set(directory.path(), IFlags::APPEND, false).unwrap();
        assert!(immutable.unwrap_err().to_string().contains("immutable"));
        assert!(append_only.unwrap_err().to_string().contains("append-only"));
        check_path(&path).unwrap();
    }

    #[test]
    fn files_links_and_devices_are_distinguished() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("old"), "old").unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("/dev/null", at("null")).unwrap();
        for name in ["new", "old", "dangling"] {
            match OutputTarget::open(&at(name), &[]).unwrap() {
                OutputTarget::File { path, name: found, directory: parent } => {
                    assert_eq!((path, parent.display_path()), (at(name), directory.path()));
                    assert_eq!(found, name);
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(fs::read(at("old")).unwrap(), b"old");
        for path in [Path::new("/dev/null"), &at("null")] {
            assert!(matches!(OutputTarget::open(path, &[]).unwrap(), OutputTarget::Stream(_)));
        }
        for path in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            assert!(matches!(OutputTarget::open(Path::new(path), &[]).unwrap(), OutputTarget::Stdout), "{path}");
        }
        assert_eq!(descriptor(Path::new("/dev/stderr")), Some(2));
        assert_eq!(descriptor(&at("old")), None);
    }
}
