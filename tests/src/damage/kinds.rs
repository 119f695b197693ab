//! Files that are not snapshots, but that users may pass to the program.

use super::Damage;
use crate::seeded_random::SeededRandom;

const NOT_A_SNAPSHOT: &[&str] = &["not-a-snapshot"];

pub const ALL: &[Damage] = &[
    Damage::file("empty_file", NOT_A_SNAPSHOT, |_| Vec::new()),
    Damage::file("all_zeros", NOT_A_SNAPSHOT, |good| vec![0; good.len()]),
    Damage::file("all_zeros_and_a_trailer", NOT_A_SNAPSHOT, |_| crate::build::with_trailer(&[0; 16384])),
    Damage::file("a_single_zero", NOT_A_SNAPSHOT, |_| vec![0]),
    Damage::file("random_bytes", NOT_A_SNAPSHOT, |good| SeededRandom::new(11).bytes(good.len())),
    Damage::file("gzip_of_text", NOT_A_SNAPSHOT, gzip_of_text),
    Damage::file("zip_of_text", NOT_A_SNAPSHOT, zip_of_text),
    Damage::file("zstd_of_text", NOT_A_SNAPSHOT, zstd_of_text),
    Damage::file("xml_error_of_an_object_store", NOT_A_SNAPSHOT, |_| {
        b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Key>etcd/snap.db</Key></Error>"
            .to_vec()
    }),
    Damage::file("html_error_page", NOT_A_SNAPSHOT, |_| {
        b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body></body></html>\n".to_vec()
    }),
    Damage::file("html_without_doctype", NOT_A_SNAPSHOT, |_| b"<html>\r\n<h1>403 Forbidden</h1></html>".to_vec()),
    Damage::file("json_error", NOT_A_SNAPSHOT, |_| b"{\"error\":\"forbidden\",\"code\":7}\n".to_vec()),
    Damage::file("text_error", NOT_A_SNAPSHOT, |_| b"Error: context deadline exceeded\n".to_vec()),
    Damage::file("write_ahead_log", NOT_A_SNAPSHOT, write_ahead_log),
    Damage::file("tar_archive", NOT_A_SNAPSHOT, tar_archive),
    Damage::file("beginning_lost", &["not-a-snapshot", "no-valid-meta"], |good| good[4096 * 2..].to_vec()),
];

/// Builds a gzip file of one stored block, with correct checksums.
fn gzip_of_text(_: &[u8]) -> Vec<u8> {
    let text = b"this is no snapshot\n";
    let mut file = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    file.extend_from_slice(&(text.len() as u16).to_le_bytes());
    file.extend_from_slice(&(!(text.len() as u16)).to_le_bytes());
    file.extend_from_slice(text);
    file.extend_from_slice(&crc32(text).to_le_bytes());
    file.extend_from_slice(&(text.len() as u32).to_le_bytes());
    file
}

/// Builds a zip file of one stored member.
fn zip_of_text(_: &[u8]) -> Vec<u8> {
    let (name, text) = (b"note.txt", b"this is no snapshot\n");
    let crc = crc32(text).to_le_bytes();
    let len = (text.len() as u32).to_le_bytes();
    let common = [&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x50], &crc[..], &len, &len, &[name.len() as u8, 0, 0, 0]].concat();
    let local = [&b"PK\x03\x04"[..], &common, name, text].concat();
    let central = [&b"PK\x01\x02\x14\x00"[..], &common, &[0; 14], name].concat();
    let mut end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec();
    end.extend_from_slice(&(central.len() as u32).to_le_bytes());
    end.extend_from_slice(&(local.len() as u32).to_le_bytes());
    end.extend_from_slice(&[0, 0]);
    [local, central, end].concat()
}

/// Builds a zstd file of one raw block without a checksum.
fn zstd_of_text(_: &[u8]) -> Vec<u8> {
    let text = b"this is no snapshot\n";
    let mut file = vec![0x28, 0xB5, 0x2F, 0xFD, 0x20, text.len() as u8];
    file.extend_from_slice(&(((text.len() as u32) << 3) | 1).to_le_bytes()[..3]);
    file.extend_from_slice(text);
    file
}

/// Builds the first frame of a write-ahead log, followed by the zeros that etcd preallocates.
fn write_ahead_log(_: &[u8]) -> Vec<u8> {
    let mut file = vec![4, 0, 0, 0, 0, 0, 0, 0x84, 0x08, 0x04, 0x10, 0x00, 0, 0, 0, 0];
    file.resize(64_000, 0);
    file
}

fn tar_archive(_: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 10_240];
    file[..9].copy_from_slice(b"member/wa");
    file[257..265].copy_from_slice(b"ustar\x0000");
    file
}

/// Computes the checksum of gzip and zip (IEEE, reflected).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
        crc
    })
}
