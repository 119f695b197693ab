//! Computes `Maintenance.HashKV`, the hash by which members compare their stores.
//!
//! The hash is the CRC-32C of the name `key` followed by key and value of each entry up to a revision, in order. At or
//! below the last compaction only those entries count that the compaction keeps: the newest of each key at the
//! requested revision, unless it is a tombstone. So members agree whether or not they have finished compacting. If no
//! key lives at that revision, the set to keep is empty, and etcd then counts every entry in the file: while a server,
//! or `etcdutl hashkv`, finishes an interrupted compaction in the background, its hash changes. This module hashes the
//! contents of the file, and so returns the hash from before. Source: etcd's `server/storage/mvcc/hash.go` and
//! `kvstore_compaction.go`; checked against the answers of live servers of 3.3 to 3.7.

use crate::crc::{CrcCombiner, PartialCrc};
use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::lost_parts::LostParts;
use crate::number_words::grouped_revision;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::key_hash::{Short, short};
use crate::store::opened_store::{Page, Store, Work};
use crate::store::partitioned_fold::{KeyRow, PARTITIONS, Rows, folded};
use crate::store::query::malformed;

/// The hash of a store at a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashKv {
    /// CRC-32C.
    pub hash: u32,
    /// Main revision of the hash.
    pub revision: Revision,
    /// Main revision of the last compaction, or -1.
    pub compact_revision: Revision,
}

/// Why the snapshot cannot answer for a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevisionUnavailable {
    /// The revision was compacted.
    #[error("revision {} has been compacted: the oldest in this snapshot is {}", grouped_revision(*asked), grouped_revision(*oldest))]
    Compacted {
        /// Requested revision.
        asked: Revision,
        /// Oldest available revision.
        oldest: Revision,
    },
    /// The revision is in the future.
    #[error("revision {} is later than the latest in this snapshot, {}", grouped_revision(*asked), grouped_revision(*latest))]
    Future {
        /// Requested revision.
        asked: Revision,
        /// Latest available revision.
        latest: Revision,
    },
}

impl<S: Source + ?Sized> Store<'_, S> {
    /// Resolves a requested revision: 0 means the current one.
    ///
    /// # Errors
    /// The revision was compacted, or is later than the snapshot's latest.
    pub fn at(&self, revision: Revision) -> Result<Revision, RevisionUnavailable> {
        let (oldest, latest) = (self.compacted(), self.current());
        match revision {
            Revision::ZERO => Ok(latest),
            asked if asked < Revision::ZERO || asked < oldest => {
                Err(RevisionUnavailable::Compacted { asked, oldest: oldest.max(Revision::FIRST) })
            }
            asked if asked > latest => Err(RevisionUnavailable::Future { asked, latest }),
            asked => Ok(asked),
        }
    }
}

/// A run of consecutive entries that count together.
#[derive(Debug)]
struct HashPiece {
    /// Rank of its leaf in key order, and index of its first entry in the leaf.
    place: (usize, u32),
    crc: PartialCrc,
    counts: CountsIf,
}

/// Condition under which a piece counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CountsIf {
    Always,
    /// Counts if some key lives.
    Kept,
    /// Counts if no key lives.
    Whole,
}

/// The newest entry of a key, and its part of the hash if it is at or below the compaction.
#[derive(Debug, Clone, Copy)]
struct NewestHashed {
    hash: Short,
    index: u32,
    rank: usize,
    revision: FullRevision,
    crc: PartialCrc,
    deletes: bool,
}

impl KeyRow for NewestHashed {
    #[inline]
    fn hash(&self) -> Short {
        self.hash
    }

    #[inline]
    fn merge(&mut self, other: Self) {
        if (self.revision, self.deletes) < (other.revision, other.deletes) {
            *self = other;
        }
    }
}

/// The part of the hash that some leaves contribute. Leaves may be added in any order, and parts merged in any order.
#[derive(Debug)]
pub struct HashKvPart {
    revision: Revision,
    compact: Revision,
    pieces: Vec<HashPiece>,
    /// Newest entries of the keys up to the revision; empty without a compaction, when every entry counts.
    newest: Vec<Rows<NewestHashed>>,
    combiner: CrcCombiner,
}

impl HashKvPart {
    /// Creates an empty part; `revision` must come from [`Store::at`].
    #[must_use]
    pub fn new<S: Source + ?Sized>(store: &Store<'_, S>, revision: Revision) -> Self {
        let compact = store.compacted();
        let newest = (compact >= Revision::ZERO).then(Rows::new).into_iter().collect();
        Self { revision, compact, pieces: Vec::new(), newest, combiner: CrcCombiner::default() }
    }

