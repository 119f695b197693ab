//! Computes how much space keys take in a snapshot.

use etcdsnap_core::store::usage_by_group::Grouping;
use etcdsnap_core::store::{GroupTally, Heavy, LostParts, Query, Store, Sums, Tallies, Usage};

use super::Snapshot;
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::Progress;

/// The space that keys take. Bytes are those of entries in the database.
#[derive(Debug, Clone, Default)]
pub struct UsageReport {
    /// All matching keys.
    pub total: Usage,
    /// Each group with its numbers, largest first.
    pub groups: Vec<(Box<[u8]>, Usage)>,
    /// The keys with the largest values.
    pub largest: Vec<HeavyKey>,
    /// The keys with the most revisions; keys with a single revision are left out.
    pub busiest: Vec<HeavyKey>,
    /// Estimated bytes of the database after a compaction at the given revision and a defragmentation; meaningful only for all keys at the latest revision.
    pub defragmented_bytes: u64,
}

/// A key in one of the lists; equal ones are sorted by revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeavyKey {
    /// Its name.
    pub key: Vec<u8>,
    /// The number by which the list is sorted: bytes of its value, or revisions.
    pub number: u32,
    /// Bytes that a compaction would free.
    pub history_bytes: u64,
}

impl Snapshot {
    /// Sums up the keys that match `query` by group; each list has at most `top` keys.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn usage(
        &self,
        store: &Store<'_, FileSource>,
        query: &Query,
        grouping: Grouping<'_>,
        top: usize,
        progress: &dyn Progress,
    ) -> Result<(UsageReport, LostParts), Error> {
        let tally = GroupTally::new(query.clone(), grouping);
        let (tallies, lost) = self.read(store, progress, || tally.beside())?;
        let tallies = Tallies::of(tallies);
        let threads = self.threads().min(tallies.most_sums());
        let sums = self.pieces(Tallies::pieces(), threads, progress, |sums, piece| tallies.sum(piece, top, sums))?;
        let all = sums.into_iter().reduce(|mut all, sums| {
            all.append(sums, top);
            all
        });
        let all: Sums = all.unwrap_or_default();
        let defragmented_bytes = store.defragmented_bytes(&all).map_err(|cause| self.failed(cause))?;
        let mut groups: Vec<_> = tallies.into_names().into_iter().zip(all.groups).collect();
        groups.sort_unstable_by(|(a, a_usage), (b, b_usage)| {
            b_usage.bytes().cmp(&a_usage.bytes()).then_with(|| a.cmp(b))
        });
        let report = UsageReport {
            defragmented_bytes,
            total: all.total,
            groups,
            largest: self.named(store, &all.largest)?,
            busiest: self.named(store, &all.busiest)?,
        };
        Ok((report, lost))
    }

    fn named(&self, store: &Store<'_, FileSource>, keys: &[Heavy]) -> Result<Vec<HeavyKey>, Error> {
        let named = |key: &Heavy| {
            let message = self.message(store, key.place)?;
            let name = self.pair(&message)?.key.to_vec();
            Ok(HeavyKey { key: name, number: key.number, history_bytes: key.history_bytes })
        };
        keys.iter().map(named).collect()
    }
}
