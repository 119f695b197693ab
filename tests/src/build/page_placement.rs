//! Numbers the pages and writes the file.

use super::database_contents::Bucket;
use super::layout::{Freelist, Layout};
use super::pack::{HEADER, header, pack, page_bytes};
use crate::seeded_random::SeededRandom;

/// A finished file.
#[derive(Debug, Clone)]
pub struct Built {
    /// The database, without a trailer.
    pub database: Vec<u8>,
    /// Pages below the high-water mark.
    pub pages: u64,
    /// Numbers of the free pages, in order.
    pub free: Vec<u64>,
}

/// Pages that are placed next to each other.
enum Run {
    Tree(usize),
    Freelist,
    Free,
}

/// Writes the contents as a bolt database.
///
/// # Panics
/// Panics if bolt could not have this page size.
#[must_use]
pub fn write(root: &Bucket, layout: &Layout) -> Built {
    let size = layout.page_size;
    assert!(size.is_power_of_two() && (512..=65536).contains(&size));
    let mut rng = SeededRandom::new(layout.seed);
    let pages = pack(root, layout, &mut rng);

    let mut runs: Vec<(Run, usize)> = Vec::new();
    for (i, page) in pages.iter().enumerate() {
        // bolt takes one page more if the size is an exact multiple of the page size.
        let spare = usize::from(page.size() % size == 0 && rng.chance(50));
        runs.push((Run::Tree(i), page.size().div_ceil(size) + spare));
    }
    let used: usize = runs.iter().map(|(_, pages)| pages).sum();
    let free_pages = layout.free_pages.max((layout.least_bytes / size).saturating_sub(used));
    runs.extend((0..free_pages).map(|_| (Run::Free, 1)));
    if layout.freelist == Freelist::Synced {
        let ids = free_pages + usize::from(free_pages >= 0xFFFF);
        runs.push((Run::Freelist, (HEADER + 8 * ids).div_ceil(size)));
    }
    if layout.scatter {
        rng.shuffle(&mut runs);
    }

    let mut number = vec![0_u64; pages.len()];
    let mut free = Vec::new();
    let mut freelist = u64::MAX;
    let mut next = 2;
    for (run, len) in &runs {
        match run {
            Run::Tree(i) => number[*i] = next,
            Run::Freelist => freelist = next,
            Run::Free => free.push(next),
        }
        next += *len as u64;
    }

    let mut database = if layout.dirty { rng.bytes(next as usize * size) } else { vec![0; next as usize * size] };
    let mut at = 2 * size;
    let mut written: Vec<(usize, usize)> = Vec::new();
    for (run, len) in &runs {
        let id = (at / size) as u64;
        let overflow = (*len - 1) as u32;
        let bytes = match run {
            Run::Tree(i) => page_bytes(&pages[*i], id, overflow, &|page| number[page]),
            Run::Freelist => freelist_bytes(id, overflow, &free),
            Run::Free => stale(layout, &mut rng, &database, &written, size),
        };
        database[at..at + bytes.len()].copy_from_slice(&bytes);
        if matches!(run, Run::Tree(_)) {
            written.push((at, size));
        }
        at += len * size;
    }

    let root_page = number[number.len() - 1];
    for meta in 0..2 {
        let live = meta == layout.live_meta;
        let txid = if live { layout.txid } else { layout.txid - 1 };
        let meta_bytes = meta_page(meta as u64, size as u32, root_page, root.sequence, freelist, next, txid);
        database[meta * size..meta * size + meta_bytes.len()].copy_from_slice(&meta_bytes);
    }
    Built { database, pages: next, free }
}

/// Returns the contents of a free page: zeros, garbage, or an earlier page of the database, which looks like a page in use.
fn stale(layout: &Layout, rng: &mut SeededRandom, database: &[u8], written: &[(usize, usize)], size: usize) -> Vec<u8> {
    if !layout.dirty || written.is_empty() || rng.chance(50) {
        return Vec::new();
    }
    let (at, _) = *rng.pick(written);
    database[at..at + size].to_vec()
}

fn freelist_bytes(id: u64, overflow: u32, free: &[u64]) -> Vec<u8> {
    let long = free.len() >= 0xFFFF;
    let mut bytes = header(id, 0x10, if long { 0xFFFF } else { free.len() as u16 }, overflow);
    if long {
        bytes.extend_from_slice(&(free.len() as u64).to_le_bytes());
    }
    for page in free {
        bytes.extend_from_slice(&page.to_le_bytes());
    }
    bytes
}

fn meta_page(id: u64, page_size: u32, root: u64, sequence: u64, freelist: u64, pages: u64, txid: u64) -> Vec<u8> {
    let mut bytes = header(id, 0x04, 0, 0);
    for field in [0xED0C_DAED, 2, page_size, 0] {
        bytes.extend_from_slice(&u32::to_le_bytes(field));
    }
    for field in [root, sequence, freelist, pages, txid] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&fnv1a(&bytes[HEADER..]).to_le_bytes());
    bytes
}

/// Computes the checksum of a meta page: 64-bit FNV-1a.
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}
