//! A restore of another state than the latest: as of a revision, with keys deleted on the way, without the history that a compaction removes. Real servers say then what the old server said.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap::{Progress, RestoreConfig, RestoreError, Run, Stage, restore};
use etcdsnap_core::bolt::edit::Change;
use etcdsnap_core::rewrite::{Alterations, Plan, write_altered};
use etcdsnap_core::store::{OpenedStore, Store, SurvivorSearch};
use etcdsnap_core::{Revision, Unwatched, Verdict, Watch, pass::reading::Accumulator};
use etcdsnap_proto::leasepb::Lease;
use etcdsnap_tests::build::message::KeyValue;
use etcdsnap_tests::build::random::any_member;
use etcdsnap_tests::build::{Bucket, Node, with_trailer};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::programs::{bbolt_check, reference};
use etcdsnap_tests::read::File;
use etcdsnap_tests::seeded_random::Dice;
use etcdsnap_tests::server::{Seat, Servers, initial_cluster, said, seats};
use etcdsnap_tests::{
    case,
    cli::{self, text},
};
use prost::Message;
use serde_json::{Value, json};

fn ctl(servers: &Servers, args: &[&str]) -> String {
    said(&servers.etcdctl(None, args))
}

/// All keys, at a revision or at the latest, and the revision of the answer.
fn keys(servers: &Servers, at: Option<i64>) -> (i64, Value) {
    let mut args = vec!["get".to_owned(), String::new(), "--prefix".into(), "-w".into(), "json".into()];
    args.extend(at.map(|at| format!("--rev={at}")));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let answer: Value = serde_json::from_str(&ctl(servers, &args)).unwrap();
    (answer["header"]["revision"].as_i64().unwrap(), answer["kvs"].clone())
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The old server's history: what lived at some revisions, and its last one.
struct Past {
    states: BTreeMap<i64, Value>,
    latest: i64,
    /// The revision at which the lease held keys.
    leased: i64,
}

fn live(servers: &Servers) -> Past {
    let key = |number: usize| format!("/registry/pods/{:02}", number % 23);
    let write = |from: usize, to: usize| {
        for number in from..to {
            ctl(servers, &["put", &key(number), &format!("value {number}")]);
            if number % 4 == 3 {
                ctl(servers, &["del", &key(number)]);
            }
        }
    };
    write(0, 25);
    let (compacted, _) = keys(servers, None);
    ctl(servers, &["compact", &compacted.to_string()]);
    write(25, 40);
    // Of etcdctl's own flags none takes an id, so the id is what the server gives.
    let granted = ctl(servers, &["lease", "grant", "7200"]);
    let id = granted.split_whitespace().nth(1).unwrap().to_owned();
    ctl(servers, &["put", "leased/a", "lives as long as its lease", &format!("--lease={id}")]);
    ctl(servers, &["put", "leased/b", "freed before", &format!("--lease={id}")]);
    ctl(servers, &["put", "leased/b", "of no lease"]);
    ctl(servers, &["put", "/webhook", "lets nothing through"]);
    let mut states = BTreeMap::new();
    let (leased, _) = keys(servers, None);
    ctl(servers, &["lease", "revoke", &id]);
    write(40, 60);
    ctl(servers, &["put", "later", "than all of that"]);
    let (latest, _) = keys(servers, None);
    for at in [compacted, compacted + 7, leased, leased + 1, latest - 1, latest] {
        states.insert(at, keys(servers, Some(at)).1);
    }
    Past { states, latest, leased }
}

/// A restore of one member with these flags; its seat.
fn restored(file: &Path, folder: &Path, flags: &[&str]) -> (Vec<Seat>, Output) {
    let seats = seats(folder, &["one"]);
    let cluster = format!("--initial-cluster={}", initial_cluster(&seats));
    let url = format!("--initial-advertise-peer-urls={}", seats[0].peer_url());
    let data = format!("--data-dir={}", seats[0].data.display());
    let args = ["restore", text(file), "--name=one", &cluster, &url, &data];
    let output = cli::run(&[&args[..], flags].concat());
    (seats, output)
}

fn check_database(seat: &Seat) {
    let database = seat.data.join("member/snap/db");
    let bbolt = reference("3.7", "bbolt").unwrap();
    let (passed, told) = bbolt_check(&bbolt, &fs::read(&database).unwrap());
    assert!(passed, "{told}");
    let report = etcdsnap::status(&database).unwrap();
    let codes: Vec<_> = report.findings.counts().keys().map(|code| code.as_str()).collect();
    assert_eq!(codes, ["trailer-missing"]);
}

fn lives_on(servers: &Servers) {
    ctl(servers, &["put", "after", "the restore"]);
    assert_eq!(ctl(servers, &["del", "after"]), "1\n");
    let (revision, _) = keys(servers, None);
    ctl(servers, &["compact", &revision.to_string()]);
}

/// One old server, and a new one for each state of it.
fn of_version(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let old = seats(folder.path(), &["old"]);
    let Some(servers) = Servers::start(version, &old, folder.path()) else { return };
    let past = live(&servers);
    let file = at("backup.db");
    ctl(&servers, &["snapshot", "save", text(&file)]);
    ctl(&servers, &["compact", "--physical", &past.latest.to_string()]);
    let (_, compacted_hash) = servers.agreed_hash(None);
    servers.stop();
    let (oldest, middle) = (*past.states.keys().next().unwrap(), *past.states.keys().nth(1).unwrap());

    // As it was, its history included, with the revisions that it had then.
    for (number, revision) in [middle, past.leased, past.latest - 1].into_iter().enumerate() {
        let name = at(&format!("as-it-was-{number}"));
        fs::create_dir(&name).unwrap();
        let (seats, output) = restored(&file, &name, &[&format!("--rev={revision}"), "--no-bump", "--lease-ttl=2"]);
        let told = said(&output);
        assert!(told.contains(&format!("the state is that of {revision}")), "{told}");
        check_database(&seats[0]);
        let servers = Servers::start(version, &seats, &name).unwrap();
        assert_eq!(keys(&servers, None), (revision, past.states[&revision].clone()), "{version} at {revision}");
        for (earlier, state) in past.states.range(oldest..revision) {
            assert_eq!(&keys(&servers, Some(*earlier)).1, state, "{version} at {earlier} of {revision}");
        }
        if revision == past.leased {
            assert!(told.split_whitespace().collect::<Vec<_>>().join(" ").contains("1 lease is gone since"), "{told}");
            assert!(told.contains("leased/a") && !told.contains("leased/b"), "{told}");
            let since = Instant::now();
            while ctl(&servers, &["get", "leased/a", "--keys-only"]).contains("leased/a") {
                assert!(since.elapsed() < Duration::from_secs(60), "{version}: the key lives for ever");
                sleep(Duration::from_millis(200));
            }
            assert!(ctl(&servers, &["get", "leased/b", "--keys-only"]).contains("leased/b"));
        }
        lives_on(&servers);
        servers.stop();
    }

    // The usual way: raised above all that clients may know, and compacted.
    let name = at("raised");
    fs::create_dir(&name).unwrap();
    let flags = [&format!("--rev={}", past.leased), "--delete=/webhook", "--compact", "-wjson"];
    let (seats, output) = restored(&file, &name, &flags);
    let object = cli::json(&output);
    let raised = past.latest + 1_000_000_000;
    assert_eq!(object["revisionAfter"], raised, "{object}");
    assert_eq!(object["revisionBefore"], past.latest);
    assert_eq!(object["asOfRevision"], past.leased);
    assert_eq!(object["compactedRevision"], past.leased);
    assert_eq!(object["deletedKeys"], json!([{"key": "/webhook"}]));
    assert_eq!(object["newLeaseKeys"], json!([{"key": "leased/a"}]));
    assert_eq!((&object["newLeases"][0]["ttl"], &object["newLeases"][0]["keys"]), (&3600.into(), &1.into()));
    check_database(&seats[0]);
    let servers = Servers::start(version, &seats, &name).unwrap();
    let (revision, found) = keys(&servers, None);
    let name_of = |kv: &Value| kv["key"].as_str().unwrap().to_owned();
    let mut expected = past.states[&past.leased].as_array().unwrap().clone();
    expected.retain(|kv| name_of(kv) != "L3dlYmhvb2s=");
    assert_eq!((revision, &found), (raised, &Value::from(expected)), "{version}");
    let id = object["newLeases"][0]["id"].as_str().unwrap();
    let lease = ctl(&servers, &["lease", "timetolive", id, "--keys"]);
    assert!(lease.contains("granted with TTL(3600s)") && lease.contains("leased/a"), "{version}: {lease}");
    for args in [&["get", "x"][..], &["watch", "x"]] {
        let refused = servers.etcdctl(None, &[args, &[&format!("--rev={}", past.latest)]].concat());
        assert!(complaint(&refused).contains("compacted"), "{version}: {}", complaint(&refused));
    }
    lives_on(&servers);
    servers.stop();

    // Without history it is the store of a server that compacted.
    let name = at("compacted");
    fs::create_dir(&name).unwrap();
    let (seats, output) = restored(&file, &name, &["--compact"]);
    assert!(said(&output).contains("What a compaction at revision"), "{output:?}");
    check_database(&seats[0]);
    let servers = Servers::start(version, &seats, &name).unwrap();
    assert_eq!(servers.agreed_hash(None), (past.latest as u64, compacted_hash), "{version}");
    assert_eq!(keys(&servers, None), (past.latest, past.states[&past.latest].clone()), "{version}");
    lives_on(&servers);
    servers.stop();

    // A copy in which keys are deleted.
    let name = at("deleted");
    fs::create_dir(&name).unwrap();
    let (seats, output) = restored(&file, &name, &["--delete=/webhook", "--delete", "later"]);
    let told = said(&output);
    assert!(told.contains(&format!("revision {} (before the deletion: {})", past.latest + 1, past.latest)), "{told}");
    check_database(&seats[0]);
    let servers = Servers::start(version, &seats, &name).unwrap();
    let (revision, found) = keys(&servers, None);
    let mut expected = past.states[&past.latest].as_array().unwrap().clone();
    expected.retain(|kv| !["L3dlYmhvb2s=", "bGF0ZXI="].contains(&name_of(kv).as_str()));
    assert_eq!((revision, &found), (past.latest + 1, &Value::from(expected)), "{version}");
    assert_eq!(keys(&servers, Some(past.latest)).1, past.states[&past.latest]);
    lives_on(&servers);
    servers.stop();
}

#[test]
fn servers_of_3_4_serve_the_state() {
    of_version("3.4");
}

#[test]
fn servers_of_3_5_serve_the_state() {
    of_version("3.5");
}

#[test]
fn servers_of_3_6_serve_the_state() {
    of_version("3.6");
}

#[test]
fn servers_of_3_7_serve_the_state() {
    of_version("3.7");
}

fn main_of(key: &[u8]) -> i64 {
    i64::from_be_bytes(key[..8].try_into().unwrap())
}

fn store(file: &Vec<u8>) -> Box<Store<'_, Vec<u8>>> {
    match Store::open(file).unwrap() {
        OpenedStore::Store(store) => store,
        OpenedStore::Refused(report) => panic!("{report:?}"),
    }
}

