//! Real servers start on a restored cut, serve exactly the remaining keys at the old revision, and report older revisions as compacted.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli::{self, text};
use etcdsnap_tests::etcd_verdict;
use etcdsnap_tests::server::{Servers, member_configs, program, stdout_of};

const VERSIONS: [&str; 4] = ["3.4", "3.5", "3.6", "3.7"];

/// The key with the newest revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Newest {
    /// A key that the cut drops.
    Dropped,
    /// A key that stays, written after those that the cut drops.
    Kept,
    /// One of each, in one transaction.
    Both,
}

fn etcdctl(servers: &Servers, args: &[&str]) -> String {
    stdout_of(&servers.etcdctl(None, args))
}

/// Puts both keys in one transaction.
fn put_both(servers: &Servers) {
    let mut child = servers.command(&["txn"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let requests = "\nput /registry/events/both x\nput /registry/pods/both x\n\n\n";
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), requests.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn lease(servers: &Servers) -> String {
    etcdctl(servers, &["lease", "grant", "6000"]).split_whitespace().nth(1).unwrap().to_owned()
}

/// Writes some history, with two leases: one of them holds only events.
fn write(servers: &Servers, newest: Newest) -> [String; 2] {
    let leases = [lease(servers), lease(servers)];
    for number in 0..30 {
        let pod = format!("/registry/pods/{}", number % 7);
        etcdctl(servers, &["put", &pod, &format!("pod {number}")]);
        etcdctl(servers, &["put", &format!("/registry/events/{number}"), "event", &format!("--lease={}", leases[0])]);
        if number % 5 == 4 {
            etcdctl(servers, &["del", &pod]);
        }
        if number == 15 {
            let revision = etcdctl(servers, &["get", &pod, "-w", "json"]);
            let answer: serde_json::Value = serde_json::from_str(&revision).unwrap();
            etcdctl(servers, &["compact", "--physical", &answer["header"]["revision"].to_string()]);
        }
    }
    etcdctl(servers, &["put", "/registry/events/shared", "event", &format!("--lease={}", leases[1])]);
    etcdctl(servers, &["put", "/registry/pods/shared", "pod", &format!("--lease={}", leases[1])]);
    etcdctl(servers, &["del", "/registry/events/3"]);
    match newest {
        Newest::Dropped => {}
        Newest::Kept => {
            (0..3).for_each(|number| drop(etcdctl(servers, &["put", "/registry/pods/late", &number.to_string()])))
        }
        Newest::Both => put_both(servers),
    }
    leases
}

/// Returns keys and values, as the server reports them.
fn pairs(servers: &Servers) -> Vec<String> {
    let answer: serde_json::Value =
        serde_json::from_str(&etcdctl(servers, &["get", "", "--prefix", "-w", "json"])).unwrap();
    answer["kvs"].as_array().into_iter().flatten().map(ToString::to_string).collect()
}

fn revision(servers: &Servers) -> i64 {
    let answer: serde_json::Value =
        serde_json::from_str(&etcdctl(servers, &["endpoint", "status", "-w", "json"])).unwrap();
    answer[0]["Status"]["header"]["revision"].as_i64().unwrap()
}

/// Returns the last line of a watch from a revision on.
fn watched(servers: &Servers, from: i64) -> String {
    let mut command = servers.command(&["watch", "/registry/", "--prefix", &format!("--rev={from}")]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if since.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
        }
        sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

#[test]
fn servers_serve_the_remaining_keys_and_report_older_revisions_as_compacted() {
    for version in VERSIONS {
        for newest in [Newest::Dropped, Newest::Kept, Newest::Both] {
            let folder = tempfile::tempdir().unwrap();
            let place = member_configs(folder.path(), &["one"]);
            let Some(servers) = Servers::start(version, &place, folder.path()) else { return };
            let leases = write(&servers, newest);
            let (file, out) = (folder.path().join("before.db"), folder.path().join("after.db"));
            etcdctl(&servers, &["snapshot", "save", text(&file)]);
            let latest = revision(&servers);
            let all = pairs(&servers);
            servers.stop();
            let words = ["cut", text(&file), "-o", text(&out), "--drop", "/registry/events/", "-w", "json"];
            let output = cli::run(&words);
            assert_eq!(output.status.code(), Some(0), "{version} {newest:?}: {output:?}");
            let report = cli::json(&output);
            assert_eq!(report["verdict"], "sound", "{version} {newest:?}: {report}");
            assert_eq!(report["placeholder"], newest == Newest::Dropped, "{version} {newest:?}: {report}");
            assert_eq!(report["leasesDropped"], 1, "{version} {newest:?}: {report}");
            let oldest = report["raisedTo"].as_i64().unwrap();
            assert_eq!(oldest, if newest == Newest::Kept { latest - 2 } else { latest }, "{version} {newest:?}");
            // The version's own tools accept it.
            let tool = if version == "3.4" { "etcdctl" } else { "etcdutl" };
            let mut status = program(version, tool).unwrap();
            status.env("ETCDCTL_API", "3").args(["snapshot", "status", text(&out), "-w", "json"]);
            let theirs: serde_json::Value =
                serde_json::from_str(&stdout_of(&status.stdin(Stdio::null()).output().unwrap())).unwrap();
            let ours = etcdsnap::status(&out).unwrap().status.unwrap();
            assert_eq!((&theirs["revision"], &theirs["hash"]), (&latest.into(), &ours.hash.into()), "{version}");
            let ours = cli::json(&cli::run(&["hashkv", text(&out), "-w", "json"]));
            let place = member_configs(folder.path(), &["two"]);
            etcd_verdict::restore(version, &out, &place[0], false).unwrap().unwrap();
            let servers = Servers::start(version, &place, folder.path()).unwrap();
            assert_eq!(revision(&servers), latest, "{version} {newest:?}");
            let is_event = |pair: &&String| {
                let key = serde_json::from_str::<serde_json::Value>(pair).unwrap()["key"].as_str().unwrap().to_owned();
                // `/registry/events/` in base64.
                key.starts_with("L3JlZ2lzdHJ5L2V2ZW50cy")
            };
            let expected: Vec<String> = all.iter().filter(|pair| !is_event(pair)).cloned().collect();
            assert!(expected.len() < all.len());
            assert_eq!(pairs(&servers), expected, "{version} {newest:?}");
            assert_eq!(servers.agreed_hash(None).1, ours["hash"], "{version} {newest:?}");
            let old = (oldest - 1).to_string();
            let asked = servers.etcdctl(None, &["get", "/registry/pods/1", &format!("--rev={old}")]);
            let compacted = "required revision has been compacted";
            assert!(String::from_utf8_lossy(&asked.stderr).contains(compacted), "{version} {newest:?}: {asked:?}");
            let printed = watched(&servers, oldest - 1);
            assert!(printed.contains(compacted), "{version} {newest:?}: {printed}");
            etcdctl(&servers, &["get", "/registry/pods/1", &format!("--rev={oldest}")]);
            let listed = etcdctl(&servers, &["lease", "list"]);
            assert!(!listed.contains(&leases[0]) && listed.contains(&leases[1]), "{version} {newest:?}: {listed}");
            // It can be written to, compacted and saved, and the new snapshot is sound.
            etcdctl(&servers, &["put", "/registry/pods/new", "x"]);
            etcdctl(&servers, &["compact", "--physical", &(latest + 1).to_string()]);
            let saved = folder.path().join("saved.db");
            etcdctl(&servers, &["snapshot", "save", text(&saved)]);
            servers.stop();
            let judged = etcdsnap::verify(&saved, etcdsnap::VerifyOptions::default()).unwrap();
            assert_eq!(judged.verdict, etcdsnap::Verdict::Sound, "{version} {newest:?}: {:?}", judged.findings);
            fs::remove_file(&saved).unwrap();
        }
    }
}
