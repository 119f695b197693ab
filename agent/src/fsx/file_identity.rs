//! Identifies files: two paths name the same file if device and inode are the same.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The identity of a file, independent of its names: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// Returns the identity from metadata.
    pub fn of(facts: &Metadata) -> Self {
        Self { device: facts.dev(), inode: facts.ino() }
    }

    /// Returns the identity from rustix's metadata.
    pub fn of_stat(facts: &rustix::fs::Stat) -> Self {
        Self { device: facts.st_dev, inode: facts.st_ino }
    }

    /// Returns the inode number.
    pub fn inode(self) -> u64 {
        self.inode
    }

    /// Returns the identity of the file at `path`, following links; `None` if it does not exist.
    ///
    /// # Errors
    /// When the metadata cannot be read, for example without search permission for a directory of the path.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(facts) => Ok(Some(Self::of(&facts))),
            Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Returns the identity of an input: the file at the path, or standard input for `-`. `None` if there is none or it is unknown; then it cannot be read, either.
    pub fn of_input(path: &Path) -> Option<Self> {
        if path.as_os_str() != "-" {
            return Self::at(path).ok().flatten();
        }
        let stdin = io::stdin().as_fd().try_clone_to_owned().ok()?;
        File::from(stdin).metadata().ok().as_ref().map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_of_a_file_have_the_same_identity() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("a"), "same").unwrap();
        fs::write(at("b"), "same").unwrap();
        fs::hard_link(at("a"), at("hard")).unwrap();
        std::os::unix::fs::symlink(at("a"), at("soft")).unwrap();
        let a = FileIdentity::at(&at("a")).unwrap();
        assert!(a.is_some());
        assert_eq!(FileIdentity::at(&at("hard")).unwrap(), a);
        assert_eq!(FileIdentity::at(&at("soft")).unwrap(), a);
        assert_eq!(FileIdentity::at(&directory.path().join("./a")).unwrap(), a);
        assert_ne!(FileIdentity::at(&at("b")).unwrap(), a);
        assert_eq!(FileIdentity::at(&at("missing")).unwrap(), None);
        assert_eq!(FileIdentity::at(&at("a/below")).unwrap(), None);
    }
}
