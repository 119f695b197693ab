//! The changes between two snapshots that a list shows: those that a search finds, without noise, sorted.

use super::key_search::KeySearch;
use super::noisy_changes::NoisyChanges;
use crate::store::Index;
use crate::store::changes::{ChangeOrder, Changes};
use crate::store::difference::{ChangeCounts, ChangeKind};

/// What a list shows.
#[derive(Debug, Clone, Copy)]
pub struct ChangeSelection<'s> {
    /// Kinds of changes to list.
    pub kinds: &'s [ChangeKind],
    /// What has to be true of the key on one of the sides. Conditions on values are ignored.
    pub search: &'s KeySearch,
    /// Prefixes of API servers.
    pub prefixes: &'s [Vec<u8>],
    /// Changes to leave out.
    pub without: Option<&'s NoisyChanges>,
}

/// Returns the numbers of the selected changes in order, and how many of each kind there are, including kinds that are not listed. `a` and `b` are the compared indexes.
#[must_use]
pub fn selected(
    changes: &Changes,
    (a, b): (&Index, &Index),
    selection: ChangeSelection<'_>,
    order: ChangeOrder,
) -> (Vec<u32>, ChangeCounts) {
    let ChangeSelection { kinds, search, prefixes, without } = selection;
    let mut counts = ChangeCounts::default();
    let numbers = changes.ordered(a, b, order, |number, change| {
        if without.is_some_and(|noise| noise.is_noise(number)) {
            return false;
        }
        let is_found = search.is_empty() || change.states().iter().flatten().any(|key| search.holds(key, prefixes));
        if is_found {
            counts.add(change.kind());
        }
        is_found && kinds.contains(&change.kind())
    });
    (numbers, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::etcd::keyvalue::KeyValue;
    use crate::etcd::revision::Revision;
    use crate::kubernetes::change_groups::{ChangeLine, ChangeLines, change_groups};
    use crate::kubernetes::change_noise::Noise;
    use crate::kubernetes::registry_keys::{object_below, prefixes};
    use crate::kubernetes::resources::Resources;
    use crate::pass::reading::Accumulator;
    use crate::progress::IgnoreProgress;
    use crate::store::changes::ChangeRank;
    use crate::store::{Direction, KeyRange, OpenedStore, Query, Store};

    fn store() -> Result<Store<'static, [u8]>, Error> {
        let bytes = &include_bytes!("../../../samples/sample.db")[..];
        let OpenedStore::Store(store) = Store::open(bytes)? else { panic!("a database") };
        Ok(*store)
    }

    fn index_at(store: &Store<'static, [u8]>, revision: Revision) -> Result<Index, Error> {
        let mut index = Index::new(Query { hash_values: true, ..store.query(KeyRange::all(), revision) });
        for work in store.work() {
            index.read(store, work, &IgnoreProgress)?;
        }
        Ok(index)
    }

    const ORDER: ChangeOrder = ChangeOrder { by: ChangeRank::Key, way: Direction::Up, turned: false };
    const KINDS: &[ChangeKind] = &[ChangeKind::Added, ChangeKind::Removed, ChangeKind::Changed];

    #[test]
    fn changes_are_searched_grouped_and_listed_without_noise() {
        let store = store().unwrap();
        let (a, b) = (index_at(&store, Revision::new(400)).unwrap(), index_at(&store, store.current()).unwrap());
        let prefixes = prefixes(b.iter().map(|key| key.key));
        let changes = Changes::between(&a, &b).unwrap();
        let mut noise = NoisyChanges::by_type(&changes, &a, &b, &prefixes).unwrap();
        let value = |place| store.value(place).unwrap().unwrap();
        let mut compared = 0;
        let chosen: Vec<_> = noise.next_uncompared(&changes, &a, &b).collect();
        for next in chosen {
            let change = changes.difference(next.number, &a, &b).unwrap();
            let (old, new) = (value(next.old.0), value(next.new.0));
            let [old, new] = [&old, &new].map(|bytes| KeyValue::parse(bytes).unwrap().value);
            if let Some(found) = Noise::of_values(change.key(), old, new) {
                noise.found(&next, found);
            }
            noise.advance(1);
            compared += 1;
        }
        assert!(compared > 0 && noise.uncompared() == 0);
        let all = KeySearch::default();
        let list = |search: &KeySearch, kinds, without: Option<&NoisyChanges>| {
            selected(&changes, (&a, &b), ChangeSelection { kinds, search, prefixes: &prefixes, without }, ORDER)
        };
        let (numbers, counts) = list(&all, KINDS, None);
        assert_eq!((numbers.len(), counts), (changes.len(), changes.counts()));
        // Noise is what kind and fields say, and the rest is listed.
        let (quiet, quiet_counts) = list(&all, KINDS, Some(&noise));
        let leases = numbers.iter().filter(|number| {
            let change = changes.difference(**number, &a, &b).unwrap();
            object_below(change.key(), &prefixes).is_some_and(|object| Noise::of_type(&object) == Some(Noise::Lease))
        });
        assert_eq!(noise.reasons().leases, leases.count() as u64);
        assert!(noise.reasons().leases > 0 && noise.reasons().events > 0);
        assert_eq!(quiet_counts.changed, counts.changed - noise.counts().changed);
        assert_eq!(quiet.len() + numbers.iter().filter(|number| noise.is_noise(**number)).count(), numbers.len());
        // A search counts all kinds, whichever are listed.
        let pods = KeySearch::parse("kind:pod").unwrap();
        let (found, found_counts) = list(&pods, &[ChangeKind::Added], None);
        assert!(found.len() == found_counts.added && found_counts.removed > 0);
        let keys = |numbers: &[u32]| -> Vec<String> {
            let changes = numbers.iter().map(|number| changes.difference(*number, &a, &b).unwrap());
            changes.map(|change| String::from_utf8_lossy(change.key()).into_owned()).collect()
        };
        let (found, _) = list(&pods, KINDS, None);
        assert!(keys(&found).iter().all(|key| key.starts_with("/registry/pods/")));
        // Groups have every change once.
        let groups = change_groups(&changes, (&a, &b), &numbers, &prefixes, &Resources::builtin());
        assert!(groups.iter().any(|group| (group.name.as_str(), group.namespace.as_str()) == ("pods", "shop")));
        assert!(groups.is_sorted_by_key(|group| group.changes.first().copied()));
        let mut grouped: Vec<u32> = groups.iter().flat_map(|group| group.changes.clone()).collect();
        grouped.sort_unstable();
        assert_eq!(grouped, numbers);
        let lines = ChangeLines::new(groups, |group| group.name == "pods");
        let Some(ChangeLine::Heading(first, _)) = lines.line(0) else { panic!("a heading") };
        assert!(first.changes.len() == first.counts.added + first.counts.removed + first.counts.changed);
    }
}
