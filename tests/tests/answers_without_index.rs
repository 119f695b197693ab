//! `usage` and `diff` compute the same without an index as with one, whether the file is sound or not.

use std::collections::BTreeMap;

use etcdsnap_core::pass::reading::Accumulator;
use etcdsnap_core::store::usage::group;
use etcdsnap_core::store::{
    Changes, Contents, GroupTally, Index, Key, KeyRange, LostParts, OpenedStore, Query, Store, Sums, Tallies, Unlike,
    Usage, Work,
};
use etcdsnap_core::{IgnoreProgress, Revision};
use etcdsnap_tests::build::random::any_member;
use etcdsnap_tests::build::with_trailer;
use etcdsnap_tests::seeded_random::SeededRandom;
use proptest::prelude::*;

type Bytes = Vec<u8>;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() }
}

fn open(file: &Bytes) -> Option<Box<Store<'_, Bytes>>> {
    match Store::open(file).expect("bytes can always be read") {
        OpenedStore::Store(store) => Some(store),
        OpenedStore::Refused(_) => None,
    }
}

/// Builds a file, often with overwritten bytes.
fn file(seed: u64, transactions: usize, rng: &mut SeededRandom) -> Bytes {
    let mut database = any_member(seed, transactions).built.database;
    if rng.chance(50) {
        for _ in 0..rng.between(1, 20) {
            let at = rng.below(database.len() / 512) * 512 + rng.below(96);
            database[at] = rng.bits() as u8;
        }
    }
    with_trailer(&database)
}

/// Lets several workers read the parts in random order.
fn read_in_any_order<T>(
    store: &Store<'_, Bytes>,
    rng: &mut SeededRandom,
    new: impl Fn() -> T,
    take: impl Fn(&mut T, Work) -> LostParts,
) -> (Vec<T>, u64) {
    let mut read_in_any_order: Vec<T> = (0..rng.between(1, 4)).map(|_| new()).collect();
    let mut work: Vec<Work> = store.work().collect();
    let mut lost = 0;
    while !work.is_empty() {
        let next = work.swap_remove(rng.below(work.len()));
        let hand = rng.below(read_in_any_order.len());
        lost += take(&mut read_in_any_order[hand], next).places;
    }
    (read_in_any_order, lost)
}

fn index(store: &Store<'_, Bytes>, query: &Query) -> (Index, u64) {
    let mut index = Index::new(query.clone());
    let lost = store.work().map(|work| index.read(store, work, &IgnoreProgress).expect("readable bytes").places).sum();
    (index, lost)
}

fn query(store: &Store<'_, Bytes>, rng: &mut SeededRandom) -> Query {
    let span = usize::try_from(store.current().get()).unwrap_or(0).min(1 << 20) + 1;
    let revision = if rng.chance(50) { store.current() } else { Revision::new(rng.below(span) as i64) };
    let range = if rng.chance(70) { KeyRange::all() } else { KeyRange::prefix(&[b"/ak"[rng.below(3)]]) };
    Query { range, revision, hash_values: true, folders: Vec::new() }
}

