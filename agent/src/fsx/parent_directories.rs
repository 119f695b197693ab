//! Checks which users could have replaced a directory, through the directories around it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::directory::Directory;
use super::file_identity::FileIdentity;
use super::other_users::{WRITABLE_BY_OTHERS, is_open_to_others, is_owner_trusted};

/// The bit of a directory's mode that lets only owners replace their entries in it.
const STICKY_BIT: u32 = 0o1000;

/// Nesting deeper than this is refused.
pub(crate) const MAX_PARENTS: usize = 4096;

/// Returns the innermost parent directory of `path` in which another user could have created or moved the entry. This user, root, and the owner
/// of the entry itself do not count (the owner gains nothing by it). `None` if there is no such directory. `directory` is the directory at `path`.
///
/// # Errors
/// When the metadata cannot be read.
pub(crate) fn parent_open_to_others(directory: &Directory, path: &Path) -> io::Result<Option<PathBuf>> {
    let real = fs::canonicalize(path).ok();
    let (mut inner, mut facts) = (directory.try_clone()?, directory.metadata()?);
    let owner = facts.uid();
    for level in 1..MAX_PARENTS {
        let outer = inner.follow(Path::new(".."))?;
        let parent_facts = outer.metadata()?;
        if FileIdentity::of(&parent_facts) == FileIdentity::of(&facts) {
            return Ok(None);
        }
        // With the sticky bit, nobody else can move entries of this user or root.
        let kept = parent_facts.mode() & STICKY_BIT != 0 && is_owner_trusted(&parent_facts) && is_owner_trusted(&facts);
        let theirs = parent_facts.uid() == owner && parent_facts.mode() & WRITABLE_BY_OTHERS == 0;
        if is_open_to_others(&parent_facts) && !kept && !theirs {
            let named = real.as_deref().and_then(|real| real.ancestors().nth(level));
            return Ok(Some(named.unwrap_or(outer.display_path()).to_owned()));
        }
        (inner, facts) = (outer, parent_facts);
    }
    Ok(Some(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    #[test]
    fn a_directory_is_open_by_its_mode_or_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, open) in [(0o700, false), (0o755, false), (0o775, true), (0o1777, true), (0o757, true)] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_others(&fs::metadata(folder.path()).unwrap()), open, "{mode:o}");
        }
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        if chown(folder.path(), Some(4321), None).is_err() {
            eprintln!("*** only root can give directories away ***");
            return;
        }
        assert!(is_open_to_others(&fs::metadata(folder.path()).unwrap()));
    }

    #[test]
    fn finds_the_parent_that_others_may_write_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("outer/around/data")).unwrap();
        let mode = |name: &str, mode| fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        let found = || {
            let data = at("outer/around/data");
            parent_open_to_others(&Directory::open(&data).unwrap(), &data).unwrap()
        };
        let real = folder.path().canonicalize().unwrap();
        mode("outer", 0o755);
        mode("outer/around", 0o755);
        assert_eq!(found(), None);
        mode("outer/around", 0o777);
        assert_eq!(found(), Some(real.join("outer/around")));
        mode("outer/around", 0o755);
        mode("outer", 0o777);
        assert_eq!(found(), Some(real.join("outer")));
        mode("outer", 0o1777);
        assert_eq!(found(), None);
        mode("outer/around", 0o1777);
        assert_eq!(found(), None);
        if chown(at("outer/around/data"), Some(4321), None).is_err() {
            eprintln!("*** only root can give directories away ***");
            return;
        }
        assert_eq!(found(), Some(real.join("outer/around")));
        // A home directory is its owner's; but not a directory that a user created in a place for all.
        chown(at("outer/around"), Some(4321), None).unwrap();
        mode("outer/around", 0o755);
        assert_eq!(found(), Some(real.join("outer")));
        mode("outer", 0o755);
        assert_eq!(found(), None);
        mode("outer/around", 0o775);
        assert_eq!(found(), Some(real.join("outer/around")));
        chown(at("outer/around"), Some(1234), None).unwrap();
        mode("outer/around", 0o755);
        assert_eq!(found(), Some(real.join("outer/around")));
    }
}
