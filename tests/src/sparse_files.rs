//! Builds huge databases that take hardly any disk space: nearly all of such a file is a hole.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::build::fnv1a;

/// The size of the pages.
const PAGE: u64 = 4096;

/// Grows the bolt database at `path` to `pages` pages: both meta pages claim this number, and the file has that length. Anything after the database, such as a
/// SHA-256, is overwritten by the hole.
///
/// # Panics
/// Panics if it is not a database with pages of 4,096 bytes, or cannot be written.
pub fn grow(path: &Path, pages: u64) {
    let mut database = fs::read(path).expect("a database");
    let file = File::options().write(true).open(path).expect("a database");
    // The SHA-256 follows the pages.
    file.set_len(database.len() as u64 / PAGE * PAGE).expect("a length");
    // A meta page's fields start at byte 16; the page count is at byte 40 of them, and the checksum two numbers later.
    for meta in [16, PAGE as usize + 16] {
        assert_eq!(database[meta + 8..meta + 12], 4096_u32.to_le_bytes(), "the size of a page");
        database[meta + 40..meta + 48].copy_from_slice(&pages.to_le_bytes());
        let sum = fnv1a(&database[meta..meta + 56]);
        database[meta + 56..meta + 64].copy_from_slice(&sum.to_le_bytes());
        file.write_all_at(&database[meta..meta + 64], meta as u64).expect("a meta page");
    }
    file.set_len(pages * PAGE).expect("a length");
}
