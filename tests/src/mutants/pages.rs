//! Changes to the bytes of a database that know what lies where. They may be any bytes at all: a fuzzer's mutator works on what it has changed before.

use super::{numbers, repack};
use crate::read::{BRANCH, FREELIST, LEAF, META, meta};
use crate::seeded_random::Dice;

/// Bytes of a page header and of an element.
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

/// Changes the bytes of a database, which stay at most so many; in words what was done.
pub fn mutate(bytes: &mut Vec<u8>, longest: usize, dice: &mut Dice) -> String {
    let size = page_size(bytes);
    if bytes.len() < 2 * size {
        bytes.resize(2 * size.min(longest / 2), 0);
        return "filled up to two pages".to_owned();
    }
    let mut pages = Pages { bytes, size };
    for _ in 0..8 {
        let said = match dice.below(14) {
            0 | 1 => pages.header_field(dice),
            2 | 3 => pages.element_field(dice),
            4 => pages.meta_field(dice),
            5 => pages.copy(dice),
            6 => pages.swap(dice),
            7 => pages.freelist(dice),
            8 => pages.bucket_header(dice),
            9 => pages.zero(dice),
            10 => pages.length(longest, dice),
            11 => pages.bit(dice),
            _ => pages.leaf(dice),
        };
        if let Some(said) = said {
            return said;
        }
    }
    "nothing".to_owned()
}

/// The page size that the first meta names, or else the smallest.
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

    /// A page whose flags are among these; any page after some tries.
    fn pick(&self, flags: &[u16], dice: &mut Dice) -> usize {
        for _ in 0..12 {
            let page = dice.below(self.count());
            if flags.contains(&(self.number(page * self.size + 8, 16).unwrap_or(0) as u16)) {
                return page;
            }
        }
        dice.below(self.count())
    }

    /// Puts another number into a field: one near it, or that of a page.
    fn change(&mut self, at: usize, bits: u32, dice: &mut Dice) -> Option<String> {
        let old = self.number(at, bits)?;
        let page = dice.below(self.count() + 1) as u64;
        let new = if dice.chance(30) { page } else { numbers::near(old, bits, dice) };
        self.put(at, bits, new)?;
        Some(format!("{old} to {new}"))
    }

    fn header_field(&mut self, dice: &mut Dice) -> Option<String> {
        let page = self.pick(&[LEAF, BRANCH, META, FREELIST], dice);
        let (name, at, bits) = *dice.pick(&HEADER_FIELDS);
        let said = self.change(page * self.size + at, bits, dice)?;
        Some(format!("page {page}: {name} {said}"))
    }

    fn element_field(&mut self, dice: &mut Dice) -> Option<String> {
        let page = self.pick(&[LEAF, BRANCH], dice);
        let start = page * self.size;
        let element = dice.below(self.number(start + 10, 16)?.max(1) as usize);
        let branch = self.number(start + 8, 16)? == u64::from(BRANCH);
        let fields: &[_] = if branch { &BRANCH_FIELDS } else { &LEAF_FIELDS };
        let (name, at, bits) = *dice.pick(fields);
        let said = self.change(start + HEADER + HEADER * element + at, bits, dice)?;
        Some(format!("page {page}, element {element}: {name} {said}"))
    }

    fn meta_field(&mut self, dice: &mut Dice) -> Option<String> {
        let page = dice.below(2);
        let (name, at, bits) = *dice.pick(&META_FIELDS);
        let said = self.change(page * self.size + at, bits, dice)?;
        Some(format!("meta {page}: {name} {said}"))
    }

    /// A page overwritten by another, under its own number, as a lost write leaves it, or with the other's.
    fn copy(&mut self, dice: &mut Dice) -> Option<String> {
        let (from, to) = (self.pick(&[LEAF, BRANCH], dice), self.pick(&[LEAF, BRANCH], dice));
        self.bytes.copy_within(from * self.size..(from + 1) * self.size, to * self.size);
        let renumbered = dice.chance(80);
        if renumbered {
            self.put(to * self.size, 64, to as u64)?;
        }
        let said = if renumbered { "with its own number" } else { "number and all" };
        Some(format!("page {to} overwritten by page {from}, {said}"))
    }

    fn swap(&mut self, dice: &mut Dice) -> Option<String> {
        let (one, other) = (self.pick(&[LEAF, BRANCH], dice), self.pick(&[LEAF, BRANCH], dice));
        for at in 8..self.size {
            self.bytes.swap(one * self.size + at, other * self.size + at);
        }
        Some(format!("pages {one} and {other} swapped, all but their numbers"))
    }

    fn freelist(&mut self, dice: &mut Dice) -> Option<String> {
        let page = self.pick(&[FREELIST], dice);
        let start = page * self.size;
        let count = self.number(start + 10, 16)? as usize;
        let slot = dice.below(count + 1);
        let said = self.change(start + HEADER + 8 * slot, 64, dice)?;
        Some(format!("page {page}: free page {slot} {said}"))
    }

    /// The header of a bucket, or of the page within it.
    fn bucket_header(&mut self, dice: &mut Dice) -> Option<String> {
        let page = self.pick(&[LEAF], dice);
        let start = page * self.size;
        let count = self.number(start + 10, 16)? as usize;
        let element = dice.below(count);
        let at = start + HEADER + HEADER * element;
        let key_size = usize::try_from(self.number(at + 8, 32)?).ok()?;
        let value = at + usize::try_from(self.number(at + 4, 32)?).ok()? + key_size;
        (self.number(at, 32)? == 1).then_some(())?;
        let fields = [("root", 0, 64), ("sequence", 8, 64)];
        let inline = HEADER_FIELDS.map(|(name, at, bits)| (name, HEADER + at, bits));
        let elements = LEAF_FIELDS.map(|(name, at, bits)| (name, 2 * HEADER + at, bits));
        let all: Vec<_> = fields.into_iter().chain(inline).chain(elements).collect();
        let (name, offset, bits) = *dice.pick(&all);
        let said = self.change(value + offset, bits, dice)?;
        Some(format!("page {page}, bucket {element}: {name} at byte {offset} {said}"))
    }

    fn zero(&mut self, dice: &mut Dice) -> Option<String> {
        let page = self.pick(&[LEAF, BRANCH, FREELIST], dice);
        let (from, len) = if dice.chance(50) { (0, self.size) } else { (512 * dice.below(self.size / 512), 512) };
        let at = page * self.size + from;
        self.bytes.get_mut(at..at + len)?.fill(0);
        Some(format!("page {page}: {len} bytes from {from} are zeros"))
    }

    fn length(&mut self, longest: usize, dice: &mut Dice) -> Option<String> {
        let count = self.count();
        let pages = if dice.chance(50) { count.checked_sub(1).filter(|left| *left >= 2)? } else { count + 1 };
        (pages * self.size <= longest).then(|| self.bytes.resize(pages * self.size, 0))?;
        Some(format!("{pages} pages instead of {count}"))
    }

    fn bit(&mut self, dice: &mut Dice) -> Option<String> {
        let bit = dice.below(self.bytes.len() * 8);
        *self.bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
        Some(format!("bit {} of byte {}", bit % 8, bit / 8))
    }

    fn leaf(&mut self, dice: &mut Dice) -> Option<String> {
        let page = self.pick(&[LEAF], dice);
        let start = page * self.size;
        let overflow = self.number(start + 12, 32)?.min(64) as usize;
        let end = (start + (1 + overflow) * self.size).min(self.bytes.len());
        let said = repack::change(&mut self.bytes[start..end], dice)?;
        Some(format!("page {page}: {said}"))
    }
}
