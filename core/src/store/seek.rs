//! Reads entries from a revision on, without reading those before it.

use crate::bolt::page_id::PageId;
use crate::bolt::reader::PageReader;
use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::lost_parts::LostParts;
use crate::progress::IgnoreProgress;
use crate::source::Source;
use crate::store::entry::KeyEntry;
use crate::store::opened_store::{Store, Work};

/// The leaves of bucket `key` in revision order. Memory: 16 bytes per leaf.
pub struct Seek<'o, 's, S: Source + ?Sized> {
    store: &'o Store<'s, S>,
    /// Page id and rank of each leaf.
    ranked: Vec<(PageId, usize)>,
}

impl<'o, 's, S: Source + ?Sized> Seek<'o, 's, S> {
    /// Sorts the leaves; reads nothing yet.
    #[must_use]
    pub fn new(store: &'o Store<'s, S>) -> Self {
        let mut ranked = store.leaves.clone();
        ranked.sort_unstable_by_key(|(_, rank)| *rank);
        Self { store, ranked }
    }

    /// Calls `take` with the entries from a main revision on, in order, until `take` returns false. Finds the first by
    /// a binary search over the leaves. If a leaf of that search is damaged, it is counted and no entry is returned.
    ///
    /// # Errors
    /// A read fails.
    pub fn entries_from(
        &self,
        main: Revision,
        take: &mut dyn FnMut(&KeyEntry<'_>) -> bool,
    ) -> Result<LostParts, Error> {
        let mut lost = LostParts::default();
        let wanted = |entry: &KeyEntry<'_>| entry.key.revision.main >= main;
        if self.store.inline.is_some() {
            let work = self.store.work().next();
            let mut inline = |work: Work, lost: &mut LostParts| {
                self.store.leaves(work, &IgnoreProgress, &mut |page| {
                    let _ = page.entries(lost).filter(wanted).all(|entry| take(&entry));
                })
            };
            let unread = work.map_or_else(|| Ok(LostParts::default()), |work| inline(work, &mut lost))?;
            lost.append(unread);
            return Ok(lost);
        }
        let mut reader = PageReader::new(self.store.source, self.store.geometry);
        // The leaves before `low` begin below `main`, those from `high` on do not.
        let (mut low, mut high) = (0_usize, self.ranked.len());
        while low < high {
            let middle = low.midpoint(high);
            let Some((number, rank)) = self.ranked.get(middle) else { break };
            let Some(page) = self.store.page(&mut reader, *number, *rank, &mut lost)? else { return Ok(lost) };
            let first = page.entries(&mut lost).next().map(|entry| entry.key.revision.main);
            let Some(first) = first else { return Ok(lost) };
            if first < main {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        for (page, rank) in self.ranked.iter().skip(low.saturating_sub(1)) {
            let Some(page) = self.store.page(&mut reader, *page, *rank, &mut lost)? else { continue };
            if !page.entries(&mut lost).filter(wanted).all(|entry| take(&entry)) {
                break;
            }
        }
        Ok(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OpenedStore;

    /// Compares with the entries of a walk over all of them.
    #[test]
    fn entries_are_found_from_any_revision_on() {
        let cases = [
            ("3.7-history", &include_bytes!("../../../tests/cases/3.7-history/snapshot.db")[..]),
            ("3.3-fresh", &include_bytes!("../../../tests/cases/3.3-fresh/snapshot.db")[..]),
        ];
        for (case, bytes) in cases {
            let OpenedStore::Store(store) = Store::open(bytes).unwrap() else { panic!("{case}") };
            let mut all = Vec::new();
            store
                .entries_in_order(&IgnoreProgress, &mut |entry, _| {
                    all.push((entry.key, entry.value.to_vec()));
                    true
                })
                .unwrap();
            let seek = Seek::new(&store);
            let last = all.last().map_or(1, |(key, _)| key.revision.main.get());
            for main in [0, 1, 2, 3, last / 3, last / 2, last - 1, last, last + 1, i64::MAX].map(Revision::new) {
                let mut found = Vec::new();
                let lost = seek.entries_from(main, &mut |entry| {
                    found.push((entry.key, entry.value.to_vec()));
                    found.len() < 40
                });
                assert_eq!(lost.unwrap().places, 0);
                let expected: Vec<_> =
                    all.iter().filter(|(key, _)| key.revision.main >= main).take(40).cloned().collect();
                assert_eq!(found, expected, "{case} from {main}");
            }
        }
    }
}
