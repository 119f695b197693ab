//! Compressed files for the tests.

use std::io::Write;

/// Compresses bytes as one gzip member.
///
/// # Panics
/// Panics if the library refuses to compress.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}
