//! `defrag` and `compact`: the entries that they keep, in any file; and the commands that write the new files.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use etcdsnap_core::pass::reading::Accumulator;
use etcdsnap_core::rewrite::{Plan, RewriteError, write};
use etcdsnap_core::store::{HashKvPart, OpenedStore, RevisionUnavailable, Store, SurvivorSearch};
use etcdsnap_core::{IgnoreProgress, Revision, Verdict, verify};
use etcdsnap_tests::all_queries::open_store;
use etcdsnap_tests::build::history::main_revision;
use etcdsnap_tests::build::message::KeyValue;
use etcdsnap_tests::build::random::any_member;
use etcdsnap_tests::build::{Bucket, Node, with_trailer};
use etcdsnap_tests::programs::{bbolt_check, reference};
use etcdsnap_tests::read::File;
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::{
    case,
    cli::{self, printed as said, text},
};
use prost::Message;

const SEEDS: u64 = 60;

/// Returns the rewritten database; several workers read it in random order.
fn rewritten(file: &Vec<u8>, compacted: Option<Revision>, rng: &mut SeededRandom) -> Vec<u8> {
    let store = open_store(file);
    let survivors = compacted.map(|revision| {
        let mut hands: Vec<_> = (0..rng.between(1, 3)).map(|_| SurvivorSearch::new(revision)).collect();
        let mut work: Vec<_> = store.work().collect();
        while !work.is_empty() {
            let next = work.swap_remove(rng.below(work.len()));
            let hand = rng.below(hands.len());
            assert_eq!(hands[hand].read(&store, next, &IgnoreProgress).unwrap().places, 0);
        }
        let mut whole = hands.pop().unwrap();
        hands.into_iter().for_each(|hand| whole.merge(hand));
        whole.finish().unwrap()
    });
    let plan = survivors.as_ref().map_or(Plan::Everything, Plan::Compacted);
    let (built, pages, _) = write(&store, plan, Vec::new(), &IgnoreProgress).unwrap();
    [built.meta_pages, pages].concat()
}

fn hash(file: &Vec<u8>) -> u32 {
    let store = open_store(file);
    let mut hashing = HashKvPart::new(&store, store.current());
    store.work().for_each(|work| drop(hashing.read(&store, work, &IgnoreProgress).unwrap()));
    hashing.finish().hash
}

/// Computes what a compaction leaves directly from the rule.
fn expected_contents(root: &Bucket, revision: i64) -> Bucket {
    let mut root = root.clone();
    let bucket = root.bucket("key");
    let mut newest: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for (key, node) in &bucket.entries {
        let Node::Value(value) = node else { panic!("a bucket in bucket `key`") };
        if main_revision(key) <= revision {
            newest.insert(KeyValue::decode(value.as_slice()).unwrap().key, key.clone());
        }
    }
    newest.retain(|_, key| key.len() == 17 || main_revision(key) == revision);
    let kept: Vec<&Vec<u8>> = newest.values().collect();
    bucket.entries.retain(|key, _| main_revision(key) > revision || kept.contains(&key));
    let mark = [&revision.to_be_bytes()[..], b"_", &[0; 8]].concat();
    ["finishedCompactRev", "scheduledCompactRev"].iter().for_each(|name| root.bucket("meta").put(*name, mark.clone()));
    root
}

#[test]
fn a_defragmentation_keeps_every_entry_of_any_file() {
    let bbolt = reference("3.7", "bbolt");
    for seed in 0..SEEDS {
        let member = any_member(seed, 150);
        let file = with_trailer(&member.built.database);
        let new = rewritten(&file, None, &mut SeededRandom::new(seed));
        assert_eq!(File::new(new.clone()).tree(), member.root, "seed {seed}");
        assert_eq!(hash(&file), hash(&new), "seed {seed}");
        assert_eq!(rewritten(&with_trailer(&new), None, &mut SeededRandom::new(seed)).len(), new.len(), "seed {seed}");
        let (old, judged) =
            (verify(&file, &IgnoreProgress).unwrap(), verify(&with_trailer(&new), &IgnoreProgress).unwrap());
        assert_eq!(judged.verdict, old.verdict, "seed {seed}: {:?}", judged.findings);
        assert!(new.len() <= member.built.database.len() || member.built.database.len() < 64 << 10, "seed {seed}");
        if let Some(bbolt) = bbolt.as_ref().filter(|_| new.len() >= 16 << 10) {
            let (passed, said) = bbolt_check(bbolt, &new);
            assert!(passed, "seed {seed}: {said}");
        }
    }
}

