//! Every object of the recorded clusters is printed as its own API server answered it.

use etcdsnap_core::Revision;
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use etcdsnap::{Decryption, NoProgress, Snapshot};
use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::object::{self, Unreadable};
use etcdsnap_tests::cli;
use etcdsnap_tests::programs::reference;
use etcdsnap_tests::recorded::{Answers, RecordedCluster, identity};
use serde_json::Value;

/// Returns the objects of a snapshot at a revision: JSON as etcdsnap prints it, by identity, and how many stay encrypted.
fn ours(recorded: &RecordedCluster, revision: i64, decryption: Decryption) -> (BTreeMap<String, String>, usize) {
    let snapshot = Snapshot::open(recorded.snapshot(), None, &NoProgress).expect("a snapshot");
    let snapshot = snapshot.with_decryption(Arc::new(decryption));
    let store = snapshot.store().expect("a store");
    let cluster = snapshot.cluster(&store, Revision::new(revision), None, &NoProgress).expect("a cluster");
    let (mut objects, mut encrypted) = (BTreeMap::new(), 0);
    for (key, _) in cluster.objects(|key, _| !key.deleted).expect("objects") {
        let value = snapshot.value(&store, key.place).expect("a value");
        let version = key.revision.main.to_string();
        let options = Options { resource_version: Some(&version), ..Options::default() };
        let mut json = Vec::new();
        match object::api_json(&value, options, &mut json) {
            Ok(remarks) => {
                let key = String::from_utf8_lossy(key.key);
                assert!(remarks.is_empty(), "{key}: {:?}", remarks.sentences());
                let json = String::from_utf8(json).expect("UTF-8");
                let identity = identity(&json).unwrap_or_else(|| key.into_owned());
                assert!(objects.insert(identity.clone(), json).is_none(), "{identity} twice");
            }
            Err(Unreadable::Encrypted(_)) => encrypted += 1,
            Err(cause) => panic!("{}: {cause}", String::from_utf8_lossy(key.key)),
        }
    }
    (objects, encrypted)
}

/// Stored keys that are not objects of the API: allocated addresses and ports, and endpoints of servers.
const KEYS_WITHOUT_OBJECT: [&str; 3] = ["/registry/ranges/", "/registry/peerserverleases/", "/registry/masterleases/"];

/// Kinds whose members have another order than the server's: they are stored with sorted keys, and their types are not in our table.
const STORED_SORTED: [&str; 1] = ["apiextensions.k8s.io/v1 CustomResourceDefinition "];

fn is_same(identity: &str, answer: &str, ours: &str) -> bool {
    let value = |text| serde_json::from_str::<Value>(text).expect("JSON");
    answer == ours || STORED_SORTED.iter().any(|kind| identity.starts_with(kind)) && value(answer) == value(ours)
}

