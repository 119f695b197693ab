//! Decides whether an old snapshot belongs to the same history of writes as a new one, by comparing entries that both contain.
//!
//! Cluster ids prove too little: they are hashes of peer URLs and a token, so two etcd servers that were started with their defaults have the same id, and so has a cluster that was
//! wiped and created again. In one history a revision never changes: the new snapshot also contains the entries of the old one's last revision, unless a compaction has
//! removed them; and the old one contains the entries of older revisions that the new one still contains.

use std::fs::File;
use std::path::Path;

use etcdsnap_core::Revision;
use etcdsnap_core::etcd::revision_key::RevisionKey;
use etcdsnap_core::store::{KeyEntry, LostParts, Seek, Store};
use sha2::{Digest, Sha256};

use crate::input::{Body, FileSource, Input};
use crate::progress::NoProgress;
use crate::snapshot::Snapshot;

/// Compressed snapshots with more unpacked bytes than this are not compared, because unpacking takes space in the directory for temporary files.
const MAX_UNPACKED_LEN: u64 = 512 << 20;

/// How many of the oldest entries of the new snapshot are looked up in the old one.
const OLDEST_COMPARED: usize = 16;

/// The last revision of a snapshot, and a hash of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastWrite {
    pub revision: Revision,
    /// The first bytes of the SHA-256 of all entries of that revision.
    pub hash: u64,
}

/// The relation of two snapshots' histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum History {
    /// The new one continues the old one.
    Same,
    /// One of them contains an entry that the other one's history contradicts.
    Other,
    /// They have no common entries to compare, or one of them cannot be read.
    Unknown,
}

/// Opens a snapshot for comparing: a compressed one is unpacked into a file without a name, unless it is large. `None` if that is not possible, or it is damaged.
/// `path` is for messages.
pub(super) fn open(file: File, path: &Path) -> Option<Snapshot> {
    let input = Input::of_file(file, path).ok()?;
    if let Body::Packed(packed) = &input.body
        && packed.claimed_length().snapshot().is_none_or(|bytes| bytes > MAX_UNPACKED_LEN)
    {
        return None;
    }
    Snapshot::of_input(input, None, &NoProgress).ok()
}

/// Whether a snapshot is compressed, so that a failure to open it may only mean that it could not be unpacked.
pub(super) fn is_packed(file: File, path: &Path) -> bool {
    Input::of_file(file, path).is_ok_and(|input| matches!(input.body, Body::Packed(_)))
}

/// Returns the latest revision of a snapshot and a hash of its entries; `None` if any of the pages involved is damaged.
pub(super) fn last_write(store: &Store<'_, FileSource>) -> Option<LastWrite> {
    Some(LastWrite { revision: store.current(), hash: hash_at(&Seek::new(store), store.current())? })
}

/// Hashes all entries of a revision; `None` if it has no entries.
fn hash_at(store: &Seek<'_, '_, FileSource>, revision: Revision) -> Option<u64> {
    let mut sha256 = Sha256::new();
    let mut count = 0_usize;
    let lost = store.entries_from(revision, &mut |entry| {
        let is_of_it = entry.key.revision.main == revision;
        if is_of_it {
            count = count.saturating_add(1);
            sha256.update(digest(entry));
        }
        is_of_it
    });
    let whole = lost.is_ok_and(|lost| lost.places == 0) && count > 0;
    let digest = sha256.finalize();
    whole.then(|| digest.iter().take(size_of::<u64>()).fold(0, |hash, byte| hash << 8 | u64::from(*byte)))
}

/// Hashes an entry, including its key.
fn digest(entry: &KeyEntry<'_>) -> [u8; 32] {
    let (key, length) = entry.key.to_bytes();
    let key = Sha256::new().chain_update(key.get(..length).unwrap_or_default());
    key.chain_update(entry.value).finalize().into()
}

/// The old entries of the new snapshot.
pub(super) struct PastEntries<'s> {
    store: &'s Store<'s, FileSource>,
    seek: Seek<'s, 's, FileSource>,
    /// The oldest entries that are not deletions: different versions of etcd remove deletions at different compactions.
    oldest: Vec<(RevisionKey, [u8; 32])>,
}

impl<'s> PastEntries<'s> {
    /// Reads them; `None` if pages involved are damaged.
    pub fn of(store: &'s Store<'s, FileSource>) -> Option<Self> {
        let seek = Seek::new(store);
        let mut oldest = Vec::new();
        let lost = seek.entries_from(Revision::ZERO, &mut |entry| {
            if !entry.key.tombstone {
                oldest.push((entry.key, digest(entry)));
            }
            oldest.len() < OLDEST_COMPARED
        });
        is_whole(&lost).then_some(Self { store, seek, oldest })
    }

    /// Whether a snapshot that ends with this write belongs to the same history. Cheap: that snapshot is not read.
    pub fn continues(&self, last: LastWrite) -> History {
        if last.revision <= self.store.compacted() || last.revision > self.store.current() {
            return History::Unknown;
        }
        let mut unread = false;
        let here = hash_at(&self.seek, last.revision);
        if here.is_none() {
            // The new snapshot has no entries of that revision, or they cannot be read.
            let lost = self.seek.entries_from(last.revision, &mut |_| false);
            unread = !is_whole(&lost);
        }
        match here {
            Some(hash) if hash == last.hash => History::Same,
            None if unread => History::Unknown,
            _ => History::Other,
        }
    }

    /// Whether an old snapshot belongs to the same history.
    pub fn continues_store(&self, old: &Store<'_, FileSource>) -> History {
        let by_last_write = last_write(old).map(|last| self.continues(last));
        if let Some(by_last_write @ (History::Same | History::Other)) = by_last_write {
            return by_last_write;
        }
        let seek = Seek::new(old);
        let (mut same, current, compacted) = (false, old.current(), old.compacted());
        for (key, hash) in self.oldest.iter().filter(|(key, _)| key.revision.main <= current) {
            let mut found = None;
            let lost = seek.entries_from(key.revision.main, &mut |entry| {
                if entry.key == *key {
                    found = Some(digest(entry));
                }
                entry.key.revision <= key.revision && found.is_none()
            });
            match found {
                Some(found) if found == *hash => same = true,
                Some(_) => return History::Other,
                // An unfinished compaction may have removed these from one and not from the other.
                None if key.revision.main <= compacted || !is_whole(&lost) => {}
                None => return History::Other,
            }
        }
        if same { History::Same } else { History::Unknown }
    }
}

fn is_whole(lost: &Result<LostParts, etcdsnap_core::Error>) -> bool {
    lost.as_ref().is_ok_and(|lost| lost.places == 0)
}
