//! Real servers on a restore of another state than the latest (at a revision, with keys deleted, without history) answer as the old server did then.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli::{self, text};
use etcdsnap_tests::programs::{bbolt_check, reference};
use etcdsnap_tests::server::{MemberConfig, Servers, initial_cluster, member_configs, stdout_of};
use serde_json::{Value, json};

fn etcdctl(servers: &Servers, args: &[&str]) -> String {
    stdout_of(&servers.etcdctl(None, args))
}

/// Returns all keys, at a revision or at the latest, and the revision of the response.
fn keys(servers: &Servers, at: Option<i64>) -> (i64, Value) {
    let mut args = vec!["get".to_owned(), String::new(), "--prefix".into(), "-w".into(), "json".into()];
    args.extend(at.map(|at| format!("--rev={at}")));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let answer: Value = serde_json::from_str(&etcdctl(servers, &args)).unwrap();
    (answer["header"]["revision"].as_i64().unwrap(), answer["kvs"].clone())
}

/// The old server's history: the keys at some revisions, and its last revision.
struct OldServerState {
    states: BTreeMap<i64, Value>,
    latest: i64,
    /// The revision at which keys were attached to the lease.
    leased: i64,
}

fn write_history(servers: &Servers) -> OldServerState {
    let key = |number: usize| format!("/registry/pods/{:02}", number % 23);
    let write = |from: usize, to: usize| {
        for number in from..to {
            etcdctl(servers, &["put", &key(number), &format!("value {number}")]);
            if number % 4 == 3 {
                etcdctl(servers, &["del", &key(number)]);
            }
        }
    };
    write(0, 25);
    let (compacted, _) = keys(servers, None);
    etcdctl(servers, &["compact", &compacted.to_string()]);
    write(25, 40);
    // etcdctl has no flag for an id, so the server chooses it.
    let granted = etcdctl(servers, &["lease", "grant", "7200"]);
    let id = granted.split_whitespace().nth(1).unwrap().to_owned();
    etcdctl(servers, &["put", "leased/a", "lives as long as its lease", &format!("--lease={id}")]);
    etcdctl(servers, &["put", "leased/b", "freed before", &format!("--lease={id}")]);
    etcdctl(servers, &["put", "leased/b", "of no lease"]);
    etcdctl(servers, &["put", "/webhook", "lets nothing through"]);
    let mut states = BTreeMap::new();
    let (leased, _) = keys(servers, None);
    etcdctl(servers, &["lease", "revoke", &id]);
    write(40, 60);
    etcdctl(servers, &["put", "later", "than all of that"]);
    let (latest, _) = keys(servers, None);
    for at in [compacted, compacted + 7, leased, leased + 1, latest - 1, latest] {
        states.insert(at, keys(servers, Some(at)).1);
    }
    OldServerState { states, latest, leased }
}

/// Restores one member with these flags.
fn restored(file: &Path, folder: &Path, flags: &[&str]) -> (Vec<MemberConfig>, Output) {
    let member_configs = member_configs(folder, &["one"]);
    let cluster = format!("--initial-cluster={}", initial_cluster(&member_configs));
    let url = format!("--initial-advertise-peer-urls={}", member_configs[0].peer_url());
    let data = format!("--data-dir={}", member_configs[0].data.display());
    let args = ["restore", text(file), "--name=one", &cluster, &url, &data];
    let output = cli::run(&[&args[..], flags].concat());
    (member_configs, output)
}

fn check_database(member_config: &MemberConfig) {
    let database = member_config.data.join("member/snap/db");
    let bbolt = reference("3.7", "bbolt").unwrap();
    let (passed, told) = bbolt_check(&bbolt, &fs::read(&database).unwrap());
    assert!(passed, "{told}");
    let report = etcdsnap::status(&database).unwrap();
    let codes: Vec<_> = report.findings.counts().keys().map(|code| code.as_str()).collect();
    assert_eq!(codes, ["trailer-missing"]);
}

fn assert_usable(servers: &Servers) {
    etcdctl(servers, &["put", "after", "the restore"]);
    assert_eq!(etcdctl(servers, &["del", "after"]), "1\n");
    let (revision, _) = keys(servers, None);
    etcdctl(servers, &["compact", &revision.to_string()]);
}

