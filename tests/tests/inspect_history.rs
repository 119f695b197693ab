//! The history of every key, from the library and from the program, equals what a server replays to `etcdctl watch "" --prefix` on the same snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use etcdsnap::core::key_syntax::key_text;
use etcdsnap::core::store::{KeyRange, Query};
use etcdsnap::{NoProgress, Snapshot};
use etcdsnap_tests::case::{self, Case, assert_same_value, bytes, id};
use etcdsnap_tests::cli;
use serde_json::Value;

/// The recorded replay of a server.
struct Replay {
    /// Revision of its last compaction; the server no longer reports events at or before it.
    compacted: i64,
    /// The keys at that revision.
    kept: BTreeMap<Vec<u8>, Value>,
    /// Every later event, by key.
    events: BTreeMap<Vec<u8>, Vec<Value>>,
}

impl Replay {
    fn of(case: &Case) -> Self {
        let answer = case.answer("watch");
        let mut events: BTreeMap<Vec<u8>, Vec<Value>> = BTreeMap::new();
        for event in answer["events"].as_array().unwrap() {
            events.entry(bytes(&event["key"])).or_default().push(event.clone());
        }
        let kept = answer["kept"].as_array().unwrap().iter().map(|state| (bytes(&state["key"]), state.clone()));
        Self { compacted: answer["compacted"].as_i64().unwrap(), kept: kept.collect(), events }
    }

    fn keys(&self) -> BTreeSet<Vec<u8>> {
        self.kept.keys().chain(self.events.keys()).cloned().collect()
    }

    /// Asserts that our history of one key equals the replay.
    fn check(&self, key: &[u8], ours: &[Event], what: &str) {
        let (before, after) = ours.split_at(ours.partition_point(|event| event.revision <= self.compacted));
        let theirs = self.events.get(key).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(after.len(), theirs.len(), "{what}: {after:?}, not {theirs:?}");
        after.iter().zip(theirs).for_each(|(ours, theirs)| ours.check(theirs, what));
        // A compaction leaves the key's state at its revision; older events remain only while it is incomplete, and below an earlier one.
        match (before.last(), self.kept.get(key)) {
            (Some(ours), Some(theirs)) => ours.check(theirs, what),
            (ours, None) => assert!(ours.is_none_or(|ours| ours.deletion), "{what}: {ours:?} was compacted"),
            (None, Some(theirs)) => panic!("{what}: {theirs} is missing"),
        }
    }
}

/// An event as etcdsnap reports it.
#[derive(Debug)]
struct Event {
    revision: i64,
    deletion: bool,
    create: i64,
    version: i64,
    lease: u64,
    value: Vec<u8>,
}

impl Event {
    fn check(&self, theirs: &Value, what: &str) {
        let number = |field: &str| theirs[field].as_i64().unwrap();
        assert_eq!(self.revision, number("mod"), "{what}");
        let what = format!("{what} at {}", self.revision);
        assert_eq!(self.deletion, theirs["type"] == "DELETE", "{what}");
        assert_eq!((self.create, self.version), (number("create"), number("version")), "{what}");
        assert_eq!(self.lease, id(&theirs["lease"]), "{what}");
        assert_same_value(&self.value, theirs, &what);
    }

    /// Parses a line of `etcdsnap history -w json --values`.
    fn of_line(line: &str) -> Self {
        let json: Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| json[name].as_i64().unwrap_or_default();
        let (version, event) = (number("version"), json["event"].as_str().unwrap());
        assert_eq!(event, ["delete", "create", "put"][usize::try_from(version.min(2)).unwrap()], "{line}");
        let value = match json["value"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None if event == "delete" => Vec::new(),
            None => bytes(&json["valueBase64"]),
        };
        assert_eq!(number("valueBytes"), i64::try_from(value.len()).unwrap(), "{line}");
        Self {
            revision: number("revision"),
            deletion: event == "delete",
            create: number("createRevision"),
            version,
            lease: id(&json["lease"]),
            value,
        }
    }
}

#[test]
fn the_librarys_history_equals_a_watch() {
    let mut compared = 0;
    for case in case::with_server_answers() {
        let snapshot = Snapshot::open(case.path(), None, &NoProgress).unwrap();
        let store = snapshot.store().unwrap();
        let replay = Replay::of(&case);
        assert_eq!(store.compacted().get().max(0), replay.compacted, "{}", case.name);
        assert_eq!(Some(store.current().get()), case.answer("watch")["revision"].as_i64(), "{}", case.name);
        let query =
            Query { range: KeyRange::all(), revision: store.current(), hash_values: false, folders: Vec::new() };
        let (index, _) = snapshot.keys(&store, &query, &NoProgress).unwrap();
        let mut keys = replay.keys();
        keys.extend(index.iter().map(|key| key.key.to_vec()));
        for key in &keys {
            let (events, lost) = snapshot.history(&store, key, &NoProgress).unwrap();
            assert_eq!(lost.places, 0);
            let told = events.iter().map(|event| Event {
                revision: event.revision.main.get(),
                deletion: event.deletion,
                create: event.create_revision.get(),
                version: event.version,
                lease: event.lease.cast_unsigned(),
                value: if event.deletion { Vec::new() } else { snapshot.value(&store, event.place).unwrap() },
            });
            let told: Vec<_> = told.collect();
            replay.check(key, &told, &format!("{}: {}", case.name, key.escape_ascii()));
            compared += told.len();
        }
    }
    assert!(compared > 5_000, "only {compared} events");
}

#[test]
fn the_programs_history_equals_a_watch() {
    // This starts the program for each of some 4,000 keys.
    let cases = case::with_server_answers();
    let next = AtomicUsize::new(0);
    let hand = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            check_program(case);
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(hand))));
}

fn check_program(case: &Case) {
    let replay = Replay::of(case);
    let path = case.path();
    for key in replay.keys() {
        let words = ["history", path.to_str().unwrap(), &key_text(&key), "--values", "--show-secrets", "-wjson"];
        let output = cli::run(&words);
        let what = format!("{}: {}", case.name, key.escape_ascii());
        assert!(output.status.success() && output.stderr.is_empty(), "{what}: {output:?}");
        let told: Vec<_> = std::str::from_utf8(&output.stdout).unwrap().lines().map(Event::of_line).collect();
        replay.check(&key, &told, &what);
    }
}
