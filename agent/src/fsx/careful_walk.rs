//! Follows a path one name at a time, by open handles, and refuses symbolic links that another user may have planted.
//!
//! The kernel's `protected_symlinks` does the same for directories such as `/tmp`, if enabled. This module does it for every directory that others may write to.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat, readlinkat};
use rustix::io::Errno;

use super::other_users::{ForeignLink, is_open_to_others, is_ours};

/// Links followed for one path at most, as in the kernel.
const MAX_LINKS: usize = 40;

/// A directory on the path.
pub(super) struct WalkDirectory {
    /// Opened with `O_PATH`.
    pub file: File,
    /// Its path, for messages.
    pub shown: PathBuf,
}

impl WalkDirectory {
    fn path_of(&self, name: &Path) -> PathBuf {
        path_below(&self.shown, name)
    }
}

impl AsFd for WalkDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Returns the path of a name in a directory, for messages.
pub(super) fn path_below(directory: &Path, name: &Path) -> PathBuf {
    let directory = if directory.as_os_str() == "." { Path::new("") } else { directory };
    directory.join(name)
}

/// What a path leads to.
pub(super) enum WalkEnd {
    /// A directory.
    Directory(WalkDirectory),
    /// Something else, but not a link.
    Other {
        /// The directory that contains it.
        directory: WalkDirectory,
        /// Its name there.
        name: OsString,
        /// Its metadata.
        facts: Metadata,
    },
}

/// Follows `path` from `start`, or from the root if it is absolute.
///
/// # Errors
/// An error of the system; a [`ForeignLink`] if the path contains such a link.
pub(super) fn walk(start: WalkDirectory, path: &Path) -> io::Result<WalkEnd> {
    if path.as_os_str().is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut here = start;
    let mut left = VecDeque::new();
    prepend(&mut left, &mut here, path)?;
    let mut links = 0_usize;
    while let Some(name) = left.pop_front() {
        let path = Path::new(&name);
        match open(&here, path, OFlags::DIRECTORY | OFlags::NOFOLLOW) {
            Ok(directory) => {
                here = WalkDirectory { file: directory, shown: here.path_of(path) };
                continue;
            }
            Err(Errno::NOTDIR | Errno::LOOP) => {}
            Err(cause) => return Err(cause.into()),
        }
        let found = open(&here, path, OFlags::NOFOLLOW)?;
        let facts = found.metadata()?;
        if facts.is_symlink() {
            links = links.checked_add(1).filter(|links| *links <= MAX_LINKS).ok_or(Errno::LOOP)?;
            if fstatfs(&here)?.f_type == PROC_SUPER_MAGIC {
                // Links in /proc lead to an open file of a process, independent of their text.
                here = WalkDirectory { file: open(&here, path, OFlags::DIRECTORY)?, shown: here.path_of(path) };
                continue;
            }
            if !is_ours(facts.uid()) && is_open_to_others(&here.file.metadata()?) {
                return Err(ForeignLink { path: here.path_of(path), owner: facts.uid() }.into());
            }
            let target = readlinkat(&found, "", Vec::new())?;
            prepend(&mut left, &mut here, Path::new(OsStr::from_bytes(target.as_bytes())))?;
        } else if facts.is_dir() {
            // Another program has just replaced it by a link.
            here = WalkDirectory { file: found, shown: here.path_of(path) };
        } else if left.is_empty() {
            return Ok(WalkEnd::Other { directory: here, name, facts });
        } else {
            return Err(Errno::NOTDIR.into());
        }
    }
    Ok(WalkEnd::Directory(here))
}

fn open(directory: &WalkDirectory, name: &Path, flags: OFlags) -> rustix::io::Result<File> {
    Ok(openat(directory, name, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty())?.into())
}

/// Puts the names of `path` before the remaining ones; an absolute path restarts at the root.
fn prepend(left: &mut VecDeque<OsString>, here: &mut WalkDirectory, path: &Path) -> io::Result<()> {
    if path.is_absolute() {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        *here = WalkDirectory { file: openat(CWD, "/", flags, Mode::empty())?.into(), shown: "/".into() };
    }
    for component in path.components().rev() {
        match component {
            Component::Normal(_) | Component::ParentDir => left.push_front(component.as_os_str().to_owned()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    use super::*;
    use crate::fsx::directory::Directory;
    use crate::fsx::file_identity::FileIdentity;

    fn leads_to(path: &Path) -> io::Result<FileIdentity> {
        Directory::open(path)?.identity()
    }

    #[test]
    fn leads_to_the_same_file_as_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("file"), "").unwrap();
        symlink("a/b", at("relative")).unwrap();
        symlink(at("relative"), at("absolute")).unwrap();
        symlink("../a/./b/..", at("a/up")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("file", at("to file")).unwrap();
        for path in ["a", "a/b", "relative", "absolute", "absolute/", "relative/..", "a/up/b/../..", "./a//b/.", "a/up"]
        {
            let expected = FileIdentity::at(&at(path)).unwrap().unwrap();
            assert_eq!(leads_to(&at(path)).unwrap(), expected, "{path}");
        }
        for path in ["/", ".", "..", "/proc/self/cwd", "/proc/self/root/proc"] {
            assert_eq!(Some(leads_to(Path::new(path)).unwrap()), FileIdentity::at(Path::new(path)).unwrap(), "{path}");
        }
        for path in ["", "missing", "loop", "file", "file/x", "to file/x", "a/missing/b"] {
            let path = if path.is_empty() { "".into() } else { at(path) };
            let (ours, systems) = (leads_to(&path).unwrap_err(), fs::read_dir(&path).unwrap_err());
            assert_eq!(ours.kind(), systems.kind(), "{}", path.display());
        }
    }

    #[test]
    fn a_link_of_another_user_is_followed_only_where_no_other_user_could_put_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink("real", at("link")).unwrap();
        symlink("link", at("ours")).unwrap();
        let mode = |mode| fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        for open in [0o777, 0o1777, 0o775] {
            mode(open);
            leads_to(&at("ours")).unwrap();
        }
        if lchown(at("link"), Some(4321), None).is_err() {
            eprintln!("*** only root can give links away ***");
            return;
        }
        for open in [0o777, 0o1777, 0o775] {
            mode(open);
            for path in ["link", "ours", "link/x/y", "ours/.."] {
                let error = leads_to(&at(path)).unwrap_err();
                assert!(error.to_string().contains("link is a symbolic link of user 4321"), "{open:o} {path}: {error}");
                assert!(!ForeignLink::advice(&error).is_empty());
            }
        }
        mode(0o755);
        leads_to(&at("link")).unwrap();
        // The owner of the directory may write to it.
        std::os::unix::fs::chown(folder.path(), Some(4321), None).unwrap();
        assert!(leads_to(&at("link")).is_err());
    }
}
