//! Walks from the root to every page and element.

use std::ops::Range;

use super::{BRANCH, File, LEAF};

/// A page that the tree reaches.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Its number.
    pub page: u64,
    /// Its parent page; `None` for the root page of a bucket.
    pub parent: Option<u64>,
    /// Its index among the elements of the parent.
    pub index: usize,
    /// How many branch pages of the same bucket are above it.
    pub depth: usize,
    /// Names of the buckets it belongs to; empty for the root bucket.
    pub bucket: Vec<Vec<u8>>,
    /// [`BRANCH`] or [`LEAF`].
    pub flags: u16,
}

/// An element of a leaf page (or of an inline bucket's page).
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The page that contains it.
    pub page: u64,
    /// Offset of the element itself.
    pub at: usize,
    /// Its flags: 1 for a bucket.
    pub flags: u32,
    /// Byte range of its key.
    pub key: Range<usize>,
    /// Byte range of its value.
    pub value: Range<usize>,
}

impl File {
    /// Returns the elements of a leaf page.
    #[must_use]
    pub fn leaves(&self, page: u64) -> Vec<Leaf> {
        self.leaves_at(page, self.at(page))
    }

    /// Returns the elements of the leaf page whose header is at `start`, which may be an inline bucket's.
    pub(super) fn leaves_at(&self, page: u64, start: usize) -> Vec<Leaf> {
        (0..usize::from(self.u16(start + 10)))
            .map(|i| {
                let at = start + 16 + 16 * i;
                let key = at + self.u32(at + 4) as usize;
                let value = key + self.u32(at + 8) as usize;
                let end = value + self.u32(at + 12) as usize;
                Leaf { page, at, flags: self.u32(at), key: key..value, value: value..end }
            })
            .collect()
    }

    /// Returns the elements of a branch page: offset, byte range of the key, and the child.
    #[must_use]
    pub fn branches(&self, page: u64) -> Vec<(usize, Range<usize>, u64)> {
        let start = self.at(page);
        (0..usize::from(self.u16(start + 10)))
            .map(|i| {
                let at = start + 16 + 16 * i;
                let key = at + self.u32(at) as usize;
                (at, key..key + self.u32(at + 4) as usize, self.u64(at + 8))
            })
            .collect()
    }

    /// Returns every page of every bucket, parents first, in key order.
    #[must_use]
    pub fn visits(&self) -> Vec<Visit> {
        let mut visits = Vec::new();
        self.visit(self.meta().root, None, 0, 0, &[], &mut visits);
        visits
    }

    fn visit(
        &self,
        page: u64,
        parent: Option<u64>,
        index: usize,
        depth: usize,
        bucket: &[Vec<u8>],
        visits: &mut Vec<Visit>,
    ) {
        let flags = self.header(page).flags;
        visits.push(Visit { page, parent, index, depth, bucket: bucket.to_vec(), flags });
        if flags == BRANCH {
            for (index, (_, _, child)) in self.branches(page).into_iter().enumerate() {
                self.visit(child, Some(page), index, depth + 1, bucket, visits);
            }
            return;
        }
        assert_eq!(flags, LEAF, "page {page} of a good file");
        for leaf in self.leaves(page) {
            let root = if leaf.flags == 1 { self.u64(leaf.value.start) } else { 0 };
            if root != 0 {
                let mut below = bucket.to_vec();
                below.push(self.bytes[leaf.key.clone()].to_vec());
                self.visit(root, None, 0, 0, &below, visits);
            }
        }
    }

    /// Returns the pages of one top-level bucket.
    #[must_use]
    pub fn visits_of(&self, bucket: &str) -> Vec<Visit> {
        self.visits().into_iter().filter(|v| v.bucket.len() == 1 && v.bucket[0] == bucket.as_bytes()).collect()
    }

    /// Returns the element of a top-level bucket in the root.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Option<Leaf> {
        let root_leaves = self.visits().into_iter().filter(|v| v.bucket.is_empty() && v.flags == LEAF);
        root_leaves.flat_map(|v| self.leaves(v.page)).find(|leaf| self.bytes[leaf.key.clone()] == *name.as_bytes())
    }

    /// Returns whether a top-level bucket is inline.
    #[must_use]
    pub fn is_inline(&self, bucket: &Leaf) -> bool {
        self.u64(bucket.value.start) == 0
    }

    /// Returns all elements of a top-level bucket in key order, inline or not.
    #[must_use]
    pub fn entries(&self, name: &str) -> Vec<Leaf> {
        let Some(bucket) = self.bucket(name) else { return Vec::new() };
        if self.is_inline(&bucket) {
            return self.leaves_at(bucket.page, bucket.value.start + 16);
        }
        self.visits_of(name).into_iter().filter(|v| v.flags == LEAF).flat_map(|v| self.leaves(v.page)).collect()
    }

    /// Returns the element with this key in a top-level bucket.
    #[must_use]
    pub fn entry(&self, bucket: &str, key: &[u8]) -> Option<Leaf> {
        self.entries(bucket).into_iter().find(|leaf| self.bytes[leaf.key.clone()] == *key)
    }
}
