//! Removes a directory and everything below it, starting from an open directory: follows no links, and enters no other file system.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use std::ffi::OsStr;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxAttributes, StatxFlags, openat, statx};
use rustix::io::Errno;

use super::directory::Directory;
use super::file_identity::FileIdentity;

/// Nesting deeper than this is refused; this program makes no such directories.
const MAX_DEPTH: usize = 32;

/// Removes the directory `name` of `parent`, and everything in it. A missing one is not an error.
///
/// # Errors
/// An error of the system, for example if something is mounted in it; part of it may be gone then.
pub(crate) fn remove_tree(parent: &Directory, name: &Path) -> io::Result<()> {
    remove(parent, name, MAX_DEPTH)
}

/// Whether a directory is that file, or contains it at any depth.
///
/// # Errors
/// An error of the system.
pub(crate) fn contains(parent: &Directory, name: &Path, file: FileIdentity) -> io::Result<bool> {
    find(parent, name, file, MAX_DEPTH)
}

fn remove(parent: &Directory, name: &Path, depth: usize) -> io::Result<()> {
    let directory = match open(parent, name, depth) {
        Ok(directory) => directory,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(cause),
    };
    let entries = entries(&directory)?;
    let opened = Directory::from_readable(directory, parent.path_of(name));
    for (name, kind) in entries {
        let path = Path::new(OsStr::from_bytes(&name));
        match kind {
            FileType::Directory => remove(&opened, path, depth.saturating_sub(1))?,
            _ => opened.remove(path, false)?,
        }
    }
    parent.remove(name, true)
}

fn find(parent: &Directory, name: &Path, file: FileIdentity, depth: usize) -> io::Result<bool> {
    let directory = open(parent, name, depth)?;
    let entries = entries(&directory)?;
    let opened = Directory::from_readable(directory, parent.path_of(name));
    for (name, kind) in entries {
        let path = Path::new(OsStr::from_bytes(&name));
        if opened.has(path, file)?
            || (kind == FileType::Directory && find(&opened, path, file, depth.saturating_sub(1))?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn open(parent: &Directory, name: &Path, depth: usize) -> io::Result<File> {
    if depth == 0 {
        return Err(io::Error::other("it is nested too deeply"));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory: File = openat(parent, name, flags, Mode::empty())?.into();
    if is_mounted(parent, &directory)? {
        return Err(io::Error::other("something is mounted there"));
    }
    Ok(directory)
}

/// Whether this is a mount point. A bind mount has the device of its source, so comparing devices is not enough.
fn is_mounted(parent: &Directory, directory: &File) -> io::Result<bool> {
    let is_mount_root = match statx(directory, "", AtFlags::EMPTY_PATH, StatxFlags::empty()) {
        Ok(facts) if facts.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) => {
            facts.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        }
        _ => false,
    };
    let device = |facts: &std::fs::Metadata| std::os::unix::fs::MetadataExt::dev(facts);
    Ok(is_mount_root || device(&directory.metadata()?) != device(&parent.metadata()?))
}

/// Lists names and kinds of all entries, before the first is removed.
fn entries(directory: &File) -> io::Result<Vec<(Vec<u8>, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let mut kind = entry.file_type();
        if kind == FileType::Unknown {
            let facts = rustix::fs::statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            kind = match facts {
                Ok(facts) => FileType::from_raw_mode(facts.st_mode),
                Err(Errno::NOENT) => continue,
                Err(cause) => return Err(cause.into()),
            };
        }
        found.push((name.to_vec(), kind));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn links_are_removed_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("tree/a/b")).unwrap();
        fs::create_dir(at("precious")).unwrap();
        for file in ["tree/file", "tree/a/b/file", "precious/file"] {
            fs::write(at(file), "x").unwrap();
        }
        symlink(at("precious"), at("tree/a/link")).unwrap();
        symlink("tree", at("link")).unwrap();
        let parent = Directory::open(folder.path()).unwrap();
        let file = FileIdentity::at(&at("tree/a/b/file")).unwrap().unwrap();
        let other = FileIdentity::at(&at("precious/file")).unwrap().unwrap();
        assert!(contains(&parent, Path::new("tree"), file).unwrap());
        assert!(!contains(&parent, Path::new("tree"), other).unwrap());
        assert!(remove_tree(&parent, Path::new("link")).is_err());
        remove_tree(&parent, Path::new("tree")).unwrap();
        remove_tree(&parent, Path::new("tree")).unwrap();
        assert!(!at("tree").exists() && at("precious/file").exists());
    }

    #[test]
    fn mount_points_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("tree/mounted")).unwrap();
        fs::create_dir(at("precious")).unwrap();
        fs::write(at("precious/file"), "x").unwrap();
        let mut mount = Command::new("mount");
        mount.arg("--bind").arg(at("precious")).arg(at("tree/mounted")).stderr(Stdio::null());
        if !mount.status().is_ok_and(|status| status.success()) {
            eprintln!("\n*** not run: nothing may be mounted here ***\n");
            return;
        }
        let outcome = remove_tree(&Directory::open(folder.path()).unwrap(), Path::new("tree"));
        let kept = at("precious/file").exists();
        let unmounted = Command::new("umount").arg(at("tree/mounted")).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
        assert!(outcome.is_err() && kept);
    }
}
