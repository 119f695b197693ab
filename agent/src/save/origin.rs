//! Proves which cluster an old snapshot belongs to.
//!
//! The proof is an extended attribute that `save` puts on the file: the file's mark. It counts only while the file has the name, size and modification time that
//! it had then, so that neither a copy over an old file nor one under another name has a valid mark. On file systems without attributes, the cluster's id in
//! the name counts, or the members in the snapshot itself. Members prove it if all are current or former members of this cluster, and at least one is current: ids are hashes of peer URLs,
//! the cluster's token and, for members added later, the time. A restore by etcd 3.4 leaves the old cluster's members beside the new ones; then they prove nothing.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use etcdsnap_core::Revision;
use etcdsnap_core::store::{OpenedStore, Store};
use rustix::fs::{OFlags, XattrFlags};
use sha2::{Digest, Sha256};

use super::same_history::LastWrite;
use crate::fsx::directory::Directory;
use crate::input::{Body, Input};

const ATTRIBUTE: &str = "user.etcdsnap.origin";

/// Bytes of the attribute's value at most: six pairs with numbers.
const MAX_MARK_LEN: usize = 512;

/// Length of the file name's SHA-256 in the mark.
const NAME_HASH_LEN: usize = 16;

/// A file in an open directory, by its name there.
#[derive(Clone, Copy)]
pub(super) struct FileIn<'d> {
    pub directory: &'d Directory,
    pub name: &'d OsStr,
}

impl FileIn<'_> {
    /// Opens it for reading, unless it is now a link, a FIFO or a device.
    pub fn open(self) -> Option<File> {
        let file = self.directory.open_file(Path::new(self.name), OFlags::RDONLY).ok()?;
        file.metadata().is_ok_and(|facts| facts.is_file()).then_some(file)
    }

    /// Returns its path, for messages.
    pub fn display_path(self) -> PathBuf {
        self.directory.path_of(self.name)
    }
}

/// The origin of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub cluster: u64,
    /// The latest revision, if it was read.
    pub revision: Option<Revision>,
    /// The last write, if it was read.
    pub last: Option<LastWrite>,
}

impl Origin {
    /// Writes the mark on a complete file that will get that name. Does nothing on file systems without attributes.
    pub fn write_mark(self, file: &File, name: &OsStr) {
        let Ok(facts) = file.metadata() else { return };
        let revision = self.revision.map(|revision| format!(" revision={revision}")).unwrap_or_default();
        let last = self.last.map(|last| format!(" last={}:{:016x}", last.revision, last.hash)).unwrap_or_default();
        let value = format!("cluster={:x}{revision}{last} {}", self.cluster, fingerprint(&facts, name));
        let _ = rustix::fs::fsetxattr(file, ATTRIBUTE, value.as_bytes(), XattrFlags::empty());
    }

    /// Reads the mark; `None` without one, or if the file was changed or renamed since.
    pub fn read_mark(file: &File, name: &OsStr) -> Option<Self> {
        let mut value = [0; MAX_MARK_LEN];
        let len = rustix::fs::fgetxattr(file, ATTRIBUTE, &mut value[..]).ok()?;
        let text = std::str::from_utf8(value.get(..len)?).ok()?;
        let unchanged = text.ends_with(&fingerprint(&file.metadata().ok()?, name));
        let field = |field: &str| text.split(' ').find_map(|pair| pair.strip_prefix(field)?.strip_prefix('='));
        let cluster = u64::from_str_radix(field("cluster")?, 16).ok().filter(|_| unchanged)?;
        let last = field("last").and_then(|last| {
            let (revision, hash) = last.split_once(':')?;
            Some(LastWrite { revision: revision.parse().ok()?, hash: u64::from_str_radix(hash, 16).ok()? })
        });
        Some(Self { cluster, revision: field("revision").and_then(|revision| revision.parse().ok()), last })
    }

    /// Reads the mark of a file that may be missing, or have become a link, a FIFO or a device.
    pub fn of(file: FileIn<'_>) -> Option<Self> {
        Self::read_mark(&file.open()?, file.name)
    }
}

fn fingerprint(facts: &std::fs::Metadata, name: &OsStr) -> String {
    let name = Sha256::digest(name.as_bytes());
    let name: String =
        name.iter().map(|byte| format!("{byte:02x}")).collect::<String>().chars().take(NAME_HASH_LEN).collect();
    format!("name={name} bytes={} modified={}.{:09}", facts.len(), facts.mtime(), facts.mtime_nsec())
}

