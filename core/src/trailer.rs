//! The SHA-256 behind the database, as a report tells of it.

use serde::Serialize;

/// Bytes of the trailer.
pub const TRAILER: usize = 32;

/// A SHA-256 in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Sha256Hex(pub String);

impl Sha256Hex {
    /// The digest in digits.
    #[must_use]
    pub fn of(digest: &[u8]) -> Self {
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digest itself; none when these are not 64 digits.
    #[must_use]
    pub fn to_bytes(&self) -> Option<[u8; TRAILER]> {
        let mut bytes = [0; TRAILER];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let at = index.saturating_mul(2);
            *byte = u8::from_str_radix(self.0.get(at..at.saturating_add(2))?, 16).ok()?;
        }
        Some(bytes)
    }
}

/// What is known of the trailer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Trailer {
    /// Whether the file's length says that there is one (`len % 512 == 32`).
    pub present: bool,
    /// The digest that stands in the file; none when there is no trailer.
    pub expected: Option<Sha256Hex>,
    /// The digest of the bytes before it; none when it was not computed.
    pub actual: Option<Sha256Hex>,
    /// Whether the digest fits when all that stands behind the database and 32 bytes more is left out.
    #[serde(skip)]
    pub fits_without_surplus: bool,
}
