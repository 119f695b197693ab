//! Memory stays bounded, whatever a file claims. In a program of its own, since the allocator that counts is the program's.

use etcdsnap_core::{Sweep, Unwatched, verify};
use etcdsnap_tests::build::random::any_member;
use etcdsnap_tests::build::with_trailer;
use etcdsnap_tests::core_verdict;
use etcdsnap_tests::damage;
use etcdsnap_tests::seeded_random::Dice;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a scan may take for itself: blocks, and the pages it holds on to.
const ROOM: usize = 24 << 20;

/// Bytes allocated at most while something runs, beyond those before.
fn peak<T>(run: impl FnOnce() -> T) -> usize {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    drop(run());
    MEMORY.peak_usage().saturating_sub(before)
}

fn judged_within(bytes: &[u8], what: &str) {
    // A sweep remembers pages of the file, so it may take as much again.
    let bound = ROOM + 2 * bytes.len();
    let walk = peak(|| verify(bytes, &Unwatched));
    assert!(walk <= bound, "{what}: a walk over {} bytes took {walk}", bytes.len());
    let strips = peak(|| core_verdict::parts(bytes));
    assert!(strips <= bound, "{what}: strips and parts over {} bytes took {strips}", bytes.len());
    let sweep = peak(|| {
        let mut sweep = Sweep::new();
        bytes.chunks(100_003).for_each(|piece| {
            sweep.push(piece);
        });
        sweep.finish().expect("there is memory").verify(bytes, &Unwatched)
    });
    assert!(sweep <= bound, "{what}: a sweep over {} bytes took {sweep}", bytes.len());
}

/// One test alone: the count is of all threads.
#[test]
fn memory_is_bounded() {
    for base in damage::bases() {
        for damage in damage::all() {
            for damaged in damage.apply(&base.snapshot) {
                judged_within(&damaged.file, damage.name);
            }
        }
    }
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let mut database = any_member(seed, 60).built.database;
        for _ in 0..8 {
            let at = dice.below(database.len() / 512) * 512 + dice.below(48);
            database[at] = *dice.pick(&[0xFF, 0x7F, 0x80, 1]);
        }
        judged_within(&with_trailer(&database), &format!("seed {seed}"));
    }
}