/// The members recorded in an uncompressed snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct RecordedMembers {
    /// Ids of the members.
    pub members: Vec<u64>,
    /// Ids of removed members.
    pub removed: Vec<u64>,
}

impl RecordedMembers {
    /// Reads everything except the keys; `path` is for messages. `None` if the file is compressed, or if any of the read data is damaged.
    pub fn of(file: File, path: &Path) -> Option<Self> {
        let Body::Plain(source) = Input::of_file(file, path).ok()?.body else { return None };
        let OpenedStore::Store(store) = Store::open(&source).ok()? else { return None };
        let members = store.members().ok()?;
        let complete = members.left_out == 0;
        let members = members.items.iter().map(|member| member.id).collect();
        let contents = Self { members, removed: store.removed_members().ok()? };
        (complete && store.is_whole()).then_some(contents)
    }
}

/// The current and former members of a cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'m> {
    pub current: &'m [u64],
    pub removed: &'m [u64],
}

impl Members<'_> {
    /// Whether a snapshot with these members can only belong to this cluster.
    pub fn prove(&self, of_snapshot: &[u64]) -> bool {
        let known = |id: &u64| self.current.contains(id) || self.removed.contains(id);
        of_snapshot.iter().all(known) && of_snapshot.iter().any(|id| self.current.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    /// Reads a file's mark by its path.
    fn of(path: &Path) -> Option<Origin> {
        let directory = Directory::open(path.parent().unwrap()).unwrap();
        Origin::of(FileIn { directory: &directory, name: path.file_name().unwrap() })
    }

    #[test]
    fn the_mark_is_valid_only_while_the_file_is_unchanged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("snapshot.db");
        fs::write(&path, "bytes").unwrap();
        let file = File::options().append(true).read(true).open(&path).unwrap();
        let last = LastWrite { revision: Revision::new(42), hash: 7 };
        let origin = Origin { cluster: 0xcafe, revision: Some(Revision::new(42)), last: Some(last) };
        let name = path.file_name().unwrap();
        let attached = || Origin::read_mark(&file, name);
        origin.write_mark(&file, name);
        if rustix::fs::fgetxattr(&file, ATTRIBUTE, &mut [0; MAX_MARK_LEN][..]).is_err() {
            eprintln!("*** not run: the temporary directory has no extended attributes ***");
            return;
        }
        assert_eq!(attached(), Some(origin));
        assert_eq!(of(&path), Some(origin));
        // Moved to another directory under its name, it is still valid; under another name it is not.
        let below = directory.path().join("below");
        fs::create_dir(&below).unwrap();
        let moved = below.join("snapshot.db");
        fs::rename(&path, &moved).unwrap();
        assert_eq!(of(&moved), Some(origin));
        let renamed = below.join("snapshot-before-upgrade.db");
        fs::rename(&moved, &renamed).unwrap();
        assert_eq!(of(&renamed), None);
        fs::rename(&renamed, &moved).unwrap();
        (&file).write_all(b"!").unwrap();
        assert_eq!(attached(), None);
        let unread = Origin { revision: None, last: None, ..origin };
        unread.write_mark(&file, name);
        assert_eq!(attached(), Some(unread));
        // As `cp` writes another snapshot over it, here one of the same size.
        fs::write(&moved, "others").unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(attached(), None);
    }

    #[test]
    fn members_prove_a_cluster_if_all_are_known_and_one_is_current() {
        let members = Members { current: &[1, 2, 4], removed: &[3] };
        for proof in [&[1, 2, 3][..], &[1, 2, 4], &[4], &[1, 3]] {
            assert!(members.prove(proof), "{proof:?}");
        }
        for none in [&[][..], &[3], &[1, 2, 5], &[5]] {
            assert!(!members.prove(none), "{none:?}");
        }
    }

    #[test]
    fn compressed_and_foreign_files_have_no_recorded_members() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        fs::write(&path, "no snapshot").unwrap();
        assert_eq!(RecordedMembers::of(File::open(&path).unwrap(), &path), None);
        let folder = Directory::open(directory.path()).unwrap();
        std::os::unix::fs::symlink("x.db", directory.path().join("link")).unwrap();
        let opens = |name: &str| FileIn { directory: &folder, name: OsStr::new(name) }.open().is_some();
        assert_eq!(["x.db", "missing", "link", "."].map(opens), [true, false, false, false]);
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/sample.db");
        let contents = RecordedMembers::of(File::open(&sample).unwrap(), &sample).unwrap();
        assert!(!contents.members.is_empty(), "{contents:?}");
    }
}
