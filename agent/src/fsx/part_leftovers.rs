//! Removes part files that killed runs left, if they are proven to be this user's own.
//!
//! If another user may write to the directory, a name proves nothing: anyone can put a link, a FIFO, or another file of ours under it. A part file therefore
//! carries a mark, an extended attribute that only its owner can set, from before anything is written to it until it has its final name. If others cannot write
//! to the directory, the name is proof enough. On file systems without extended attributes (NFS before 4.2, vfat) that is the only proof, so leftovers in
//! shared directories stay there, and are reported.

use std::ffi::OsStr;
use std::fs::{File, Metadata, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, XattrFlags};

use super::directory::Directory;
use super::file_identity::FileIdentity;
use super::leftover::is_private;

/// Start and end of the names of part files; random letters and digits are between them.
pub(super) const PREFIX: &str = ".etcdsnap-";
pub(super) const SUFFIX: &str = ".part";
pub(super) const RANDOM_LEN: usize = 8;

/// The mode of a part file.
const MODE: u32 = 0o600;

/// The extended attribute that marks a part file.
const MARK: &str = "user.etcdsnap.part";

/// Unproven leftovers that are listed at most.
const MAX_LISTED: usize = 10;

/// Whether a name is that of a part file.
pub(crate) fn is_part_name(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|name| name.strip_suffix(SUFFIX));
    random.is_some_and(|random| random.len() == RANDOM_LEN && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Marks a part file as this program's. Has no effect without extended attributes.
pub(super) fn mark(file: &File) {
    let _ = rustix::fs::fsetxattr(file, MARK, b"1", XattrFlags::empty());
}

/// Removes the mark from a file that has its final name. If that fails, the mark does no harm under that name.
pub(super) fn unmark(file: &File) {
    let _ = rustix::fs::fremovexattr(file, MARK);
}

pub(super) fn is_marked(file: &File) -> bool {
    let mut value = [0; 8];
    rustix::fs::fgetxattr(file, MARK, &mut value[..]).is_ok()
}

/// Removes the part files in `directory` that no run uses and that are proven to be ours. Returns at most ten of this user's files that look like part files but cannot be
/// proven. A directory that cannot be listed is left as it is.
pub(super) fn remove_leftovers(directory: &Directory) -> Vec<PathBuf> {
    let (Ok(facts), Ok(names)) = (directory.metadata(), directory.names()) else { return Vec::new() };
    let mut unproven = Vec::new();
    for name in names.flatten().filter(|name| is_part_name(name)) {
        let path = Path::new(&name);
        match classify(directory, path, &facts) {
            Some(Leftover::Proven) => drop(directory.remove(path, false)),
            Some(Leftover::Unproven) if unproven.len() < MAX_LISTED => unproven.push(directory.path_of(path)),
            Some(Leftover::Unproven) | None => {}
        }
    }
    unproven
}

enum Leftover {
    Proven,
    Unproven,
}

/// Decides whether a file is a leftover of ours. `None` for files of other users, files in use, and unknown cases.
fn classify(directory: &Directory, name: &Path, parent_facts: &Metadata) -> Option<Leftover> {
    let could_be_ours = |facts: &Metadata| {
        facts.is_file() && facts.nlink() == 1 && facts.mode() & 0o7777 == MODE && is_private(facts, parent_facts.dev())
    };
    // Only regular files are opened: opening a FIFO or a device can block or have effects.
    let named = directory.stat(name).ok()??;
    if FileType::from_raw_mode(named.st_mode) != FileType::RegularFile {
        return None;
    }
    // NFS grants an exclusive lock only on files opened for writing.
    let file = directory.open_file(name, OFlags::RDWR).ok()?;
    let facts = file.metadata().ok().filter(could_be_ours)?;
    match file.try_lock() {
        Ok(()) => {}
        // A run uses it, or the file system has no locks.
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => return None,
    }
    if !directory.has(name, FileIdentity::of(&facts)).ok()? {
        return None;
    }
    let proven = is_marked(&file) || only_we_write(parent_facts);
    Some(if proven { Leftover::Proven } else { Leftover::Unproven })
}

/// Whether only this user and root can put entries into the directory.
pub(super) fn only_we_write(directory: &Metadata) -> bool {
    let owner_is_root = directory.uid() == 0 && directory.mode() & 0o022 == 0;
    owner_is_root || is_private(directory, directory.dev())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct TestDirectory {
        directory: tempfile::TempDir,
    }

    impl TestDirectory {
        /// Creates a directory, open to other users or not.
        fn new(mode: u32) -> Self {
            let directory = tempfile::tempdir().unwrap();
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            Self { directory }
        }

        fn remove_all(&self) -> Vec<PathBuf> {
            remove_leftovers(&Directory::open(self.directory.path()).unwrap())
        }

        fn path(&self, random: &str) -> PathBuf {
            self.directory.path().join(format!("{PREFIX}{random}{SUFFIX}"))
        }

        /// Creates a file with this mode and such a name, with or without the mark.
        fn file(&self, random: &str, mode: u32, marked: bool) -> PathBuf {
            let path = self.path(random);
            fs::write(&path, "half").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            if marked {
                mark(&File::options().write(true).open(&path).unwrap());
            }
            path
        }
    }

    fn has_attributes() -> bool {
        let file = tempfile::tempfile().unwrap();
        mark(&file);
        let has = is_marked(&file);
        if !has {
            eprintln!("*** the file system of the temporary directory has no extended attributes ***");
        }
        has
    }

    #[test]
    fn only_exact_names_are_leftovers() {
        for (name, is) in [
            (".etcdsnap-a1B2c3D4.part", true),
            (".etcdsnap-a1B2c3D.part", false),
            (".etcdsnap-a1B2c3D45.part", false),
            (".etcdsnap-a1B2c3D/.part", false),
            ("x.etcdsnap-a1B2c3D4.part", false),
            (".etcdsnap-a1B2c3D4.part.gz", false),
        ] {
            assert_eq!(is_part_name(OsStr::new(name)), is, "{name}");
        }
    }

    #[test]
    fn the_name_is_proof_in_a_private_directory() {
        let place = TestDirectory::new(0o755);
        let (plain, marked) = (place.file("AAAAAAAA", 0o600, false), place.file("BBBBBBBB", 0o600, true));
        assert_eq!(place.remove_all(), [""; 0].map(PathBuf::from));
        assert!(!plain.exists() && !marked.exists());
    }

    #[test]
    fn the_mark_is_proof_in_a_shared_directory() {
        for mode in [0o777, 0o1777, 0o775] {
            let place = TestDirectory::new(mode);
            let (plain, marked) = (place.file("AAAAAAAA", 0o600, false), place.file("BBBBBBBB", 0o600, true));
            assert_eq!(place.remove_all(), std::slice::from_ref(&plain));
            assert!(plain.exists());
            assert_eq!(marked.exists(), !has_attributes());
        }
    }

    #[test]
    fn files_that_may_belong_to_others_stay() {
        let place = TestDirectory::new(0o777);
        let victim = place.directory.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let files = [
            place.file("grpwrite", 0o660, true),
            place.file("allread0", 0o644, true),
            place.file("setuid00", 0o4600, true),
            place.file("hardlink", 0o600, true),
        ];
        fs::hard_link(&files[3], place.directory.path().join("other name")).unwrap();
        symlink(&victim, place.path("symlink0")).unwrap();
        symlink("/dev/zero", place.path("symlink1")).unwrap();
        fs::create_dir(place.path("director")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, place.path("fifo0000"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let before = fs::read_dir(place.directory.path()).unwrap().count();
        assert_eq!(place.remove_all(), [""; 0].map(PathBuf::from));
        assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), before);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn another_users_file_stays_even_for_root() {
        let place = TestDirectory::new(0o755);
        let path = place.file("stranger", 0o600, true);
        if std::os::unix::fs::chown(&path, Some(4321), None).is_err() {
            eprintln!("*** only root can give files away ***");
            return;
        }
        assert_eq!(place.remove_all(), [""; 0].map(PathBuf::from));
        assert!(path.exists());
    }

    #[test]
    fn files_in_use_stay() {
        let place = TestDirectory::new(0o755);
        let path = place.file("atwork00", 0o600, true);
        let lock = File::open(&path).unwrap();
        lock.lock().unwrap();
        assert_eq!(place.remove_all(), [""; 0].map(PathBuf::from));
        assert!(path.exists());
        drop(lock);
        place.remove_all();
        assert!(!path.exists());
    }

    #[test]
    fn at_most_ten_are_listed() {
        let place = TestDirectory::new(0o777);
        for number in 0..MAX_LISTED + 5 {
            place.file(&format!("{number:08}"), 0o600, false);
        }
        assert_eq!(place.remove_all().len(), MAX_LISTED);
    }
}
