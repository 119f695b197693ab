//! `redact`: nothing of what secrets, config maps, environments and annotations say is left in any form, and objects stay objects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::json::JsonText;
use etcdsnap_core::kubernetes::object;
use etcdsnap_core::kubernetes::redact_object;
use etcdsnap_core::kubernetes::redact_rules::{RedactRules, RedactedKey};
use etcdsnap_core::store::{OpenedStore, Store};
use etcdsnap_core::{Unwatched, Verdict, verify};
use etcdsnap_tests::build::kubernetes::{deployment, field, number, protobuf};
use etcdsnap_tests::build::puts::snapshot;
use etcdsnap_tests::programs::tests_dir;
use etcdsnap_tests::recorded::Recorded;
use etcdsnap_tests::seeded_random::Dice;
use etcdsnap_tests::{
    case,
    cli::{self, printed as said, text},
};
use serde_json::Value;

/// Shorter texts are in every file.
const SHORTEST: usize = 6;

/// Runs a command that is to end well, and gives its standard output.
fn out(words: &[&str]) -> String {
    let output = cli::run(words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Each entry that is a put: its key and value.
fn values(file: &Vec<u8>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let OpenedStore::Store(store) = Store::open(file).unwrap() else { panic!("no store") };
    let mut all = Vec::new();
    let lost = store.entries_in_order(&Unwatched, &mut |entry, _| {
        if let Some(pair) = KeyValue::parse(entry.value).filter(|_| !entry.key.tombstone) {
            all.push((pair.key.to_vec(), pair.value.to_vec()));
        }
        true
    });
    assert_eq!(lost.unwrap().places, 0);
    all
}

/// The object of a value as JSON; none for what is none.
fn json(value: &[u8]) -> Option<(Value, bool)> {
    let (node, remarks) = object::tree(value, Options::default()).ok()?;
    let mut text = JsonText::default();
    node.print(&mut text);
    Some((serde_json::from_slice(&text.finish()).unwrap(), remarks.is_empty()))
}

/// All texts below a value.
fn texts(value: &Value, take: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, take)),
        Value::Object(members) => members.values().for_each(|member| texts(member, take)),
        _ => {}
    }
}

/// What an object says that nobody is to see.
fn secrets(object: &Value, found: &mut BTreeSet<Vec<u8>>) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let mut add = |text: &str| {
        found.insert(text.as_bytes().to_vec());
        found.extend(text.lines().map(|line| line.trim().as_bytes().to_vec()));
    };
    let in_base64 = kind == "Secret" || kind == "ConfigMap";
    if in_base64 {
        for part in ["data", "stringData", "binaryData"] {
            texts(&object[part], &mut |text| {
                add(text);
                if let Ok(bytes) = STANDARD.decode(text) {
                    add(&String::from_utf8_lossy(&bytes));
                }
            });
        }
    }
    below(object, "", &mut |name, value| match name {
        "annotations" | "args" | "command" | "message" | "note" | "data" | "caBundle" | "description" => {
            texts(value, &mut add);
        }
        "env" | "volumeAttributes" | "parameters" | "httpHeaders" => {
            below(value, "", &mut |name, value| {
                if name == "value" {
                    texts(value, &mut add);
                }
            });
        }
        _ => {}
    });
    let is_custom = object["apiVersion"].as_str().is_some_and(|version| version.contains("example"));
    if is_custom {
        texts(&object["spec"], &mut add);
    }
}

fn below(value: &Value, name: &str, take: &mut dyn FnMut(&str, &Value)) {
    take(name, value);
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| below(member, name, take)),
        Value::Array(items) => items.iter().for_each(|item| below(item, "", take)),
        _ => {}
    }
}

/// A form of a text, and the text.
type Form<'t> = (Vec<u8>, &'t [u8]);

