//! The trailer of a snapshot: the SHA-256 after the database.

use serde::Serialize;

/// Length of the trailer in bytes.
pub const TRAILER_LEN: usize = 32;

/// A SHA-256 in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Sha256Hex(pub String);

impl Sha256Hex {
    /// Encodes a digest in hexadecimal.
    #[must_use]
    pub fn of(digest: &[u8]) -> Self {
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Decodes the digest; `None` if the text does not have 64 hexadecimal digits.
    #[must_use]
    pub fn to_bytes(&self) -> Option<[u8; TRAILER_LEN]> {
        let mut bytes = [0; TRAILER_LEN];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let at = index.saturating_mul(2);
            *byte = u8::from_str_radix(self.0.get(at..at.saturating_add(2))?, 16).ok()?;
        }
        Some(bytes)
    }
}

/// Facts about the trailer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Trailer {
    /// Whether the file's length indicates a trailer (`len % 512 == 32`).
    pub present: bool,
    /// The digest in the file; `None` without a trailer.
    pub expected: Option<Sha256Hex>,
    /// The digest of the bytes before the trailer; `None` if it was not computed.
    pub actual: Option<Sha256Hex>,
    /// Whether the digest would match if the file were cut off 32 bytes after the database.
    #[serde(skip)]
    pub matches_if_cut: bool,
}
