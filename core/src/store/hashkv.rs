//! The hash by which members compare their stores: `Maintenance.HashKV`.
//!
//! CRC-32C over the name `key` and then, in order, key and value of each entry up to a revision. At or below the last compaction only those count which a compaction
//! would leave: the newest of their key at the revision asked for, unless it deletes. Members that have and have not removed the others yet so agree.
//! Where no key lives at that revision, nothing is to be kept, and etcd then counts whatever there is: a server, and `etcdutl hashkv`, finishes an interrupted
//! compaction in the background, and says one hash before that and another behind it. Ours is of what the file holds: the one before.
//! Source: etcd's `server/storage/mvcc/hash.go` and `kvstore_compaction.go`; checked against the answers of live servers of 3.3 to 3.7.

use crate::crc::{Combiner, Run};
use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::missing_parts::Lost;
use crate::pass::reading::Accumulator;
use crate::progress::Watch;
use crate::source::Source;
use crate::store::key_hash::{Short, short};
use crate::store::opened_store::{Page, Store, Work};
use crate::store::partitioned_fold::{PARTITIONS, Row, Rows, folded};
use crate::store::query::malformed;

/// The hash of a store at a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashKv {
    /// CRC-32C.
    pub hash: u32,
    /// The main revision at which it was taken.
    pub revision: Revision,
    /// The main revision of the last compaction, or -1.
    pub compact_revision: Revision,
}

/// Why there is no hash at a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It was compacted.
    #[error("revision {asked} has been compacted: the oldest that can be asked for is {oldest}")]
    Compacted {
        /// The revision asked for.
        asked: Revision,
        /// The oldest there is.
        oldest: Revision,
    },
    /// It is in the future.
    #[error("revision {asked} is none of this snapshot: its latest is {latest}")]
    Future {
        /// The revision asked for.
        asked: Revision,
        /// The latest there is.
        latest: Revision,
    },
}

impl<S: Source + ?Sized> Store<'_, S> {
    /// The revision to ask at: 0 stands for the current one.
    ///
    /// # Errors
    /// When it was compacted, or is none of this snapshot.
    pub fn at(&self, revision: Revision) -> Result<Revision, Unavailable> {
        let (oldest, latest) = (self.compacted(), self.current());
        match revision {
            Revision::ZERO => Ok(latest),
            asked if asked < Revision::ZERO || asked < oldest => {
                Err(Unavailable::Compacted { asked, oldest: oldest.max(Revision::FIRST) })
            }
            asked if asked > latest => Err(Unavailable::Future { asked, latest }),
            asked => Ok(asked),
        }
    }
}

/// A run of entries which count together.
#[derive(Debug)]
struct Piece {
    /// The place of its leaf in the order of keys, and its own in the leaf.
    place: (usize, u32),
    run: Run,
    counts: Counts,
}

/// When a piece counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    Always,
    /// Where some key lives.
    Kept,
    /// Where none does.
    Whole,
}

/// The newest entry of a key, and what it adds to the hash where it lies at or below the compaction.
#[derive(Debug, Clone, Copy)]
struct Newest {
    hash: Short,
    index: u32,
    rank: usize,
    revision: FullRevision,
    run: Run,
    deletes: bool,
}

impl Row for Newest {
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

/// What some leaves add to the hash. Leaves may come in any order, and parts be merged in any order.
#[derive(Debug)]
pub struct Hashing {
    revision: Revision,
    compact: Revision,
    pieces: Vec<Piece>,
    /// The newest entries of the keys up to the revision; none without a compaction, when nothing is in doubt.
    newest: Vec<Rows<Newest>>,
    combiner: Combiner,
}

impl Hashing {
    /// Nothing yet; `revision` must be one of [`Store::at`].
    #[must_use]
    pub fn new<S: Source + ?Sized>(store: &Store<'_, S>, revision: Revision) -> Self {
        let compact = store.compacted();
        let newest = (compact >= Revision::ZERO).then(Rows::new).into_iter().collect();
        Self { revision, compact, pieces: Vec::new(), newest, combiner: Combiner::default() }
    }

