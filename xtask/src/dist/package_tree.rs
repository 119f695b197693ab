//! Files for an archive, and archives that depend only on these files: sorted, owned by root, all with the same time.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// A file or folder of a tree.
enum Node {
    File { contents: Vec<u8>, mode: u32 },
    Folder { mode: u32 },
}

/// Files and folders under their paths, without a leading slash.
#[derive(Default)]
pub struct PackageTree {
    nodes: BTreeMap<String, Node>,
}

impl PackageTree {
    /// Adds a file that everyone may read, and the folders above it.
    pub fn file(&mut self, path: &str, contents: impl Into<Vec<u8>>) {
        self.file_with_mode(path, contents, 0o644);
    }

    /// Adds a program, and the folders above it.
    pub fn program(&mut self, path: &str, contents: impl Into<Vec<u8>>) {
        self.file_with_mode(path, contents, 0o755);
    }

    /// Adds a file with these permissions, and the folders above it.
    fn file_with_mode(&mut self, path: &str, contents: impl Into<Vec<u8>>, mode: u32) {
        self.folders_above(path);
        self.nodes.insert(path.to_owned(), Node::File { contents: contents.into(), mode });
    }

    /// Adds a folder with these permissions, and the folders above it.
    pub fn folder(&mut self, path: &str, mode: u32) {
        self.folders_above(path);
        self.nodes.insert(path.to_owned(), Node::Folder { mode });
    }

    fn folders_above(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            self.nodes.entry(path[..end].to_owned()).or_insert(Node::Folder { mode: 0o755 });
        }
    }

    /// Returns the files with their paths, in order.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::File { contents, .. } => Some((path.as_str(), contents.as_slice())),
            Node::Folder { .. } => None,
        })
    }

    /// Returns the tree as a tar archive; all times are `epoch`.
    ///
    /// # Errors
    /// When a path is too long for tar.
    pub fn tar(&self, epoch: u64) -> Result<Vec<u8>> {
        let mut builder = Builder::new(Vec::new());
        for (path, node) in &self.nodes {
            let mut header = Header::new_ustar();
            header.set_mtime(epoch);
            header.set_gid(0);
            header.set_uid(0);
            let (name, contents): (String, &[u8]) = match node {
                Node::File { contents, mode } => {
                    header.set_entry_type(EntryType::Regular);
                    header.set_mode(*mode);
                    (path.clone(), contents)
                }
                Node::Folder { mode } => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_mode(*mode);
                    (format!("{path}/"), &[])
                }
            };
            header.set_size(contents.len() as u64);
            builder.append_data(&mut header, &name, contents).with_context(|| format!("cannot pack {name}"))?;
        }
        builder.into_inner().context("cannot finish a tar archive")
    }

    /// Writes files and folders below a folder; owners are those of the process.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn write_below(&self, root: &Path) -> Result<()> {
        for (path, node) in &self.nodes {
            let place = root.join(path);
            let mode = match node {
                Node::File { contents, mode } => {
                    fs::write(&place, contents).with_context(|| format!("cannot write {}", place.display()))?;
                    *mode
                }
                Node::Folder { mode, .. } => {
                    fs::create_dir_all(&place).with_context(|| format!("cannot create {}", place.display()))?;
                    *mode
                }
            };
            fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

/// Packs with gzip, without time and name.
///
/// # Errors
/// Never for a buffer in memory.
pub fn gzip(contents: &[u8]) -> Result<Vec<u8>> {
    let mut packer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    packer.write_all(contents)?;
    packer.finish().context("cannot pack with gzip")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(order: &[&str]) -> PackageTree {
        let mut tree = PackageTree::default();
        for path in order {
            tree.file(path, *path);
        }
        tree.program("bin/run", "#!/bin/sh\n");
        tree
    }

    #[test]
    fn the_order_of_adding_changes_nothing() {
        let one = tree(&["b/c", "a"]).tar(7).unwrap();
        assert_eq!(one, tree(&["a", "b/c"]).tar(7).unwrap());
        assert_ne!(one, tree(&["a", "b/d"]).tar(7).unwrap());
        assert_eq!(gzip(&one).unwrap(), gzip(&one).unwrap());
    }

    #[test]
    fn an_archive_has_folders_first_and_belongs_to_root() {
        let bytes = tree(&["b/c", "a"]).tar(7).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let seen: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 7));
                (entry.path().unwrap().display().to_string(), header.mode().unwrap())
            })
            .collect();
        let expected = [("a", 0o644), ("b/", 0o755), ("b/c", 0o644), ("bin/", 0o755), ("bin/run", 0o755)];
        assert_eq!(seen, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }
}
