//! Space used by keys.

use crate::store::key_state::KeyState;

/// Space used by a group of keys. Bytes are those of entries in the database: key, value and bbolt's element, without
/// free space in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Number of live keys.
    pub keys: u64,
    /// Number of deleted keys that still have entries.
    pub deleted: u64,
    /// Number of entries, tombstones included.
    pub revisions: u64,
    /// Number of tombstones.
    pub tombstones: u64,
    /// Bytes of the newest entries of live keys.
    pub live_bytes: u64,
    /// Bytes of all other entries, which a compaction now would free.
    pub history_bytes: u64,
}

impl Usage {
    /// Adds a key.
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

    /// Adds the totals in `other`.
    pub fn append(&mut self, other: &Self) {
        self.keys = self.keys.saturating_add(other.keys);
        self.deleted = self.deleted.saturating_add(other.deleted);
        self.revisions = self.revisions.saturating_add(other.revisions);
        self.tombstones = self.tombstones.saturating_add(other.tombstones);
        self.live_bytes = self.live_bytes.saturating_add(other.live_bytes);
        self.history_bytes = self.history_bytes.saturating_add(other.history_bytes);
    }

    /// Bytes of all entries.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.live_bytes.saturating_add(self.history_bytes)
    }
}

/// Returns the key up to and including the last of `depth` slashes after `from`; a slash at `from` itself does not count,
/// because no part of the key comes before it.
#[must_use]
pub fn group(key: &[u8], from: usize, depth: usize) -> &[u8] {
    let from = if key.get(from) == Some(&b'/') { from.saturating_add(1) } else { from };
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
        assert_eq!(group(b"/registry/pods/default/web", 9, 1), b"/registry/pods/");
        assert_eq!(group(b"/registry/pods/default/web", 12, 1), b"/registry/pods/");
        assert_eq!(group(b"/registry/pods/default/web", 0, 9), b"/registry/pods/default/");
        assert_eq!(group(b"app/x", 0, 1), b"app/");
        assert_eq!(group(b"plain", 0, 3), b"");
        assert_eq!(group(b"/plain", 0, 3), b"/");
        assert_eq!(group(b"app/x", 4, 1), b"app/");
    }
}