/// Starts one old server, and a new one for each of its states.
fn of_version(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let old = member_configs(folder.path(), &["old"]);
    let Some(servers) = Servers::start(version, &old, folder.path()) else { return };
    let past = write_history(&servers);
    let file = at("backup.db");
    etcdctl(&servers, &["snapshot", "save", text(&file)]);
    etcdctl(&servers, &["compact", "--physical", &past.latest.to_string()]);
    let (_, compacted_hash) = servers.agreed_hash(None);
    servers.stop();
    let (oldest, middle) = (*past.states.keys().next().unwrap(), *past.states.keys().nth(1).unwrap());

    // The same state, including its history, with the old revisions.
    for (number, revision) in [middle, past.leased, past.latest - 1].into_iter().enumerate() {
        let name = at(&format!("as-it-was-{number}"));
        fs::create_dir(&name).unwrap();
        let (member_configs, output) =
            restored(&file, &name, &[&format!("--rev={revision}"), "--no-bump", "--lease-ttl=2"]);
        let told = stdout_of(&output);
        assert!(told.contains(&format!("the state is that of {revision}")), "{told}");
        check_database(&member_configs[0]);
        let servers = Servers::start(version, &member_configs, &name).unwrap();
        assert_eq!(keys(&servers, None), (revision, past.states[&revision].clone()), "{version} at {revision}");
        for (earlier, state) in past.states.range(oldest..revision) {
            assert_eq!(&keys(&servers, Some(*earlier)).1, state, "{version} at {earlier} of {revision}");
        }
        if revision == past.leased {
            assert!(told.split_whitespace().collect::<Vec<_>>().join(" ").contains("1 lease is gone since"), "{told}");
            assert!(told.contains("leased/a") && !told.contains("leased/b"), "{told}");
            let since = Instant::now();
            while etcdctl(&servers, &["get", "leased/a", "--keys-only"]).contains("leased/a") {
                assert!(since.elapsed() < Duration::from_secs(60), "{version}: the key lives for ever");
                sleep(Duration::from_millis(200));
            }
            assert!(etcdctl(&servers, &["get", "leased/b", "--keys-only"]).contains("leased/b"));
        }
        assert_usable(&servers);
        servers.stop();
    }

    // The usual way: the revision is raised above every revision that clients may know, and marked as compacted.
    let name = at("raised");
    fs::create_dir(&name).unwrap();
    let flags = [&format!("--rev={}", past.leased), "--delete=/webhook", "--compact", "-wjson"];
    let (member_configs, output) = restored(&file, &name, &flags);
    let object = cli::json(&output);
    let raised = past.latest + 1_000_000_000;
    assert_eq!(object["revisionAfter"], raised, "{object}");
    assert_eq!(object["revisionBefore"], past.latest);
    assert_eq!(object["asOfRevision"], past.leased);
    assert_eq!(object["compactedRevision"], past.leased);
    assert_eq!(object["deletedKeys"], json!([{"key": "/webhook"}]));
    assert_eq!(object["newLeaseKeys"], json!([{"key": "leased/a", "lease": object["newLeases"][0]["id"]}]));
    assert_eq!((&object["newLeases"][0]["ttl"], &object["newLeases"][0]["keys"]), (&3600.into(), &1.into()));
    check_database(&member_configs[0]);
    let servers = Servers::start(version, &member_configs, &name).unwrap();
    let (revision, found) = keys(&servers, None);
    let name_of = |kv: &Value| kv["key"].as_str().unwrap().to_owned();
    let mut expected = past.states[&past.leased].as_array().unwrap().clone();
    expected.retain(|kv| name_of(kv) != "L3dlYmhvb2s=");
    assert_eq!((revision, &found), (raised, &Value::from(expected)), "{version}");
    let id = object["newLeases"][0]["id"].as_str().unwrap();
    let lease = etcdctl(&servers, &["lease", "timetolive", id, "--keys"]);
    assert!(lease.contains("granted with TTL(3600s)") && lease.contains("leased/a"), "{version}: {lease}");
    for args in [&["get", "x"][..], &["watch", "x"]] {
        let refused = servers.etcdctl(None, &[args, &[&format!("--rev={}", past.latest)]].concat());
        assert!(cli::printed(&refused).contains("compacted"), "{version}: {}", cli::printed(&refused));
    }
    assert_usable(&servers);
    servers.stop();

    // Without history the store equals that of a server that compacted.
    let name = at("compacted");
    fs::create_dir(&name).unwrap();
    let (member_configs, output) = restored(&file, &name, &["--compact"]);
    assert!(stdout_of(&output).contains("What a compaction at revision"), "{output:?}");
    check_database(&member_configs[0]);
    let servers = Servers::start(version, &member_configs, &name).unwrap();
    assert_eq!(servers.agreed_hash(None), (past.latest as u64, compacted_hash), "{version}");
    assert_eq!(keys(&servers, None), (past.latest, past.states[&past.latest].clone()), "{version}");
    assert_usable(&servers);
    servers.stop();

    // A copy in which keys are deleted.
    let name = at("deleted");
    fs::create_dir(&name).unwrap();
    let (member_configs, output) = restored(&file, &name, &["--delete=/webhook", "--delete", "later"]);
    let told = stdout_of(&output);
    assert!(told.contains(&format!("revision {} (before the deletion: {})", past.latest + 1, past.latest)), "{told}");
    check_database(&member_configs[0]);
    let servers = Servers::start(version, &member_configs, &name).unwrap();
    let (revision, found) = keys(&servers, None);
    let mut expected = past.states[&past.latest].as_array().unwrap().clone();
    expected.retain(|kv| !["L3dlYmhvb2s=", "bGF0ZXI="].contains(&name_of(kv).as_str()));
    assert_eq!((revision, &found), (past.latest + 1, &Value::from(expected)), "{version}");
    assert_eq!(keys(&servers, Some(past.latest)).1, past.states[&past.latest]);
    assert_usable(&servers);
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
