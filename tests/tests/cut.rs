//! `cut`: which entries, leases and compaction marks it leaves, in any file; and the command itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use etcdsnap_core::rewrite::{Cut, CutReport, CutSide, KeyChoice, Plan, write};
use etcdsnap_core::store::{OpenedStore, Store};
use etcdsnap_core::{IgnoreProgress, Verdict, verify};
use etcdsnap_tests::build::history::main_revision;
use etcdsnap_tests::build::message::KeyValue;
use etcdsnap_tests::build::puts::snapshot;
use etcdsnap_tests::build::random::any_member;
use etcdsnap_tests::build::{Bucket, Node, with_trailer};
use etcdsnap_tests::read::File;
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::{
    case,
    cli::{self, printed as said, text},
};
use prost::Message;

const SEEDS: u64 = 80;

fn cut(file: &Vec<u8>, choices: &[KeyChoice], side: CutSide) -> (Vec<u8>, CutReport) {
    let OpenedStore::Store(store) = Store::open(file).unwrap() else { panic!("no store") };
    let mut filter = Cut::new(choices, side, store.compacted());
    let (built, pages, counts) = write(&store, Plan::Filtered(&mut filter), Vec::new(), &IgnoreProgress).unwrap();
    let report = filter.into_report();
    let placeholders = u64::from(report.has_placeholder);
    assert_eq!(counts.read, report.kept.entries + report.dropped.entries);
    assert_eq!(counts.kept, report.kept.entries + placeholders);
    ([built.meta_pages, pages].concat(), report)
}

fn mark_value(main: i64) -> Vec<u8> {
    [&main.to_be_bytes()[..], b"_", &[0; 8]].concat()
}

fn entries(bucket: &Bucket) -> Vec<(Vec<u8>, Vec<u8>)> {
    let value = |node: &Node| match node {
        Node::Value(value) => value.clone(),
        Node::Bucket(_) => panic!("a bucket"),
    };
    bucket.entries.iter().map(|(key, node)| (key.clone(), value(node))).collect()
}

/// Returns the revision of the last requested compaction.
fn compacted(root: &mut Bucket) -> i64 {
    let meta = entries(root.bucket("meta"));
    let marks = meta.iter().filter(|(name, _)| name.ends_with(b"CompactRev"));
    marks.map(|(_, value)| main_revision(value)).max().unwrap_or(-1)
}

/// Computes what a cut leaves directly from the rule.
fn expected_contents(root: &Bucket, stays: impl Fn(&[u8]) -> bool) -> Bucket {
    let mut root = root.clone();
    let before = compacted(&mut root);
    let bucket = root.bucket("key");
    let all = entries(bucket);
    let mut kept = BTreeSet::new();
    let mut dropped = BTreeSet::new();
    let mut newest: BTreeMap<Vec<u8>, (i64, bool)> = BTreeMap::new();
    for (key, value) in &all {
        let message = KeyValue::decode(value.as_slice()).unwrap();
        let stay = value.is_empty() || stays(&message.key);
        (if stay { &mut kept } else { &mut dropped }).insert(main_revision(key));
        if !stay {
            bucket.entries.remove(key);
        }
        // A tombstone has no lease.
        newest.insert(message.key, (message.lease, stay));
    }
    if let Some(last) = dropped.last().filter(|last| **last >= before) {
        let raised = match kept.range(last..).next() {
            Some(kept) => *kept,
            None => {
                root.bucket("key").put(mark_value(*last), Vec::new());
                *last
            }
        };
        root.bucket("meta").put("scheduledCompactRev", mark_value(raised));
    }
    let with = |stay: bool| newest.values().filter(move |(_, stays)| *stays == stay).map(|(lease, _)| *lease);
    let held: BTreeSet<i64> = with(true).collect();
    for lease in with(false).filter(|lease| *lease != 0 && !held.contains(lease)) {
        root.bucket("lease").entries.remove(&lease.to_be_bytes()[..]);
    }
    root
}

/// Returns prefixes of keys in a file, and one that may match none.
fn prefixes(root: &mut Bucket, rng: &mut SeededRandom) -> Vec<Vec<u8>> {
    let keys: Vec<Vec<u8>> = entries(root.bucket("key"))
        .into_iter()
        .map(|(_, value)| KeyValue::decode(value.as_slice()).unwrap().key)
        .collect();
    let some = |rng: &mut SeededRandom| {
        let key = if keys.is_empty() { Vec::new() } else { keys[rng.below(keys.len())].clone() };
        key[..rng.below(key.len() + 1)].to_vec()
    };
    (0..rng.between(1, 3)).map(|_| some(rng)).collect()
}

