//! Restores another state than the latest: at a revision, with keys deleted, without the history that a compaction removes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use etcdsnap::{Progress, RestoreConfig, RestoreError, Run, Stage, restore};
use etcdsnap_core::bolt::edit::BucketEdit;
use etcdsnap_core::rewrite::{Alterations, Plan, write_altered};
use etcdsnap_core::store::SurvivorSearch;
use etcdsnap_core::{IgnoreProgress, Revision, ScanProgress, Verdict, pass::reading::Accumulator};
use etcdsnap_proto::leasepb::Lease;
use etcdsnap_tests::all_queries::open_store;
use etcdsnap_tests::build::history::main_revision;
use etcdsnap_tests::build::message::KeyValue;
use etcdsnap_tests::build::random::any_member;
use etcdsnap_tests::build::{Bucket, Node, with_trailer};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::read::File;
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::server::stdout_of;
use etcdsnap_tests::{
    case,
    cli::{self, text},
};
use prost::Message;
use serde_json::Value;

fn value(node: &Node) -> &[u8] {
    let Node::Value(value) = node else { panic!("a bucket within a bucket") };
    value
}

/// Computes the result at a revision directly from the rule: earlier entries are identical, later ones are gone, and only leases with keys remain.
fn expected_contents(root: &Bucket, revision: i64, seconds: i64) -> Bucket {
    let mut root = root.clone();
    let key = root.bucket("key");
    key.entries.retain(|key, _| main_revision(key) <= revision);
    let mut newest: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for (at, node) in &key.entries {
        let pair = KeyValue::decode(value(node)).unwrap();
        newest.insert(pair.key, if at.len() == 18 { 0 } else { pair.lease });
    }
    let wanted: BTreeSet<i64> = newest.into_values().filter(|lease| *lease != 0).collect();
    for id in wanted {
        let name = id.to_be_bytes().to_vec();
        if !root.bucket("lease").entries.contains_key(&name) {
            let lease = Lease { id, ttl: seconds, remaining_ttl: 0 }.encode_to_vec();
            root.bucket("lease").put(name, lease);
        }
    }
    root
}

#[test]
fn the_state_of_any_file_at_any_revision_follows_the_rule() {
    let (mut left_out, mut leases) = (0, 0);
    for seed in 0..60 {
        let member = any_member(seed, 150);
        let file = with_trailer(&member.built.database);
        let store = open_store(&file);
        let mut rng = SeededRandom::new(seed);
        let (oldest, latest) = (store.compacted().max(Revision::FIRST), store.current());
        for revision in [oldest, oldest.plus(rng.below(oldest.count_to(latest) as usize) as u64), latest] {
            let alterations = Alterations { changes: &[], new_lease_seconds: Some(77) };
            let plan = Plan::AsOf { revision, survivors: None };
            let written = write_altered(&store, plan, alterations, Vec::new(), &IgnoreProgress).unwrap();
            let new = [written.built.meta_pages, written.sink].concat();
            let expected = expected_contents(&member.root, revision.get(), 77);
            assert_eq!(File::new(new.clone()).tree(), expected, "seed {seed}, revision {revision}");
            let judged = etcdsnap_core::verify(&with_trailer(&new), &IgnoreProgress).unwrap();
            assert_ne!(judged.verdict, Verdict::Damaged, "seed {seed}, revision {revision}: {:?}", judged.findings);
            left_out += written.counts.read - written.counts.kept;
            leases += written.lapsed.keys_of.len();
            // Compacted at that revision, it equals the result of compacting that state.
            let mut search = SurvivorSearch::new(revision);
            store.work().for_each(|work| drop(search.read(&store, work, &IgnoreProgress).unwrap()));
            let survivors = search.finish().unwrap();
            let plan = Plan::AsOf { revision, survivors: Some(&survivors) };
            let once = write_altered(&store, plan, Alterations::default(), Vec::new(), &IgnoreProgress).unwrap();
            let state = Plan::AsOf { revision, survivors: None };
            let state = write_altered(&store, state, Alterations::default(), Vec::new(), &IgnoreProgress).unwrap();
            let state = with_trailer(&[state.built.meta_pages, state.sink].concat());
            let plan = Plan::Compacted(&survivors);
            let twice =
                write_altered(&open_store(&state), plan, Alterations::default(), Vec::new(), &IgnoreProgress).unwrap();
            let tree = |built: Vec<u8>, pages: Vec<u8>| File::new([built, pages].concat()).tree();
            assert_eq!(tree(once.built.meta_pages, once.sink), tree(twice.built.meta_pages, twice.sink), "seed {seed}");
        }
    }
    println!("{left_out} entries left out, {leases} leases anew");
    assert!(left_out > 1000);
}

