//! Reads the contents of a file, for damage that changes sizes, so that the file must be written again.

use super::{BRANCH, File};
use crate::build::{Bucket, Node};

impl File {
    /// Reads the contents of the file.
    #[must_use]
    pub fn tree(&self) -> Bucket {
        let meta = self.meta();
        let mut root = Bucket { sequence: meta.sequence, ..Bucket::default() };
        self.collect(meta.root, &mut root);
        root
    }

    fn collect(&self, page: u64, bucket: &mut Bucket) {
        if self.header(page).flags == BRANCH {
            for (_, _, child) in self.branches(page) {
                self.collect(child, bucket);
            }
            return;
        }
        self.collect_leaf(page, self.at(page), bucket);
    }

    fn collect_leaf(&self, page: u64, start: usize, bucket: &mut Bucket) {
        for leaf in self.leaves_at(page, start) {
            let key = self.bytes[leaf.key.clone()].to_vec();
            let node = if leaf.flags == 1 {
                let root = self.u64(leaf.value.start);
                let mut below = Bucket { sequence: self.u64(leaf.value.start + 8), ..Bucket::default() };
                if root == 0 {
                    self.collect_leaf(page, leaf.value.start + 16, &mut below);
                } else {
                    self.collect(root, &mut below);
                }
                Node::Bucket(below)
            } else {
                Node::Value(self.bytes[leaf.value.clone()].to_vec())
            };
            bucket.entries.insert(key, node);
        }
    }
}