#[test]
fn a_compaction_of_any_file_follows_the_rule() {
    let mut gone = 0;
    for seed in 0..SEEDS {
        let member = any_member(seed, 150);
        let file = with_trailer(&member.built.database);
        let mut rng = SeededRandom::new(seed);
        let (oldest, latest) = {
            let store = open_store(&file);
            (store.compacted().max(Revision::FIRST), store.current())
        };
        for revision in [oldest, oldest.plus(rng.below(oldest.count_to(latest) as usize) as u64), latest] {
            let expected = expected_contents(&member.root, revision.get());
            let new = rewritten(&file, Some(revision), &mut rng);
            assert_eq!(File::new(new.clone()).tree(), expected, "seed {seed}, revision {revision}");
            assert_eq!(new, rewritten(&file, Some(revision), &mut rng), "seed {seed}: other bytes");
            let judged = verify(&with_trailer(&new), &IgnoreProgress).unwrap();
            assert_ne!(judged.verdict, Verdict::Damaged, "seed {seed}, revision {revision}: {:?}", judged.findings);
            gone += usize::from(new.len() < member.built.database.len());
            // A second compaction at the same revision gives the same store.
            let again = rewritten(&with_trailer(&new), Some(revision), &mut rng);
            assert_eq!(File::new(again).tree(), expected, "seed {seed}, revision {revision}");
        }
    }
    assert!(gone > SEEDS as usize);
}

/// The revision that a bump wrote is the store's latest, and stays.
#[test]
fn the_empty_entry_of_a_bump_stays() {
    for name in ["3.6-bumped", "3.7-bumped"] {
        let file = case::named(name).bytes();
        let latest = open_store(&file).current();
        let new = with_trailer(&rewritten(&file, Some(latest), &mut SeededRandom::new(1)));
        assert_eq!(open_store(&new).current(), latest);
        let status = verify(&new, &IgnoreProgress).unwrap().status.unwrap();
        assert_eq!((status.revision, status.phantoms), (latest, 1), "{name}");
    }
}

#[test]
fn damaged_files_are_not_rewritten() {
    let good = case::named("3.7-history").bytes();
    let page_size = 4096;
    let mut refused = 0;
    for page in 2..good.len() / page_size {
        let mut file = good.clone();
        file[page * page_size + 8] ^= 0x10;
        if verify(&file, &IgnoreProgress).unwrap().findings.has(etcdsnap_core::Code::PageType) {
            let OpenedStore::Store(store) = Store::open(&file).unwrap() else { continue };
            let outcome = write(&store, Plan::Everything, Vec::new(), &IgnoreProgress);
            assert!(matches!(outcome, Err(RewriteError::Damaged(_))), "page {page}");
            refused += 1;
        }
    }
    assert!(refused > 3);
}

#[test]
fn compacted_and_future_revisions_are_refused() {
    let file = case::named("3.7-history").bytes();
    let store = open_store(&file);
    assert!(store.compacted() > Revision::FIRST);
    assert!(matches!(store.at(store.compacted().previous()), Err(RevisionUnavailable::Compacted { .. })));
    assert!(matches!(store.at(store.current().next()), Err(RevisionUnavailable::Future { .. })));
}