fn value(node: &Node) -> &[u8] {
    let Node::Value(value) = node else { panic!("a bucket within a bucket") };
    value
}

/// What is left at a revision, by the words of the rule and nothing else: earlier entries are identical, later ones gone, and the leases are there that keys hang on.
fn model(root: &Bucket, revision: i64, seconds: i64) -> Bucket {
    let mut root = root.clone();
    let key = root.bucket("key");
    key.entries.retain(|key, _| main_of(key) <= revision);
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
fn the_state_of_any_file_at_any_revision_is_what_the_rule_says() {
    let (mut left_out, mut leases) = (0, 0);
    for seed in 0..60 {
        let member = any_member(seed, 150);
        let file = with_trailer(&member.built.database);
        let store = store(&file);
        let mut dice = Dice::new(seed);
        let (oldest, latest) = (store.compacted().max(Revision::FIRST), store.current());
        for revision in [oldest, oldest.plus(dice.below(oldest.count_to(latest) as usize) as u64), latest] {
            let alterations = Alterations { changes: &[], new_lease_seconds: Some(77) };
            let plan = Plan::AsOf { revision, survivors: None };
            let written = write_altered(&store, plan, alterations, Vec::new(), &Unwatched).unwrap();
            let new = [written.built.metas, written.sink].concat();
            let expected = model(&member.root, revision.get(), 77);
            assert_eq!(File::new(new.clone()).tree(), expected, "seed {seed}, revision {revision}");
            let judged = etcdsnap_core::verify(&with_trailer(&new), &Unwatched).unwrap();
            assert_ne!(judged.verdict, Verdict::Damaged, "seed {seed}, revision {revision}: {:?}", judged.findings);
            left_out += written.counts.read - written.counts.kept;
            leases += written.lapsed.keys_of.len();
            // Compacted at that revision, it is what a compaction of that state leaves.
            let mut search = SurvivorSearch::new(revision);
            store.work().for_each(|work| drop(search.read(&store, work, &Unwatched).unwrap()));
            let survivors = search.finish().unwrap();
            let plan = Plan::AsOf { revision, survivors: Some(&survivors) };
            let once = write_altered(&store, plan, Alterations::default(), Vec::new(), &Unwatched).unwrap();
            let state = Plan::AsOf { revision, survivors: None };
            let state = write_altered(&store, state, Alterations::default(), Vec::new(), &Unwatched).unwrap();
            let state = with_trailer(&[state.built.metas, state.sink].concat());
            let plan = Plan::Compacted(&survivors);
            let twice =
                write_altered(&self::store(&state), plan, Alterations::default(), Vec::new(), &Unwatched).unwrap();
            let tree = |built: Vec<u8>, pages: Vec<u8>| File::new([built, pages].concat()).tree();
            assert_eq!(tree(once.built.metas, once.sink), tree(twice.built.metas, twice.sink), "seed {seed}");
        }
    }
    println!("{left_out} entries left out, {leases} leases anew");
    assert!(left_out > 1000);
}

/// Puts, deletions and emptied buckets come in their order among what is there.
#[test]
fn further_changes_are_those_that_an_edit_in_place_makes() {
    use etcdsnap_core::bolt::edit::{Kept, Missing};
    let file = case::named("3.7-history").bytes();
    let store = store(&file);
    let change = |bucket: &str, kept, entries: &[(&str, Option<&str>)]| Change {
        bucket: bucket.into(),
        missing: Missing::Create,
        kept,
        entries: entries.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.map(|v| v.into()))).collect(),
    };
    let changes = [
        change(
            "meta",
            Kept::Others,
            &[("a", Some("first")), ("term", None), ("confState", Some("x")), ("z", Some("last"))],
        ),
        change("members", Kept::Nothing, &[("m", Some("only"))]),
        change("new", Kept::Others, &[("b", Some("1")), ("c", None)]),
    ];
    let alterations = Alterations { changes: &changes, new_lease_seconds: None };
    let written = write_altered(&store, Plan::Everything, alterations, Vec::new(), &Unwatched).unwrap();
    let ours = File::new([written.built.metas, written.sink].concat()).tree();
    let mut edited = file[..file.len() - 32].to_vec();
    let edit = etcdsnap_core::bolt::database::Database::open(&edited).unwrap().edit(&changes).unwrap();
    edited.resize(edited.len().max(edit.size as usize), 0);
    for (at, bytes) in &edit.writes {
        edited[at.get() as usize..][..bytes.len()].copy_from_slice(bytes);
    }
    assert_eq!(ours, File::new(edited).tree());
}

