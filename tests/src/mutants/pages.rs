//! Mutates the bytes of a database with knowledge of the page format. They may be any bytes: a fuzzer's mutator works on its earlier results.

use super::{numbers, repack};
use crate::read::{BRANCH, FREELIST, LEAF, META, meta};
use crate::seeded_random::SeededRandom;

/// Size of a page header and of an element.
const HEADER: usize = 16;

/// The fields of a page header: name, offset, bits.
const HEADER_FIELDS: [(&str, usize, u32); 4] =
    [("id", 0, 64), ("flags", 8, 16), ("count", 10, 16), ("overflow", 12, 32)];
const LEAF_FIELDS: [(&str, usize, u32); 4] =
    [("flags", 0, 32), ("position", 4, 32), ("key size", 8, 32), ("value size", 12, 32)];
const BRANCH_FIELDS: [(&str, usize, u32); 3] = [("position", 0, 32), ("key size", 4, 32), ("child", 8, 64)];
const META_FIELDS: [(&str, usize, u32); 9] = [
    ("magic", meta::MAGIC, 32),
    ("version", meta::VERSION, 32),
    ("page size", meta::PAGE_SIZE, 32),
    ("flags", meta::PAGE_SIZE + 4, 32),
    ("root", meta::ROOT, 64),
    ("sequence", meta::ROOT + 8, 64),
    ("freelist", meta::FREELIST, 64),
    ("pages", meta::PAGES, 64),
    ("transaction", meta::TXID, 64),
];

struct Pages<'b> {
    bytes: &'b mut Vec<u8>,
    size: usize,
}

/// Mutates a database, which grows to at most `longest` bytes, and returns a description of the change.
pub fn mutate(bytes: &mut Vec<u8>, longest: usize, rng: &mut SeededRandom) -> String {
    let size = page_size(bytes);
    if bytes.len() < 2 * size {
        bytes.resize(2 * size.min(longest / 2), 0);
        return "filled up to two pages".to_owned();
    }
    let mut pages = Pages { bytes, size };
    for _ in 0..8 {
        let printed = match rng.below(14) {
            0 | 1 => pages.header_field(rng),
            2 | 3 => pages.element_field(rng),
            4 => pages.meta_field(rng),
            5 => pages.copy(rng),
            6 => pages.swap(rng),
            7 => pages.freelist(rng),
            8 => pages.bucket_header(rng),
            9 => pages.zero(rng),
            10 => pages.length(longest, rng),
            11 => pages.bit(rng),
            _ => pages.leaf(rng),
        };
        if let Some(printed) = printed {
            return printed;
        }
    }
    "nothing".to_owned()
}

/// Returns the page size from the first meta page, or else the smallest one.
fn page_size(bytes: &[u8]) -> usize {
    let claimed = bytes.get(meta::PAGE_SIZE..meta::PAGE_SIZE + 4);
    let claimed = claimed.map_or(0, |four| u32::from_le_bytes(four.try_into().expect("four bytes")) as usize);
    if claimed.is_power_of_two() && (512..=65536).contains(&claimed) { claimed } else { 512 }
}