#[test]
fn a_cut_of_any_file_follows_the_rule_and_keeps_the_verdict() {
    let (mut placeholders, mut raised, mut leases) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut member = any_member(seed, 150);
        let file = with_trailer(&member.built.database);
        let before = verify(&file, &IgnoreProgress).unwrap();
        let mut rng = SeededRandom::new(seed);
        for side in [CutSide::Keep, CutSide::Drop] {
            let chosen = prefixes(&mut member.root, &mut rng);
            let is_chosen = |key: &[u8]| chosen.iter().any(|prefix| key.starts_with(prefix));
            let expected = expected_contents(&member.root, |key| is_chosen(key) == (side == CutSide::Keep));
            let choices: Vec<KeyChoice> = chosen.iter().cloned().map(KeyChoice::Prefix).collect();
            let (new, report) = cut(&file, &choices, side);
            assert_eq!(File::new(new.clone()).tree(), expected, "seed {seed}, {side:?} {chosen:?}");
            assert_eq!(cut(&file, &choices, side).0, new, "seed {seed}: other bytes");
            let judged = verify(&with_trailer(&new), &IgnoreProgress).unwrap();
            let (old, status) = (before.status.as_ref().unwrap(), judged.status.as_ref().unwrap());
            // Only the warning that no key is left may be new.
            let mut found: Vec<_> = judged.findings.counts().keys().map(|code| code.as_str()).collect();
            found.retain(|code| *code != "store-empty" || status.total_key > 0);
            let known: Vec<_> = before.findings.counts().keys().map(|code| code.as_str()).collect();
            assert!(found.iter().all(|code| known.contains(code)), "seed {seed} {side:?}: {:?}", judged.findings);
            assert_eq!(status.total_key, report.kept.keys, "seed {seed}");
            assert_eq!(old.total_key, report.kept.keys + report.dropped.keys, "seed {seed}");
            let OpenedStore::Store(store) = Store::open(&file).unwrap() else { panic!("no store") };
            let after = with_trailer(&new);
            let OpenedStore::Store(left) = Store::open(&after).unwrap() else { panic!("no store") };
            assert_eq!(left.current(), store.current(), "seed {seed}: the revision stays");
            placeholders += usize::from(report.has_placeholder);
            raised += usize::from(report.raised_to.is_some());
            leases += report.leases;
        }
    }
    println!("{placeholders} placeholders, {raised} raised marks, {leases} leases");
    assert!(placeholders > 10 && raised > placeholders && leases > 0);
}

#[test]
fn a_lease_is_removed_with_its_last_key() {
    let file = snapshot(&[
        (b"a/1", Some(b"x"), 1),
        (b"b/1", Some(b"x"), 1),
        (b"a/2", Some(b"x"), 2),
        (b"a/3", Some(b"x"), 3),
        (b"a/3", None, 0),
        (b"a/4", Some(b"x"), 4),
        (b"a/4", Some(b"x"), 0),
        (b"b/2", Some(b"x"), 5),
    ]);
    let (new, report) = cut(&file, &[KeyChoice::Prefix(b"a/".to_vec())], CutSide::Drop);
    let new = with_trailer(&new);
    let OpenedStore::Store(store) = Store::open(&new).unwrap() else { panic!("no store") };
    let left: Vec<i64> = store.leases().unwrap().iter().map(|lease| lease.id).collect();
    // Lease 1 still has a key; 3 and 4 had none before, and their owner is unknown.
    assert_eq!((left, report.leases), (vec![1, 3, 4, 5], 1));
    assert_eq!(verify(&new, &IgnoreProgress).unwrap().verdict, Verdict::Sound);
}

