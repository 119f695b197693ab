//! Changes a file in place.

use super::{File, meta};
use crate::build::fnv1a;

impl File {
    pub fn put_u16(&mut self, at: usize, value: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    pub fn put_u32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    pub fn put_u64(&mut self, at: usize, value: u64) {
        self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// Updates the checksum of a meta page.
    pub fn update_meta_checksum(&mut self, page: u64) {
        let at = self.at(page);
        let sum = fnv1a(&self.bytes[at + 16..at + meta::CHECKSUM]);
        self.put_u64(at + meta::CHECKSUM, sum);
    }

    /// Sets a u64 field of both meta pages, and updates their checksums.
    pub fn set_metas(&mut self, field: usize, value: u64) {
        for page in [0, 1] {
            self.put_u64(self.at(page) + field, value);
            self.update_meta_checksum(page);
        }
    }
}

impl File {
    /// Rewrites the first elements of a leaf page, in bolt's layout.
    pub fn rewrite_leaf(&mut self, page: u64, elements: usize) {
        let start = self.at(page);
        let kept: Vec<_> = self.leaves(page).into_iter().take(elements).collect();
        let pairs: Vec<_> = kept
            .iter()
            .map(|leaf| (self.bytes[leaf.key.clone()].to_vec(), self.bytes[leaf.value.clone()].to_vec()))
            .collect();
        self.put_u16(start + 10, elements as u16);
        let mut pair = start + 16 + 16 * elements;
        for (i, (key, value)) in pairs.iter().enumerate() {
            let at = start + 16 + 16 * i;
            self.put_u32(at + 4, (pair - at) as u32);
            self.put_u32(at + 8, key.len() as u32);
            self.put_u32(at + 12, value.len() as u32);
            for part in [key, value] {
                self.bytes[pair..pair + part.len()].copy_from_slice(part);
                pair += part.len();
            }
        }
    }

    /// Rewrites the elements of a branch page, in bolt's layout; they must fit.
    pub fn rewrite_branch(&mut self, page: u64, children: &[(Vec<u8>, u64)]) {
        let start = self.at(page);
        self.put_u16(start + 8, super::BRANCH);
        self.put_u16(start + 10, children.len() as u16);
        let mut pair = start + 16 + 16 * children.len();
        for (i, (key, child)) in children.iter().enumerate() {
            let at = start + 16 + 16 * i;
            self.put_u32(at, (pair - at) as u32);
            self.put_u32(at + 4, key.len() as u32);
            self.put_u64(at + 8, *child);
            self.bytes[pair..pair + key.len()].copy_from_slice(key);
            pair += key.len();
        }
    }
}
