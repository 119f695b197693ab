//! Unpacks bytes in several ways that must give the same result, for fuzzing.

use std::io::Cursor;

use etcdsnap_unpack::{Format, UnpackError, Unpacked};

/// Stops after this much output: a few bytes of a fuzzer may claim gigabytes.
const MAX_OUTPUT: usize = 1 << 20;

/// Unpacks any bytes in every format without a panic; large and small reads must give the same bytes or the same kind of error. Entry point of a fuzzer.
///
/// The output before an error may differ: inflate discards what a failing call wrote. So may the message: which fault is met first depends on where a call ends.
///
/// # Panics
/// Panics if they differ.
pub fn unpack_any(bytes: &[u8]) {
    for format in [Format::Gzip, Format::Zip, Format::Zstd] {
        let (whole, printed) = unpack(format, bytes, MAX_OUTPUT);
        let (pieces, again) = unpack(format, bytes, 1 + bytes.len() % 611);
        let common = whole.len().min(pieces.len());
        assert!(whole[..common] == pieces[..common], "{format}: other bytes");
        let kind = |error: &Option<UnpackError>| error.as_ref().map(std::mem::discriminant);
        assert_eq!(kind(&printed), kind(&again), "{format}: {printed:?} {again:?}");
        for error in [&printed, &again].into_iter().flatten() {
            assert!(!error.to_string().contains("uffer"), "{format}: nobody knows our buffers: {error}");
        }
        assert!(
            printed.is_some() || whole.len() == pieces.len(),
            "{format}: {} and {} bytes",
            whole.len(),
            pieces.len()
        );
    }
}

/// Returns the output, read in pieces of this length, and the error.
fn unpack(format: Format, bytes: &[u8], piece: usize) -> (Vec<u8>, Option<UnpackError>) {
    let mut out = Vec::new();
    let mut unpacked = match Unpacked::new(format, Cursor::new(bytes)) {
        Ok(unpacked) => unpacked,
        Err(error) => return (out, Some(error)),
    };
    let stored = unpacked.stored();
    let mut room = vec![0; piece];
    let error = loop {
        let piece = piece.min(MAX_OUTPUT - out.len());
        match unpacked.fill(&mut room[..piece]) {
            Ok(count) => {
                out.extend_from_slice(&room[..count]);
                if count < piece || out.len() == MAX_OUTPUT {
                    break None;
                }
            }
            Err((count, error)) => {
                out.extend_from_slice(&room[..count]);
                break Some(error);
            }
        }
    };
    if let (Some(stored), None) = (stored, &error)
        && out.len() < MAX_OUTPUT
    {
        let (from, to) = (stored.start as usize, stored.end as usize);
        assert!(bytes.get(from..to) == Some(&out), "the stored bytes are those that come out");
    }
    (out, error)
}
