//! Named damage: for each possible fault of a snapshot, a function that creates it in a good one.
//!
//! ```text
//! trailer    the SHA-256 and the length of the file
//! kinds      files that are not a snapshot
//! metas      the two meta pages
//! page_tree  pages, and how they are linked
//! elements   counts, positions, sizes, flags and keys within pages
//! freelist   the list of free pages
//! buckets    bucket headers and inline buckets
//! revisions  bucket `key`
//! lost       lost revisions
//! schema     unreadable values of etcd's other buckets
//! access     users, roles, and whether authentication is on
//! power_loss damages from public reports of power losses
//! stored     entries that etcd needs to start: the raft index, versions, members, alarms
//! ```

mod access;
mod base;
mod buckets;
mod elements;
mod freelist;
mod kinds;
mod lost;
mod metas;
mod page_tree;
mod power_loss;
mod revisions;
mod schema;
mod stored;
mod trailer;

use sha2::{Digest, Sha256};

pub use base::{GoodSnapshot, bases};

use crate::build::{Bucket, Freelist, Layout, Node, with_trailer, write};
use crate::read::{File, database_of};
use crate::seeded_random::SeededRandom;

/// One kind of damage.
#[derive(Clone, Copy)]
pub struct Damage {
    /// Its name, which is also the name of its function.
    pub name: &'static str,
    /// The codes that may be found; at least one of them must be found. The first describes this damage best.
    pub expect: &'static [&'static str],
    /// Whether `bbolt check` must fail, too.
    pub bbolt_finds: bool,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    /// Changes the whole file, including the trailer.
    File(fn(&[u8]) -> Vec<u8>),
    /// Changes bytes of its pages.
    Pages(fn(&mut File) -> Option<Location>),
    /// Changes its contents and writes new pages.
    Content(fn(&mut Bucket) -> Option<Location>),
}

/// The location of the damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// No single page.
    Nowhere,
    /// On one of these pages.
    Pages(Vec<u64>),
    /// In an entry of a top-level bucket.
    Entry(&'static str, Vec<u8>),
}

/// Which SHA-256 follows the damaged database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trailer {
    /// That of the good file, as if it was damaged after the snapshot was taken.
    Old,
    /// That of the damaged file, as if it was damaged before the snapshot was taken.
    Right,
    /// The bytes that the damage left there.
    AsIs,
}

/// A damaged file.
pub struct Damaged {
    /// Its bytes.
    pub file: Vec<u8>,
    /// Which trailer it has.
    pub trailer: Trailer,
    /// Pages of which a finding must name at least one; empty if no page can be named.
    pub pages: Vec<u64>,
    /// Size of its pages.
    pub page_size: usize,
}

impl Damage {
    const fn file(name: &'static str, expect: &'static [&'static str], damage: fn(&[u8]) -> Vec<u8>) -> Self {
        Self { name, expect, bbolt_finds: false, how: How::File(damage) }
    }

    const fn pages(
        name: &'static str,
        expect: &'static [&'static str],
        damage: fn(&mut File) -> Option<Location>,
    ) -> Self {
        Self { name, expect, bbolt_finds: false, how: How::Pages(damage) }
    }

    const fn content(
        name: &'static str,
        expect: &'static [&'static str],
        damage: fn(&mut Bucket) -> Option<Location>,
    ) -> Self {
        Self { name, expect, bbolt_finds: false, how: How::Content(damage) }
    }

    /// Expects `bbolt check` to find this too.
    const fn and_bbolt(mut self) -> Self {
        self.bbolt_finds = true;
        self
    }

    /// Returns whether the contents change, so that entries of the damaged file may differ from those of the good one.
    #[must_use]
    pub fn changes_contents(&self) -> bool {
        matches!(self.how, How::Content(_))
    }

    /// Returns the damaged variants of a good snapshot: with the old trailer, and with a correct one. Empty if the snapshot has
    /// nothing that can be damaged in this way.
    #[must_use]
    pub fn apply(&self, good: &[u8]) -> Vec<Damaged> {
        let database = database_of(good).to_vec();
        let digest = Sha256::digest(&database);
        let file = File::new(database);
        let page_size = file.page_size;
        let (damaged, pages) = match self.how {
            How::File(damage) => {
                let file = damage(good);
                return vec![Damaged { file, trailer: Trailer::AsIs, pages: Vec::new(), page_size }];
            }
            How::Pages(damage) => {
                let mut file = file;
                let Some(place) = damage(&mut file) else { return Vec::new() };
                let Location::Pages(pages) = place else { return both(file.bytes, &digest, Vec::new(), page_size) };
                (file.bytes, pages)
            }
            How::Content(damage) => {
                let mut tree = file.tree();
                let Some(place) = damage(&mut tree) else { return Vec::new() };
                let layout = if file.has_freelist() { Freelist::Synced } else { Freelist::NotSynced };
                let written = write(&tree, &Layout { freelist: layout, ..Layout::plain(page_size, 7) }).database;
                let mut pages = Vec::new();
                if let Location::Entry(bucket, key) = place {
                    pages.extend(File::new(written.clone()).entry(bucket, &key).map(|leaf| leaf.page));
                }
                (written, pages)
            }
        };
        both(damaged, &digest, pages, page_size)
    }
}