/// Puts, deletions and emptied buckets are merged in key order with the existing entries.
#[test]
fn further_changes_equal_those_of_an_edit_in_place() {
    use etcdsnap_core::bolt::edit::{IfMissing, OldEntries};
    let file = case::named("3.7-history").bytes();
    let store = open_store(&file);
    let change = |bucket: &str, kept, entries: &[(&str, Option<&str>)]| BucketEdit {
        bucket: bucket.into(),
        if_missing: IfMissing::Create,
        old_entries: kept,
        entries: entries.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.map(|v| v.into()))).collect(),
    };
    let changes = [
        change(
            "meta",
            OldEntries::Keep,
            &[("a", Some("first")), ("term", None), ("confState", Some("x")), ("z", Some("last"))],
        ),
        change("members", OldEntries::Remove, &[("m", Some("only"))]),
        change("new", OldEntries::Keep, &[("b", Some("1")), ("c", None)]),
    ];
    let alterations = Alterations { changes: &changes, new_lease_seconds: None };
    let written = write_altered(&store, Plan::Everything, alterations, Vec::new(), &IgnoreProgress).unwrap();
    let ours = File::new([written.built.meta_pages, written.sink].concat()).tree();
    let mut edited = file[..file.len() - 32].to_vec();
    let edit = etcdsnap_core::bolt::database::BoltDatabase::open(&edited).unwrap().edit(&changes).unwrap();
    edited.resize(edited.len().max(edit.size as usize), 0);
    for (at, bytes) in &edit.writes {
        edited[at.get() as usize..][..bytes.len()].copy_from_slice(bytes);
    }
    assert_eq!(ours, File::new(edited).tree());
}

#[test]
fn impossible_states_are_refused_and_leave_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let old = at("old.db");
    let good = case::named("3.7-history").bytes();
    fs::write(&old, &good).unwrap();
    // A page of the tree claims another type.
    let damaged = (2..good.len() / 4096).map(|page| {
        let mut file = good.clone();
        file[page * 4096 + 8] ^= 0x10;
        file
    });
    let is_damaged = |file: &Vec<u8>| {
        etcdsnap_core::verify(file, &IgnoreProgress).unwrap().findings.has(etcdsnap_core::Code::PageType)
    };
    fs::write(at("damaged.db"), damaged.into_iter().find(is_damaged).unwrap()).unwrap();
    let status = etcdsnap::status(&old).unwrap().status.unwrap();
    let below = format!("--rev={}", status.compacted_revision.unwrap().previous());
    let above = format!("--rev={}", status.revision.next());
    let data = format!("--data-dir={}", at("data").display());
    let (old, damaged) = (text(&old).to_owned(), text(&at("damaged.db")).to_owned());
    for (file, flags, code, words) in [
        (&old, &[below.as_str()][..], 2, "has been compacted"),
        (&old, &[&above], 2, "later than the latest in this snapshot"),
        (&old, &["--rev=0"], 2, "revisions begin at 1"),
        (&old, &["--rev=-3"], 2, "revisions begin at 1"),
        (&old, &["--delete=nobody/has/this"], 1, "no key nobody/has/this at revision 672"),
        (&old, &["--delete=nobody/has/this", "--delete=nor/this", "--rev=latest"], 1, "and 1 more"),
        (&old, &["--delete=\"\\q\""], 2, "not a valid key in quotes"),
        (&old, &["--rev=600", "--lease-ttl=0"], 2, "of at least 1"),
        (&old, &["--rev=600", "--lease-ttl=9000000001"], 2, "etcd grants leases for 1 to 9,000,000,000 seconds"),
        (&old, &["--rev=600", "--no-bump", "--bump-revision=5"], 2, "cannot be used with"),
        (&old, &["--rev=600", "--mark-compacted=false"], 2, "cannot be combined with restoring a past state"),
        (&old, &["--no-bump"], 2, "required arguments were not provided"),
        (&old, &["--lease-ttl=60"], 2, "required arguments were not provided"),
        (&old, &["--rev=600", "--at=2h"], 2, "cannot be used with"),
        (&old, &["--at=2h"], 2, "shows which revision belongs to"),
        (&damaged, &["--rev=600"], 1, "is damaged"),
        (&damaged, &["--rev=600", "--verify=none"], 1, "does not match its bytes"),
        (&damaged, &["--compact", "--skip-hash-check"], 1, "is damaged"),
        (&damaged, &["--compact", "--skip-hash-check", "--force"], 1, "cannot be rewritten entry by entry"),
        (&old, &["--rev=600", "--bump-revision=9223372036854775000"], 2, "too few revisions are left"),
    ] {
        for dry in [&["--dry-run"][..], &[]] {
            let output = cli::run(&[&["restore", file, &data][..], flags, dry].concat());
            let told = cli::printed(&output);
            assert_eq!(output.status.code(), Some(code), "{flags:?}: {told}");
            assert!(told.split_whitespace().collect::<Vec<_>>().join(" ").contains(words), "{flags:?}: {told}");
        }
    }
    let output = cli::run_with_input(&["restore", "-", "--at=2h", &data], &good);
    assert_eq!(output.status.code(), Some(2));
    assert!(cli::printed(&output).contains("must read the snapshot twice"), "{}", cli::printed(&output));
    assert_eq!(names(folder.path()), ["damaged.db", "old.db"]);
    assert_eq!(fs::read(&old).unwrap(), good);
}