/// Compares every decrypted object with the server's answer; returns the number of objects, and how many stay encrypted.
fn compare(recorded: &RecordedCluster, answers: &Answers, decryption: Decryption) -> (usize, usize) {
    let (objects, encrypted) = ours(recorded, answers.revision, decryption);
    let mut wrong = Vec::new();
    for (identity, json) in &objects {
        if KEYS_WITHOUT_OBJECT.iter().any(|prefix| identity.starts_with(prefix)) {
            continue;
        }
        match answers.bodies.get(identity) {
            Some(answer) if is_same(identity, answer, json) => {}
            Some(answer) => wrong.push(format!("{identity}\n  theirs {answer}\n  ours   {json}")),
            None => wrong.push(format!("{identity}: the server has none")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), objects.len(), wrong.join("\n"));
    (objects.len(), encrypted)
}

#[test]
fn every_object_equals_the_servers_answer() {
    let recorded = RecordedCluster::open("plain");
    let (objects, encrypted) = compare(&recorded, &recorded.answers("answers.jsonl.zst"), Decryption::default());
    assert!(objects > 400 && encrypted == 0, "{objects} objects, {encrypted} encrypted");
}

#[test]
fn every_older_object_equals_the_servers_answer_then() {
    let recorded = RecordedCluster::open("plain");
    let past = recorded.answers("past.jsonl.zst");
    assert!(past.revision < recorded.answers("answers.jsonl.zst").revision);
    let (objects, _) = compare(&recorded, &past, Decryption::default());
    assert!(objects > 400, "{objects} objects");
}

/// The recorded clusters that encrypt secrets, config maps and widgets, with the names of their keys in our messages.
const ENCRYPTING: [(&str, &str, [&str; 2]); 4] = [
    ("aescbc", "aescbc:v1, key", ["first", "second-2026-03-09T09:46:54+01:00"]),
    ("aesgcm", "aesgcm:v1, key", ["first", "second-2026-03-09T09:46:54+01:00"]),
    ("secretbox", "secretbox:v1, key", ["first", "second-2026-03-09T09:46:54+01:00"]),
    ("kms2", "kms:v2, plugin", ["first", "second"]),
];

/// KMS plugins that know the keys of the recorded cluster, killed when the value is dropped.
struct Plugins {
    folder: tempfile::TempDir,
    running: Vec<Child>,
}

impl Plugins {
    /// Starts both plugins; `None` if the reference program is not built.
    fn start() -> Option<Self> {
        let program = reference("kmsplugin", "kmsplugin")?;
        let mut plugins = Self { folder: tempfile::tempdir().expect("a folder"), running: Vec::new() };
        for name in ["first", "second"] {
            let socket = plugins.socket(name);
            let mut command = Command::new(&program);
            command.arg(&socket).arg(name).stdin(Stdio::null());
            plugins.running.push(command.spawn().expect("it runs"));
            let listens = (0..200).any(|_| {
                sleep(Duration::from_millis(25));
                UnixStream::connect(&socket).is_ok()
            });
            assert!(listens, "the plugin {name} does not listen");
        }
        Some(plugins)
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Plugins {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Returns what decrypts a recorded cluster: its configuration, and its plugins' sockets by name.
fn keys(recorded: &RecordedCluster, plugins: Option<&Plugins>) -> (PathBuf, Vec<(String, PathBuf)>) {
    let sockets = |plugins: &Plugins| ["first", "second"].map(|name| (name.to_owned(), plugins.socket(name))).to_vec();
    (recorded.file("encryption.yaml"), plugins.map(sockets).unwrap_or_default())
}

/// Returns the same as command line options: those of the configuration first.
fn opening_words(recorded: &RecordedCluster, plugins: Option<&Plugins>) -> Vec<String> {
    let (configuration, sockets) = keys(recorded, plugins);
    let mut words = vec!["--encryption-config".to_owned(), configuration.display().to_string()];
    for (name, socket) in sockets {
        words.extend(["--kms-socket".to_owned(), format!("{name}={}", socket.display())]);
    }
    words
}

/// Runs a command; returns standard output, messages and exit code.
fn run(words: &[&str]) -> (String, String, Option<i32>) {
    let output = cli::run(words);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[test]
fn every_encrypted_object_equals_the_servers_answer() {
    for (name, ..) in ENCRYPTING {
        let plugins = if name == "kms2" { Plugins::start() } else { None };
        if name == "kms2" && plugins.is_none() {
            continue;
        }
        let recorded = RecordedCluster::open(name);
        let answers = recorded.answers("answers.jsonl.zst");
        let (objects, encrypted) = compare(&recorded, &answers, Decryption::default());
        assert!(objects > 100 && encrypted > 5, "{name}: {objects} objects, {encrypted} encrypted");
        let (configuration, sockets) = keys(&recorded, plugins.as_ref());
        let decryption = Decryption::new(Some(&configuration), &sockets, || false).expect("a configuration");
        let opened = compare(&recorded, &answers, decryption);
        assert_eq!(opened, (objects + encrypted, 0), "{name}");
    }
}

#[test]
fn every_value_decrypts_even_with_earlier_keys_and_revisions() {
    for (name, ..) in ENCRYPTING {
        let plugins = if name == "kms2" { Plugins::start() } else { None };
        if name == "kms2" && plugins.is_none() {
            continue;
        }
        let recorded = RecordedCluster::open(name);
        let file = recorded.snapshot().display().to_string();
        let opening = opening_words(&recorded, plugins.as_ref());
        let words: Vec<&str> = ["verify", &file].into_iter().chain(opening.iter().map(String::as_str)).collect();
        let (out, said, code) = run(&words);
        assert_eq!(code, Some(0), "{name}: {out}{said}");
        assert!(out.contains("encrypted values open, all of them"), "{name}: {out}");
    }
}

/// Collects strings of an object's own part that are long enough to be unique.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text)
            if text.len() > 6 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-".contains(&byte)) =>
        {
            found.push(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

#[test]
fn without_keys_no_plaintext_is_printed_and_each_key_is_named() {
    for (name, provider, names) in ENCRYPTING {
        let recorded = RecordedCluster::open(name);
        let answers = recorded.answers("answers.jsonl.zst");
        let (closed, _) = ours(&recorded, answers.revision, Decryption::default());
        let mut hidden = Vec::new();
        for (identity, body) in answers.bodies.iter().filter(|(identity, _)| !closed.contains_key(*identity)) {
            let object: Value = serde_json::from_str(body).expect("JSON");
            if ["v1 Secret ", "v1 ConfigMap ", "example.com/v1 Widget "].iter().any(|kind| identity.starts_with(kind)) {
                ["data", "spec"].iter().for_each(|part| texts(&object[*part], &mut hidden));
            }
        }
        hidden.retain(|text| closed.values().all(|json| !json.contains(text)));
        assert!(hidden.len() >= 4, "{name}: {hidden:?}");

        let file = recorded.snapshot().display().to_string();
        let objects = ["kube", "get", &file, "secrets,configmaps,widgets", "-A", "-ojson", "--show-secrets"];
        let plugins = if name == "kms2" { Plugins::start() } else { None };
        let opening = opening_words(&recorded, plugins.as_ref());
        let opening: Vec<&str> = opening.iter().map(String::as_str).collect();
        if name != "kms2" || plugins.is_some() {
            let (out, said, code) = run(&[&objects[..], &opening].concat());
            assert_eq!((code, said.as_str()), (Some(0), ""), "{name}");
            let missing: Vec<&String> = hidden.iter().filter(|text| !out.contains(text.as_str())).collect();
            assert!(missing.is_empty(), "{name}: {missing:?}");
        }
        if name == "kms2" {
            // The configuration alone has none of the keys.
            let (_, said, code) = run(&[&objects[..], &opening[..2]].concat());
            assert!(code == Some(1) && said.contains("--kms-socket"), "{said}");
            assert!(names.iter().all(|key| said.contains(&format!("({provider} {key})"))), "{said}");
        }

        for words in [
            &objects[..],
            &["export", &file, "--show-secrets"],
            &["kube", "manifests", &file, "-n", "odd", "--show-secrets"],
        ] {
            let (out, said, code) = run(words);
            let printed: Vec<&String> =
                hidden.iter().filter(|text| out.contains(text.as_str()) || said.contains(text.as_str())).collect();
            assert!(printed.is_empty(), "{name} {words:?}: {printed:?}");
            if words[0] == "kube" {
                assert_eq!(code, Some(1), "{name} {words:?}: {said}");
            }
            if words[1] == "get" {
                assert!(names.iter().all(|key| said.contains(&format!("({provider} {key})"))), "{name}: {said}");
            }
        }
    }
}
