//! What proves of which cluster an old snapshot is when its name does not have the cluster's id.
//!
//! Two things can: an extended attribute that `save` leaves on the file, and the members in the snapshot itself. Neither needs a file to be unpacked. The attribute
//! counts only while the file has the size and the time of modification that it had then, so that a copy over an old file does not inherit its origin.
//! Members prove it if they are all members of this cluster, or were, and one still is: ids are made of peer URLs, the cluster's token and, for members added later,
//! the time. A restore by etcd 3.4 leaves the old cluster's members beside the new ones, which are no proof then.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use etcdsnap_core::store::{OpenedStore, Store};
use rustix::fs::{OFlags, XattrFlags};

use crate::fsx::directory::Directory;
use crate::input::{Body, Input};

const ATTRIBUTE: &str = "user.etcdsnap.origin";

/// Bytes of the attribute's value at most: four pairs with numbers.
const LONGEST: usize = 256;

/// Where a snapshot is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub cluster: u64,
    /// The latest revision, where it was read.
    pub revision: Option<i64>,
}

impl Origin {
    /// Leaves the attribute on a file to which nothing is written any more. Some file systems have no such attributes.
    pub fn attach(self, file: &File) {
        let Ok(facts) = file.metadata() else { return };
        let revision = self.revision.map(|revision| format!(" revision={revision}")).unwrap_or_default();
        let value = format!("cluster={:x}{revision} {}", self.cluster, fingerprint(&facts));
        let _ = rustix::fs::fsetxattr(file, ATTRIBUTE, value.as_bytes(), XattrFlags::empty());
    }

    /// What the attribute says; `None` without one, or when the file was changed since.
    pub fn attached(file: &File) -> Option<Self> {
        let mut value = [0; LONGEST];
        let len = rustix::fs::fgetxattr(file, ATTRIBUTE, &mut value[..]).ok()?;
        let text = std::str::from_utf8(value.get(..len)?).ok()?;
        let unchanged = text.ends_with(&fingerprint(&file.metadata().ok()?));
        let field = |name: &str| text.split(' ').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let cluster = u64::from_str_radix(field("cluster")?, 16).ok().filter(|_| unchanged)?;
        Some(Self { cluster, revision: field("revision").and_then(|revision| revision.parse().ok()) })
    }
}

fn fingerprint(facts: &std::fs::Metadata) -> String {
    format!("bytes={} modified={}.{:09}", facts.len(), facts.mtime(), facts.mtime_nsec())
}

/// Opens an old snapshot to be read. What has become a link, a FIFO or a device meanwhile is not.
pub(super) fn open(directory: &Directory, name: &Path) -> Option<File> {
    let file = directory.open_file(name, OFlags::RDONLY).ok()?;
    file.metadata().is_ok_and(|facts| facts.is_file()).then_some(file)
}

/// What a snapshot that is not compressed says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Contents {
    /// Ids of the members.
    pub members: Vec<u64>,
    /// Ids of members that were removed.
    pub removed: Vec<u64>,
    /// The latest revision.
    pub revision: i64,
}

impl Contents {
    /// Reads all but the keys; `path` is for messages. `None` when the file is compressed, or any of that is damaged.
    pub fn of(file: File, path: &Path) -> Option<Self> {
        let Body::Plain(source) = Input::of_file(file, path).ok()?.body else { return None };
        let OpenedStore::Store(store) = Store::open(&source).ok()? else { return None };
        let members = store.members().ok()?;
        let complete = members.left_out == 0;
        let members = members.items.iter().map(|member| member.id).collect();
        let contents = Self { members, removed: store.removed_members().ok()?, revision: store.current() };
        (complete && store.lost().places == 0).then_some(contents)
    }
}

/// The members that a cluster has and had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'m> {
    pub current: &'m [u64],
    pub removed: &'m [u64],
}

impl Members<'_> {
    /// Whether a snapshot with these members can only be of this cluster.
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

    #[test]
    fn the_attribute_counts_while_the_file_is_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("snapshot.db");
        fs::write(&path, "bytes").unwrap();
        let file = File::options().append(true).read(true).open(&path).unwrap();
        let origin = Origin { cluster: 0xcafe, revision: Some(42) };
        origin.attach(&file);
        if rustix::fs::fgetxattr(&file, ATTRIBUTE, &mut [0; LONGEST][..]).is_err() {
            eprintln!("*** not run: the temporary directory has no extended attributes ***");
            return;
        }
        assert_eq!(Origin::attached(&file), Some(origin));
        let moved = directory.path().join("moved.db");
        fs::rename(&path, &moved).unwrap();
        let folder = Directory::open(directory.path()).unwrap();
        assert_eq!(Origin::attached(&open(&folder, Path::new("moved.db")).unwrap()), Some(origin));
        (&file).write_all(b"!").unwrap();
        assert_eq!(Origin::attached(&file), None);
        let unread = Origin { revision: None, ..origin };
        unread.attach(&file);
        assert_eq!(Origin::attached(&file), Some(unread));
        // As `cp` writes another snapshot over it, here one of the same size.
        fs::write(&moved, "others").unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(Origin::attached(&file), None);
    }

    #[test]
    fn members_prove_a_cluster_when_all_are_known_and_one_is_there_still() {
        let members = Members { current: &[1, 2, 4], removed: &[3] };
        for proof in [&[1, 2, 3][..], &[1, 2, 4], &[4], &[1, 3]] {
            assert!(members.prove(proof), "{proof:?}");
        }
        for none in [&[][..], &[3], &[1, 2, 5], &[5]] {
            assert!(!members.prove(none), "{none:?}");
        }
    }

    #[test]
    fn what_is_no_plain_snapshot_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        fs::write(&path, "no snapshot").unwrap();
        assert_eq!(Contents::of(File::open(&path).unwrap(), &path), None);
        let folder = Directory::open(directory.path()).unwrap();
        std::os::unix::fs::symlink("x.db", directory.path().join("link")).unwrap();
        assert!(open(&folder, Path::new("x.db")).is_some());
        assert!(["missing", "link", "."].iter().all(|name| open(&folder, Path::new(name)).is_none()));
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/sample.db");
        let contents = Contents::of(File::open(&sample).unwrap(), &sample).unwrap();
        assert!(!contents.members.is_empty() && contents.revision > 1, "{contents:?}");
    }
}
