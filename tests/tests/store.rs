//! The store in any file: queries return the data that the builder wrote, with its pages read in any order; a damaged file gives an answer, too.

use std::collections::BTreeMap;
use std::path::Path;

use etcdsnap_core::pass::reading::Accumulator;
use etcdsnap_core::store::{
    Changes, HashKvPart, History, Index, Key, KeyDifference, KeyRange, LostParts, OpenedStore, Query, Store, Work,
};
use etcdsnap_core::{IgnoreProgress, Revision};
use etcdsnap_tests::all_queries;
use etcdsnap_tests::build::cluster::Version;
use etcdsnap_tests::build::history::{self, HistoryParams, RevisionEntry, revision_key};
use etcdsnap_tests::build::message::KeyValue;
use etcdsnap_tests::build::random::{MemberDatabase, any_member, member, with_more_history};
use etcdsnap_tests::build::{Layout, with_trailer, write};
use etcdsnap_tests::programs::{bbolt_check, reference, run};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::sorted_index::sorted_keys;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

/// Proptest writes failures here, and repeats them first in every run: commit them.
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions/store.txt");

fn config() -> ProptestConfig {
    let persistence = Box::new(FileFailurePersistence::Direct(REGRESSIONS));
    ProptestConfig { cases: 150, failure_persistence: Some(persistence), ..ProptestConfig::default() }
}

type Bytes = Vec<u8>;

fn open(file: &Bytes) -> Option<Box<Store<'_, Bytes>>> {
    match Store::open(file).expect("bytes can always be read") {
        OpenedStore::Store(store) => Some(store),
        OpenedStore::Refused(_) => None,
    }
}

/// Lets any number of workers read the parts in random order.
fn fold<T>(
    store: &Store<'_, Bytes>,
    rng: &mut SeededRandom,
    new: impl Fn() -> T,
    take: impl Fn(&mut T, Work) -> LostParts,
    merge: impl Fn(&mut T, T),
) -> (T, LostParts) {
    let mut hands: Vec<T> = (0..rng.between(1, 4)).map(|_| new()).collect();
    let mut work: Vec<Work> = store.work().collect();
    let mut lost = store.lost().clone();
    while !work.is_empty() {
        let next = work.swap_remove(rng.below(work.len()));
        let hand = rng.below(hands.len());
        lost.append(take(&mut hands[hand], next));
    }
    let mut whole = hands.swap_remove(rng.below(hands.len()));
    hands.into_iter().for_each(|hand| merge(&mut whole, hand));
    (whole, lost)
}

fn keys(store: &Store<'_, Bytes>, range: KeyRange, revision: i64, rng: &mut SeededRandom) -> (Index, LostParts) {
    let query = Query { range, revision: Revision::new(revision), hash_values: true, folders: Vec::new() };
    let take = |index: &mut Index, work| index.read(store, work, &IgnoreProgress).expect("readable bytes");
    fold(store, rng, || Index::new(query.clone()), take, Index::merge)
}

fn hash(store: &Store<'_, Bytes>, revision: i64, rng: &mut SeededRandom) -> (u32, LostParts) {
    let take = |hashing: &mut HashKvPart, work| hashing.read(store, work, &IgnoreProgress).expect("readable bytes");
    let (hashing, lost) = fold(store, rng, || HashKvPart::new(store, Revision::new(revision)), take, HashKvPart::merge);
    (hashing.finish().hash, lost)
}

/// Key, modification revision, whether it is deleted, and how many entries it has.
type Row = (Bytes, i64, bool, u64);

fn expected_rows(history: &history::History, revision: i64) -> Vec<Row> {
    let mut keys: BTreeMap<&[u8], (i64, bool, u64)> = BTreeMap::new();
    for ((main, _), entry) in history.revisions.iter().filter(|((main, _), _)| *main <= revision) {
        let count = keys.get(entry.value.key.as_slice()).map_or(0, |(_, _, count)| *count);
        keys.insert(&entry.value.key, (*main, entry.tombstone, count + 1));
    }
    keys.into_iter().map(|(key, (main, dead, count))| (key.to_vec(), main, dead, count)).collect()
}

