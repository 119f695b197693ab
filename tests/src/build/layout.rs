//! Parameters of the layout of a database in its file.

use crate::seeded_random::SeededRandom;

/// bbolt refuses a file shorter than two pages of the machine's page size.
const LEAST_BYTES: usize = 16 * 1024;

/// Whether the file lists its free pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freelist {
    /// A freelist page lists them.
    Synced,
    /// There is no freelist page: the meta pages store 0xFFFF_FFFF_FFFF_FFFF.
    NotSynced,
}

/// All properties of a file that the format leaves to the writer.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Page size in bytes, a power of two from 512 to 65536.
    pub page_size: usize,
    /// Whether the file lists its free pages.
    pub freelist: Freelist,
    /// The number of free pages.
    pub free_pages: usize,
    /// Leaf and branch pages are filled to a random percentage between these two.
    pub fill: (usize, usize),
    /// Transaction of the live meta page.
    pub txid: u64,
    /// Which of the two meta pages is live.
    pub live_meta: usize,
    /// The percentage of small buckets that are inline; in bolt's own files all are.
    pub inline: usize,
    /// Whether the pages are numbered at random, instead of in the order of writing.
    pub scatter: bool,
    /// Whether unused space in pages and free pages contain old bytes instead of zeros.
    pub dirty: bool,
    /// The minimum length of the file in bytes; free pages are appended to reach it.
    pub least_bytes: usize,
    /// Seed of all random choices.
    pub seed: u64,
}

impl Layout {
    /// The layout that etcd itself writes: full pages in order, and a freelist.
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

    /// A random layout that the format allows.
    #[must_use]
    pub fn random(rng: &mut SeededRandom) -> Self {
        let low = rng.between(10, 95);
        Self {
            page_size: 512 << rng.below(8),
            freelist: *rng.pick(&[Freelist::Synced, Freelist::NotSynced]),
            free_pages: rng.below(20),
            fill: (low, rng.between(low, 100)),
            txid: 1 + rng.bits() % 1_000_000,
            live_meta: rng.below(2),
            inline: *rng.pick(&[100, 100, 50, 0]),
            scatter: rng.chance(80),
            dirty: rng.chance(70),
            least_bytes: LEAST_BYTES,
            seed: rng.bits(),
        }
    }
}
