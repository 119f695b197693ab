//! Who takes how much room.

use crate::store::key_state::KeyState;

/// Keys of one kind, summed up. Bytes are those of entries in the database: key, value and bolt's element, without the free room of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Keys that live.
    pub keys: u64,
    /// Keys that are deleted, and still have entries.
    pub deleted: u64,
    /// Entries, tombstones among them.
    pub revisions: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Bytes of the newest entries of keys that live.
    pub live_bytes: u64,
    /// Bytes of all others: what a compaction now would free.
    pub history_bytes: u64,
}

impl Usage {
    /// Takes in a key.
    pub fn add(&mut self, state: &KeyState) {
        let (alive, dead) = if state.deleted { (0, 1) } else { (1, 0) };
        self.keys = self.keys.saturating_add(alive);
        self.deleted = self.deleted.saturating_add(dead);
        self.revisions = self.revisions.saturating_add(u64::from(state.revisions));
        self.tombstones = self.tombstones.saturating_add(u64::from(state.tombstones));
        let history = state.history_bytes();
        self.history_bytes = self.history_bytes.saturating_add(history);
        self.live_bytes = self.live_bytes.saturating_add(state.bytes.saturating_sub(history));
    }

    /// Both together.
    pub fn append(&mut self, other: &Self) {
        self.keys = self.keys.saturating_add(other.keys);
        self.deleted = self.deleted.saturating_add(other.deleted);
        self.revisions = self.revisions.saturating_add(other.revisions);
        self.tombstones = self.tombstones.saturating_add(other.tombstones);
        self.live_bytes = self.live_bytes.saturating_add(other.live_bytes);
        self.history_bytes = self.history_bytes.saturating_add(other.history_bytes);
    }

    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.live_bytes.saturating_add(self.history_bytes)
    }
}

/// The key up to and with the last of so many slashes behind `from`; one that the key begins with counts for nothing.
#[must_use]
pub fn group(key: &[u8], from: usize, depth: usize) -> &[u8] {
    let from = if from == 0 && key.first() == Some(&b'/') { 1 } else { from };
    let slashes = key.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'/');
    let end = slashes.take(depth).last().map_or(from, |(index, _)| index.saturating_add(1));
    key.get(..end).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_with_slashes() {
        assert_eq!(group(b"/registry/pods/default/web", 0, 1), b"/registry/");
        assert_eq!(group(b"/registry/pods/default/web", 0, 2), b"/registry/pods/");
        assert_eq!(group(b"/registry/pods/default/web", 10, 1), b"/registry/pods/");
        assert_eq!(group(b"/registry/pods/default/web", 0, 9), b"/registry/pods/default/");
        assert_eq!(group(b"app/x", 0, 1), b"app/");
        assert_eq!(group(b"plain", 0, 3), b"");
        assert_eq!(group(b"/plain", 0, 3), b"/");
        assert_eq!(group(b"app/x", 4, 1), b"app/");
    }
}