    /// Creates a handle for another thread, which adds to the same part.
    #[must_use]
    pub fn beside(&self) -> Self {
        let newest = self.newest.iter().map(Rows::beside).collect();
        Self { pieces: Vec::new(), newest, combiner: CrcCombiner::default(), ..*self }
    }

    fn take(&mut self, page: &Page<'_>, lost: &mut LostParts) {
        let mut odd = LostParts::default();
        let (mut above, mut others) = (false, false);
        // All entries at or below the compaction, for the case that no key lives.
        let mut below = PartialCrc::default();
        let mut unparsed = LostParts::default();
        let mut previous = None;
        for entry in page.entries(&mut odd) {
            let main = entry.key.revision.main;
            // A server that reads such a page loses its position, so its hash would differ.
            if previous.replace(entry.key.revision).is_some_and(|previous| previous > entry.key.revision) {
                unparsed
                    .add(Finding::new(Code::KeyOrder, "a key is not greater than the one before it").page(page.page));
            }
            if main > self.revision {
                others = true;
                continue;
            }
            // A server does not start with such an entry, so it has no hash.
            let Some(message) = KeyValue::parse(entry.value) else {
                unparsed.add(malformed(&entry, "are not a KeyValue message"));
                others = true;
                continue;
            };
            let in_doubt = main <= self.compact;
            let index = entry.place.index;
            above |= !in_doubt;
            others |= in_doubt;
            let (deletes, mut crc) = (entry.key.tombstone, PartialCrc::default());
            // A tombstone at the revision of the last compaction never counts.
            if in_doubt && !(main == self.compact && deletes) {
                crc = crc_of(entry.key, entry.value, &self.combiner);
                below = below.then(crc, &self.combiner);
            }
            let Some(rows) = self.newest.first_mut() else { continue };
            let (hash, rank, revision) = (short(message.key), page.rank, entry.key.revision);
            rows.push(NewestHashed { hash, index, rank, revision, crc, deletes });
        }
        if below.len > 0 {
            self.pieces.push(HashPiece { place: (page.rank, 0), crc: below, counts: CountsIf::Whole });
        }
        // Entries above the compaction always count, and come after the uncertain ones.
        if above {
            let whole = page.leaf.packed_range().filter(|_| !others && odd.places == 0);
            let crc = match whole.and_then(|range| page.bytes.get(range)) {
                Some(bytes) => PartialCrc::of(bytes),
                None => self.crc_above(page),
            };
            self.pieces.push(HashPiece { place: (page.rank, u32::MAX), crc, counts: CountsIf::Always });
        }
        lost.append(odd);
        lost.append(unparsed);
    }

    /// Hashes the entries of a leaf between the compaction and the revision.
    fn crc_above(&self, page: &Page<'_>) -> PartialCrc {
        // Already counted as lost.
        let mut odd = LostParts::default();
        let above = page.entries(&mut odd).filter(|entry| {
            let main = entry.key.revision.main;
            main > self.compact && main <= self.revision
        });
        above.fold(PartialCrc::default(), |crc, entry| {
            crc.then(crc_of(entry.key, entry.value, &self.combiner), &self.combiner)
        })
    }

    /// Adds the part `other`.
    pub fn merge(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
        self.newest.extend(other.newest);
    }

    /// Computes the hash after all leaves were added.
    #[must_use]
    pub fn finish(mut self) -> HashKv {
        let mut something_is_kept = false;
        for number in 0..PARTITIONS {
            for key in folded(self.newest.iter(), number).iter().filter(|key| !key.deletes) {
                something_is_kept = true;
                if key.revision.main <= self.compact {
                    let place = (key.rank, key.index);
                    self.pieces.push(HashPiece { place, crc: key.crc, counts: CountsIf::Kept });
                }
            }
        }
        let other = if something_is_kept { CountsIf::Whole } else { CountsIf::Kept };
        self.pieces.retain(|piece| piece.counts != other);
        self.pieces.sort_unstable_by_key(|piece| piece.place);
        let whole = self.pieces.iter().fold(PartialCrc::of(b"key"), |crc, piece| crc.then(piece.crc, &self.combiner));
        HashKv { hash: whole.crc, revision: self.revision, compact_revision: self.compact }
    }
}

fn crc_of(key: RevisionKey, value: &[u8], combiner: &CrcCombiner) -> PartialCrc {
    let (bytes, len) = key.to_bytes();
    PartialCrc::of(bytes.get(..len).unwrap_or_default()).then(PartialCrc::of(value), combiner)
}

impl Accumulator for HashKvPart {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        let mut lost = LostParts::default();
        let unread = store.leaves(work, progress, &mut |page| self.take(page, &mut lost))?;
        lost.append(unread);
        self.newest.iter_mut().try_for_each(Rows::hand_over)?;
        Ok(lost)
    }
}
