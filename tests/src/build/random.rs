//! Random databases, each a pure function of its parameters, so that a property test can shrink and repeat it.

use super::cluster::{self, Version};
use super::database_contents::{Bucket, Node};
use super::history::{ExpectedCounts, History, HistoryParams};
use super::layout::Layout;
use super::page_placement::{Built, write};
use crate::seeded_random::SeededRandom;

/// Builds a random bolt database that is not etcd's: nested buckets, keys and values of any size.
#[must_use]
pub fn bolt(seed: u64, entries: usize) -> (Bucket, Layout) {
    let mut rng = SeededRandom::new(seed);
    let layout = Layout::random(&mut rng);
    let mut root = Bucket { sequence: rng.bits() % 3, ..Bucket::default() };
    let buckets = rng.below(8);
    for _ in 0..buckets {
        let share = rng.below(entries + 1);
        let name = name(&mut rng);
        root.entries.insert(name, Node::Bucket(bucket(&mut rng, share, layout.page_size, 0)));
    }
    (root, layout)
}

/// Returns a bucket name that etcd does not use, since etcd's rules do not apply to this bucket.
fn name(rng: &mut SeededRandom) -> Vec<u8> {
    let len = rng.between(1, 30);
    let mut name = b"b".to_vec();
    name.extend(rng.bytes(len));
    name
}

fn bucket(rng: &mut SeededRandom, entries: usize, page_size: usize, depth: usize) -> Bucket {
    let mut bucket = Bucket { sequence: rng.bits() % 5, ..Bucket::default() };
    let longest = *rng.pick(&[0, 10, 100, page_size, 4 * page_size.min(8192)]);
    for _ in 0..entries {
        let key_len = if rng.chance(3) { rng.between(1, page_size.min(32_768)) } else { rng.between(1, 40) };
        let key = rng.bytes(key_len);
        let node = if depth < 3 && rng.chance(3) {
            let below = rng.below(1 + entries / 4);
            Node::Bucket(self::bucket(rng, below, page_size, depth + 1))
        } else {
            let len = if rng.chance(30) { rng.below(longest + 1) } else { rng.below(longest.min(60) + 1) };
            Node::Value(rng.bytes(len))
        };
        bucket.entries.insert(key, node);
    }
    bucket
}

/// A member's database, with the numbers that a reader must find in it.
#[derive(Debug, Clone)]
pub struct MemberDatabase {
    /// The etcd version that wrote it.
    pub version: Version,
    /// Its store.
    pub history: History,
    /// Its buckets.
    pub root: Bucket,
    /// How it is laid out in its file.
    pub layout: Layout,
    /// The database file.
    pub built: Built,
    /// The numbers that a reader must find in it.
    pub expected_counts: ExpectedCounts,
}

/// Builds a database with this history in this layout.
#[must_use]
pub fn member(params: &HistoryParams, layout: &Layout, version: Version, seed: u64) -> MemberDatabase {
    let mut rng = SeededRandom::new(seed);
    let history = History::generate(&for_version(version, params.clone()), &mut rng);
    with_history(history, layout, version, &mut rng)
}

/// Adapts the parameters to a version: etcd 3.6 always keeps the tombstone at the revision of a compaction.
fn for_version(version: Version, params: HistoryParams) -> HistoryParams {
    HistoryParams { keeps_last_tombstone: params.keeps_last_tombstone || version == Version::V36, ..params }
}

fn with_history(history: History, layout: &Layout, version: Version, rng: &mut SeededRandom) -> MemberDatabase {
    let root = cluster::database(&history, version, rng);
    let built = write(&root, layout);
    let expected_counts = history.expected_counts();
    MemberDatabase { version, history, root, layout: layout.clone(), built, expected_counts }
}

/// Builds the same member's database after about this many more transactions, in another layout.
#[must_use]
pub fn with_more_history(member: &MemberDatabase, seed: u64, transactions: usize) -> MemberDatabase {
    let mut rng = SeededRandom::new(seed);
    let params = for_version(member.version, HistoryParams::random(&mut rng, transactions));
    let history = member.history.extended(&params, &mut rng);
    with_history(history, &Layout::random(&mut rng), member.version, &mut rng)
}

/// Builds a random member's database with about this many transactions.
#[must_use]
pub fn any_member(seed: u64, transactions: usize) -> MemberDatabase {
    let mut rng = SeededRandom::new(seed);
    let params = HistoryParams::random(&mut rng, transactions);
    let layout = Layout::random(&mut rng);
    let version = *rng.pick(&[Version::V33, Version::V35, Version::V36]);
    member(&params, &layout, version, rng.bits())
}
