//! Mutants of snapshots: changes that know the format, each made wholly from a seed, so that it can be made again.
//!
//! ```text
//! numbers   numbers near those that stand there, and at the ends of what fits
//! messages  protobuf: truncated, duplicate and unknown fields, groups, wrong wire types, long varints
//! json      members, conf state, downgrade: other writings of the same, and of something else
//! pages     headers, elements, metas, freelist and buckets of any bytes at all; a fuzzer's mutator, too
//! repack    a leaf page taken apart, changed and written anew
//! decrypting encrypted values and configurations of any bytes at all
//! contents  entries of etcd's buckets; the pages are written anew
//! served    what a real etcd serves of a snapshot, and what core finds in it
//! trial     the verdicts of core against the servers
//! fuzzed    what a fuzzer begins with, and how it goes on
//! ```

pub mod contents;
pub mod decrypting;
pub mod fuzzed;
mod json;
mod messages;
mod numbers;
pub mod pages;
mod repack;
#[cfg(feature = "harness")]
pub mod served;
#[cfg(feature = "harness")]
pub mod trial;

use crate::build::with_trailer;
use crate::read::{File, database_of};
use crate::seeded_random::Dice;

/// Where a mutation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// In what the buckets hold; the pages are as bolt writes them.
    Contents,
    /// In the bytes of pages.
    Pages,
}

/// A changed snapshot.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// The seed that makes it again of the same snapshot.
    pub seed: u64,
    /// What was changed.
    pub words: String,
    /// Where.
    pub level: Level,
    /// Whether the checksums of the metas and the SHA-256 were made right afterwards.
    pub sealed: bool,
    /// Its bytes.
    pub file: Vec<u8>,
}

/// Makes a mutant of a good snapshot.
///
/// # Panics
/// When the snapshot is not good.
#[must_use]
pub fn of(snapshot: &[u8], seed: u64) -> Mutant {
    let mut dice = Dice::new(seed);
    let good = File::new(database_of(snapshot).to_vec());
    let sealed = dice.chance(90);
    let level = if dice.chance(75) { Level::Contents } else { Level::Pages };
    let (mut database, words) = match level {
        Level::Contents => contents::mutant(&good, &mut dice),
        Level::Pages => {
            let mut bytes = good.bytes.clone();
            let words: Vec<_> =
                (0..dice.between(1, 2)).map(|_| pages::mutate(&mut bytes, usize::MAX, &mut dice)).collect();
            (bytes, words.join("; "))
        }
    };
    if !sealed {
        // The trailer of the unchanged file, as damage on the way leaves it.
        let trailer = &snapshot[good.bytes.len()..];
        database.extend_from_slice(trailer);
        return Mutant { seed, words: format!("{words}; not sealed"), level, sealed, file: database };
    }
    let file = if level == Level::Pages { crate::core_verdict::sealed(&database) } else { None };
    Mutant { seed, words, level, sealed, file: file.unwrap_or_else(|| with_trailer(&database)) }
}