#[test]
fn the_commands_write_sound_files_and_report_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let old = case::named("3.7-history");
    let out = at("out.db");
    fs::write(&out, "old").unwrap();
    let output = cli::run(&["compact", text(&old.path()), "-o", text(&out)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("compacted at revision") && said(&output).contains("complete, verified"));
    let report = etcdsnap::verify(&out, etcdsnap::VerifyOptions::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Sound);
    let status = report.status.unwrap();
    assert_eq!(status.compacted_revision, Some(status.revision));
    assert_eq!(fs::metadata(&out).unwrap().len(), status.total_size + 32);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    // The same input gives the same file, also packed or through a pipe.
    let packed = at("old.db.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &old.bytes()).unwrap();
    fs::write(&packed, encoder.finish().unwrap()).unwrap();
    for (name, input) in [("again.db", None), ("piped.db", Some(old.bytes()))] {
        let output = match input {
            None => cli::run(&["compact", text(&packed), "-o", text(&at(name)), "--rev", "latest", "-w", "json"]),
            Some(bytes) => cli::run_with_input(&["compact", "-", "-o", text(&at(name)), "-w", "json"], &bytes),
        };
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let object = cli::json(&output);
        assert_eq!(object["compactRevision"], status.revision.get());
        assert_eq!(object["bytes"], status.total_size);
        assert_eq!(object["verdict"], "sound");
        assert_eq!(object["entries"], status.revisions);
        assert_eq!(fs::read(at(name)).unwrap(), fs::read(&out).unwrap(), "{name}");
    }
    let output = cli::run(&["defrag", text(&old.path()), "-o", text(&at("defrag.db")), "-w", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let (before, object) = (etcdsnap::status(old.path()).unwrap().status.unwrap(), cli::json(&output));
    let after = etcdsnap::status(at("defrag.db")).unwrap().status.unwrap();
    assert_eq!((after.hash, after.revisions, after.free_pages), (before.hash, before.revisions, 0));
    assert_eq!((&object["entries"], &object["compactRevision"]), (&before.revisions.into(), &serde_json::Value::Null));
}

#[test]
fn the_commands_refuse_and_leave_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let old = at("old.db");
    let good = case::named("3.7-history").bytes();
    fs::write(&old, &good).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(at("flipped.db"), &flipped).unwrap();
    let run = |args: &[&str]| cli::run(args);
    let (file, out) = (text(&old).to_owned(), text(&at("out.db")).to_owned());
    let fifo = at("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let flipped = text(&at("flipped.db")).to_owned();
    let status = etcdsnap::status(&old).unwrap().status.unwrap();
    let below = status.compacted_revision.unwrap().previous().to_string();
    let above = status.revision.next().to_string();
    for (args, code, words) in [
        (&["compact", &flipped, "-o", &out][..], 1, "is damaged, and nothing was written"),
        (&["defrag", &flipped, "-o", &out], 1, "is damaged, and nothing was written"),
        (&["compact", &file, "-o", &out, "--rev", &below], 2, "has been compacted"),
        (&["compact", &file, "-o", &out, "--rev", &above], 2, "later than the latest in this snapshot"),
        (&["compact", &file, "-o", &out, "--rev", "-5"], 2, "or `latest`; revisions begin at 1"),
        (&["compact", &file, "-o", &out, "--rev", "0"], 2, "or `latest`; revisions begin at 1"),
        (&["compact", &file, "-o", &file], 2, "is the same file as"),
        (&["defrag", &file, "-o", "-"], 2, "its first page is written last"),
        (&["defrag", &file, "-o", "/dev/null"], 2, "its first page"),
        // The command would wait for a reader that never comes.
        (&["defrag", &file, "-o", text(&fifo)], 2, "its first page"),
        (&["defrag", &file], 2, "--output"),
        (&["defrag", &file, "-o", text(folder.path())], 2, "is a directory"),
    ] {
        let output = run(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["fifo", "flipped.db", "old.db"]);
    assert_eq!(fs::read(&old).unwrap(), good);
}

/// A new SHA-256 must not make a file more trustworthy than its source.
#[test]
fn unverified_sources_are_reported_for_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.db");
    let old = case::named("3.7-raw").path();
    for command in ["compact", "defrag"] {
        let output = cli::run(&[command, text(&old), "-o", text(&out)]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        for words in ["trailer-missing", "It had no SHA-256"] {
            assert!(said(&output).contains(words), "{words:?} is not in {}", said(&output));
        }
        let output = cli::run(&[command, text(&old), "-o", text(&out), "-w", "json"]);
        let object = cli::json(&output);
        assert_eq!((&object["verdict"], &object["inputVerdict"]), (&"sound".into(), &"warnings".into()));
        assert_eq!(object["inputFindingCounts"]["trailer-missing"], 1);
    }
}

#[test]
fn the_database_of_a_running_member_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (old, out) = (folder.path().join("db"), folder.path().join("out.db"));
    fs::copy(case::named("3.7-raw").path(), &old).unwrap();
    let server = fs::File::options().read(true).write(true).open(&old).unwrap();
    server.lock().unwrap();
    let output = cli::run(&["defrag", text(&old), "-o", text(&out)]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("open in a running etcd"), "{}", said(&output));
    assert!(!out.exists());
    drop(server);
    assert_eq!(cli::run(&["defrag", text(&old), "-o", text(&out)]).status.code(), Some(0));
}

/// The message is the same, whether the verification or the writer meets the damage first.
#[test]
fn damage_gives_the_same_message_at_every_stage() {
    let folder = tempfile::tempdir().unwrap();
    let (old, out) = (folder.path().join("old file.db"), folder.path().join("out.db"));
    let bases = etcdsnap_tests::damage::bases();
    let order = etcdsnap_tests::damage::all().into_iter().filter(|damage| damage.expect == ["key-order"]);
    let mut tried = 0;
    for damage in order {
        let damaged = bases.iter().flat_map(|base| damage.apply(&base.snapshot));
        for damaged in damaged.filter(|damaged| damaged.trailer != etcdsnap_tests::damage::Trailer::Old).take(2) {
            fs::write(&old, &damaged.file).unwrap();
            for command in ["defrag", "compact"] {
                let output = cli::run(&[command, text(&old), "-o", text(&out)]);
                assert_eq!(output.status.code(), Some(1), "{command} {}: {}", damage.name, said(&output));
                assert!(said(&output).contains("etcdsnap salvage '"), "{}", said(&output));
                tried += 1;
            }
        }
    }
    assert!(tried > 3 && !out.exists());
}
