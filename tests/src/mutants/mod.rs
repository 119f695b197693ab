//! Mutants of snapshots: changes that respect the format, each a pure function of a seed, so that it can be repeated.
//!
//! ```text
//! numbers    numbers near a given one, and at the limits of their type
//! messages   protobuf: truncated, duplicate and unknown fields, groups, wrong wire types, long varints
//! json       members, conf state, downgrade: other spellings of the same, and of something else
//! pages      headers, elements, meta pages, freelist and buckets of any bytes; also a fuzzer's mutator
//! repack     parses a leaf page, changes its elements and writes a new page
//! decrypting encrypted values and configurations of any bytes
//! contents   changes entries of etcd's buckets and writes new pages
//! served     what a real etcd serves from a snapshot, and what core finds in it
//! etcd_comparison  compares core's verdicts with the servers
//! fuzzed     seed inputs and mutator of the fuzz targets
//! ```

pub mod contents;
pub mod decrypting;
#[cfg(feature = "harness")]
pub mod etcd_comparison;
pub mod fuzzed;
mod json;
mod messages;
mod numbers;
pub mod pages;
mod repack;
#[cfg(feature = "harness")]
pub mod served;

use crate::build::with_trailer;
use crate::read::{File, database_of};
use crate::seeded_random::SeededRandom;

/// Which layer a mutation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The contents of the buckets; the pages are as bolt writes them.
    Contents,
    /// In the bytes of pages.
    Pages,
}

/// A changed snapshot.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// The seed that reproduces it from the same snapshot.
    pub seed: u64,
    /// A description of the change.
    pub description: String,
    /// The layer that changed.
    pub level: Level,
    /// Whether the checksums of the meta pages and the SHA-256 were repaired afterwards.
    pub checksums_valid: bool,
    /// Its bytes.
    pub file: Vec<u8>,
}

/// Mutates a good snapshot.
///
/// # Panics
/// Panics if the snapshot is not valid.
#[must_use]
pub fn of(snapshot: &[u8], seed: u64) -> Mutant {
    let mut rng = SeededRandom::new(seed);
    let good = File::new(database_of(snapshot).to_vec());
    let checksums_valid = rng.chance(90);
    let level = if rng.chance(75) { Level::Contents } else { Level::Pages };
    let (mut database, description) = match level {
        Level::Contents => contents::mutant(&good, &mut rng),
        Level::Pages => {
            let mut bytes = good.bytes.clone();
            let description: Vec<_> =
                (0..rng.between(1, 2)).map(|_| pages::mutate(&mut bytes, usize::MAX, &mut rng)).collect();
            (bytes, description.join("; "))
        }
    };
    if !checksums_valid {
        // The trailer of the unchanged file, as if it was damaged after the snapshot was taken.
        let trailer = &snapshot[good.bytes.len()..];
        database.extend_from_slice(trailer);
        return Mutant {
            seed,
            description: format!("{description}; checksums not repaired"),
            level,
            checksums_valid,
            file: database,
        };
    }
    let file = if level == Level::Pages { crate::core_verdict::with_valid_checksums(&database) } else { None };
    Mutant { seed, description, level, checksums_valid, file: file.unwrap_or_else(|| with_trailer(&database)) }
}
