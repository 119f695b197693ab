//! Numbers that programs often get wrong: those near the original, and those at the limits of a type.

use crate::seeded_random::SeededRandom;

/// Returns a replacement for `old`, which has `bits` bits; rarely the same number.
pub fn number_near(old: u64, bits: u32, rng: &mut SeededRandom) -> u64 {
    let most = u64::MAX >> (64 - bits);
    let new = match rng.below(10) {
        0 => 0,
        1 => old.wrapping_add(1),
        2 => old.wrapping_sub(1),
        3 => old ^ (1 << rng.below(bits as usize)),
        4 => most - rng.bits() % 2,
        5 => (most >> 1).wrapping_add(rng.bits() % 2),
        6 => 1 << rng.below(bits as usize),
        7 => old.wrapping_mul(2),
        8 => rng.bits() % 64,
        _ => rng.bits(),
    };
    new & most
}

/// Encodes a protobuf varint.
pub fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Encodes a number as a varint with more bytes than necessary; ten hold every number.
pub fn long_varint(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = varint(number);
    while bytes.len() < len {
        *bytes.last_mut().expect("a byte") |= 0x80;
        bytes.push(0);
    }
    bytes
}
