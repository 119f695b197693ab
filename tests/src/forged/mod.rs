//! Files that no etcd writes: forged to cost their reader as much as they can.
//!
//! ```text
//! paper    pages, tables and pairs, written whatever they mean
//! shared   elements that share bytes, tables in tables, inline buckets without end
//! trees    pages that claim others, children that many places share, trees that hang in themselves
//! dense    as many entries, findings or free pages as a file has room for
//! huge     single keys, names and values of megabytes
//! ```

mod dense;
mod huge;
mod raw_pages;
mod shared;
mod trees;

use crate::seeded_random::Dice;
pub use huge::a_key_of_control_characters;
pub use raw_pages::Paper;
pub use shared::{nested_tables, one_value_for_32768_buckets};

/// Makes a file of about so many bytes, with pages of a size.
pub type Make = fn(&mut Dice, usize, usize) -> Paper;

/// Every way to forge a file, by its name.
#[must_use]
pub fn all() -> Vec<(&'static str, Make)> {
    [shared::ALL, trees::ALL, dense::ALL, huge::ALL].concat()
}

/// A file of any kind, page size and length up to `longest` bytes, of which now and then some numbers are changed; with its name.
#[must_use]
pub fn any(seed: u64, longest: usize) -> (String, Vec<u8>) {
    let mut dice = Dice::new(seed);
    let (name, make) = *dice.pick(&all());
    let page_size = 512 << dice.below(8);
    let len = *dice.pick(&[longest, longest, longest / 4, longest / 16]);
    let mut paper = make(&mut dice, page_size, len);
    let changes = if dice.chance(40) { dice.between(1, 30) } else { 0 };
    for _ in 0..changes {
        change(&mut paper, &mut dice);
    }
    (format!("seed {seed}: {name}, pages of {page_size}, {len} bytes, {changes} changes"), paper.bytes)
}

/// Changes a number in the table or the header of a page behind the metas.
fn change(paper: &mut Paper, dice: &mut Dice) {
    let at = paper.at(dice.between(2, paper.pages() - 1)) + 4 * dice.below(64.min(paper.page_size / 4));
    let len = paper.bytes.len() as u32;
    let word = match dice.below(4) {
        0 => dice.bits() as u32,
        1 => dice.bits() as u32 % len,
        2 => 0,
        _ => dice.bits() as u32 % 4096,
    };
    paper.put(at, &word.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_database_to_a_reader() {
        for (name, make) in all() {
            for page_size in [512, 4096, 65536] {
                let paper = make(&mut Dice::new(1), page_size, 1 << 20);
                assert!(paper.bytes.len() <= (1 << 20).max(24 * page_size), "{name} of {page_size}");
                let report = crate::core_verdict::walk(&paper.bytes);
                assert!(!report.findings.has(etcdsnap_core::Code::NoValidMeta), "{name} of {page_size}");
            }
        }
    }
}