fn both(damaged: Vec<u8>, digest: &[u8], pages: Vec<u64>, page_size: usize) -> Vec<Damaged> {
    let mut old = damaged.clone();
    old.extend_from_slice(digest);
    vec![
        Damaged { file: old, trailer: Trailer::Old, pages: pages.clone(), page_size },
        Damaged { file: with_trailer(&damaged), trailer: Trailer::Right, pages, page_size },
    ]
}

/// Returns the damage to entries that etcd needs to start, and to access rights.
#[must_use]
pub fn of_what_etcd_starts_from() -> Vec<Damage> {
    [access::ALL, stored::ALL, schema::ALL].concat()
}

/// Returns changes that can also occur in the file of a healthy cluster.
#[must_use]
pub fn healthy() -> Vec<Damage> {
    [access::HEALTHY, stored::HEALTHY].concat()
}

/// Returns the snapshot with authentication on, and with it off.
///
/// # Panics
/// Panics if it cannot be read.
#[must_use]
pub fn with_authentication(good: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let apply = |damage: Damage| damage.apply(good).pop().expect("a changed file").file;
    (apply(access::AUTH_ON), apply(access::AUTH_OFF))
}

/// Flips one bit in an entry of a bucket other than `key`, and updates the SHA-256; returns the file and a description of the bit.
///
/// # Panics
/// Panics if it cannot be read, or has no such entry.
#[must_use]
pub fn one_bit_flipped(good: &[u8], rng: &mut SeededRandom) -> (Vec<u8>, String) {
    let file = File::new(database_of(good).to_vec());
    let mut tree = file.tree();
    let mut buckets: Vec<&mut Bucket> = Vec::new();
    let mut names = Vec::new();
    for (name, node) in &mut tree.entries {
        if let Node::Bucket(bucket) = node
            && name != b"key"
            && !bucket.entries.is_empty()
        {
            names.push(String::from_utf8_lossy(name).into_owned());
            buckets.push(bucket);
        }
    }
    let chosen = rng.below(buckets.len());
    let bucket = &mut buckets[chosen];
    let mut key = bucket.entries.keys().nth(rng.below(bucket.entries.len())).expect("an entry").clone();
    let Some(Node::Value(mut value)) = bucket.entries.remove(&key) else { panic!("a value") };
    let printed = key.escape_ascii().to_string();
    let (at, bit) = (rng.below(key.len() + value.len()), rng.below(8));
    match at.checked_sub(key.len()) {
        None => key[at] ^= 1 << bit,
        Some(at) => value[at] ^= 1 << bit,
    }
    bucket.put(key, value);
    let layout = Layout { freelist: Freelist::NotSynced, ..Layout::plain(file.page_size, 7) };
    (with_trailer(&write(&tree, &layout).database), format!("bit {bit} of byte {at} of {}/{printed}", names[chosen]))
}

/// Returns every kind of damage.
#[must_use]
pub fn all() -> Vec<Damage> {
    [
        trailer::ALL,
        kinds::ALL,
        metas::ALL,
        page_tree::ALL,
        elements::ALL,
        freelist::ALL,
        buckets::ALL,
        revisions::ALL,
        lost::ALL,
        power_loss::ALL,
        schema::ALL,
        access::ALL,
        stored::ALL,
    ]
    .concat()
}