/// What of the patterns is in the bytes, as it is, in base64 and in UTF-16.
fn found(patterns: &BTreeSet<Vec<u8>>, bytes: &[u8]) -> BTreeSet<String> {
    let mut by_start: HashMap<[u8; SHORTEST], Vec<Form<'_>>> = HashMap::new();
    for pattern in patterns {
        let base64 = STANDARD.encode(pattern).trim_end_matches('=').as_bytes().to_vec();
        // The last sign depends on what follows.
        let base64 = base64[..base64.len() - 1].to_vec();
        let utf16 = String::from_utf8_lossy(pattern).encode_utf16().flat_map(u16::to_le_bytes).collect();
        for form in [pattern.clone(), base64, utf16] {
            let start = form[..SHORTEST].try_into().unwrap();
            by_start.entry(start).or_default().push((form, pattern));
        }
    }
    let mut found = BTreeSet::new();
    for at in 0..bytes.len().saturating_sub(SHORTEST) {
        let start: [u8; SHORTEST] = bytes[at..at + SHORTEST].try_into().unwrap();
        for (form, pattern) in by_start.get(&start).into_iter().flatten() {
            if bytes[at..].starts_with(form) {
                found.insert(String::from_utf8_lossy(pattern).into_owned());
            }
        }
    }
    found
}

/// What secrets of a file say, without what its keys and names say, too.
fn secrets_of(file: &Vec<u8>) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    let mut open = Vec::new();
    for (key, value) in values(file) {
        open.extend_from_slice(&key);
        open.push(b'\n');
        let Some((object, _)) = json(&value) else { continue };
        secrets(&object, &mut all);
        // Names and words, which stay.
        below(&object, "", &mut |name, value| {
            if OPEN.contains(&name) {
                texts(value, &mut |text| open.extend([text.as_bytes(), b"\n"].concat()));
                value.as_object().into_iter().flatten().for_each(|(name, _)| {
                    open.extend([name.as_bytes(), b"\n"].concat());
                });
            }
        });
        names(&object, &mut |name| open.extend([name.as_bytes(), b"\n"].concat()));
    }
    let open = String::from_utf8_lossy(&open).into_owned();
    all.retain(|text| {
        text.len() >= SHORTEST
            && !(text.len() == 20 && text.ends_with(b"Z"))
            && !open.contains(&*String::from_utf8_lossy(text))
    });
    all
}

/// Fields whose texts stay.
const OPEN: &[&str] = &[
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

/// The names of all members.
fn names(value: &Value, take: &mut dyn FnMut(&str)) {
    below(value, "", &mut |name, _| take(name));
}

fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = ["plain", "aescbc", "secretbox", "kms2", "restored"]
        .iter()
        .map(|name| ((*name).to_owned(), fs::read(Recorded::open(name).snapshot()).unwrap()))
        .collect();
    for name in ["today", "yesterday"] {
        let packed = fs::File::open(tests_dir().join(format!("../samples/kubernetes/{name}.db.zst"))).unwrap();
        files.push((name.to_owned(), zstd::decode_all(packed).unwrap()));
    }
    files
}

/// A folder with a file and a place for another one.
fn place(file: &[u8]) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.db"), folder.path().join("new.db"));
    fs::write(&old, file).unwrap();
    (folder, old, new)
}

#[test]
fn nothing_that_secrets_say_is_left() {
    let mut looked_for = 0;
    for (name, file) in files() {
        let secrets = secrets_of(&file);
        looked_for += secrets.len();
        assert!(found(&secrets, &file).len() * 2 > secrets.len(), "{name}: the search finds nothing");
        for flags in [&[][..], &["--keep-size"], &["--hide-names"], &["--keep-size", "--hide-names"]] {
            let (_folder, old, new) = place(&file);
            let report = out(&[&["redact", text(&old), "-o", text(&new), "-w", "json"], flags].concat());
            let report: Value = serde_json::from_str(&report).unwrap();
            assert_eq!(report["verdict"], report["inputVerdict"], "{name} {flags:?}");
            let left = found(&secrets, &fs::read(&new).unwrap());
            assert_eq!(left, BTreeSet::new(), "{name} {flags:?}");
        }
    }
    println!("{looked_for} texts");
    assert!(looked_for > 300, "{looked_for}");
}

/// Names, numbers and which texts there are, without what they say and without managed fields.
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