/// Value and lease.
type Content = (Bytes, i64);

/// Returns the keys that lived at a revision, as far as the history still has them.
fn contents(history: &history::History, revision: i64) -> BTreeMap<Bytes, Content> {
    let mut keys = BTreeMap::new();
    for (_, RevisionEntry { tombstone, value }) in history.revisions.iter().filter(|((main, _), _)| *main <= revision) {
        match tombstone {
            true => drop(keys.remove(&value.key)),
            false => drop(keys.insert(value.key.clone(), (value.value.clone(), value.lease))),
        }
    }
    keys
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn lists_keys_at_any_revision(seed in any::<u64>(), transactions in 0_usize..200) {
        let mut rng = SeededRandom::new(seed);
        let member = any_member(seed, transactions);
        let file = with_trailer(&member.built.database);
        let store = open(&file).expect("a store");
        prop_assert_eq!(store.current().get(), member.history.current.max(member.history.scheduled.unwrap_or(1)));
        let span = usize::try_from(store.current().get()).unwrap_or(0) + 1;
        for revision in [store.current().get(), rng.below(span) as i64] {
            let (index, lost) = keys(&store, KeyRange::all(), revision, &mut rng);
            let found = sorted_keys(&index, |_| true);
            prop_assert_eq!(lost.places, 0, "{:?}", lost);
            let rows: Vec<Row> = found.iter().map(|state| (state.key.to_vec(), state.revision.main.get(), state.deleted, u64::from(state.revisions))).collect();
            prop_assert_eq!(rows, expected_rows(&member.history, revision));
            for state in found.iter().filter(|state| !state.deleted) {
                let entry = &member.history.revisions[&(state.revision.main.get(), state.revision.sub)];
                prop_assert_eq!(store.value(state.place).unwrap().unwrap(), prost::Message::encode_to_vec(&entry.value));
                prop_assert_eq!((state.create_revision.get(), state.version, state.lease), (entry.value.create_revision, entry.value.version, entry.value.lease));
            }
        }
    }

    /// A prefix returns exactly the keys that begin with it, and one key's history all its entries in order.
    #[test]
    fn lists_prefixes_and_histories(seed in any::<u64>(), transactions in 1_usize..150) {
        let mut rng = SeededRandom::new(seed);
        let member = any_member(seed, transactions);
        let file = with_trailer(&member.built.database);
        let store = open(&file).expect("a store");
        let (index, _) = keys(&store, KeyRange::all(), store.current().get(), &mut rng);
        let all = sorted_keys(&index, |_| true);
        if all.is_empty() {
            return Ok(());
        }
        let key = all[rng.below(all.len())].key;
        let prefix = &key[..rng.below(key.len() + 1)];
        let (some, _) = keys(&store, KeyRange::prefix(prefix), store.current().get(), &mut rng);
        let rows = |keys: &[Key<'_>]| keys.iter().map(|key| (key.key.to_vec(), key.revision, key.bytes)).collect::<Vec<_>>();
        let expected: Vec<_> = all.iter().filter(|state| state.key.starts_with(prefix)).copied().collect();
        prop_assert_eq!(rows(&sorted_keys(&some, |_| true)), rows(&expected));
        let take = |history: &mut History, work| {
            store.entries(work, &IgnoreProgress, &mut |entry, lost| history.take(entry, lost)).expect("readable bytes")
        };
        let (history, _) = fold(&store, &mut rng, || History::of(key), take, History::merge);
        let found: Vec<_> = history.into_events().iter().map(|event| ((event.revision.main.get(), event.revision.sub), event.deletion)).collect();
        let expected: Vec<_> = member.history.revisions.iter().filter(|(_, entry)| entry.value.key == key).map(|(at, entry)| (*at, entry.tombstone)).collect();
        prop_assert_eq!(found, expected);
    }

    /// The difference of two revisions of one snapshot, of two snapshots of one member, or of two unrelated ones, applied
    /// to the values that the builder wrote on one side, gives those on the other.
    #[test]
    fn differences_transform_one_side_into_the_other(seed in any::<u64>(), transactions in 2_usize..200, relation in 0..3) {
        let mut rng = SeededRandom::new(seed);
        let one = any_member(seed, transactions);
        let other = match relation {
            0 => one.clone(),
            1 => with_more_history(&one, seed, transactions / 2),
            _ => any_member(seed ^ 1, transactions),
        };
        let [one, other] = if rng.chance(50) { [one, other] } else { [other, one] };
        let files = [&one, &other].map(|member| with_trailer(&member.built.database));
        let [a, b] = files.each_ref().map(|file| open(file).expect("a store"));
        let [from_revision, to_revision] = [&a, &b].map(|store| {
            let latest = store.current().get();
            if rng.chance(30) { latest } else { rng.below(usize::try_from(latest).unwrap_or(0) + 1) as i64 }
        });
        let (from, _) = keys(&a, KeyRange::all(), from_revision, &mut rng);
        let (to, _) = keys(&b, KeyRange::all(), to_revision, &mut rng);
        let written = |store: &Store<'_, Bytes>, key: &Key<'_>| -> Content {
            let message = store.value(key.place).expect("readable bytes").expect("an entry");
            let message: KeyValue = prost::Message::decode(message.as_slice()).expect("a message");
            (message.value, message.lease)
        };
        let mut applied = contents(&one.history, from_revision);
        let changes: Vec<_> = Changes::between(&from, &to).expect("enough memory").iter(&from, &to).collect();
        for change in &changes {
            match change {
                KeyDifference::Added(new) => assert_eq!(applied.insert(new.key.to_vec(), written(&b, new)), None),
                KeyDifference::Removed(old) => assert_eq!(applied.remove(old.key), Some(written(&a, old))),
                KeyDifference::Changed(old, new) => {
                    let (before, after) = (written(&a, old), written(&b, new));
                    assert_ne!(before, after);
                    assert_eq!(applied.insert(new.key.to_vec(), after), Some(before));
                }
            }
        }
        prop_assert_eq!(applied, contents(&other.history, to_revision));
        prop_assert!(changes.iter().map(KeyDifference::key).is_sorted());
    }

    /// Every damaged file gives an answer, which counts the unreadable parts.
    #[test]
    fn damaged_files_give_an_answer(seed in any::<u64>(), transactions in 0_usize..80, changes in 1_usize..20) {
        let mut rng = SeededRandom::new(seed);
        let member = any_member(seed, transactions);
        let mut database = member.built.database;
        for _ in 0..changes {
            let at = rng.below(database.len() / 512) * 512 + rng.below(96);
            database[at] = rng.bits() as u8;
        }
        if rng.chance(20) {
            database.truncate(rng.below(database.len() + 1));
        }
        let file = with_trailer(&database);
        all_queries::query_any(&file);
        all_queries::query_checksummed(&file);
        let Some(store) = open(&file) else { return Ok(()) };
        let (found, _) = keys(&store, KeyRange::all(), store.current().get(), &mut rng);
        for state in found.iter() {
            let _ = store.value(state.place).expect("bytes can always be read");
        }
        let _ = hash(&store, store.current().get(), &mut rng);
        let _ = (store.members(), store.leases(), store.auth(), store.alarms(), store.removed_members());
        let _ = (store.users(&mut |_| ()), store.roles(&mut |_| ()), store.marks(&mut |_| ()));
    }
}

/// When etcdutl opens a store, it finishes an interrupted compaction in the background, while it hashes. So this test hashes the same entries with nothing
/// left to compact, which must match exactly; otherwise etcdutl may give the hash before or after the compaction, and no other.
#[test]
fn etcdutl_computes_the_same_hash_for_random_members() {
    let (Some(etcdutl), Some(bbolt)) = (reference("3.7", "etcdutl"), reference("3.7", "bbolt")) else { return };
    let (mut compacted, mut interrupted, mut torn) = (0, 0, 0);
    for seed in 0..70 {
        let mut rng = SeededRandom::new(seed);
        let member = if seed < 60 { any_member(seed, 150) } else { member_with_few_keys(seed) };
        let settled =
            with_store(&member, &history::History { finished: member.history.scheduled, ..member.history.clone() });
        let store = open(&settled).expect("a store");
        let oldest = store.compacted().get().max(1);
        compacted += u32::from(oldest > 1);
        let span = usize::try_from(store.current().get() - oldest + 1).expect("a span");
        let nothing_lives =
            |revision: &i64| expected_rows(&member.history, *revision).iter().all(|(.., deleted, _)| *deleted);
        let empty = (oldest..=store.current().get()).rev().find(nothing_lives);
        for revision in [store.current().get(), oldest + rng.below(span) as i64].into_iter().chain(empty) {
            let at = format!("seed {seed}, revision {revision}");
            let (before, _) = theirs(&etcdutl, &settled, revision);
            assert_eq!(before, ours(&settled, revision, &mut rng), "{at}");
            let Some(finished) = member.history.finish_compaction(rng.chance(50)) else { continue };
            interrupted += 1;
            let finished = with_store(&member, &finished);
            let (after, _) = theirs(&etcdutl, &finished, revision);
            assert_eq!(after, ours(&finished, revision, &mut rng), "{at}, compacted");
            // Only if no key is left: then etcd counts every entry.
            assert!(before == after || nothing_lives(&revision), "{at}: {before} {after}");
            torn += u32::from(before != after);
            let pending = with_store(&member, &member.history);
            assert_eq!(before, ours(&pending, revision, &mut rng), "{at}, interrupted");
            let (printed, written) = theirs(&etcdutl, &pending, revision);
            assert!(printed == before || printed == after, "{at}: {printed}, not {before} or {after}");
            let (passed, complaint) = bbolt_check(&bbolt, &written);
            assert!(passed, "{at}: etcdutl could not write to what the builder built: {complaint}");
        }
    }
    assert!(compacted > 10 && interrupted > 10 && torn > 0, "{compacted} {interrupted} {torn}");
}

/// Builds a member that stopped while it compacted, and may have no living key.
fn member_with_few_keys(seed: u64) -> MemberDatabase {
    let params = HistoryParams { transactions: 80, keys: 2, deletions: 50, interrupted: true, ..HistoryParams::rich() };
    member(&params, &Layout::plain(4096, seed), Version::V36, seed)
}

/// Returns the member's file with another store in it, such that bolt can write to it.
fn with_store(member: &MemberDatabase, history: &history::History) -> Bytes {
    let mut root = member.root.clone();
    root.bucket("key").entries.clear();
    history.fill(root.bucket("key"));
    if let Some(finished) = history.finished {
        root.bucket("meta").put("finishedCompactRev", revision_key((finished, 0), false));
    }
    with_trailer(&write(&root, &member.layout).database)
}

/// Returns etcdutl's output for a copy, and the copy, to which it writes.
fn theirs(etcdutl: &Path, file: &Bytes, revision: i64) -> (String, Bytes) {
    let copy = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(copy.path(), file).expect("a copy");
    let path = copy.path().to_string_lossy().into_owned();
    let output = run(etcdutl, &["hashkv", &path, "-w", "json", "--rev", &revision.to_string()]);
    assert!(output.status.success(), "revision {revision}: {}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    (printed, std::fs::read(copy.path()).expect("the copy"))
}

/// Formats our answer in the same way.
fn ours(file: &Bytes, revision: i64, rng: &mut SeededRandom) -> String {
    let store = open(file).expect("a store");
    let (hash, lost) = hash(&store, revision, rng);
    assert_eq!(lost.places, 0);
    format!("{{\"hash\":{hash},\"hashRevision\":{revision},\"compactRevision\":{}}}", store.compacted())
}
