//! An independent builder of bolt files and etcd snapshots: written from the format, without code from core.
//!
//! ```text
//! database_contents  buckets, keys and values, independent of pages
//! layout             page size, fill, freelist, free pages, order of pages
//! pack               distributes the contents over pages
//! page_placement     numbers the pages and writes the bytes
//! history            a random valid history of an etcd store, and the numbers expected of it
//! cluster            etcd's other buckets
//! puts               a small store of given keys
//! ```

pub mod cluster;
pub mod database_contents;
pub mod history;
pub mod kubernetes;
pub mod layout;
pub mod message;
mod pack;
mod page_placement;
pub mod puts;
pub mod random;

pub use database_contents::{Bucket, Node};
pub use layout::{Freelist, Layout};
pub use page_placement::{Built, fnv1a, write};

use sha2::{Digest, Sha256};

/// Appends the SHA-256 of the database, as `snapshot save` does.
#[must_use]
pub fn with_trailer(database: &[u8]) -> Vec<u8> {
    let mut file = database.to_vec();
    file.extend_from_slice(&Sha256::digest(database));
    file
}
