//! `redact`: no text of secrets, config maps, environments and annotations remains in any encoding, and objects stay valid.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use etcdsnap_core::kubernetes::redact_object;
use etcdsnap_core::kubernetes::redact_rules::{RedactRules, RedactedKey};
use etcdsnap_core::kubernetes::redact_words::{Class, class};
use etcdsnap_core::store::{OpenedStore, Store};
use etcdsnap_core::{IgnoreProgress, Verdict, verify};
use etcdsnap_tests::build::kubernetes::{deployment, field, number, protobuf};
use etcdsnap_tests::build::puts::snapshot;
use etcdsnap_tests::programs::tests_dir;
use etcdsnap_tests::recorded::RecordedCluster;
use etcdsnap_tests::secret_texts::{find_texts, object_json, put_values, secret_texts, visit_members, visit_texts};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::{
    case,
    cli::{self, printed as said, text},
};
use serde_json::Value;

/// Runs a command that must succeed, and returns its standard output.
fn out(words: &[&str]) -> String {
    let output = cli::run(words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = ["plain", "aescbc", "secretbox", "kms2", "restored"]
        .iter()
        .map(|name| ((*name).to_owned(), fs::read(RecordedCluster::open(name).snapshot()).unwrap()))
        .collect();
    for name in ["today", "yesterday"] {
        let packed = fs::File::open(tests_dir().join(format!("../samples/kubernetes/{name}.db.zst"))).unwrap();
        files.push((name.to_owned(), zstd::decode_all(packed).unwrap()));
    }
    files
}

/// Creates a folder with a file and returns a path for a second one.
fn folder_with_file(file: &[u8]) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.db"), folder.path().join("new.db"));
    fs::write(&old, file).unwrap();
    (folder, old, new)
}

#[test]
fn no_secret_text_remains() {
    let mut looked_for = 0;
    for (name, file) in files() {
        let secrets = secret_texts(&file);
        looked_for += secrets.len();
        assert!(find_texts(&secrets, &file).len() * 2 > secrets.len(), "{name}: the search finds nothing");
        for flags in [&[][..], &["--keep-size"], &["--hide-names"], &["--keep-size", "--hide-names"]] {
            let (_folder, old, new) = folder_with_file(&file);
            let report = out(&[&["redact", text(&old), "-o", text(&new), "-w", "json"], flags].concat());
            let report: Value = serde_json::from_str(&report).unwrap();
            assert_eq!(report["verdict"], report["inputVerdict"], "{name} {flags:?}");
            let left = find_texts(&secrets, &fs::read(&new).unwrap());
            assert_eq!(left, BTreeSet::new(), "{name} {flags:?}");
        }
    }
    println!("{looked_for} texts");
    assert!(looked_for > 300, "{looked_for}");
}

/// Maps whose keys people choose.
const CHOSEN_KEYS: &[&str] = &[
    "annotations",
    "binaryData",
    "data",
    "labels",
    "matchLabels",
    "nodeSelector",
    "parameters",
    "selector",
    "volumeAttributes",
];

/// Reduces an object to names, numbers and the presence of texts, without their contents and without managed fields.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(if text.is_empty() { "" } else { "text" }),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(members) => {
            let members = members.iter().filter(|(name, _)| *name != "managedFields");
            members.map(|(name, member)| (name.clone(), shape(member))).collect()
        }
        other => other.clone(),
    }
}

/// Fields that hold names, besides the keys and values of the maps above.
const NAME_FIELDS: &[&str] = &[
    "clusterIP",
    "finalizers",
    "generateName",
    "holderIdentity",
    "host",
    "hostIP",
    "hostname",
    "image",
    "manager",
    "name",
    "namespace",
    "nodeName",
    "podCIDR",
    "podIP",
    "secretName",
    "serviceAccount",
    "serviceAccountName",
    "uid",
    "username",
];

