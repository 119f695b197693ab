//! Estimates the size of a database after a compaction and a defragmentation, from the bytes of its entries.
//!
//! etcd's defragmentation writes every bucket into a new file, in order, and bbolt fills its pages to 90 %, with at
//! least two entries per page. The result has at least five pages: two meta pages, the freelist and the root of the
//! empty file, which become free, and the root with the buckets small enough to be inline. Sources: `defragdb` in
//! etcd's `server/storage/backend/backend.go`, `node.split` and `Bucket.inlineable` in bbolt.

use crate::bolt::bucket::BUCKET_HEADER;
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::error::Error;
use crate::etcd::bucket_rules::REQUIRED;
use crate::source::Source;
use crate::store::opened_store::Store;
use crate::store::page_share::share;
use crate::store::usage_by_group::Sums;

/// Pages of an empty file: meta pages, freelist, root.
const EMPTY_FILE: u64 = 4;
/// Bytes of an entry of bucket `key` in a branch page: a revision and its element.
const BRANCH_ENTRY: u64 = (ELEMENT + 17) as u64;

impl<S: Source + ?Sized> Store<'_, S> {
    /// Estimates the size of the database in bytes after a compaction that keeps only the newest entries of live keys,
    /// and a defragmentation; `sums` are the totals of those keys.
    ///
    /// # Errors
    /// The small buckets cannot be read.
    pub fn defragmented_bytes(&self, sums: &Sums) -> Result<u64, Error> {
        let page_size = self.geometry.page_size;
        let page = u64::from(page_size).max(1);
        let mut pages = EMPTY_FILE;
        let mut root = HEADER as u64;
        // Counts only etcd's own buckets: a hostile file can have thousands more that share pages.
        for name in REQUIRED {
            let (mut bytes, mut packed) = (0_u64, 0_u64);
            if *name == "key" {
                (bytes, packed) = (sums.total.live_bytes, sums.packed_bytes);
            } else {
                self.bucket(name, &mut |key, value| {
                    let entry = (ELEMENT as u64).saturating_add(key.len() as u64).saturating_add(value.len() as u64);
                    bytes = bytes.saturating_add(entry);
                    packed = packed.saturating_add(share(entry, page_size));
                })?;
            }
            let mut in_root = ELEMENT.saturating_add(name.len()).saturating_add(BUCKET_HEADER) as u64;
            let inline = bytes.saturating_add(HEADER as u64);
            if inline <= page / 4 {
                in_root = in_root.saturating_add(inline);
            } else {
                let leaves = packed.div_ceil(page).max(1);
                let branches =
                    if leaves > 1 { leaves.saturating_mul(share(BRANCH_ENTRY, page_size)).div_ceil(page) } else { 0 };
                pages = pages.saturating_add(leaves).saturating_add(branches);
            }
            root = root.saturating_add(in_root);
        }
        Ok(pages.saturating_add(root.div_ceil(page)).saturating_mul(page))
    }
}
