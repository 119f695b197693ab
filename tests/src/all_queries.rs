//! Runs every query of the store over a file, for fuzzing and for tests.

use etcdsnap_core::pass::reading::Accumulator;
use etcdsnap_core::restore::membership::Cluster;
use etcdsnap_core::restore::plan::{KeyChanges, plan};
use etcdsnap_core::store::usage::group;
use etcdsnap_core::store::{
    Changes, Contents, GroupTally, HashKvPart, History, Index, KeyRange, OpenedStore, Order, Query, Store, Sums,
    Tallies, Tree, Unlike, Usage,
};
use etcdsnap_core::{IgnoreProgress, PageId};

/// How many pages are dissected, and the history of how many keys is queried.
const SAMPLE: usize = 64;

/// Queries any bytes without a panic, and checks that answers that must agree do. Entry point of a fuzzer.
///
/// # Panics
/// Panics if answers that must agree do not.
pub fn query_any(bytes: &[u8]) {
    let bytes = bytes.to_vec();
    let cluster = Cluster::new("m=http://127.0.0.1:1", "etcd-cluster").expect("a cluster");
    let _ = plan(&bytes, &cluster, KeyChanges::default());
    let OpenedStore::Store(store) = Store::open(&bytes).expect("bytes can always be read") else { return };
    keys(&store);
    let _ = (store.members(), store.leases(), store.auth(), store.alarms(), store.removed_members());
    let _ = (store.users(&mut |_| ()), store.roles(&mut |_| ()), store.marks(&mut |_| ()));
    for page in 0..store.pages().min(SAMPLE as u64) + 2 {
        let view = store.page_view(PageId::new(page)).expect("bytes can always be read");
        let shown = store.page_bytes(PageId::new(page)).expect("bytes can always be read");
        assert!(view.fields.iter().all(|field| field.at as usize + field.len as usize <= shown.len()), "page {page}");
    }
}

/// Queries the bytes after [`with_valid_checksums`](crate::core_verdict::with_valid_checksums) has repaired their checksums. Entry point of a fuzzer.
///
/// # Panics
/// Panics if answers that must agree do not.
pub fn query_checksummed(bytes: &[u8]) {
    if let Some(file) = crate::core_verdict::with_valid_checksums(bytes) {
        query_any(&file);
    }
}

fn keys(store: &Store<'_, Vec<u8>>) {
    let query = Query { range: KeyRange::all(), revision: store.current(), hash_values: true, folders: Vec::new() };
    let by: etcdsnap_core::store::usage_by_group::Grouping<'_> = &|key, name| name.extend_from_slice(group(key, 0, 2));
    let (mut index, mut tally) = (Index::new(query.clone()), GroupTally::new(query.clone(), by));
    let (mut contents, mut hashing) = (Contents::new(query.clone()), HashKvPart::new(store, store.current()));
    for work in store.work() {
        index.read(store, work, &IgnoreProgress).expect("readable bytes");
        tally.read(store, work, &IgnoreProgress).expect("readable bytes");
        contents.read(store, work, &IgnoreProgress).expect("readable bytes");
        hashing.read(store, work, &IgnoreProgress).expect("readable bytes");
    }
    let _ = hashing.finish();
    let mut total = Usage::default();
    index.iter().for_each(|key| total.add(&key));
    let tallies = Tallies::of(vec![tally]);
    let mut sums = Sums::default();
    (0..Tallies::pieces()).for_each(|piece| tallies.sum(piece, 3, &mut sums));
    assert_eq!(sums.total, total);
    let contents = [contents];
    for piece in 0..Unlike::pieces() {
        let unlike = Unlike::of(&contents, &contents, piece);
        assert!(unlike.a.is_empty() && unlike.b.is_empty(), "a store is like itself");
    }
    assert!(Changes::between(&index, &index).expect("enough memory").is_empty());
    let order = Order::of(&index, |_| true);
    let mut tree = Tree::new(&index, &order);
    let mut at = 0;
    while at < tree.len().min(SAMPLE) {
        tree.toggle(&index, &order, at);
        at += 1;
    }
    for key in index.iter().take(SAMPLE) {
        assert!(store.value(key.place).expect("bytes can always be read").is_some(), "a key has its entry");
        let mut history = History::of(key.key);
        for work in store.work() {
            store.entries(work, &IgnoreProgress, &mut |entry, lost| history.take(entry, lost)).expect("readable bytes");
        }
        // Damage can make a key's revision later than the store's last one.
        let known = history.into_events().iter().filter(|event| event.revision.main <= index.revision()).count();
        assert_eq!(known, key.revisions as usize, "each entry of a key is in its history");
    }
}

/// Opens the store of a file that core does not refuse.
///
/// # Panics
/// Panics if core refuses it.
#[must_use]
pub fn open_store(file: &Vec<u8>) -> Box<Store<'_, Vec<u8>>> {
    match Store::open(file).expect("bytes in memory can be read") {
        OpenedStore::Store(store) => store,
        OpenedStore::Refused(report) => panic!("{report:?}"),
    }
}
