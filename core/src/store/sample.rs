//! Samples entries from the whole history of a store, without reading the others.

use crate::bolt::page_id::PageId;
use crate::bolt::reader::PageReader;
use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::lost_parts::LostParts;
use crate::progress::IgnoreProgress;
use crate::source::Source;
use crate::store::entry::KeyEntry;
use crate::store::opened_store::{Page, Store};

/// Leaves read from the revisions below the last compaction, and as many from the later ones.
const LEAVES: usize = 160;

/// Entries sampled per leaf.
const ENTRIES: usize = 24;

impl<S: Source + ?Sized> Store<'_, S> {
    /// Calls `take` with entries from a few hundred leaves in revision order: half from before the last compaction,
    /// half from after it. Leaves are evenly spaced by rank, so gaps in the revisions have no effect. Damaged leaves
    /// are skipped.
    ///
    /// # Errors
    /// A read fails.
    pub fn sample(&self, take: &mut dyn FnMut(&KeyEntry<'_>)) -> Result<(), Error> {
        let mut some = |page: &Page<'_>| {
            let mut lost = LostParts::default();
            let entries: Vec<KeyEntry<'_>> = page.entries(&mut lost).collect();
            entries.iter().step_by(entries.len().div_ceil(ENTRIES).max(1)).for_each(&mut *take);
        };
        if self.inline.is_some() {
            if let Some(work) = self.work().next() {
                self.leaves(work, &IgnoreProgress, &mut some)?;
            }
            return Ok(());
        }
        let mut ranked = self.leaves.clone();
        ranked.sort_unstable_by_key(|(_, rank)| *rank);
        let mut reader = PageReader::new(self.source, self.geometry);
        let since = self.first_leaf_from(&ranked, self.compacted(), &mut reader)?;
        let (old, new) = ranked.split_at_checked(since).unwrap_or((&ranked, &[]));
        for leaves in [old, new] {
            for number in spread(leaves.len(), LEAVES) {
                let Some((page, rank)) = leaves.get(number) else { continue };
                if let Some(page) = self.page(&mut reader, *page, *rank, &mut LostParts::default())? {
                    some(&page);
                }
            }
        }
        Ok(())
    }

    /// Finds the rank of the first readable leaf that begins at or after a main revision.
    fn first_leaf_from(
        &self,
        ranked: &[(PageId, usize)],
        main: Revision,
        reader: &mut PageReader<'_, S>,
    ) -> Result<usize, Error> {
        let (mut low, mut high) = (0_usize, ranked.len());
        while low < high {
            let middle = low.midpoint(high);
            let Some((page, rank)) = ranked.get(middle) else { break };
            let mut lost = LostParts::default();
            let page = self.page(reader, *page, *rank, &mut lost)?;
            let first = page.and_then(|page| page.entries(&mut lost).next().map(|entry| entry.key.revision.main));
            if first.is_some_and(|first| first < main) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

/// Returns at most `wanted` numbers below `count`, evenly spaced, including the last.
fn spread(count: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(wanted);
    (1..=taken).filter_map(move |number| number.checked_mul(count)?.checked_div(taken)?.checked_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OpenedStore;

    #[test]
    fn numbers_are_spread_evenly_with_the_last_among_them() {
        assert_eq!(spread(10, 3).collect::<Vec<_>>(), [2, 5, 9]);
        assert_eq!(spread(3, 10).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(0, 10).count(), 0);
    }

    #[test]
    fn a_small_store_is_handed_out_in_order_and_a_large_one_in_part() {
        let bytes = &include_bytes!("../../../tests/cases/3.7-history/snapshot.db")[..];
        let OpenedStore::Store(store) = Store::open(bytes).unwrap() else { panic!("a database") };
        let mut found = Vec::new();
        store.sample(&mut |entry| found.push(entry.key.revision)).unwrap();
        assert!(found.is_sorted() && found.last().is_some_and(|last| last.main == store.current()), "{found:?}");
        assert!(found.len() > 20, "{found:?}");
    }
}
