//! Syncs the entries of a directory to the disk, so that a rename survives a power failure.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::directory::Directory;

/// How many names are tried for a temporary file.
const MAX_TRIES: usize = 16;

/// Prepared sync of a directory, opened before anything is written, so that missing permissions or file descriptors cannot prevent it later.
///
/// A directory that may be written but not read (mode 0333 or 0300) cannot be opened for `fsync`, and some file systems refuse `fsync` of a directory.
/// In both cases the whole file system is synced, if necessary through a temporary file in the directory.
#[derive(Debug)]
pub(crate) enum DirectorySync {
    /// The directory, open for reading.
    Itself(File),
    /// A file without a name on its file system.
    FileSystem(File),
}

impl DirectorySync {
    /// Prepares to sync `directory`.
    ///
    /// # Errors
    /// When it can be neither read nor written, or another error of the system.
    pub fn prepare(directory: &Directory) -> io::Result<Self> {
        match directory.readable() {
            Ok(opened) => Ok(Self::Itself(opened)),
            Err(cause) if is_refusal(&cause) => Ok(Self::FileSystem(nameless_file(directory)?)),
            Err(cause) => Err(cause),
        }
    }

    /// Waits until the entries are on the disk.
    ///
    /// # Errors
    /// An error of the system; then it is unknown what reached the disk.
    pub fn run(&self) -> io::Result<()> {
        match self {
            Self::Itself(opened) => match opened.sync_all() {
                Err(cause) if is_refusal(&cause) => Ok(rustix::fs::syncfs(opened)?),
                outcome => outcome,
            },
            Self::FileSystem(file) => Ok(rustix::fs::syncfs(file)?),
        }
    }
}

fn is_refusal(cause: &io::Error) -> bool {
    let errno = Errno::from_io_error(cause);
    matches!(errno, Some(Errno::ACCESS | Errno::PERM | Errno::INVAL | Errno::NOTSUP | Errno::NOSYS))
}

/// Creates a file without a name on the file system of `directory`, or one whose name is removed at once.
fn nameless_file(directory: &Directory) -> io::Result<File> {
    if let Some(file) = directory.nameless_file()? {
        return Ok(file);
    }
    for _ in 0..MAX_TRIES {
        let name = format!(".etcdsnap-{:016x}", rand::random::<u64>());
        match directory.create(Path::new(&name)) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                let made = made?;
                directory.remove(Path::new(&name), false)?;
                return Ok(made);
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn syncs_directories_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path(), Path::new(".")] {
            DirectorySync::prepare(&Directory::open(path).unwrap()).unwrap().run().unwrap();
        }
        let opened = Directory::open(directory.path()).unwrap();
        DirectorySync::FileSystem(nameless_file(&opened).unwrap()).run().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