#[test]
fn what_cannot_be_restored_so_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let old = at("old.db");
    let good = case::named("3.7-history").bytes();
    fs::write(&old, &good).unwrap();
    // A page of the tree says that it is of another kind.
    let damaged = (2..good.len() / 4096).map(|page| {
        let mut file = good.clone();
        file[page * 4096 + 8] ^= 0x10;
        file
    });
    let is_damaged =
        |file: &Vec<u8>| etcdsnap_core::verify(file, &Unwatched).unwrap().findings.has(etcdsnap_core::Code::PageType);
    fs::write(at("damaged.db"), damaged.into_iter().find(is_damaged).unwrap()).unwrap();
    let status = etcdsnap::status(&old).unwrap().status.unwrap();
    let below = format!("--rev={}", status.compacted_revision.unwrap().previous());
    let above = format!("--rev={}", status.revision.next());
    let data = format!("--data-dir={}", at("data").display());
    let (old, damaged) = (text(&old).to_owned(), text(&at("damaged.db")).to_owned());
    for (file, flags, code, words) in [
        (&old, &[below.as_str()][..], 2, "has been compacted"),
        (&old, &[&above], 2, "its latest is"),
        (&old, &["--rev=0"], 2, "revisions begin at 1"),
        (&old, &["--rev=-3"], 2, "revisions begin at 1"),
        (&old, &["--delete=nobody/has/this"], 2, "no key nobody/has/this at revision 672"),
        (&old, &["--delete=nobody/has/this", "--delete=nor/this", "--rev=latest"], 2, "and 1 more"),
        (&old, &["--delete=\"\\q\""], 2, "no key in quotes"),
        (&old, &["--rev=600", "--lease-ttl=0"], 2, "from 1 on is wanted"),
        (&old, &["--rev=600", "--lease-ttl=9000000001"], 2, "etcd grants leases for 1 to 9,000,000,000 seconds"),
        (&old, &["--rev=600", "--no-bump", "--bump-revision=5"], 2, "cannot be used with"),
        (&old, &["--rev=600", "--mark-compacted=false"], 2, "does not go with a state of the past"),
        (&old, &["--no-bump"], 2, "required arguments were not provided"),
        (&old, &["--lease-ttl=60"], 2, "required arguments were not provided"),
        (&old, &["--rev=600", "--at=2h"], 2, "cannot be used with"),
        (&old, &["--at=2h"], 2, "tells what time"),
        (&damaged, &["--rev=600"], 1, "is damaged"),
        (&damaged, &["--rev=600", "--verify=none"], 1, "is not that of its bytes"),
        (&damaged, &["--compact", "--skip-hash-check"], 1, "is damaged"),
        (&damaged, &["--compact", "--skip-hash-check", "--force"], 1, "cannot be written entry by entry"),
        (&old, &["--rev=600", "--bump-revision=9223372036854775000"], 2, "leaves too few revisions"),
    ] {
        for dry in [&["--dry-run"][..], &[]] {
            let output = cli::run(&[&["restore", file, &data][..], flags, dry].concat());
            let told = complaint(&output);
            assert_eq!(output.status.code(), Some(code), "{flags:?}: {told}");
            assert!(told.split_whitespace().collect::<Vec<_>>().join(" ").contains(words), "{flags:?}: {told}");
        }
    }
    let output = cli::run_with_input(&["restore", "-", "--at=2h", &data], &good);
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("can be read twice"), "{}", complaint(&output));
    assert_eq!(names(folder.path()), ["damaged.db", "old.db"]);
    assert_eq!(fs::read(&old).unwrap(), good);
}

