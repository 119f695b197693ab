//! Memory stays bounded, whatever a file claims. A separate program, since the counting allocator is global.

use etcdsnap_core::{IgnoreProgress, Sweep, verify};
use etcdsnap_tests::build::random::any_member;
use etcdsnap_tests::build::with_trailer;
use etcdsnap_tests::core_verdict;
use etcdsnap_tests::damage;
use etcdsnap_tests::seeded_random::SeededRandom;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How much memory a scan may use: blocks, and the pages that it keeps.
const MEMORY_LIMIT: usize = 24 << 20;

/// Returns the peak of allocated bytes while `run` runs, above the level before.
fn peak<T>(run: impl FnOnce() -> T) -> usize {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    drop(run());
    MEMORY.peak_usage().saturating_sub(before)
}

fn verify_within(bytes: &[u8], what: &str) {
    // A stream keeps pages of the file, so it may use as much again.
    let bound = MEMORY_LIMIT + 2 * bytes.len();
    let walk = peak(|| verify(bytes, &IgnoreProgress));
    assert!(walk <= bound, "{what}: a walk over {} bytes took {walk}", bytes.len());
    let strips = peak(|| core_verdict::verify_in_parts(bytes));
    assert!(strips <= bound, "{what}: strips and parts over {} bytes took {strips}", bytes.len());
    let sweep = peak(|| {
        let mut sweep = Sweep::new();
        bytes.chunks(100_003).for_each(|piece| {
            sweep.push(piece);
        });
        sweep.finish().expect("there is memory").verify(bytes, &IgnoreProgress)
    });
    assert!(sweep <= bound, "{what}: a sweep over {} bytes took {sweep}", bytes.len());
}

/// A single test: the count covers all threads.
#[test]
fn memory_is_bounded() {
    for base in damage::bases() {
        for damage in damage::all() {
            for damaged in damage.apply(&base.snapshot) {
                verify_within(&damaged.file, damage.name);
            }
        }
    }
    for seed in 0..300 {
        let mut rng = SeededRandom::new(seed);
        let mut database = any_member(seed, 60).built.database;
        for _ in 0..8 {
            let at = rng.below(database.len() / 512) * 512 + rng.below(48);
            database[at] = *rng.pick(&[0xFF, 0x7F, 0x80, 1]);
        }
        verify_within(&with_trailer(&database), &format!("seed {seed}"));
    }
}
