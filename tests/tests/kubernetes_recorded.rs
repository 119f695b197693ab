//! Every object of the recorded clusters comes out as their own API server answered.

use std::collections::BTreeMap;

use etcdsnap::{NoProgress, Snapshot};
use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::object::{self, Unreadable};
use etcdsnap_tests::recorded::{Answers, Recorded, identity};
use serde_json::Value;

/// Objects of a snapshot at a revision: JSON as we print it, by identity, and how many are encrypted.
fn ours(recorded: &Recorded, revision: i64) -> (BTreeMap<String, String>, usize) {
    let snapshot = Snapshot::open(recorded.snapshot(), None, &NoProgress).expect("a snapshot");
    let store = snapshot.store().expect("a store");
    let cluster = snapshot.cluster(&store, revision, None, &NoProgress).expect("a cluster");
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

/// What is stored and is no object of the API: addresses and ports that are taken, and where servers are.
const NO_OBJECTS: [&str; 3] = ["/registry/ranges/", "/registry/peerserverleases/", "/registry/masterleases/"];

/// Kinds whose members come in another order than the server's: they are stored with sorted keys, and their types are not in our table.
const SORTED: [&str; 1] = ["apiextensions.k8s.io/v1 CustomResourceDefinition "];

fn is_same(identity: &str, answer: &str, ours: &str) -> bool {
    let value = |text| serde_json::from_str::<Value>(text).expect("JSON");
    answer == ours || SORTED.iter().any(|kind| identity.starts_with(kind)) && value(answer) == value(ours)
}

fn compare(recorded: &Recorded, answers: &Answers) -> (usize, usize) {
    let (objects, encrypted) = ours(recorded, answers.revision);
    let mut wrong = Vec::new();
    for (identity, json) in &objects {
        if NO_OBJECTS.iter().any(|prefix| identity.starts_with(prefix)) {
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
fn every_object_is_what_the_server_answered() {
    let recorded = Recorded::open("plain");
    let (objects, encrypted) = compare(&recorded, &recorded.answers("answers.jsonl.zst"));
    assert!(objects > 400 && encrypted == 0, "{objects} objects, {encrypted} encrypted");
}

#[test]
fn every_object_of_the_past_is_what_the_server_answered_then() {
    let recorded = Recorded::open("plain");
    let past = recorded.answers("past.jsonl.zst");
    assert!(past.revision < recorded.answers("answers.jsonl.zst").revision);
    let (objects, _) = compare(&recorded, &past);
    assert!(objects > 400, "{objects} objects");
}

#[test]
fn what_is_not_encrypted_in_encrypting_clusters_is_what_the_server_answered() {
    for name in ["aescbc", "aesgcm", "secretbox", "kms2"] {
        let recorded = Recorded::open(name);
        let (objects, encrypted) = compare(&recorded, &recorded.answers("answers.jsonl.zst"));
        assert!(objects > 100 && encrypted > 5, "{name}: {objects} objects, {encrypted} encrypted");
    }
}