#[test]
fn packed_piped_and_all_member_restores_give_the_same_database() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let old = case::named("3.7-history");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &old.bytes()).unwrap();
    fs::write(at("old.db.gz"), encoder.finish().unwrap()).unwrap();
    let status = etcdsnap::status(old.path()).unwrap().status.unwrap();
    let rev = format!("--rev={}", status.revision.get() - 9);
    for flags in [&[rev.as_str(), "--compact", "--delete=leased/freed"][..], &["--delete=leased/freed"]] {
        let run = |name: &str, file: &str, more: &[&str]| {
            let data = format!("--data-dir={}", at(name).display());
            let args = [&["restore", file, &data, "-wjson"][..], flags, more].concat();
            let output = match file {
                "-" => cli::run_with_input(&args, &old.bytes()),
                _ => cli::run(&args),
            };
            let mut object = cli::json(&output);
            for gone in ["dataDir", "walDir"] {
                object[gone] = Value::Null;
            }
            object
        };
        let plain = run("plain", text(&old.path()), &[]);
        let database = |name: &str| fs::read(at(name).join("member/snap/db")).unwrap();
        for (name, file) in [("packed", text(&at("old.db.gz"))), ("piped", "-")] {
            assert_eq!(run(name, file, &[]), plain, "{name}");
            assert_eq!(database(name), database("plain"), "{name}");
            fs::remove_dir_all(at(name)).unwrap();
        }
        let mut dry = run("dry", text(&old.path()), &["--dry-run"]);
        assert_eq!(dry["written"], false);
        dry["written"] = true.into();
        assert_eq!(dry, plain);
        let all = format!("--all-members={}", at("all").display());
        let members = "--initial-cluster=a=http://127.0.0.1:1001,b=http://127.0.0.1:1002";
        stdout_of(&cli::run(&[&["restore", text(&old.path()), &all, members][..], flags].concat()));
        assert_eq!(database("all/a"), database("all/b"));
        fs::remove_dir_all(at("all")).unwrap();
        fs::remove_dir_all(at("plain")).unwrap();
        assert_eq!(names(folder.path()), ["old.db.gz"]);
    }
}

/// Cancels after this many bytes.
struct StopAfter(u64, AtomicU64);

impl ScanProgress for StopAfter {
    fn advance(&self, bytes: u64) {
        self.1.fetch_add(bytes, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.1.load(Ordering::Relaxed) >= self.0
    }
}

impl Progress for StopAfter {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
}

#[test]
fn a_stopped_restore_leaves_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let member = any_member(3, 4000);
    fs::write(&file, with_trailer(&member.built.database)).unwrap();
    let config = |name: &str| RestoreConfig {
        snapshot_path: file.clone(),
        output_data_dir: Some(folder.path().join(name)),
        as_of: Some(Revision::ZERO),
        compact: true,
        ..RestoreConfig::default()
    };
    let all = StopAfter(u64::MAX, AtomicU64::new(0));
    restore(&config("whole"), &all).unwrap();
    let total = all.1.into_inner();
    assert!(total > 100_000, "{total}");
    let mut stopped = 0;
    for step in 0..20 {
        for run in [Run::Dry, Run::Write] {
            let progress = StopAfter(total * step / 20, AtomicU64::new(0));
            match restore(&RestoreConfig { run, ..config("data") }, &progress) {
                Err(RestoreError::Input(etcdsnap::Error::Cancelled)) => stopped += 1,
                // The restore ended before it checked for cancellation.
                Ok(_) if run == Run::Dry => {}
                other => panic!("{step}: {other:?}"),
            }
            assert_eq!(names(folder.path()), ["backup.db", "whole"], "{step}");
        }
    }
    assert!(stopped >= 20, "{stopped}");
}

#[test]
fn an_existing_lease_is_not_granted_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("--data-dir={}", folder.path().join("data").display());
    let old = case::named("3.7-history");
    let output = cli::run(&["restore", text(&old.path()), "--rev=latest", "-wjson", &data]);
    let object = cli::json(&output);
    assert_eq!(object["newLeases"], Value::Null, "{object}");
    let leases = |path: &Path| {
        let output = stdout_of(&cli::run(&["leases", text(path), "-wjson"]));
        let objects: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        objects
    };
    assert_eq!(leases(&folder.path().join("data/member/snap/db")), leases(&old.path()));
    assert!(leases(&old.path()).len() >= 3);
}
