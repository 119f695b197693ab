//! How a key differs between two snapshots, or two revisions of one.

use crate::store::key_state::Key;

/// How a key differs between the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only the second side has it.
    Added,
    /// Only the first side has it.
    Removed,
    /// The second side has another value or lease.
    Changed,
}

/// Numbers of changes by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// Keys that only the second side has.
    pub added: usize,
    /// Keys that only the first side has.
    pub removed: usize,
    /// Keys with another value or lease.
    pub changed: usize,
}

impl ChangeCounts {
    /// Adds one change.
    pub fn add(&mut self, kind: ChangeKind) {
        let count = match kind {
            ChangeKind::Added => &mut self.added,
            ChangeKind::Removed => &mut self.removed,
            ChangeKind::Changed => &mut self.changed,
        };
        *count = count.saturating_add(1);
    }
}

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

    /// How the key differs.
    #[must_use]
    pub fn kind(&self) -> ChangeKind {
        match self {
            Self::Added(_) => ChangeKind::Added,
            Self::Removed(_) => ChangeKind::Removed,
            Self::Changed(..) => ChangeKind::Changed,
        }
    }

    /// The key's state on either side; `None` on a side without it.
    #[must_use]
    pub fn states(&self) -> [Option<Key<'k>>; 2] {
        match *self {
            Self::Added(new) => [None, Some(new)],
            Self::Removed(old) => [Some(old), None],
            Self::Changed(old, new) => [Some(old), Some(new)],
        }
    }
}
