//! Offsets in a file.

use serde::Serialize;

/// An offset in a file, in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Offset(u64);

impl Offset {
    /// The start of the file.
    pub const START: Self = Self(0);

    /// Creates an offset `bytes` bytes from the start of the file.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes from the start of the file.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The offset `bytes` bytes later.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }

    /// How many bytes `self` comes after `other`; `None` if it comes before.
    #[must_use]
    pub const fn bytes_since(self, other: Self) -> Option<u64> {
        self.0.checked_sub(other.0)
    }
}

impl From<u64> for Offset {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl From<Offset> for u64 {
    fn from(offset: Offset) -> Self {
        offset.0
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
