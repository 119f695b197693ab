//! Random databases, each made wholly from its numbers, so that a property test can shrink it and run it again.

use super::cluster::{self, Version};
use super::database_contents::{Bucket, Node};
use super::history::{History, Life, Truth};
use super::layout::Layout;
use super::page_placement::{Built, write};
use crate::seeded_random::Dice;

/// A random bolt database that has nothing to do with etcd: buckets in buckets, keys and values of any size.
#[must_use]
pub fn bolt(seed: u64, entries: usize) -> (Bucket, Layout) {
    let mut dice = Dice::new(seed);
    let layout = Layout::random(&mut dice);
    let mut root = Bucket { sequence: dice.bits() % 3, ..Bucket::default() };
    let buckets = dice.below(8);
    for _ in 0..buckets {
        let share = dice.below(entries + 1);
        let name = name(&mut dice);
        root.entries.insert(name, Node::Bucket(bucket(&mut dice, share, layout.page_size, 0)));
    }
    (root, layout)
}

/// Names of other buckets than etcd's: theirs would be judged by etcd's rules.
fn name(dice: &mut Dice) -> Vec<u8> {
    let len = dice.between(1, 30);
    let mut name = b"b".to_vec();
    name.extend(dice.bytes(len));
    name
}

fn bucket(dice: &mut Dice, entries: usize, page_size: usize, depth: usize) -> Bucket {
    let mut bucket = Bucket { sequence: dice.bits() % 5, ..Bucket::default() };
    let longest = *dice.pick(&[0, 10, 100, page_size, 4 * page_size.min(8192)]);
    for _ in 0..entries {
        let key_len = if dice.chance(3) { dice.between(1, page_size.min(32_768)) } else { dice.between(1, 40) };
        let key = dice.bytes(key_len);
        let node = if depth < 3 && dice.chance(3) {
            let below = dice.below(1 + entries / 4);
            Node::Bucket(self::bucket(dice, below, page_size, depth + 1))
        } else {
            let len = if dice.chance(30) { dice.below(longest + 1) } else { dice.below(longest.min(60) + 1) };
            Node::Value(dice.bytes(len))
        };
        bucket.entries.insert(key, node);
    }
    bucket
}

/// An etcd database, and what is true of it.
#[derive(Debug, Clone)]
pub struct Member {
    /// Which etcd wrote it.
    pub version: Version,
    /// Its store.
    pub history: History,
    /// Its buckets.
    pub root: Bucket,
    /// How it lies in its file.
    pub layout: Layout,
    /// Its file.
    pub built: Built,
    /// What must be found in it.
    pub truth: Truth,
}

/// A member with this life in this layout.
#[must_use]
pub fn member(life: &Life, layout: &Layout, version: Version, seed: u64) -> Member {
    let mut dice = Dice::new(seed);
    let history = History::live(&of(version, life.clone()), &mut dice);
    with_history(history, layout, version, &mut dice)
}

/// A life as a version lives it: every etcd 3.6 keeps the tombstone at the revision of a compaction.
fn of(version: Version, life: Life) -> Life {
    Life { keeps_last_tombstone: life.keeps_last_tombstone || version == Version::V36, ..life }
}

fn with_history(history: History, layout: &Layout, version: Version, dice: &mut Dice) -> Member {
    let root = cluster::database(&history, version, dice);
    let built = write(&root, layout);
    let truth = history.truth();
    Member { version, history, root, layout: layout.clone(), built, truth }
}

/// The same member after about so many more transactions, in a file of another layout.
#[must_use]
pub fn later(member: &Member, seed: u64, transactions: usize) -> Member {
    let mut dice = Dice::new(seed);
    let life = of(member.version, Life::random(&mut dice, transactions));
    let history = member.history.lived_on(&life, &mut dice);
    with_history(history, &Layout::random(&mut dice), member.version, &mut dice)
}

/// Any member with about so many transactions.
#[must_use]
pub fn any_member(seed: u64, transactions: usize) -> Member {
    let mut dice = Dice::new(seed);
    let life = Life::random(&mut dice, transactions);
    let layout = Layout::random(&mut dice);
    let version = *dice.pick(&[Version::V33, Version::V35, Version::V36]);
    member(&life, &layout, version, dice.bits())
}