/// Returns the names in a file that say something of its owner: those of objects but of types, namespaces, nodes, labels, hosts, images.
fn chosen_names(file: &Vec<u8>) -> BTreeSet<Vec<u8>> {
    let (mut names, mut open) = (BTreeSet::new(), Vec::new());
    for (_, value) in put_values(file) {
        let Some((object, _)) = object_json(&value) else { continue };
        if matches!(object["kind"].as_str(), Some("CustomResourceDefinition" | "APIService")) {
            open.push(object.to_string());
            continue;
        }
        visit_members(&object, "", &mut |name, member| {
            if NAME_FIELDS.contains(&name) {
                visit_texts(member, &mut |text| _ = names.insert(text.to_owned()));
            } else if class(name) == Class::Word && !member.is_object() {
                // Words, or a list of them.
                let list = member.as_array().map_or(std::slice::from_ref(member), Vec::as_slice);
                open.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            let chosen = member.as_object().filter(|_| CHOSEN_KEYS.contains(&name) && name != "parameters");
            for (key, value) in chosen.into_iter().flatten() {
                names.insert(key.clone());
                names.extend(value.as_str().filter(|_| !name.ends_with("ata")).map(str::to_owned));
            }
        });
    }
    let open = open.join("\n");
    names.retain(|name| {
        let is_of_kubernetes = name.contains("kubernetes.io/") || name.contains("k8s.io/");
        let is_time = name.ends_with('Z') && name.contains('T') && name.contains(':');
        name.len() >= 6
            && !is_of_kubernetes
            && !WORDS.contains(&name.as_str())
            && !is_time
            && !open.contains(name.as_str())
            && !EVERYWHERE.contains(&name.as_str())
    });
    names.into_iter().map(String::into_bytes).collect()
}

/// Names that many clusters have.
const EVERYWHERE: &[&str] = &[
    ".dockerconfigjson",
    "Corefile",
    "ca.crt",
    "component",
    "controller-revision-hash",
    "controller-uid",
    "default",
    "job-name",
    "k8s-app",
    "kube-node-lease",
    "kube-public",
    "kube-root-ca.crt",
    "kube-system",
    "kubeconfig",
    "kubernetes",
    "namespace",
    "password",
    "pod-template-generation",
    "pod-template-hash",
    "tls.crt",
    "tls.key",
    "username",
    "version",
];

/// Keys that the recorded clusters have, and that Kubernetes has as words in other places, such as `memory` in quantities.
const WORDS: &[&str] = &[
    "binary",
    "capacity",
    "completed",
    "ephemeral",
    "exempt",
    "headless",
    "memory",
    "projected",
    "provider",
    "registry",
    "second",
    "system",
    "terminating",
];

#[test]
fn hidden_names_remain_nowhere() {
    let mut looked_for = 0;
    for (name, file) in files() {
        let names = chosen_names(&file);
        looked_for += names.len();
        assert!(find_texts(&names, &file).len() * 2 > names.len(), "{name}: the search finds nothing");
        for flags in [&["--hide-names"][..], &["--keep-size", "--hide-names"]] {
            let (_folder, old, new) = folder_with_file(&file);
            out(&[&["redact", text(&old), "-o", text(&new)], flags].concat());
            let left = find_texts(&names, &fs::read(&new).unwrap());
            assert_eq!(left, BTreeSet::new(), "{name} {flags:?}");
        }
    }
    println!("{looked_for} names");
    assert!(looked_for > 300, "{looked_for}");
}

/// A mistyped kind or field must not pass for a shown one.
#[test]
fn kinds_and_fields_that_nothing_has_are_named() {
    let config = protobuf("v1", "ConfigMap", &field(1, &field(1, b"b")));
    let secret = protobuf("v1", "Secret", &[field(1, &field(1, b"a")), field(3, b"Opaque")].concat());
    let file = store(&[(b"/registry/configmaps/shop/b", config), (b"/registry/secrets/shop/a", secret)]);
    let (_folder, old, new) = folder_with_file(&file);
    let flags = ["--show-kind", "configmap", "--show-kind", "Pods", "--show-field", "type", "--show-field", "metadata"];
    let output = cli::run(&[&["redact", text(&old), "-o", text(&new), "-w", "json"][..], &flags].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("No object has the kind Pods") && !told.contains("configmap"), "{told}");
    assert!(told.contains("has the field type") && told.contains("has the field metadata"), "{told}");
    let report = cli::json(&output);
    assert_eq!(report["unmatchedKinds"], serde_json::json!(["Pods"]));
    assert_eq!(report["unmatchedFields"], serde_json::json!(["type", "metadata"]));
    let output = cli::run(&["redact", text(&old), "-o", text(&new), "--show-field", "name"]);
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// Keys of maps are names, too; what cannot be a name is replaced, and stays distinct.
#[test]
fn keys_of_maps_are_hidden_like_names() {
    let entry = |key: &[u8], value: &[u8]| field(2, &[field(1, key), field(2, value)].concat());
    let managed = br#"{"f:metadata":{"f:labels":{".":{},"f:acme/team":{}}},"f:data":{"f:acme.conf":{}},"f:spec":{"f:replicas":{}}}"#;
    let fields = field(17, &[field(1, b"kubectl"), field(7, &field(1, managed))].concat());
    let labels = field(11, &[field(1, b"acme/team"), field(2, b"blue")].concat());
    let metadata = field(1, &[field(1, b"b"), labels, fields].concat());
    let entries = [entry(b"acme.conf", b"x"), entry(b"two words", b"x"), entry(b"more words", b"x")].concat();
    let config = protobuf("v1", "ConfigMap", &[metadata, entries].concat());
    let redacted = |rules: &RedactRules| {
        let new = redact_object::redact(&config, RedactedKey::default(), rules).value;
        (object_json(&new).unwrap().0, String::from_utf8_lossy(&new).into_owned())
    };
    let (object, shown) = redacted(&RedactRules::default());
    assert_eq!(object["metadata"]["labels"]["acme/team"], "blue");
    assert!(shown.contains("acme.conf") && !shown.contains("words"), "{shown}");
    assert_eq!(object["data"].as_object().unwrap().len(), 3);
    let rules = RedactRules { name_salt: Some([7; 32]), ..RedactRules::default() };
    let (object, shown) = redacted(&rules);
    assert!(!shown.contains("acme") && shown.contains("f:replicas") && shown.contains("f:labels"), "{shown}");
    // The same name has the same hash in both places.
    let key = object["metadata"]["labels"].as_object().unwrap().keys().next().unwrap().clone();
    assert_eq!(shown.matches(&key).count(), 2, "{shown}");
    let json = br#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","labels":{"acme/team":"blue"}},"data":{"acme.key":"eA=="}}"#;
    let new = redact_object::redact(json, RedactedKey::default(), &rules).value;
    assert!(!String::from_utf8_lossy(&new).contains("acme"), "{}", String::from_utf8_lossy(&new));
}

/// Whether two shapes are equal, except for keys of maps that were replaced.
fn is_alike_but_for_keys(was: &Value, is: &Value, is_replaced: &dyn Fn(&str, &str) -> bool) -> bool {
    let (Value::Object(was), Value::Object(is)) = (was, is) else {
        return match (was, is) {
            (Value::Array(was), Value::Array(is)) => {
                let mut pairs = was.iter().zip(is);
                was.len() == is.len() && pairs.all(|(was, is)| is_alike_but_for_keys(was, is, is_replaced))
            }
            _ => was == is,
        };
    };
    let mut new: Vec<_> = is.iter().filter(|(key, _)| !was.contains_key(*key)).collect();
    was.len() == is.len()
        && was.iter().all(|(key, value)| match is.get(key) {
            Some(same) => is_alike_but_for_keys(value, same, is_replaced),
            None => {
                let alike = |(other, new): &(&String, &Value)| {
                    is_replaced(key, other) && is_alike_but_for_keys(value, new, is_replaced)
                };
                let found = new.iter().position(alike);
                found.map(|found| new.swap_remove(found)).is_some()
            }
        })
}

/// Whether `is` may stand for a key that people chose when names stay: only for what cannot be a name.
fn is_replaced_key(was: &str, is: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    !was.bytes().all(is_name) && is.starts_with("REDACTED")
}

/// Whether `is` may stand for a key that people chose when names are hashed: each of its parts is one of the old key, or a hash.
fn is_hashed_key(was: &str, is: &str) -> bool {
    let is_hash = |part: &str| {
        let digits = part.strip_prefix('n').map(|rest| rest.trim_end_matches(['X', '0']));
        part.len() >= 13 && digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let parts: Vec<&str> = was.split(['/', ':', '.']).collect();
    is_replaced_key(was, is) || is.split(['/', ':', '.']).all(|part| parts.contains(&part) || is_hash(part))
}

#[test]
fn every_object_keeps_its_structure_and_numbers() {
    let mut objects = 0;
    for (name, file) in files() {
        for flags in [&["--keep-size"][..], &["--keep-size", "--hide-names"]] {
            let (_folder, old, new) = folder_with_file(&file);
            out(&[&["redact", text(&old), "-o", text(&new)], flags].concat());
            let new = fs::read(&new).unwrap();
            let (before, after) = (put_values(&file), put_values(&new));
            assert_eq!(before.len(), after.len());
            for ((key, old), (_, new)) in before.iter().zip(&after) {
                let key = String::from_utf8_lossy(key);
                // Hashes of short names are longer than these.
                let is_as_long = old.len() == new.len() || flags.len() > 1 && old.len() < new.len();
                assert!(is_as_long, "{name} {key}: {} {}", old.len(), new.len());
                let Some((was, was_whole)) = object_json(old) else { continue };
                let (is, is_whole) = object_json(new).unwrap_or_else(|| panic!("{name} {key} is no object any more"));
                assert_eq!(was_whole, is_whole, "{name} {key}");
                let is_replaced = if flags.contains(&"--hide-names") { is_hashed_key } else { is_replaced_key };
                assert!(is_alike_but_for_keys(&shape(&was), &shape(&is), &is_replaced), "{name} {key}: {was} {is}");
                assert_eq!((&was["kind"], &was["apiVersion"]), (&is["kind"], &is["apiVersion"]), "{name} {key}");
                objects += 1;
            }
        }
    }
    assert!(objects > 3000, "{objects}");
}

#[test]
fn queries_about_objects_and_space_give_the_same_answers() {
    for name in ["plain", "aescbc", "kms2"] {
        let recorded = RecordedCluster::open(name);
        let old = recorded.snapshot();
        let new = old.with_file_name("new.db");
        out(&["redact", text(&old), "-o", text(&new), "--keep-size"]);
        for question in [
            "keys FILE --long",
            "kube kinds FILE",
            "kube encryption FILE",
            "usage FILE --by kind",
            "usage FILE --by resource-namespace",
            "kube get FILE pods,deployments,services,secrets,configmaps,nodes,events,crds -A -o name",
            "kube get FILE pods -A -l app",
            "leases FILE",
            "members FILE",
            "meta FILE",
        ] {
            // How full pages are may change.
            let is_about_pages = |line: &&str| line.contains("of database") || line.contains("free pages");
            // Why a value stays encrypted may change, too, but not how many do.
            let without_reason = |line: &str| match line.find(" encrypted (") {
                Some(at) => line[..at].to_owned(),
                None => line.to_owned(),
            };
            let ask = |path: &Path| {
                let output = cli::run(
                    &question.split(' ').map(|word| if word == "FILE" { text(path) } else { word }).collect::<Vec<_>>(),
                );
                let said = said(&output).replace(text(path), "FILE");
                said.lines().filter(|line| !is_about_pages(line)).map(without_reason).collect::<Vec<_>>().join("\n")
            };
            assert_eq!(ask(&old), ask(&new), "{name}: {question}");
        }
    }
}

#[test]
fn passwords_are_removed_and_users_stay_unless_names_are_hidden() {
    let mut users = 0;
    for case in case::all() {
        let file = case.bytes();
        let (_folder, old, new) = folder_with_file(&file);
        if verify(&file, &IgnoreProgress).unwrap().verdict == Verdict::Damaged {
            continue;
        }
        for flags in [&[][..], &["--hide-names"]] {
            let report = out(&[&["redact", text(&old), "-o", text(&new), "-w", "json"], flags].concat());
            let report: Value = serde_json::from_str(&report).unwrap();
            let bytes = fs::read(&new).unwrap();
            let OpenedStore::Store(store) = Store::open(&file).unwrap() else { panic!("no store") };
            let mut hashes = BTreeSet::new();
            let mut names = BTreeSet::new();
            store
                .users(&mut |user| {
                    names.insert(String::from_utf8(user.name).unwrap());
                    hashes.insert(user.password);
                })
                .unwrap();
            hashes.retain(|hash| !hash.is_empty());
            assert!(find_texts(&hashes, &bytes).is_empty(), "{}", case.name);
            let listed = out(&["auth", text(&new)]);
            for name in &names {
                assert_eq!(listed.contains(name.as_str()), flags.is_empty(), "{} {name}: {listed}", case.name);
            }
            if flags.is_empty() {
                assert_eq!(report["passwords"], hashes.len(), "{}", case.name);
                users += hashes.len();
            } else {
                let urls = out(&["members", text(&new), "-w", "json"]);
                assert!(!urls.contains("127.0.0.1") && !urls.contains("10.0."), "{urls}");
            }
        }
    }
    assert!(users > 5, "{users}");
}

/// Builds a store with these objects.
fn store(objects: &[(&'static [u8], Vec<u8>)]) -> Vec<u8> {
    let puts: Vec<_> =
        objects.iter().map(|(key, value)| (*key, Some(&*Box::leak(value.clone().into_boxed_slice())), 0)).collect();
    snapshot(&puts)
}

#[test]
fn requested_fields_stay_and_secrets_only_with_their_kind() {
    let pod = deployment("shop", "web", 3, "registry.example/web:1");
    let data = |text: &[u8]| field(2, &[field(1, b"conf"), field(2, text)].concat());
    let secret = protobuf("v1", "Secret", &[field(1, &field(1, b"a")), data(b"SECRETTEXT")].concat());
    let config = protobuf("v1", "ConfigMap", &[field(1, &field(1, b"b")), data(b"CONFIGTEXT")].concat());
    let custom = br#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","annotations":{"a":"NOTETEXT"}},"spec":{"colour":"COLOURTEXT","size":3},"status":{"conditions":[{"type":"Ready","status":"True","reason":"Done","message":"STATUSTEXT"}]}}"#;
    let file = store(&[
        (b"/registry/deployments/shop/web", pod),
        (b"/registry/secrets/shop/a", secret),
        (b"/registry/configmaps/shop/b", config),
        (b"/registry/example.com/widgets/shop/w", custom.to_vec()),
        (b"/app/setting", b"PLAINTEXT".to_vec()),
    ]);
    let (_folder, old, new) = folder_with_file(&file);
    let all = ["SECRETTEXT", "CONFIGTEXT", "NOTETEXT", "COLOURTEXT", "STATUSTEXT", "PLAINTEXT"];
    for (flags, shown) in [
        (&[][..], &[][..]),
        (&["--show-field", "data"], &["CONFIGTEXT"]),
        (&["--show-kind", "configmap"], &["CONFIGTEXT"]),
        (&["--show-kind", "Secret"], &["SECRETTEXT"]),
        (&["--show-field", "spec.colour"], &["COLOURTEXT"]),
        (&["--show-field", "message"], &["STATUSTEXT"]),
        (&["--show-field", "status.conditions"], &["STATUSTEXT"]),
        (&["--show-field", "annotations", "--show-field", "colour"], &["NOTETEXT", "COLOURTEXT"]),
        (&["--show-kind", "Widget"], &["NOTETEXT", "COLOURTEXT", "STATUSTEXT"]),
    ] {
        out(&[&["redact", text(&old), "-o", text(&new)], flags].concat());
        let bytes = fs::read(&new).unwrap();
        let seen: Vec<&str> =
            all.iter().copied().filter(|text| bytes.windows(text.len()).any(|part| part == text.as_bytes())).collect();
        assert_eq!(seen, shown, "{flags:?}");
    }
    out(&["redact", text(&old), "-o", text(&new)]);
    let values: BTreeMap<_, _> = put_values(&fs::read(&new).unwrap()).into_iter().collect();
    let widget = br#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","annotations":{"a":"REDACTED"}},"spec":{"colour":"REDACTED","size":3},"status":{"conditions":[{"type":"Ready","status":"True","reason":"Done","message":"REDACTED"}]}}"#;
    assert_eq!(values[&b"/registry/example.com/widgets/shop/w"[..]], widget);
    assert_eq!(values[&b"/app/setting"[..]], b"REDACTED");
    out(&["redact", text(&old), "-o", text(&new), "--hide-names"]);
    let bytes = fs::read(&new).unwrap();
    for name in ["/shop/", "registry.example", "/web", "setting"] {
        assert!(!bytes.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
    }
    assert_eq!(out(&["kube", "get", text(&new), "deployments", "-A", "-o", "name"]).lines().count(), 1);
}

/// Unknown fields and kinds, including numbers and texts, reveal nothing.
#[test]
fn unknown_fields_are_replaced() {
    let marker = b"HIDDENTEXT";
    let inner = [field(1, marker), number(2, 0x48_4944_4445)].concat();
    let unknown = [field(99, &inner), number(98, 0x4849_4444_454e), field(1, &field(77, marker))].concat();
    for value in [
        protobuf("v1", "Pod", &unknown),
        protobuf("example.com/v1", "Strange", &unknown),
        protobuf("v1", "Pod", marker),
        [b"k8s\0".to_vec(), field(2, marker), field(9, marker)].concat(),
        b"{\"HIDDENTEXT".to_vec(),
        b"\xd9\xd9\xf7\x6aHIDDENTEXT".to_vec(),
        br#"["HIDDENTEXT"]"#.to_vec(),
        br#"{"kind":"Secret","apiVersion":"v1","data":{"a":"HIDDENTEXT"},"type":["HIDDENTEXT"]}"#.to_vec(),
        br#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":{"x":"HIDDENTEXT"},"labels":["HIDDEN\u0054EXT"]},"spec":{"priority":"HIDDENTEXT HIDDENTEXT"}}"#.to_vec(),
    ] {
        for keep_size in [false, true] {
            let rules = RedactRules { keep_size, ..RedactRules::default() };
            let new = redact_object::redact(&value, RedactedKey::default(), &rules).value;
            let shown = String::from_utf8_lossy(&value).into_owned();
            assert!(!new.windows(marker.len()).any(|part| part == marker), "{shown}");
            assert!(!new.windows(6).any(|part| part == b"HIDDEN" || part == b"NEDDIH"), "{shown}");
            assert!(!keep_size || new.len() == value.len(), "{shown}: {} {}", new.len(), value.len());
        }
    }
}

/// Numbers, keys, addresses and names through which parts of a secret once leaked.
#[test]
fn secrets_that_look_like_names_or_numbers_do_not_leak() {
    let packed = field(14, &field(4, b"HIDDENTEXT"));
    let image = field(2, &field(2, &[field(1, b"c"), field(2, b"https://u:HIDDENTEXT@reg/x")].concat()));
    let time = field(1, &field(8, &[&[0x09][..], b"HIDDENTX"].concat()));
    for (value, is_secret) in [
        (br#"{"apiVersion":"v1","kind":"Secret","num":4711471147,"data":{"pin":-4711471147.5}}"#.to_vec(), false),
        (br#"{"apiVersion":"example.com/v1","kind":"Token","pin":4711471147}"#.to_vec(), true),
        (br#"{"apiVersion":"route.openshift.io/v1","kind":"Route","spec":{"tls":{"key":"HIDDENTEXT"}}}"#.to_vec(), false),
        (br#"{"apiVersion":"v1","kind":"Pod","kind":"Secret","spec":{"nodeName":"HIDDENTEXT"}}"#.to_vec(), false),
        (br#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"Other","spec":{"name":"HIDDENTEXT"}}"#.to_vec(), false),
        (br#"{"apiVersion":"example.com/v1","kind":"W","metadata":{"managedFields":[{"fieldsV1":{"\u006b:{\"a\":\"HIDDENTEXT\"}":{}}}]}}"#.to_vec(), false),
        (protobuf("v1", "Pod", &field(2, &packed)), false),
        (protobuf("v1", "Pod", &image), false),
        (protobuf("v1", "Pod", &time), false),
        (b"k8s:enc:secretbox:v1:HIDDENTEXT of a key:0123456789012345678901234567890123456789".to_vec(), false),
    ] {
        for keep_size in [false, true] {
            let rules = RedactRules { keep_size, ..RedactRules::default() };
            let new = redact_object::redact(&value, RedactedKey { is_secret, type_name: None }, &rules).value;
            let shown = String::from_utf8_lossy(&new).into_owned();
            assert!(!["HIDDENT", "471147"].iter().any(|text| shown.contains(text)), "{shown}");
            assert!(!keep_size || new.len() == value.len(), "{shown}");
            assert!(value.first() != Some(&b'{') || serde_json::from_slice::<Value>(&new).is_ok() || !shown.starts_with('{'), "{shown}");
        }
    }
}

/// A single letter has few hashes of the same length.
#[test]
fn hidden_short_names_stay_distinct() {
    let names: Vec<String> = ('a'..='z').map(|letter| format!("/registry/namespaces/{letter}")).collect();
    let namespace = protobuf("v1", "Namespace", &field(1, &field(1, b"a")));
    let objects: Vec<_> = names
        .iter()
        .map(|name| (&*Box::leak(name.clone().into_bytes().into_boxed_slice()), namespace.clone()))
        .collect();
    let (_folder, old, new) = folder_with_file(&store(&objects));
    out(&["redact", text(&old), "-o", text(&new), "--keep-size", "--hide-names"]);
    let keys: BTreeSet<_> = put_values(&fs::read(&new).unwrap()).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), names.len());
}

#[test]
fn a_definition_keeps_its_types_and_distinct_names() {
    let definition = br#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"w.example.com","managedFields":[{"fieldsV1":{"k:{\"a\":\"1\"}":{},"k:{\"a\":\"2\"}":{}}}]},"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":{"properties":{"default":{"type":"string","default":"HIDDENTEXT"},"metadata":{"type":"object"}}}}}],"conversion":{"webhook":{"clientConfig":{"service":{"name":"HIDDENTEXT"}}}}}}"#;
    let new = redact_object::redact(definition, RedactedKey::default(), &RedactRules::default()).value;
    let new: Value = serde_json::from_slice(&new).unwrap();
    let properties = &new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    assert_eq!(
        (&properties["default"]["type"], &properties["metadata"]["type"]),
        (&Value::from("string"), &Value::from("object"))
    );
    assert!(!new.to_string().contains("HIDDENTEXT"), "{new}");
    assert_eq!(new["metadata"]["managedFields"][0]["fieldsV1"].as_object().unwrap().len(), 2);
}

#[test]
fn flipped_bytes_neither_stop_a_redaction_nor_reveal_a_secret() {
    let recorded = RecordedCluster::open("plain");
    let all = put_values(&fs::read(recorded.snapshot()).unwrap());
    let mut rng = SeededRandom::new(7);
    let rules = RedactRules::default();
    for (_, value) in &all {
        for _ in 0..8 {
            let mut value = value.clone();
            for _ in 0..rng.between(1, 3) {
                if !value.is_empty() {
                    let at = rng.below(value.len());
                    value[at] = rng.bits() as u8;
                }
            }
            let new = redact_object::redact(&value, RedactedKey::default(), &rules).value;
            let again = redact_object::redact(&new, RedactedKey::default(), &rules).value;
            assert_eq!(redact_object::redact(&again, RedactedKey::default(), &rules).value, again);
        }
    }
}