    /// The same for another thread, which adds to it beside this one.
    #[must_use]
    pub fn beside(&self) -> Self {
        let newest = self.newest.iter().map(Rows::beside).collect();
        Self { pieces: Vec::new(), newest, combiner: Combiner::default(), ..*self }
    }

    fn take(&mut self, page: &Page<'_>, lost: &mut Lost) {
        let mut odd = Lost::default();
        let (mut above, mut others) = (false, false);
        // All entries at or below the compaction, should none of them be older than another.
        let mut below = Run::default();
        let mut unparsed = Lost::default();
        let mut previous = None;
        for entry in page.entries(&mut odd) {
            let main = entry.key.revision.main;
            // A server that comes to such a place loses its way, so the hash of its store would be another.
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
                unparsed.add(malformed(&entry, "are no KeyValue"));
                others = true;
                continue;
            };
            let in_doubt = main <= self.compact;
            let index = entry.place.index;
            above |= !in_doubt;
            others |= in_doubt;
            let (deletes, mut run) = (entry.key.tombstone, Run::default());
            // A deletion by the last revision that was compacted is gone in any case.
            if in_doubt && !(main == self.compact && deletes) {
                run = run_of(entry.key, entry.value, &self.combiner);
                below = below.then(run, &self.combiner);
            }
            let Some(rows) = self.newest.first_mut() else { continue };
            let (hash, rank, revision) = (short(message.key), page.rank, entry.key.revision);
            rows.push(Newest { hash, index, rank, revision, run, deletes });
        }
        if below.len > 0 {
            self.pieces.push(Piece { place: (page.rank, 0), run: below, counts: Counts::Whole });
        }
        // What lies above the compaction counts for sure, and comes behind what is in doubt.
        if above {
            let whole = page.leaf.run().filter(|_| !others && odd.places == 0);
            let run = match whole.and_then(|range| page.bytes.get(range)) {
                Some(bytes) => Run::of(bytes),
                None => self.run_above(page),
            };
            self.pieces.push(Piece { place: (page.rank, u32::MAX), run, counts: Counts::Always });
        }
        lost.append(odd);
        lost.append(unparsed);
    }

    /// The entries of a leaf between the compaction and the revision.
    fn run_above(&self, page: &Page<'_>) -> Run {
        // They were counted as lost already.
        let mut odd = Lost::default();
        let above = page.entries(&mut odd).filter(|entry| {
            let main = entry.key.revision.main;
            main > self.compact && main <= self.revision
        });
        above
            .fold(Run::default(), |run, entry| run.then(run_of(entry.key, entry.value, &self.combiner), &self.combiner))
    }

    /// Both together.
    pub fn merge(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
        self.newest.extend(other.newest);
    }

    /// The hash, when all leaves are in.
    #[must_use]
    pub fn finish(mut self) -> HashKv {
        let mut something_is_kept = false;
        for number in 0..PARTITIONS {
            for key in folded(self.newest.iter(), number).iter().filter(|key| !key.deletes) {
                something_is_kept = true;
                if key.revision.main <= self.compact {
                    let place = (key.rank, key.index);
                    self.pieces.push(Piece { place, run: key.run, counts: Counts::Kept });
                }
            }
        }
        let other = if something_is_kept { Counts::Whole } else { Counts::Kept };
        self.pieces.retain(|piece| piece.counts != other);
        self.pieces.sort_unstable_by_key(|piece| piece.place);
        let run = self.pieces.iter().fold(Run::of(b"key"), |run, piece| run.then(piece.run, &self.combiner));
        HashKv { hash: run.crc, revision: self.revision, compact_revision: self.compact }
    }
}

fn run_of(key: RevisionKey, value: &[u8], combiner: &Combiner) -> Run {
    let (bytes, len) = key.to_bytes();
    Run::of(bytes.get(..len).unwrap_or_default()).then(Run::of(value), combiner)
}

impl Accumulator for Hashing {
    fn read<S: Source + ?Sized>(&mut self, store: &Store<'_, S>, work: Work, watch: &dyn Watch) -> Result<Lost, Error> {
        let mut lost = Lost::default();
        let unread = store.leaves(work, watch, &mut |page| self.take(page, &mut lost))?;
        lost.append(unread);
        self.newest.iter_mut().try_for_each(Rows::hand_over)?;
        Ok(lost)
    }
}
