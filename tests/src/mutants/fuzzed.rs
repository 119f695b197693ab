//! Seed inputs and mutator of the fuzz targets: small snapshots with small pages, so that thousands run in a second.

use std::io::Write;

use super::pages;
use crate::build::cluster::Version;
use crate::build::history::HistoryParams;
use crate::build::random::member;
use crate::build::{Freelist, Layout, with_trailer};
use crate::damage;
use crate::read::database_of;
use crate::seeded_random::SeededRandom;

/// Bytes of the longest input.
pub const MAX_INPUT_LEN: usize = 32 << 10;

/// Builds good snapshots of 4 to 16 KiB: every version, with a freelist and without, trees of one level and of three, overflow, buckets inline and not.
#[must_use]
pub fn good_snapshots() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let params = HistoryParams { leases: true, ..HistoryParams::rich() };
    for (number, version) in [Version::V33, Version::V35, Version::V36].into_iter().enumerate() {
        for (transactions, keys, longest_value) in [(0, 1, 0), (6, 3, 40), (16, 4, 60), (30, 8, 16), (7, 4, 800)] {
            for freelist in [Freelist::Synced, Freelist::NotSynced] {
                let seed = seeds.len() as u64;
                let layout = Layout {
                    freelist,
                    live_meta: seeds.len() % 2,
                    inline: if seeds.len() % 3 == 0 { 0 } else { 100 },
                    fill: (40, 100),
                    dirty: seeds.len() % 4 == 0,
                    least_bytes: 0,
                    ..Layout::plain(512, seed)
                };
                let interrupted = seeds.len() % 5 == 1;
                let params = HistoryParams { transactions, keys, longest_value, interrupted, ..params.clone() };
                let files = (seed..).map(|seed| with_trailer(&member(&params, &layout, version, seed).built.database));
                let file = files.into_iter().find(|file| file.len() <= 16 << 10).expect("a small one");
                seeds.push((format!("good-{number}-{transactions}-{seed}"), file));
            }
        }
    }
    seeds
}

/// Returns the good snapshots, and each named damage of some of them.
#[must_use]
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = good_snapshots();
    let bases: Vec<_> = seeds.iter().filter(|(_, file)| file.len() < 12 << 10).map(|(_, file)| file.clone()).collect();
    for damage in damage::all() {
        // Not every damage applies to every file; most apply to the largest.
        let damaged = bases.iter().rev().find_map(|base| {
            let made = std::panic::catch_unwind(|| damage.apply(base)).ok()?;
            made.into_iter().last()
        });
        if let Some(damaged) = damaged.filter(|damaged| damaged.file.len() <= MAX_INPUT_LEN) {
            seeds.push((damage.name.to_owned(), damaged.file));
        }
    }
    seeds
}

/// Compresses some of the good snapshots in every supported format.
///
/// # Panics
/// Panics if a library refuses to compress.
#[must_use]
pub fn packed() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (name, file) in good_snapshots().into_iter().step_by(7) {
        let deflated = |level| {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
            encoder.write_all(&file).expect("bytes in memory");
            encoder.finish().expect("bytes in memory")
        };
        for level in [0, 1, 9] {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
            encoder.write_all(&file).expect("bytes in memory");
            seeds.push((format!("{name}-{level}.gz"), encoder.finish().expect("bytes in memory")));
            seeds.push((format!("{name}-{level}.zip"), zip(&file, &deflated(level), 8)));
        }
        seeds.push((format!("{name}-stored.zip"), zip(&file, &file, 0)));
        for level in [1, 19] {
            let frame = zstd::encode_all(file.as_slice(), level).expect("bytes in memory");
            let (half, rest) = file.split_at(file.len() / 2);
            let two = [half, rest].map(|part| zstd::encode_all(part, level).expect("bytes in memory"));
            let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
            seeds.push((format!("{name}-{level}.zst"), frame));
            seeds.push((format!("{name}-{level}-frames.zst"), [&two[0][..], &skippable, &two[1]].concat()));
        }
    }
    seeds
}

/// Builds a zip archive of one file.
fn zip(file: &[u8], packed: &[u8], method: u8) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(file);
    let len = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes();
    let name = b"snapshot.db";
    let head = [20, 0, 0, 0, method, 0, 0, 0, 0x21, 0x50];
    let common = [&head[..], &crc.sum().to_le_bytes(), &len(packed), &len(file), &[name.len() as u8, 0, 0, 0]].concat();
    let local = [&b"PK\x03\x04"[..], &common, name, packed].concat();
    let central = [&b"PK\x01\x02\x14\x00"[..], &common, &[0; 14], name].concat();
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &len(&central), &len(&local), &[0, 0]].concat();
    [local, central, end].concat()
}

/// Mutates a fuzzer's input with knowledge of the page format, and usually repairs its checksums, which a fuzzer cannot guess. The input may be any bytes.
///
/// `plain` is the fuzzer's own mutation, which knows the values that the code compares.
pub fn step(input: &mut Vec<u8>, longest: usize, seed: u64, plain: &mut dyn FnMut(&mut Vec<u8>, usize)) {
    let mut rng = SeededRandom::new(seed);
    let longest = longest.min(MAX_INPUT_LEN);
    if rng.chance(4) {
        plain(input, longest);
        return;
    }
    let mut database = database_of(input).to_vec();
    let room = longest.saturating_sub(32);
    if rng.chance(25) {
        plain(&mut database, room);
    } else {
        for _ in 0..*rng.pick(&[1, 1, 1, 2, 4]) {
            pages::mutate(&mut database, room, &mut rng);
        }
    }
    database.truncate(room);
    let unsealed = rng.chance(10);
    *input = if unsealed { None } else { crate::core_verdict::with_valid_checksums(&database) }.unwrap_or(database);
}
