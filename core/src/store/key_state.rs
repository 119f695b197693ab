//! A key at a revision, with what its history takes.

use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::FullRevision;
use crate::store::chunks::Name;
use crate::store::entry::{Entry, Place};

/// Bytes of an element and a revision, which every entry takes beside its value: bolt's 16, and 17 or 18.
const ENTRY_OVERHEAD: u64 = 16 + 17;

/// Bytes that an entry takes in the database.
pub(crate) fn entry_bytes(entry: &Entry<'_>) -> u64 {
    ENTRY_OVERHEAD.saturating_add(u64::from(entry.key.tombstone)).saturating_add(entry.value.len() as u64)
}

/// Where a key is in its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyAt {
    pub(crate) shard: u32,
    pub(crate) number: u32,
}

/// How a key stands at a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    pub(crate) name: Name,
    /// Its newest revision up to the one asked for.
    pub revision: FullRevision,
    /// Whether it is deleted there.
    pub deleted: bool,
    /// Main revision of the put that created it; 0 when it is deleted.
    pub create_revision: Revision,
    /// Puts since its creation; 0 when it is deleted.
    pub version: i64,
    /// Its lease, or 0.
    pub lease: i64,
    /// Bytes of its value.
    pub value_len: u32,
    /// Where its newest entry is.
    pub place: Place,
    /// Bytes that its newest entry takes in the database.
    pub newest_bytes: u32,
    /// Bytes that all its entries take, up to the revision asked for.
    pub bytes: u64,
    /// Its entries, tombstones among them.
    pub revisions: u32,
    /// Its tombstones.
    pub tombstones: u32,
}

/// A key with its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'i> {
    /// Its bytes.
    pub key: &'i [u8],
    pub(crate) state: &'i KeyState,
}

impl std::ops::Deref for Key<'_> {
    type Target = KeyState;

    fn deref(&self) -> &KeyState {
        self.state
    }
}

impl KeyState {
    /// Whether an entry comes after the newest. Only a damaged file has two of one revision; their places decide, so that no order of reading does.
    pub(crate) fn is_before(&self, revision: FullRevision, place: Place) -> bool {
        (self.revision, self.place) < (revision, place)
    }

    pub(crate) fn renew(&mut self, message: &KeyValue<'_>, entry: &Entry<'_>, bytes: u64) {
        self.revision = entry.key.revision;
        self.deleted = entry.key.tombstone;
        self.create_revision = message.create_revision;
        self.version = message.version;
        self.lease = message.lease;
        // Bolt's own lengths have 32 bits.
        self.value_len = u32::try_from(message.value.len()).unwrap_or(u32::MAX);
        self.place = entry.place;
        self.newest_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// Takes in what is known of the same key from other entries; whether its newest one is among them.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let (bytes, revisions, tombstones, name) = (
            self.bytes.saturating_add(other.bytes),
            self.revisions.saturating_add(other.revisions),
            self.tombstones.saturating_add(other.tombstones),
            self.name,
        );
        let newer = self.is_before(other.revision, other.place);
        if newer {
            *self = other.clone();
        }
        (self.bytes, self.revisions, self.tombstones, self.name) = (bytes, revisions, tombstones, name);
        newer
    }

    /// Bytes that a compaction at this revision would free: all but the newest entry, and that too when the key is deleted.
    #[must_use]
    pub fn history_bytes(&self) -> u64 {
        if self.deleted { self.bytes } else { self.bytes.saturating_sub(u64::from(self.newest_bytes)) }
    }
}