/// Returns the keys of an index with the largest numbers; of equal ones, those written first.
fn top(index: &Index, count: usize, number: impl Fn(&Key<'_>) -> u32) -> Vec<(u32, Revision, Bytes)> {
    let mut list: Vec<Key<'_>> = index.iter().filter(|key| number(key) > 0).collect();
    list.sort_by(|a, b| number(b).cmp(&number(a)).then(a.revision.cmp(&b.revision)));
    list.iter().take(count).map(|key| (number(key), key.revision.main, key.key.to_vec())).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn usage_equals_that_of_the_index(seed in any::<u64>(), transactions in 0_usize..200, depth in 1_usize..4, count in 0_usize..6) {
        let mut rng = SeededRandom::new(seed);
        let file = file(seed, transactions, &mut rng);
        let Some(store) = open(&file) else { return Ok(()) };
        let query = query(&store, &mut rng);
        let (index, index_lost) = index(&store, &query);
        let mut total = Usage::default();
        let mut groups: BTreeMap<Bytes, Usage> = BTreeMap::new();
        for key in index.iter() {
            total.add(&key);
            groups.entry(group(key.key, 0, depth).to_vec()).or_default().add(&key);
        }

        let by: etcdsnap_core::store::usage_by_group::Grouping<'_> = &|key, name| name.extend_from_slice(group(key, 0, depth));
        let take = |tally: &mut GroupTally<'_>, work| tally.read(&store, work, &IgnoreProgress).expect("readable bytes");
        let whole = rng.chance(50).then(|| GroupTally::new(query.clone(), by));
        let hand = || whole.as_ref().map_or_else(|| GroupTally::new(query.clone(), by), GroupTally::beside);
        let (tallies, lost) = read_in_any_order(&store, &mut rng, hand, take);
        prop_assert_eq!(lost, index_lost);
        let tallies = Tallies::of(tallies);
        let mut sums = Sums::default();
        for piece in 0..Tallies::pieces() {
            tallies.sum(piece, count, &mut sums);
        }
        prop_assert_eq!(sums.total, total);
        let found: BTreeMap<Bytes, Usage> = tallies.names().iter().map(|name| name.to_vec()).zip(sums.groups).collect();
        prop_assert_eq!(found, groups);
        let told = |list: &[etcdsnap_core::store::Heavy]| -> Vec<(u32, Revision, Bytes)> {
            list.iter().map(|heavy| {
                let bytes = store.value(heavy.place).expect("readable bytes").expect("an entry");
                let key = etcdsnap_core::etcd::keyvalue::KeyValue::parse(&bytes).expect("a message").key.to_vec();
                (heavy.number, heavy.revision.main, key)
            }).collect()
        };
        prop_assert_eq!(told(&sums.largest), top(&index, count, |key| if key.deleted { 0 } else { key.value_len }));
        prop_assert_eq!(told(&sums.busiest), top(&index, count, |key| if key.revisions > 1 { key.revisions } else { 0 }));
    }

    #[test]
    fn diff_equals_that_of_the_indexes(seed in any::<u64>(), transactions in 0_usize..200, same in any::<bool>()) {
        let mut rng = SeededRandom::new(seed);
        let one = file(seed, transactions, &mut rng);
        let other = if same { one.clone() } else { file(seed ^ 1, transactions, &mut rng) };
        let (Some(a), Some(b)) = (open(&one), open(&other)) else { return Ok(()) };
        let (query_a, query_b) = (query(&a, &mut rng), query(&b, &mut rng));
        let (index_a, index_b) = (index(&a, &query_a).0, index(&b, &query_b).0);
        let mut side = |store: &Store<'_, Bytes>, query: &Query| {
            let take = |part: &mut Contents, work| part.read(store, work, &IgnoreProgress).expect("readable bytes");
            let mut whole = rng.chance(50).then(|| Contents::new(query.clone()));
            let hand = || whole.as_ref().map_or_else(|| Contents::new(query.clone()), Contents::beside);
            let read_in_any_order = read_in_any_order(store, &mut rng, hand, take).0;
            whole.iter_mut().for_each(Contents::close);
            whole.map_or(read_in_any_order, |whole| vec![whole])
        };
        let (side_a, side_b) = (side(&a, &query_a), side(&b, &query_b));
        let mut unlike = Unlike::default();
        (0..Unlike::pieces()).for_each(|piece| unlike.append(Unlike::of(&side_a, &side_b, piece)));
        let (mut few_a, mut few_b) = (Index::new(query_a), Index::new(query_b));
        few_a.read_places(&a, unlike.a).expect("readable bytes");
        few_b.read_places(&b, unlike.b).expect("readable bytes");
        let told = |a: &Index, b: &Index| -> Vec<String> {
            Changes::between(a, b).expect("enough memory").iter(a, b).map(|change| match change {
                etcdsnap_core::store::KeyDifference::Added(new) => format!("+ {:?} {:?}", new.key, new.place),
                etcdsnap_core::store::KeyDifference::Removed(old) => format!("- {:?} {:?}", old.key, old.place),
                etcdsnap_core::store::KeyDifference::Changed(old, new) => format!("~ {:?} {:?} {:?}", old.key, old.place, new.place),
            }).collect()
        };
        let all = told(&index_a, &index_b);
        prop_assert_eq!(few_a.len().max(few_b.len()) <= all.len(), true, "only what is not alike is read");
        prop_assert_eq!(told(&few_a, &few_b), all);
    }
}