#[test]
fn cutting_events_keeps_all_other_keys() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.db");
    let old = etcdsnap_tests::programs::tests_dir().join("../samples/kubernetes/today.db.zst");
    let keys = |path: &Path| -> Vec<String> {
        let output = cli::run(&["keys", text(path)]);
        said(&output).lines().map(str::to_owned).collect()
    };
    let before = keys(&old);
    let expected: Vec<String> = before.iter().filter(|key| !key.starts_with("/registry/events/")).cloned().collect();
    assert!(expected.len() < before.len());
    for words in [&["--drop-type", "ev"][..], &["--drop", "/registry/events/"]] {
        let output = cli::run(&[&["cut", text(&old), "-o", text(&out), "-w", "json"], words].concat());
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let object = cli::json(&output);
        assert_eq!(keys(&out), expected, "{words:?}");
        assert_eq!(object["dropped"]["keys"], before.len() - expected.len());
        assert_eq!(object["kept"]["keys"], expected.len());
        assert_eq!(object["verdict"], "sound", "{object}");
        let status = etcdsnap::status(&old).unwrap().status.unwrap();
        assert_eq!(object["revision"], status.revision.get());
    }
    let output = cli::run(&[
        "cut",
        text(&old),
        "-o",
        text(&out),
        "--keep-type",
        "secrets,cm",
        "--keep",
        "/registry/namespaces/",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let stay = ["/registry/secrets/", "/registry/configmaps/", "/registry/namespaces/"];
    let expected: Vec<String> =
        before.iter().filter(|key| stay.iter().any(|prefix| key.starts_with(prefix))).cloned().collect();
    assert_eq!(keys(&out), expected);
    assert!(said(&output).contains("the oldest readable revision"), "{}", said(&output));
}

/// The older versions of the remaining keys are still in the file.
#[test]
fn a_key_stays_with_its_whole_history() {
    let folder = tempfile::tempdir().unwrap();
    let (old, out) = (folder.path().join("old.db"), folder.path().join("out.db"));
    let puts: Vec<_> = (0..5).flat_map(|_| [(&b"a"[..], Some(&b"x"[..]), 0), (b"b", Some(b"x"), 0)]).collect();
    fs::write(&old, snapshot(&puts)).unwrap();
    let output = cli::run(&["cut", text(&old), "-o", text(&out), "--keep", "a"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let history = |path: &Path| said(&cli::run(&["history", text(path), "a", "-w", "json"]));
    assert_eq!(history(&old), history(&out));
    assert_eq!(history(&out).lines().count(), 5);
    assert_eq!(cli::run(&["history", text(&out), "b"]).status.code(), Some(1));
}

#[test]
fn the_command_refuses_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (old, out) = (at("old.db"), at("out.db"));
    let good = case::named("3.7-history").bytes();
    fs::write(&old, &good).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(at("flipped.db"), &flipped).unwrap();
    let (file, bad, target) = (text(&old), text(&at("flipped.db")).to_owned(), text(&out).to_owned());
    for (args, code, words) in [
        (&["cut", &bad, "-o", &target, "--drop", "zz"][..], 1, "is damaged, and nothing was written"),
        (&["cut", file, "-o", &target], 2, "--keep"),
        (&["cut", file, "-o", &target, "--keep", "a", "--drop", "b"], 2, "cannot be used with"),
        (&["cut", file, "-o", &target, "--keep", "a", "--drop-type", "events"], 2, "cannot be used with"),
        (&["cut", file, "-o", &target, "--keep", "no such key"], 2, "would be left"),
        (&["cut", file, "-o", &target, "--drop", ""], 2, "--allow-empty"),
        (&["cut", file, "-o", &target, "--drop-type", "no-such-type"], 2, "type of objects"),
        (&["cut", file, "-o", &target, "--drop-type", "pods/web"], 2, "type of objects"),
        (&["cut", file, "-o", &target, "--drop", "\"\\q\""], 2, "not a valid key in quotes"),
        (&["cut", file, "-o", file, "--drop", "zz"], 2, "is the same file as"),
        (&["cut", file, "-o", "-", "--drop", "zz"], 2, "its first page is written last"),
    ] {
        let output = cli::run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["flipped.db", "old.db"]);
    assert_eq!(fs::read(&old).unwrap(), good);
    // With --allow-empty the command writes an empty snapshot, and reports that.
    let output = cli::run(&["cut", file, "-o", &target, "--drop", "", "--allow-empty", "-w", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let object = cli::json(&output);
    assert_eq!((&object["kept"]["keys"], &object["verdict"]), (&0.into(), &"warnings".into()), "{object}");
    let output = cli::run(&["cut", file, "-o", &target, "--drop", "events"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for words in ["No key starts with events", "--drop-type"] {
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}
