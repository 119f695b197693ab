//! Damage to the SHA-256 and the length of the file.

use super::Damage;
use crate::build::with_trailer;
use crate::read::{File, database_of};

const NO_DATABASE: &[&str] = &["file-truncated", "not-a-snapshot", "no-valid-meta"];
const CUT: &[&str] = &["file-truncated"];
const LONGER: &[&str] = &["file-lengthened"];

pub const ALL: &[Damage] = &[
    Damage::file("trailer_missing", &["trailer-missing"], |good| database_of(good).to_vec()),
    Damage::file("trailer_bit_flipped", &["sha256-mismatch"], |good| flip(good, good.len() - 7)),
    Damage::file("trailer_zeroed", &["sha256-mismatch"], trailer_zeroed),
    Damage::file("value_bit_flipped", &["sha256-mismatch"], value_bit_flipped),
    Damage::file("trailer_cut_by_a_byte", &["file-truncated", "file-lengthened"], |good| cut(good, good.len() - 1)),
    Damage::file("trailer_cut_in_half", &["file-truncated", "file-lengthened"], |good| cut(good, good.len() - 16)),
    Damage::file("trailer_cut_to_a_byte", &["file-truncated", "file-lengthened"], |good| cut(good, good.len() - 31)),
    Damage::file("cut_within_the_last_page", CUT, |good| cut(good, good.len() - 32 - 100)),
    Damage::file("cut_by_a_page", CUT, |good| cut(good, good.len() - 32 - page_size(good))),
    Damage::file("cut_by_a_page_and_a_byte", CUT, |good| cut(good, good.len() - 33 - page_size(good))),
    Damage::file("cut_as_if_a_trailer_were_there", CUT, |good| cut(good, good.len() - 5 * 512)),
    Damage::file("cut_in_half", CUT, |good| cut(good, good.len() / 2)),
    Damage::file("cut_by_a_page_with_a_right_trailer", CUT, |good| {
        with_trailer(&cut(good, good.len() - 32 - page_size(good)))
    }),
    Damage::file("cut_to_half_its_pages_with_a_right_trailer", CUT, |good| {
        with_trailer(&cut(good, good.len() / 2 / page_size(good) * page_size(good)))
    }),
    Damage::file("cut_in_the_first_page_of_data", CUT, |good| cut(good, 2 * page_size(good) + 300)),
    Damage::file("cut_behind_the_metas", CUT, |good| cut(good, 2 * page_size(good))),
    Damage::file("cut_behind_the_metas_with_a_right_trailer", CUT, |good| {
        with_trailer(&cut(good, 2 * page_size(good)))
    }),
    Damage::file("cut_in_the_second_meta", CUT, |good| cut(good, page_size(good) + 40)),
    Damage::file("cut_behind_the_first_meta", CUT, |good| cut(good, page_size(good))),
    Damage::file("cut_in_the_first_meta", NO_DATABASE, |good| cut(good, 50)),
    Damage::file("cut_to_a_header", NO_DATABASE, |good| cut(good, 16)),
    Damage::file("cut_to_a_byte", NO_DATABASE, |good| cut(good, 1)),
    Damage::file("lengthened_by_a_zero", LONGER, |good| longer(good, &[0])),
    Damage::file("lengthened_by_512_zeros", LONGER, |good| longer(good, &[0; 512])),
    Damage::file("lengthened_by_a_page_of_zeros", LONGER, |good| longer(good, &vec![0; page_size(good)])),
    Damage::file("lengthened_by_a_megabyte_of_zeros", LONGER, |good| longer(good, &vec![0; 1 << 20])),
    Damage::file("lengthened_by_a_newline", LONGER, |good| longer(good, b"\n")),
    Damage::file("lengthened_by_a_second_trailer", LONGER, |good| longer(good, &good[good.len() - 32..])),
    Damage::file("lengthened_by_512_bytes", LONGER, |good| longer(good, &[0x5A; 512])),
    Damage::file("lengthened_by_itself", LONGER, |good| longer(good, good)),
    Damage::file("lengthened_by_zeros_without_a_trailer", LONGER, |good| longer(database_of(good), &[0; 100])),
];

fn flip(good: &[u8], at: usize) -> Vec<u8> {
    let mut file = good.to_vec();
    file[at] ^= 0x10;
    file
}

fn trailer_zeroed(good: &[u8]) -> Vec<u8> {
    let mut file = good.to_vec();
    let end = file.len();
    file[end - 32..].fill(0);
    file
}

/// Flips a bit of a value: only the SHA-256 reveals it.
fn value_bit_flipped(good: &[u8]) -> Vec<u8> {
    let file = File::new(database_of(good).to_vec());
    let longest = file.entries("key").into_iter().max_by_key(|leaf| leaf.value.len()).expect("an entry");
    flip(good, longest.value.start + longest.value.len() / 2)
}

fn cut(good: &[u8], len: usize) -> Vec<u8> {
    good[..len].to_vec()
}

fn longer(good: &[u8], more: &[u8]) -> Vec<u8> {
    [good, more].concat()
}

fn page_size(good: &[u8]) -> usize {
    File::new(good.to_vec()).page_size
}
