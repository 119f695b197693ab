//! How a database is to lie in its file.

use crate::seeded_random::Dice;

/// bbolt refuses a file of less than two pages of its machine.
const LEAST_BYTES: usize = 16 * 1024;

/// Whether the free pages are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freelist {
    /// In a freelist page.
    Synced,
    /// Nowhere: the meta pages say 0xFFFF_FFFF_FFFF_FFFF.
    NotSynced,
}

/// Everything that the format leaves open.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Page size in bytes, a power of two from 512 to 65536.
    pub page_size: usize,
    /// Whether free pages are listed.
    pub freelist: Freelist,
    /// How many pages hold nothing.
    pub free_pages: usize,
    /// Leaf and branch pages are filled to a random share of the page between these, in percent.
    pub fill: (usize, usize),
    /// Transaction of the live meta page.
    pub txid: u64,
    /// Which of the two meta pages is the live one.
    pub live_meta: usize,
    /// Small buckets are put inline in this percentage of cases; bolt always does so.
    pub inline: usize,
    /// Pages get random numbers, instead of numbers in the order of writing.
    pub scatter: bool,
    /// Unused room in pages and free pages hold old bytes instead of zeros.
    pub dirty: bool,
    /// Free pages fill the file up to this many bytes.
    pub least_bytes: usize,
    /// Seed of all random choices.
    pub seed: u64,
}

impl Layout {
    /// A layout such as etcd itself writes: full pages in order, and a freelist.
    #[must_use]
    pub fn plain(page_size: usize, seed: u64) -> Self {
        Self {
            page_size,
            freelist: Freelist::Synced,
            free_pages: 3,
            fill: (90, 100),
            txid: 40,
            live_meta: 0,
            inline: 100,
            scatter: false,
            dirty: false,
            least_bytes: LEAST_BYTES,
            seed,
        }
    }

    /// Any layout that the format allows.
    #[must_use]
    pub fn random(dice: &mut Dice) -> Self {
        let low = dice.between(10, 95);
        Self {
            page_size: 512 << dice.below(8),
            freelist: *dice.pick(&[Freelist::Synced, Freelist::NotSynced]),
            free_pages: dice.below(20),
            fill: (low, dice.between(low, 100)),
            txid: 1 + dice.bits() % 1_000_000,
            live_meta: dice.below(2),
            inline: *dice.pick(&[100, 100, 50, 0]),
            scatter: dice.chance(80),
            dirty: dice.chance(70),
            least_bytes: LEAST_BYTES,
            seed: dice.bits(),
        }
    }
}
