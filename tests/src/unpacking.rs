//! Unpacks bytes in several ways, which must come to the same.

use std::io::Cursor;

use etcdsnap_unpack::{Format, Unpacked};

/// Bytes after which enough has come out: a few bytes of a fuzzer may claim gigabytes.
const MOST: usize = 1 << 20;

/// For a fuzzer: any bytes are unpacked in every format without a panic, and large and small reads give the same bytes and the same error.
///
/// # Panics
/// When they do not.
pub fn unpack_any(bytes: &[u8]) {
    for format in [Format::Gzip, Format::Zip, Format::Zstd] {
        let (whole, said) = unpack(format, bytes, MOST);
        let (pieces, again) = unpack(format, bytes, 1 + bytes.len() % 611);
        assert!(whole == pieces, "{format}: {} and {} bytes", whole.len(), pieces.len());
        assert_eq!(said, again, "{format}");
    }
}

/// What comes out, read in pieces of this length, and the error in words.
fn unpack(format: Format, bytes: &[u8], piece: usize) -> (Vec<u8>, Option<String>) {
    let mut out = Vec::new();
    let mut unpacked = match Unpacked::new(format, Cursor::new(bytes)) {
        Ok(unpacked) => unpacked,
        Err(error) => return (out, Some(error.to_string())),
    };
    let stored = unpacked.stored();
    let mut room = vec![0; piece];
    let error = loop {
        let piece = piece.min(MOST - out.len());
        match unpacked.fill(&mut room[..piece]) {
            Ok(count) => {
                out.extend_from_slice(&room[..count]);
                if count < piece || out.len() == MOST {
                    break None;
                }
            }
            Err((count, error)) => {
                out.extend_from_slice(&room[..count]);
                break Some(error.to_string());
            }
        }
    };
    if let (Some(stored), None) = (stored, &error)
        && out.len() < MOST
    {
        let (from, to) = (stored.start as usize, stored.end as usize);
        assert!(bytes.get(from..to) == Some(&out), "the stored bytes are those that come out");
    }
    (out, error)
}
