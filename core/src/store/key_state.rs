//! The state of a key at a revision, with the space that its history uses.

use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::FullRevision;
use crate::store::entry::{EntryPlace, KeyEntry};

/// Bytes of an entry besides its value: bbolt's element of 16 bytes, and a revision of 17 or 18.
const ENTRY_OVERHEAD: u64 = 16 + 17;

/// The space an entry uses in the database, in bytes.
pub(crate) fn entry_bytes(entry: &KeyEntry<'_>) -> u64 {
    ENTRY_OVERHEAD.saturating_add(u64::from(entry.key.tombstone)).saturating_add(entry.value.len() as u64)
}

/// The state of a key at a revision. An index holds it in fewer bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyState {
    /// Newest revision, up to the requested one.
    pub revision: FullRevision,
    /// Whether the key is deleted at the requested revision.
    pub deleted: bool,
    /// Main revision of the put that created it; 0 if deleted.
    pub create_revision: Revision,
    /// Puts since its creation; 0 if deleted.
    pub version: i64,
    /// Its lease, or 0.
    pub lease: i64,
    /// Length of its value in bytes.
    pub value_len: u32,
    /// Place of its newest entry.
    pub place: EntryPlace,
    /// Space used by its newest entry, in bytes.
    pub newest_bytes: u32,
    /// Space used by all its entries up to the requested revision, in bytes.
    pub bytes: u64,
    /// Number of its entries, tombstones included.
    pub revisions: u32,
    /// Number of its tombstones.
    pub tombstones: u32,
}

/// A key with its state. It takes a hundred bytes: long lists hold a [`KeyAt`](crate::store::KeyAt) for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'i> {
    /// Bytes of the key.
    pub key: &'i [u8],
    pub(crate) state: KeyState,
}

impl std::ops::Deref for Key<'_> {
    type Target = KeyState;

    fn deref(&self) -> &KeyState {
        &self.state
    }
}

impl KeyState {
    /// The state of a key with one entry.
    pub(crate) fn of_entry(message: &KeyValue<'_>, entry: &KeyEntry<'_>) -> Self {
        let bytes = entry_bytes(entry);
        Self {
            revision: entry.key.revision,
            deleted: entry.key.tombstone,
            create_revision: message.create_revision,
            version: message.version,
            lease: message.lease,
            // bbolt's own lengths have 32 bits.
            value_len: u32::try_from(message.value.len()).unwrap_or(u32::MAX),
            place: entry.place,
            newest_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            bytes,
            revisions: 1,
            tombstones: u32::from(entry.key.tombstone),
        }
    }

    /// Adds the facts about the same key from other entries; returns whether its newest entry is among those. Only a
    /// damaged file has two entries with one revision; their places decide, so that the reading order does not.
    #[inline]
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let newer = (self.revision, self.place) < (other.revision, other.place);
        *self = Self {
            bytes: self.bytes.saturating_add(other.bytes),
            revisions: self.revisions.saturating_add(other.revisions),
            tombstones: self.tombstones.saturating_add(other.tombstones),
            ..if newer { *other } else { *self }
        };
        newer
    }

    /// Bytes that a compaction at this revision would free: all entries except the newest, and that one too if the key
    /// is deleted.
    #[must_use]
    pub fn history_bytes(&self) -> u64 {
        if self.deleted { self.bytes } else { self.bytes.saturating_sub(u64::from(self.newest_bytes)) }
    }
}
