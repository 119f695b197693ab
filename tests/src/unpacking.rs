//! Unpacks bytes in several ways, which must come to the same.

use std::io::Cursor;

use etcdsnap_unpack::{Format, Unpacked};

/// Bytes after which enough has come out: a few bytes of a fuzzer may claim gigabytes.
const MOST: usize = 1 << 20;

/// For a fuzzer: any bytes are unpacked in every format without a panic, and large and small reads give the same bytes or the same error.
///
/// How much comes before an error may differ: inflate drops what a call wrote when it fails.
///
/// # Panics
/// When they do not.
pub fn unpack_any(bytes: &[u8]) {
    for format in [Format::Gzip, Format::Zip, Format::Zstd] {
        let (whole, said) = unpack(format, bytes, MOST);
        let (pieces, again) = unpack(format, bytes, 1 + bytes.len() % 611);
        let common = whole.len().min(pieces.len());
        assert!(whole[..common] == pieces[..common], "{format}: other bytes");
        assert_eq!(said, again, "{format}");
        assert!(said.is_some() || whole.len() == pieces.len(), "{format}: {} and {} bytes", whole.len(), pieces.len());
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