#[test]
fn every_object_stays_one_with_its_structure_and_numbers() {
    let mut objects = 0;
    for (name, file) in files() {
        for flags in [&["--keep-size"][..], &["--keep-size", "--hide-names"]] {
            let (_folder, old, new) = place(&file);
            out(&[&["redact", text(&old), "-o", text(&new)], flags].concat());
            let new = fs::read(&new).unwrap();
            let (before, after) = (values(&file), values(&new));
            assert_eq!(before.len(), after.len());
            for ((key, old), (_, new)) in before.iter().zip(&after) {
                let key = String::from_utf8_lossy(key);
                // Hashes of short names are longer than these.
                let is_as_long = old.len() == new.len() || flags.len() > 1 && old.len() < new.len();
                assert!(is_as_long, "{name} {key}: {} {}", old.len(), new.len());
                let Some((was, was_whole)) = json(old) else { continue };
                let (is, is_whole) = json(new).unwrap_or_else(|| panic!("{name} {key} is no object any more"));
                assert_eq!((shape(&was), was_whole), (shape(&is), is_whole), "{name} {key}");
                assert_eq!((&was["kind"], &was["apiVersion"]), (&is["kind"], &is["apiVersion"]), "{name} {key}");
                objects += 1;
            }
        }
    }
    assert!(objects > 3000, "{objects}");
}

#[test]
fn questions_about_objects_and_space_are_answered_as_before() {
    for name in ["plain", "aescbc", "kms2"] {
        let recorded = Recorded::open(name);
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
            // How full pages are is another matter.
            let is_about_pages = |line: &&str| line.contains("of database") || line.contains("free pages");
            let ask = |path: &Path| {
                let output = cli::run(
                    &question.split(' ').map(|word| if word == "FILE" { text(path) } else { word }).collect::<Vec<_>>(),
                );
                let said = said(&output).replace(text(path), "FILE");
                said.lines().filter(|line| !is_about_pages(line)).collect::<Vec<_>>().join("\n")
            };
            assert_eq!(ask(&old), ask(&new), "{name}: {question}");
        }
    }
}

#[test]
fn passwords_are_gone_and_users_stay_unless_names_are_hidden() {
    let mut users = 0;
    for case in case::all() {
        let file = case.bytes();
        let (_folder, old, new) = place(&file);
        if verify(&file, &Unwatched).unwrap().verdict == Verdict::Damaged {
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
            assert!(found(&hashes, &bytes).is_empty(), "{}", case.name);
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

/// A store with these objects.
fn store(objects: &[(&'static [u8], Vec<u8>)]) -> Vec<u8> {
    let puts: Vec<_> =
        objects.iter().map(|(key, value)| (*key, Some(&*Box::leak(value.clone().into_boxed_slice())), 0)).collect();
    snapshot(&puts)
}

#[test]
fn what_is_asked_for_is_shown_and_secrets_only_by_their_kind() {
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
    let (_folder, old, new) = place(&file);
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
    let values: BTreeMap<_, _> = values(&fs::read(&new).unwrap()).into_iter().collect();
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

/// Fields and kinds that nobody knows, numbers and texts among them, tell nothing.
#[test]
fn what_is_not_known_is_replaced() {
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

/// Numbers, keys, addresses and names by which something of a secret once got through.
#[test]
fn what_looks_like_a_name_or_a_number_is_no_way_out() {
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

/// One letter has few hashes as short as itself.
#[test]
fn short_names_stay_apart_when_they_are_hidden() {
    let names: Vec<String> = ('a'..='z').map(|letter| format!("/registry/namespaces/{letter}")).collect();
    let namespace = protobuf("v1", "Namespace", &field(1, &field(1, b"a")));
    let objects: Vec<_> = names
        .iter()
        .map(|name| (&*Box::leak(name.clone().into_bytes().into_boxed_slice()), namespace.clone()))
        .collect();
    let (_folder, old, new) = place(&store(&objects));
    out(&["redact", text(&old), "-o", text(&new), "--keep-size", "--hide-names"]);
    let keys: BTreeSet<_> = values(&fs::read(&new).unwrap()).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), names.len());
}

#[test]
fn a_definition_keeps_its_types_and_the_names_of_two_entries_differ() {
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
fn flipped_bytes_never_stop_a_redaction_nor_show_a_secret() {
    let recorded = Recorded::open("plain");
    let all = values(&fs::read(recorded.snapshot()).unwrap());
    let mut dice = Dice::new(7);
    let rules = RedactRules::default();
    for (_, value) in &all {
        for _ in 0..8 {
            let mut value = value.clone();
            for _ in 0..dice.between(1, 3) {
                if !value.is_empty() {
                    let at = dice.below(value.len());
                    value[at] = dice.bits() as u8;
                }
            }
            let new = redact_object::redact(&value, RedactedKey::default(), &rules).value;
            let again = redact_object::redact(&new, RedactedKey::default(), &rules).value;
            assert_eq!(redact_object::redact(&again, RedactedKey::default(), &rules).value, again);
        }
    }
}
