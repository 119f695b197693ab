//! The result of `compact` has the HashKV of a real server that compacted at the same revision, real servers serve it, and it is no larger than etcdutl's result.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use etcdsnap_tests::cli::{self, text};
use etcdsnap_tests::etcd_verdict::{self, Outcome};
use etcdsnap_tests::server::{Servers, member_configs, program, stdout_of};

const VERSIONS: [&str; 4] = ["3.4", "3.5", "3.6", "3.7"];

/// Where the compaction is, and which keys live then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CompactionPoint {
    /// In the middle of the history.
    Middle,
    /// At a deletion, which is the newest revision.
    AtTombstone,
    /// After the deletion of every key.
    AllDeleted,
}

fn revision(servers: &Servers) -> i64 {
    let answer = stdout_of(&servers.etcdctl(None, &["endpoint", "status", "-w", "json"]));
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    answer[0]["Status"]["header"]["revision"].as_i64().unwrap()
}

fn etcdctl(servers: &Servers, args: &[&str]) {
    stdout_of(&servers.etcdctl(None, args));
}

/// Writes some history and returns the revision to compact at.
fn write(servers: &Servers, scene: CompactionPoint) -> i64 {
    let key = |number: usize| format!("/registry/pods/{}", number % 7);
    for number in 0..40 {
        etcdctl(servers, &["put", &key(number), &format!("value {number}")]);
        if number % 5 == 4 {
            etcdctl(servers, &["del", &key(number)]);
        }
    }
    let middle = revision(servers);
    match scene {
        CompactionPoint::Middle => {
            (0..10).for_each(|number| etcdctl(servers, &["put", &key(number), "later"]));
            etcdctl(servers, &["del", &key(3)]);
            middle
        }
        CompactionPoint::AtTombstone => {
            etcdctl(servers, &["put", "a", "b"]);
            etcdctl(servers, &["del", "a"]);
            revision(servers)
        }
        CompactionPoint::AllDeleted => {
            etcdctl(servers, &["del", "/", "--prefix"]);
            revision(servers)
        }
    }
}

#[test]
fn a_compacted_file_has_the_hash_of_a_server_that_compacted() {
    for version in VERSIONS {
        for scene in [CompactionPoint::Middle, CompactionPoint::AtTombstone, CompactionPoint::AllDeleted] {
            let folder = tempfile::tempdir().unwrap();
            let member_configs = member_configs(folder.path(), &["one"]);
            let Some(servers) = Servers::start(version, &member_configs, folder.path()) else { return };
            let at = write(&servers, scene);
            let (file, out) = (folder.path().join("before.db"), folder.path().join("after.db"));
            etcdctl(&servers, &["snapshot", "save", text(&file)]);
            etcdctl(&servers, &["compact", "--physical", &at.to_string()]);
            let (latest, hash) = servers.agreed_hash(None);
            servers.stop();
            let output = cli::run(&["compact", text(&file), "-o", text(&out), "--rev", &at.to_string(), "-w", "json"]);
            assert_eq!(output.status.code(), Some(0), "{version} {scene:?}: {output:?}");
            let report = etcdsnap::verify(&out, etcdsnap::VerifyOptions::default()).unwrap();
            // A store without living keys is worth a warning, whatever compacted it.
            let codes: Vec<_> = report.findings.counts().keys().map(|code| code.as_str()).collect();
            let expected = if scene == CompactionPoint::AllDeleted { &["store-empty"][..] } else { &[] };
            assert_eq!(codes, expected, "{version} {scene:?}");
            let ours = cli::json(&cli::run(&["hashkv", text(&out), "-w", "json"]));
            assert_eq!(ours["hash"], hash, "{version} {scene:?}: {ours}");
            // Every version serves it: the latest revision, and not a compacted one.
            let snapshot = fs::read(&out).unwrap();
            let Some(Outcome::Answers(service)) = etcd_verdict::restore_and_start(version, &snapshot) else {
                panic!("{version} {scene:?}: the server does not start");
            };
            let keys = service.keys.unwrap_or_else(|| panic!("{version} {scene:?}: {service:?}"));
            assert_eq!(keys.1, latest, "{version} {scene:?}");
            assert_eq!(keys.0 == 0, scene == CompactionPoint::AllDeleted, "{version} {scene:?}: {keys:?}");
            assert!(service.writes && service.healthy, "{version} {scene:?}: {service:?}");
        }
    }
}

/// The file is at most as large as the result of `etcdutl defrag` for the same database.
#[test]
fn a_defragmented_file_is_not_larger_than_etcdutls() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    servers.put_megabytes(12);
    let file = folder.path().join("before.db");
    etcdctl(&servers, &["snapshot", "save", text(&file)]);
    servers.stop();
    let data = folder.path().join("data");
    let restored = cli::run(&["restore", text(&file), "--data-dir", text(&data)]);
    assert!(restored.status.success(), "{restored:?}");
    let database = data.join("member/snap/db");
    let out = folder.path().join("ours.db");
    let output = cli::run(&["defrag", text(&database), "-o", text(&out)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let Some(mut etcdutl) = program("3.7", "etcdutl") else { return };
    stdout_of(&etcdutl.args(["defrag", "--data-dir"]).arg(&data).stdin(Stdio::null()).output().unwrap());
    let size = |path: &Path| etcdsnap::status(path).unwrap().status.unwrap().total_size;
    let (ours, theirs) = (size(&out), size(&database));
    println!("ours {ours}, etcdutl's {theirs}");
    assert!(ours <= theirs, "{ours} bytes are left, and {theirs} by etcdutl");
    let hash = |path: &Path| etcdsnap::status(path).unwrap().status.unwrap().hash;
    assert_eq!(hash(&out), hash(&database));
}
