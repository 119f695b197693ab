//! Named damage: for each thing that can be wrong with a snapshot, a function that makes it from a good one.
//!
//! ```text
//! trailer    the SHA-256 and the length of the file
//! kinds      files that are no snapshot at all
//! metas      the two meta pages
//! tree       pages and how they hang together
//! elements   counts, positions, sizes, flags and keys within pages
//! freelist   the list of free pages
//! buckets    bucket headers and inline buckets
//! revisions  bucket `key`
//! lost       revisions that are gone
//! schema     values of etcd's other buckets that cannot be read
//! access     users, roles, and whether they count
//! stored     what etcd needs to start: the raft index, versions, members, alarms
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
mod revisions;
mod schema;
mod stored;
mod trailer;

use sha2::{Digest, Sha256};

pub use base::{Base, bases};

use crate::build::{Bucket, Freelist, Layout, Node, with_trailer, write};
use crate::read::{File, database_of};
use crate::seeded_random::Dice;

/// A way to damage a file.
#[derive(Clone, Copy)]
pub struct Damage {
    /// Its name: that of the function.
    pub name: &'static str,
    /// Codes, of which at least one must be found. The first is the one that names this damage best.
    pub expect: &'static [&'static str],
    /// Whether `bbolt check` must fail too.
    pub bbolt_finds: bool,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    /// The whole file, trailer and all.
    File(fn(&[u8]) -> Vec<u8>),
    /// Bytes of its pages.
    Pages(fn(&mut File) -> Option<Place>),
    /// What it holds; the pages are written anew.
    Content(fn(&mut Bucket) -> Option<Place>),
}

/// Where the damage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// No page can be named.
    Nowhere,
    /// One of these pages.
    Pages(Vec<u64>),
    /// An entry of a top-level bucket.
    Entry(&'static str, Vec<u8>),
}

/// Which SHA-256 stands behind the damaged database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trailer {
    /// That of the good one: damage on the way.
    Old,
    /// That of the damaged one: damage before the snapshot was taken.
    Right,
    /// What the damage itself made of it.
    AsIs,
}

/// A damaged file.
pub struct Damaged {
    /// Its bytes.
    pub file: Vec<u8>,
    /// Whose trailer it has.
    pub trailer: Trailer,
    /// Pages of which at least one must be named by a finding; empty when none can be.
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
        damage: fn(&mut File) -> Option<Place>,
    ) -> Self {
        Self { name, expect, bbolt_finds: false, how: How::Pages(damage) }
    }

    const fn content(
        name: &'static str,
        expect: &'static [&'static str],
        damage: fn(&mut Bucket) -> Option<Place>,
    ) -> Self {
        Self { name, expect, bbolt_finds: false, how: How::Content(damage) }
    }

    /// `bbolt check` finds this too.
    const fn and_bbolt(mut self) -> Self {
        self.bbolt_finds = true;
        self
    }

    /// Whether it changes what the file holds, so that entries of the damaged file are none of the good one.
    #[must_use]
    pub fn changes_contents(&self) -> bool {
        matches!(self.how, How::Content(_))
    }

    /// The damaged files made from a good snapshot: with the old trailer and with a right one. None when the snapshot has
    /// nothing that could be damaged in this way.
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
                let Place::Pages(pages) = place else { return both(file.bytes, &digest, Vec::new(), page_size) };
                (file.bytes, pages)
            }
            How::Content(damage) => {
                let mut tree = file.tree();
                let Some(place) = damage(&mut tree) else { return Vec::new() };
                let layout = if file.has_freelist() { Freelist::Synced } else { Freelist::NotSynced };
                let written = write(&tree, &Layout { freelist: layout, ..Layout::plain(page_size, 7) }).database;
                let mut pages = Vec::new();
                if let Place::Entry(bucket, key) = place {
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

/// Damage to what etcd reads before it serves, and to who may read.
#[must_use]
pub fn of_what_etcd_starts_from() -> Vec<Damage> {
    [access::ALL, stored::ALL, schema::ALL].concat()
}

/// Changes that make a file as healthy clusters have it.
#[must_use]
pub fn healthy() -> Vec<Damage> {
    [access::HEALTHY, stored::HEALTHY].concat()
}

/// The snapshot with authentication on, and with it off.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn with_authentication(good: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let apply = |damage: Damage| damage.apply(good).pop().expect("a changed file").file;
    (apply(access::ON), apply(access::OFF))
}

/// The snapshot with one bit flipped in an entry of a bucket other than `key`, sealed with a right SHA-256; and which bit that is.
///
/// # Panics
/// When it cannot be read, or has no such entry.
#[must_use]
pub fn one_bit_flipped(good: &[u8], dice: &mut Dice) -> (Vec<u8>, String) {
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
    let chosen = dice.below(buckets.len());
    let bucket = &mut buckets[chosen];
    let mut key = bucket.entries.keys().nth(dice.below(bucket.entries.len())).expect("an entry").clone();
    let Some(Node::Value(mut value)) = bucket.entries.remove(&key) else { panic!("a value") };
    let said = key.escape_ascii().to_string();
    let (at, bit) = (dice.below(key.len() + value.len()), dice.below(8));
    match at.checked_sub(key.len()) {
        None => key[at] ^= 1 << bit,
        Some(at) => value[at] ^= 1 << bit,
    }
    bucket.put(key, value);
    let layout = Layout { freelist: Freelist::NotSynced, ..Layout::plain(file.page_size, 7) };
    (with_trailer(&write(&tree, &layout).database), format!("bit {bit} of byte {at} of {}/{said}", names[chosen]))
}

/// Every damage.
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
        schema::ALL,
        access::ALL,
        stored::ALL,
    ]
    .concat()
}