#[test]
fn packed_piped_dry_and_for_all_members_it_is_the_same_database() {
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
        said(&cli::run(&[&["restore", text(&old.path()), &all, members][..], flags].concat()));
        assert_eq!(database("all/a"), database("all/b"));
        fs::remove_dir_all(at("all")).unwrap();
        fs::remove_dir_all(at("plain")).unwrap();
        assert_eq!(names(folder.path()), ["old.db.gz"]);
    }
}

/// Stops after so many bytes.
struct StopAfter(u64, AtomicU64);

impl Watch for StopAfter {
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
fn a_restore_that_is_stopped_leaves_nothing() {
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
                // It was over before it looked.
                Ok(_) if run == Run::Dry => {}
                other => panic!("{step}: {other:?}"),
            }
            assert_eq!(names(folder.path()), ["backup.db", "whole"], "{step}");
        }
    }
    assert!(stopped >= 20, "{stopped}");
}

#[test]
fn a_lease_that_is_there_is_not_granted_anew() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("--data-dir={}", folder.path().join("data").display());
    let old = case::named("3.7-history");
    let output = cli::run(&["restore", text(&old.path()), "--rev=latest", "-wjson", &data]);
    let object = cli::json(&output);
    assert_eq!(object["newLeases"], Value::Null, "{object}");
    let leases = |path: &Path| {
        let output = said(&cli::run(&["leases", text(path), "-wjson"]));
        let objects: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        objects
    };
    assert_eq!(leases(&folder.path().join("data/member/snap/db")), leases(&old.path()));
    assert!(leases(&old.path()).len() >= 3);
}
