//! Finds the secret texts of a snapshot's objects, and looks for them in other bytes.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use etcdsnap_core::IgnoreProgress;
use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::json::JsonText;
use etcdsnap_core::kubernetes::object;
use etcdsnap_core::store::{OpenedStore, Store};
use serde_json::Value;

/// Shorter texts occur in every file by chance.
const MIN_SECRET_LEN: usize = 6;

/// Returns the secret texts of a file, without those that also occur in its keys and names.
#[must_use]
pub fn secret_texts(file: &Vec<u8>) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    let mut open = Vec::new();
    for (key, value) in put_values(file) {
        open.extend_from_slice(&key);
        open.push(b'\n');
        let Some((object, _)) = object_json(&value) else { continue };
        collect_secrets(&object, &mut all);
        // Names and words, which redaction keeps.
        visit_members(&object, "", &mut |name, value| {
            if KEPT_FIELDS.contains(&name) {
                visit_texts(value, &mut |text| open.extend([text.as_bytes(), b"\n"].concat()));
                value.as_object().into_iter().flatten().for_each(|(name, _)| {
                    open.extend([name.as_bytes(), b"\n"].concat());
                });
            }
        });
        visit_names(&object, &mut |name| open.extend([name.as_bytes(), b"\n"].concat()));
    }
    let open = String::from_utf8_lossy(&open).into_owned();
    all.retain(|text| {
        text.len() >= MIN_SECRET_LEN
            && !(text.len() == 20 && text.ends_with(b"Z"))
            && !open.contains(&*String::from_utf8_lossy(text))
    });
    all
}

/// Returns the patterns that occur in the bytes, plain, in base64 and in UTF-16.
#[must_use]
pub fn find_texts(patterns: &BTreeSet<Vec<u8>>, bytes: &[u8]) -> BTreeSet<String> {
    let mut by_start: HashMap<[u8; MIN_SECRET_LEN], Vec<Form<'_>>> = HashMap::new();
    for pattern in patterns {
        let base64 = STANDARD.encode(pattern).trim_end_matches('=').as_bytes().to_vec();
        // The last character depends on the following byte.
        let base64 = base64[..base64.len() - 1].to_vec();
        let utf16 = String::from_utf8_lossy(pattern).encode_utf16().flat_map(u16::to_le_bytes).collect();
        for form in [pattern.clone(), base64, utf16] {
            let start = form[..MIN_SECRET_LEN].try_into().unwrap();
            by_start.entry(start).or_default().push((form, pattern));
        }
    }
    let mut found = BTreeSet::new();
    for at in 0..bytes.len().saturating_sub(MIN_SECRET_LEN) {
        let start: [u8; MIN_SECRET_LEN] = bytes[at..at + MIN_SECRET_LEN].try_into().unwrap();
        for (form, pattern) in by_start.get(&start).into_iter().flatten() {
            if bytes[at..].starts_with(form) {
                found.insert(String::from_utf8_lossy(pattern).into_owned());
            }
        }
    }
    found
}

/// Returns key and value of each put.
#[must_use]
pub fn put_values(file: &Vec<u8>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let OpenedStore::Store(store) = Store::open(file).unwrap() else { panic!("no store") };
    let mut all = Vec::new();
    let lost = store.entries_in_order(&IgnoreProgress, &mut |entry, _| {
        if let Some(pair) = KeyValue::parse(entry.value).filter(|_| !entry.key.tombstone) {
            all.push((pair.key.to_vec(), pair.value.to_vec()));
        }
        true
    });
    assert_eq!(lost.unwrap().places, 0);
    all
}

/// Parses the object in a value to JSON; `None` if the value is not an object.
#[must_use]
pub fn object_json(value: &[u8]) -> Option<(Value, bool)> {
    let (node, remarks) = object::tree(value, Options::default()).ok()?;
    let mut text = JsonText::default();
    node.print(&mut text);
    Some((serde_json::from_slice(&text.finish()).unwrap(), remarks.is_empty()))
}

/// Visits all texts below a value.
pub fn visit_texts(value: &Value, take: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().for_each(|item| visit_texts(item, take)),
        Value::Object(members) => members.values().for_each(|member| visit_texts(member, take)),
        _ => {}
    }
}

pub fn visit_members(value: &Value, name: &str, take: &mut dyn FnMut(&str, &Value)) {
    take(name, value);
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| visit_members(member, name, take)),
        Value::Array(items) => items.iter().for_each(|item| visit_members(item, "", take)),
        _ => {}
    }
}

/// Visits the names of all members.
pub fn visit_names(value: &Value, take: &mut dyn FnMut(&str)) {
    visit_members(value, "", &mut |name, _| take(name));
}

/// Collects the parts of an object that must stay secret.
fn collect_secrets(object: &Value, found: &mut BTreeSet<Vec<u8>>) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let mut add = |text: &str| {
        found.insert(text.as_bytes().to_vec());
        found.extend(text.lines().map(|line| line.trim().as_bytes().to_vec()));
    };
    let in_base64 = kind == "Secret" || kind == "ConfigMap";
    if in_base64 {
        for part in ["data", "stringData", "binaryData"] {
            visit_texts(&object[part], &mut |text| {
                add(text);
                if let Ok(bytes) = STANDARD.decode(text) {
                    add(&String::from_utf8_lossy(&bytes));
                }
            });
        }
    }
    visit_members(object, "", &mut |name, value| match name {
        "annotations" | "args" | "command" | "message" | "note" | "data" | "caBundle" | "description" => {
            visit_texts(value, &mut add);
        }
        "env" | "volumeAttributes" | "parameters" | "httpHeaders" => {
            visit_members(value, "", &mut |name, value| {
                if name == "value" {
                    visit_texts(value, &mut add);
                }
            });
        }
        _ => {}
    });
    let is_custom = object["apiVersion"].as_str().is_some_and(|version| version.contains("example"));
    if is_custom {
        visit_texts(&object["spec"], &mut add);
    }
}

/// An encoding of a text, and the text.
type Form<'t> = (Vec<u8>, &'t [u8]);

/// Fields whose texts redaction keeps.
const KEPT_FIELDS: &[&str] = &[
    "name",
    "namespace",
    "labels",
    "image",
    "uid",
    "type",
    "reason",
    "kind",
    "apiVersion",
    "group",
    "plural",
    "manager",
    "matchLabels",
    "schedulerName",
    "imagePullPolicy",
    "dnsPolicy",
    "operator",
    "restartPolicy",
    "terminationMessagePolicy",
    "protocol",
    "effect",
    "creationTimestamp",
    "time",
    "status",
];
