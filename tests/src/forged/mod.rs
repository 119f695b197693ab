//! Files that etcd never writes, forged to cost a reader as much as possible.
//!
//! ```text
//! raw_pages  writes pages, element tables, keys and values, valid or not
//! shared     elements that share bytes, element tables inside others, inline buckets without end
//! trees      pages that overlap, children with several parents, cyclic trees
//! dense      as many entries, findings or free pages as fit
//! huge       single keys, names and values of megabytes
//! ```

mod dense;
mod huge;
mod raw_pages;
mod shared;
mod trees;

use crate::seeded_random::SeededRandom;
pub use huge::a_key_of_control_characters;
pub use raw_pages::RawFile;
pub use shared::{nested_tables, one_value_for_32768_buckets};

/// Builds a file of about this length: random numbers, page size, length in bytes.
pub type Make = fn(&mut SeededRandom, usize, usize) -> RawFile;

/// Returns every kind of forged file, with its name.
#[must_use]
pub fn all() -> Vec<(&'static str, Make)> {
    [shared::ALL, trees::ALL, dense::ALL, huge::ALL].concat()
}

/// Builds a file of a random kind, page size and length up to `longest` bytes, sometimes with changed numbers; returns its name and its bytes.
#[must_use]
pub fn any(seed: u64, longest: usize) -> (String, Vec<u8>) {
    let mut rng = SeededRandom::new(seed);
    let (name, make) = *rng.pick(&all());
    let page_size = 512 << rng.below(8);
    let len = *rng.pick(&[longest, longest, longest / 4, longest / 16]);
    let mut raw = make(&mut rng, page_size, len);
    let changes = if rng.chance(40) { rng.between(1, 30) } else { 0 };
    for _ in 0..changes {
        change(&mut raw, &mut rng);
    }
    (format!("seed {seed}: {name}, pages of {page_size}, {len} bytes, {changes} changes"), raw.bytes)
}

/// Changes a number in the element table or the header of a page after the meta pages.
fn change(raw: &mut RawFile, rng: &mut SeededRandom) {
    let at = raw.offset_of(rng.between(2, raw.pages() - 1)) + 4 * rng.below(64.min(raw.page_size / 4));
    let len = raw.bytes.len() as u32;
    let word = match rng.below(4) {
        0 => rng.bits() as u32,
        1 => rng.bits() as u32 % len,
        2 => 0,
        _ => rng.bits() as u32 % 4096,
    };
    raw.put(at, &word.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_opens_every_forged_file() {
        for (name, make) in all() {
            for page_size in [512, 4096, 65536] {
                let raw = make(&mut SeededRandom::new(1), page_size, 1 << 20);
                assert!(raw.bytes.len() <= (1 << 20).max(24 * page_size), "{name} of {page_size}");
                let report = crate::core_verdict::verify_by_random_access(&raw.bytes);
                assert!(!report.findings.has(etcdsnap_core::Code::NoValidMeta), "{name} of {page_size}");
            }
        }
    }
}