impl Pages<'_> {
    fn count(&self) -> usize {
        self.bytes.len() / self.size
    }

    fn number(&self, at: usize, bits: u32) -> Option<u64> {
        let bytes = self.bytes.get(at..at + bits as usize / 8)?;
        let mut eight = [0; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        Some(u64::from_le_bytes(eight))
    }

    fn put(&mut self, at: usize, bits: u32, number: u64) -> Option<()> {
        let len = bits as usize / 8;
        self.bytes.get_mut(at..at + len)?.copy_from_slice(&number.to_le_bytes()[..len]);
        Some(())
    }

    /// Returns a page with one of these flags; any page if some tries fail.
    fn pick(&self, flags: &[u16], rng: &mut SeededRandom) -> usize {
        for _ in 0..12 {
            let page = rng.below(self.count());
            if flags.contains(&(self.number(page * self.size + 8, 16).unwrap_or(0) as u16)) {
                return page;
            }
        }
        rng.below(self.count())
    }

    /// Replaces the number in a field by a similar one, or by a page number.
    fn change(&mut self, at: usize, bits: u32, rng: &mut SeededRandom) -> Option<String> {
        let old = self.number(at, bits)?;
        let page = rng.below(self.count() + 1) as u64;
        let new = if rng.chance(30) { page } else { numbers::number_near(old, bits, rng) };
        self.put(at, bits, new)?;
        Some(format!("{old} to {new}"))
    }

    fn header_field(&mut self, rng: &mut SeededRandom) -> Option<String> {
        let page = self.pick(&[LEAF, BRANCH, META, FREELIST], rng);
        let (name, at, bits) = *rng.pick(&HEADER_FIELDS);
        let printed = self.change(page * self.size + at, bits, rng)?;
        Some(format!("page {page}: {name} {printed}"))
    }

    fn element_field(&mut self, rng: &mut SeededRandom) -> Option<String> {
        let page = self.pick(&[LEAF, BRANCH], rng);
        let start = page * self.size;
        let element = rng.below(self.number(start + 10, 16)?.max(1) as usize);
        let branch = self.number(start + 8, 16)? == u64::from(BRANCH);
        let fields: &[_] = if branch { &BRANCH_FIELDS } else { &LEAF_FIELDS };
        let (name, at, bits) = *rng.pick(fields);
        let printed = self.change(start + HEADER + HEADER * element + at, bits, rng)?;
        Some(format!("page {page}, element {element}: {name} {printed}"))
    }

    fn meta_field(&mut self, rng: &mut SeededRandom) -> Option<String> {
        let page = rng.below(2);
        let (name, at, bits) = *rng.pick(&META_FIELDS);
        let printed = self.change(page * self.size + at, bits, rng)?;
        Some(format!("meta {page}: {name} {printed}"))
    }

    /// Overwrites a page with another, under its own number as a lost write leaves it, or under the other's.
    fn copy(&mut self, rng: &mut SeededRandom) -> Option<String> {
        let (from, to) = (self.pick(&[LEAF, BRANCH], rng), self.pick(&[LEAF, BRANCH], rng));
        self.bytes.copy_within(from * self.size..(from + 1) * self.size, to * self.size);
        let renumbered = rng.chance(80);
        if renumbered {
            self.put(to * self.size, 64, to as u64)?;
        }
        let printed = if renumbered { "with its own number" } else { "number and all" };
        Some(format!("page {to} overwritten by page {from}, {printed}"))
    }

    fn swap(&mut self, rng: &mut SeededRandom) -> Option<String> {
        let (one, other) = (self.pick(&[LEAF, BRANCH], rng), self.pick(&[LEAF, BRANCH], rng));
        for at in 8..self.size {
            self.bytes.swap(one * self.size + at, other * self.size + at);
        }
        Some(format!("pages {one} and {other} swapped, all but their numbers"))
    }

    fn freelist(&mut self, rng: &mut SeededRandom) -> Option<String> {
        let page = self.pick(&[FREELIST], rng);
        let start = page * self.size;
        let count = self.number(start + 10, 16)? as usize;
        let slot = rng.below(count + 1);
        let printed = self.change(start + HEADER + 8 * slot, 64, rng)?;
        Some(format!("page {page}: free page {slot} {printed}"))
    }

    /// Changes the header of a bucket, or of its inline page.
    fn bucket_header(&mut self, rng: &mut SeededRandom) -> Option<String> {
        let page = self.pick(&[LEAF], rng);
        let start = page * self.size;
        let count = self.number(start + 10, 16)? as usize;
        let element = rng.below(count);
        let at = start + HEADER + HEADER * element;
        let key_size = usize::try_from(self.number(at + 8, 32)?).ok()?;
        let value = at + usize::try_from(self.number(at + 4, 32)?).ok()? + key_size;
        (self.number(at, 32)? == 1).then_some(())?;
        let fields = [("root", 0, 64), ("sequence", 8, 64)];
        let inline = HEADER_FIELDS.map(|(name, at, bits)| (name, HEADER + at, bits));
        let elements = LEAF_FIELDS.map(|(name, at, bits)| (name, 2 * HEADER + at, bits));
        let all: Vec<_> = fields.into_iter().chain(inline).chain(elements).collect();
        let (name, offset, bits) = *rng.pick(&all);
        let printed = self.change(value + offset, bits, rng)?;
        Some(format!("page {page}, bucket {element}: {name} at byte {offset} {printed}"))
    }

    fn zero(&mut self, rng: &mut SeededRandom) -> Option<String> {
        let page = self.pick(&[LEAF, BRANCH, FREELIST], rng);
        let (from, len) = if rng.chance(50) { (0, self.size) } else { (512 * rng.below(self.size / 512), 512) };
        let at = page * self.size + from;
        self.bytes.get_mut(at..at + len)?.fill(0);
        Some(format!("page {page}: {len} bytes from {from} are zeros"))
    }

    fn length(&mut self, longest: usize, rng: &mut SeededRandom) -> Option<String> {
        let count = self.count();
        let pages = if rng.chance(50) { count.checked_sub(1).filter(|left| *left >= 2)? } else { count + 1 };
        (pages * self.size <= longest).then(|| self.bytes.resize(pages * self.size, 0))?;
        Some(format!("{pages} pages instead of {count}"))
    }

    fn bit(&mut self, rng: &mut SeededRandom) -> Option<String> {
        let bit = rng.below(self.bytes.len() * 8);
        *self.bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
        Some(format!("bit {} of byte {}", bit % 8, bit / 8))
    }

    fn leaf(&mut self, rng: &mut SeededRandom) -> Option<String> {
        let page = self.pick(&[LEAF], rng);
        let start = page * self.size;
        let overflow = self.number(start + 12, 32)?.min(64) as usize;
        let end = (start + (1 + overflow) * self.size).min(self.bytes.len());
        let printed = repack::change(&mut self.bytes[start..end], rng)?;
        Some(format!("page {page}: {printed}"))
    }
}
