//! How a key differs between two snapshots, or two revisions of one.

use crate::store::key_state::Key;

/// A key that differs between the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyDifference<'k> {
    /// Only the second side has it.
    Added(Key<'k>),
    /// Only the first side has it.
    Removed(Key<'k>),
    /// The second side has another value or lease.
    Changed(Key<'k>, Key<'k>),
}

impl<'k> KeyDifference<'k> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &'k [u8] {
        match self {
            Self::Added(key) | Self::Removed(key) | Self::Changed(key, _) => key.key,
        }
    }
}
