//! Numbers that programs get wrong: those beside what stands there, and those at the ends of what fits.

use crate::seeded_random::Dice;

/// Another number in the place of `old`, which has `bits` bits; seldom the same.
pub fn near(old: u64, bits: u32, dice: &mut Dice) -> u64 {
    let most = u64::MAX >> (64 - bits);
    let new = match dice.below(10) {
        0 => 0,
        1 => old.wrapping_add(1),
        2 => old.wrapping_sub(1),
        3 => old ^ (1 << dice.below(bits as usize)),
        4 => most - dice.bits() % 2,
        5 => (most >> 1).wrapping_add(dice.bits() % 2),
        6 => 1 << dice.below(bits as usize),
        7 => old.wrapping_mul(2),
        8 => dice.bits() % 64,
        _ => dice.bits(),
    };
    new & most
}

/// A protobuf varint.
pub fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// The same number in more bytes than it needs; ten hold every number.
pub fn long_varint(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = varint(number);
    while bytes.len() < len {
        *bytes.last_mut().expect("a byte") |= 0x80;
        bytes.push(0);
    }
    bytes
}
