//! An independent builder of bolt files and etcd snapshots: written from the format, without a line of core.
//!
//! ```text
//! tree    what a database holds: buckets, keys, values
//! layout  how it is to lie in the file: page size, fill, freelist, free pages, order
//! pack    cuts a tree into pages
//! place   gives the pages their numbers and writes the bytes
//! history a random valid life of an etcd store, and what is true of it
//! cluster the rest of etcd's buckets
//! puts    a small store of given keys
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

/// The database with its SHA-256 behind it, as `snapshot save` writes it.
#[must_use]
pub fn with_trailer(database: &[u8]) -> Vec<u8> {
    let mut file = database.to_vec();
    file.extend_from_slice(&Sha256::digest(database));
    file
}
