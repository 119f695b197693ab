//! Encryption at rest: what Kubernetes' own packages sealed opens, and nothing else does.
//!
//! `tests/encryption/vectors.jsonl` was written by `tests/reference/bin/encryption/encryption vectors`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use etcdsnap_core::kubernetes::encryption::configuration::Configuration;
use etcdsnap_core::kubernetes::encryption::keyring::{Keyring, NoPlugins, Plugins, Why};
use etcdsnap_core::kubernetes::encryption::kms_v2::Sealed;
use etcdsnap_core::kubernetes::encryption::needed_key::{Encrypted, Provider};
use etcdsnap_tests::build::kubernetes::protobuf;
use etcdsnap_tests::cli;
use etcdsnap_tests::fake_etcd::FakeEtcd;
use etcdsnap_tests::programs::reference;
use etcdsnap_tests::sealed_values::{Vector, configuration, snapshot, vectors};
use etcdsnap_tests::seeded_random::Dice;
use serde_json::{Value, json};

/// A keyring of these keys.
fn keyring(keys: &[(&str, &str, &[u8])]) -> Keyring {
    Configuration::parse(&configuration(keys)).expect("a configuration").into()
}

/// The plugin of the reference program, without its socket.
struct ExclusiveOr(Vec<String>);

impl Plugins for ExclusiveOr {
    fn names(&self) -> &[String] {
        &self.0
    }

    fn open(&self, _plugin: &str, sealed: &Sealed<'_>) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
        assert_eq!(
            (sealed.key_id, &sealed.annotations[..]),
            ("kek-2026", &[("plugin.etcdsnap.example", &b"v1"[..])][..])
        );
        Ok(sealed.source.iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>().into())
    }
}

fn open(vector: &Vector, key: &str, sealed: &[u8]) -> Result<Vec<u8>, Why> {
    let keyring = match vector.secret.as_slice() {
        [] => Keyring::default(),
        secret => keyring(&[(&vector.provider, &vector.name, secret)]),
    };
    let plugins = ExclusiveOr(vec!["vault".into()]);
    keyring.open(key.as_bytes(), sealed, &plugins).map(|plain| plain.into_owned()).map_err(|closed| closed.why)
}

#[test]
fn what_kubernetes_sealed_opens() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 24);
    for vector in &vectors {
        assert_eq!(open(vector, &vector.key, &vector.sealed).as_ref(), Ok(&vector.plain), "{}", vector.key);
        let needs = Encrypted::of(&vector.sealed).expect("encrypted").needed_key();
        assert_eq!(needs.name, vector.name, "{}", vector.key);
        assert!(needs.provider.as_str().starts_with(vector.provider.split('-').next().expect("a word")));
    }
}

/// AES-GCM has the key of etcd as associated data; the others do not know where they stand.
#[test]
fn a_value_under_another_key_opens_only_without_associated_data() {
    for vector in vectors() {
        let moved = open(&vector, "/registry/secrets/shop/other", &vector.sealed);
        let is_bound = vector.provider == "aesgcm" || vector.provider.starts_with("kms");
        assert_eq!(moved.is_err(), is_bound, "{}", vector.key);
    }
}

#[test]
fn a_wrong_key_is_told_and_never_gives_garbage() {
    let mut dice = Dice::new(7);
    for vector in vectors().iter().filter(|vector| !vector.secret.is_empty()) {
        for _ in 0..400 {
            let wrong = dice.bytes(vector.secret.len());
            let closed = keyring(&[(&vector.provider, &vector.name, &wrong)])
                .open(vector.key.as_bytes(), &vector.sealed, &NoPlugins)
                .expect_err(&vector.key);
            assert_eq!((closed.why, closed.needs.name.as_str()), (Why::WrongKey, vector.name.as_str()));
        }
        // After a rotation that kept the name, both keys are there.
        let other = vec![9; vector.secret.len()];
        let both: [(&str, &str, &[u8]); 2] =
            [(&vector.provider, &vector.name, &other), (&vector.provider, &vector.name, &vector.secret)];
        let keyring = keyring(&both);
        assert_eq!(keyring.open(vector.key.as_bytes(), &vector.sealed, &NoPlugins).as_deref(), Ok(&vector.plain[..]));
    }
}

#[test]
fn names_are_told_apart() {
    let vector = vectors().into_iter().find(|vector| vector.name.starts_with("key-2026")).expect("a k3s name");
    let open = |keys: &[(&str, &str, &[u8])]| {
        let opened =
            keyring(keys).open(vector.key.as_bytes(), &vector.sealed, &NoPlugins).map(|plain| plain.into_owned());
        opened.map_err(|closed| (closed.needs.name, closed.why))
    };
    let short = (vector.provider.as_str(), "key-2026-03-09T09", vector.secret.as_slice());
    let long = (vector.provider.as_str(), vector.name.as_str(), vector.secret.as_slice());
    assert_eq!(open(&[short, long]).as_ref(), Ok(&vector.plain));
    assert!(matches!(open(&[short]), Err((_, Why::WrongKey | Why::Malformed(_)))));
    // What it lacks is told beside what there is, so that a key of the name at another provider is seen.
    let (other, name) = (open(&[(vector.provider.as_str(), "other", &[1; 32])]), vector.name.clone());
    assert_eq!(other, Err((name.clone(), Why::NoKey("aescbc:v1 key other".into()))));
    let elsewhere = open(&[("secretbox", vector.name.as_str(), &[1; 32])]);
    assert_eq!(elsewhere, Err((name.clone(), Why::NoKey(format!("secretbox:v1 key {name}")))));
    let nothing = Keyring::default().open(vector.key.as_bytes(), &vector.sealed, &NoPlugins).expect_err("closed");
    assert_eq!(nothing.why, Why::NothingGiven);
}

/// No panic, and nothing that is authenticated opens once a byte of it is another.
#[test]
fn mutants_stay_closed() {
    let mut dice = Dice::new(17);
    for vector in vectors() {
        let prefix =
            vector.sealed.windows(2).position(|pair| pair == [b':', *vector.name.as_bytes().first().expect("a name")]);
        let body = prefix.expect("a prefix") + vector.name.len() + 2;
        let is_proof = vector.provider != "aescbc";
        for len in 0..vector.sealed.len() {
            // Without its prefix it is no encrypted value, and is given back as it is.
            let opened = open_whatever(&vector, &vector.sealed[..len]).filter(|_| len >= "k8s:enc:".len() && is_proof);
            assert!(opened.is_none_or(|plain| plain == vector.plain), "{} cut to {len}", vector.key);
        }
        for _ in 0..600 {
            let mut mutant = vector.sealed.clone();
            let at = body + dice.below(mutant.len() - body);
            mutant[at] ^= 1 << dice.below(8);
            let opened = open_whatever(&vector, &mutant);
            if is_proof {
                // Only what this plugin does not look at may change: its key's name, and annotations.
                let is_harmless = opened.as_ref() == Some(&vector.plain) && vector.provider.starts_with("kms");
                assert!(opened.is_none() || is_harmless, "{} at {at}", vector.key);
            }
        }
    }
}

/// The same with a plugin that takes whatever it is sent.
fn open_whatever(vector: &Vector, sealed: &[u8]) -> Option<Vec<u8>> {
    struct Anything(Vec<String>);
    impl Plugins for Anything {
        fn names(&self) -> &[String] {
            &self.0
        }
        fn open(&self, _plugin: &str, sealed: &Sealed<'_>) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
            Ok(sealed.source.iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>().into())
        }
    }
    let keyring = match vector.secret.as_slice() {
        [] => Keyring::default(),
        secret => keyring(&[(&vector.provider, &vector.name, secret)]),
    };
    let plugins = Anything(vec!["vault".into()]);
    keyring.open(vector.key.as_bytes(), sealed, &plugins).ok().map(|plain| plain.into_owned())
}

/// Kubernetes' own packages as the judge, over random values.
#[test]
fn random_values_open() {
    let Some(program) = reference("encryption", "encryption") else { return };
    let mut dice = Dice::new(23);
    let requests: Vec<Value> = (0..200)
        .map(|number| {
            let provider = ["aescbc", "aesgcm", "secretbox", "kms-seed", "kms-key"][dice.below(5)];
            let length = if provider == "secretbox" { 32 } else { [16, 24, 32][dice.below(3)] };
            let secret = if provider.starts_with("kms") { Vec::new() } else { dice.bytes(length) };
            let len = dice.below(200);
            let plain = protobuf("example.com/v1", "Odd", &dice.bytes(len));
            let name = ["key1", "a:b", "2026-01-01T00:00:00Z", "vault"][if secret.is_empty() { 3 } else { dice.below(3) }];
            let encode = |bytes: &[u8]| STANDARD.encode(bytes);
            json!({"provider": provider, "name": name, "secret": encode(&secret), "key": format!("/registry/x/{number}"), "plain": encode(&plain)})
        })
        .collect();
    let mut child =
        Command::new(program).arg("seal").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut input = child.stdin.take().expect("a pipe");
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads");
    let sealed: Vec<String> =
        output.stdout.lines().map(|line| serde_json::from_str(&line.expect("text")).expect("base64")).collect();
    assert_eq!(sealed.len(), requests.len());
    for (request, sealed) in requests.into_iter().zip(sealed) {
        let vector: Vector = serde_json::from_value(request).expect("a request");
        let sealed = STANDARD.decode(sealed).expect("base64");
        assert_eq!(
            open(&vector, &vector.key, &sealed).as_ref(),
            Ok(&vector.plain),
            "{} {}",
            vector.provider,
            vector.name
        );
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All keys of the vectors.
fn all_keys() -> String {
    let vectors = vectors();
    let keys: Vec<(&str, &str, &[u8])> = vectors
        .iter()
        .filter(|vector| !vector.secret.is_empty())
        .map(|vector| (vector.provider.as_str(), vector.name.as_str(), vector.secret.as_slice()))
        .collect();
    configuration(&keys)
}

/// A folder with the snapshot of all vectors, and two configurations: with all keys, and with one of another cluster.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.db"), snapshot(&vectors())).expect("a file");
    fs::write(folder.path().join("all.yaml"), all_keys()).expect("a file");
    let other = configuration(&[("aescbc", "key16", &[1; 16]), ("aesgcm", "key99", &[2; 32])]);
    fs::write(folder.path().join("other.yaml"), other).expect("a file");
    folder
}

fn run(folder: &tempfile::TempDir, words: &[&str]) -> (i32, String, String) {
    let output =
        Command::new(cli::program()).args(words).current_dir(folder).stdin(Stdio::null()).output().expect("it runs");
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn commands_open_values_and_keep_secrets_hidden() {
    let folder = folder();
    let with = |words: &[&str]| run(&folder, &[words, &["--encryption-config", "all.yaml"]].concat());
    let key = "/registry/secrets/shop/aescbc-0";
    let widget = "/registry/example.com/widgets/shop/secretbox-8";
    let (code, out, said) = with(&["get", "a.db", widget]);
    assert!(code == 0 && out.contains("kind: Widget") && said.is_empty(), "{out}{said}");
    let (code, out, _) = with(&["kube", "get", "a.db", "secret", "aescbc-0", "-n", "shop", "-oyaml"]);
    assert!(code == 0 && out.contains("name: aescbc-0") && out.contains("hidden"), "{out}");
    assert!(!out.contains("hunter2") && !out.contains("aHVudGVyMg"), "{out}");
    let (code, out, _) = with(&["kube", "get", "a.db", "secret/aescbc-0", "-n", "shop", "-oyaml", "--show-secrets"]);
    assert!(code == 0 && out.contains("aHVudGVyMg=="), "{out}");
    let (code, out, _) = with(&["get", "a.db", key, "-wjson"]);
    assert!(code == 0 && out.contains("\"hidden\":true") && !out.contains("value\""), "{out}");
    for form in [&["get", "a.db", key][..], &["history", "a.db", key, "--values"], &["export", "a.db"]] {
        let (_, out, said) = with(form);
        assert!(!out.contains("hunter2") && !said.contains("hunter2"), "{form:?} {out}");
        let (code, out, said) = with(&[form, &["--show-secrets"]].concat());
        // The plugin's values stay closed, and are in the export alone.
        let expected = if form[0] == "export" { 1 } else { 0 };
        assert!(
            code == expected && (out.contains("hunter2") || out.contains("aHVudGVyMg") || out.contains("azhz")),
            "{form:?} {out}{said}"
        );
    }
    // What is hidden is not searched: a search would tell it letter by letter.
    let filter = ["keys", "a.db", "/registry/secrets/", "--filter", "value~hunter2"];
    let (code, out, said) = with(&filter);
    assert_eq!((code, out.as_str()), (0, ""), "{said}");
    assert!(said.contains("12 keys are secrets and were not searched: --show-secrets"), "{said}");
    let (code, out, _) = with(&["keys", "a.db", "/registry/secrets/", "--filter", "value!~hunter2"]);
    assert_eq!((code, out.as_str()), (0, ""));
    let (code, out, said) = with(&[&filter[..], &["--show-secrets"]].concat());
    assert_eq!((code, out.lines().count()), (1, 10), "{out}{said}");
    assert!(said.contains("2 values stay encrypted (kms:v2, plugin vault)") && said.contains("--kms-socket"), "{said}");
    let (code, out, _) = run(&folder, &["keys", "a.db", "/registry/secrets/", "--filter", "value~hunter2"]);
    assert_eq!((code, out.as_str()), (0, ""));
}

#[test]
fn what_stays_closed_is_told_by_its_key() {
    let folder = folder();
    let (code, out, said) = run(&folder, &["kube", "get", "a.db", "secrets", "-n", "shop", "-oname"]);
    assert!(code == 0 && out.lines().count() == 12, "{out}{said}");
    let (code, _, said) = run(&folder, &["kube", "get", "a.db", "secrets", "-n", "shop", "-oyaml"]);
    assert_eq!(code, 1);
    assert!(said.contains("1 value stays encrypted (aescbc:v1, key key16): no configuration was given"), "{said}");
    assert!(said.contains("2 values stay encrypted (kms:v2, plugin vault)"), "{said}");
    let other = ["kube", "get", "a.db", "secrets", "-n", "shop", "-oyaml", "--encryption-config", "other.yaml"];
    let (code, _, said) = run(&folder, &other);
    assert_eq!(code, 1);
    assert!(said.contains("(aescbc:v1, key key16): the key of this name does not open it"), "{said}");
    let lacks =
        "(aesgcm:v1, key key32): the configuration has no key of this name for this provider: it has aescbc:v1 key";
    assert!(said.contains(lacks), "{said}");
    assert!(said.contains("(secretbox:v1, key key-2026-03-09T09:46:54+01:00)"), "{said}");
}

#[test]
fn verify_says_which_key_is_missing_where() {
    let folder = folder();
    let plain: Vec<Vector> = vectors().into_iter().filter(|vector| !vector.secret.is_empty()).collect();
    fs::write(folder.path().join("keys.db"), snapshot(&plain)).expect("a file");
    let (code, out, said) = run(&folder, &["verify", "keys.db", "--encryption-config", "all.yaml"]);
    assert!(code == 0 && out.contains("sound") && out.contains("20 encrypted values open, all of them"), "{out}{said}");
    let (code, out, _) = run(&folder, &["verify", "keys.db", "-wjson", "--encryption-config", "other.yaml"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &report["verdict"]), (1, &json!("damaged")), "{out}");
    assert_eq!(report["findingCounts"]["value-undecryptable"], 20);
    let finding = &report["findings"][0];
    assert_eq!(finding["key"], plain[0].key.as_str());
    assert!(finding["message"].as_str().is_some_and(|text| text.contains("aescbc:v1, key key16")), "{finding}");
    // Packed, and through a pipe.
    let packed = Command::new("gzip").args(["-k", "keys.db"]).current_dir(&folder).status();
    if packed.is_ok_and(|status| status.success()) {
        let (code, again, _) = run(&folder, &["verify", "keys.db.gz", "-wjson", "--encryption-config", "other.yaml"]);
        let again: Value = serde_json::from_str(&again).expect("JSON");
        assert_eq!((code, &again["findings"], &again["decrypted"]), (1, &report["findings"], &report["decrypted"]));
    }
    // Without a configuration nothing is opened, and it is said what the values need.
    let (code, out, _) = run(&folder, &["verify", "keys.db", "-wjson"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &report["verdict"]), (0, &json!("sound")));
    let needs: BTreeMap<String, u64> = report["status"]["encrypted"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|line| {
            (
                format!(
                    "{} {}",
                    line["provider"].as_str().unwrap_or_default(),
                    line["name"].as_str().unwrap_or_default()
                ),
                line["values"].as_u64().unwrap_or(0),
            )
        })
        .collect();
    assert_eq!(needs.len(), 10);
    assert_eq!(needs["secretbox:v1 key-2026-03-09T09:46:54+01:00"], 2);
    let (_, out, _) = run(&folder, &["status", "keys.db"]);
    assert!(
        out.contains("encrypted: 2 (aescbc:v1, key key-2026-03-09T09:46:54+01:00); 2 (aescbc:v1, key key16)"),
        "{out}"
    );
}

/// From a file, from one that is unpacked as it is read, and from a save as it streams.
#[test]
fn one_read_tells_which_keys_are_needed() {
    let folder = folder();
    let needs = |out: &str, at: &str| {
        let report: Value = serde_json::from_str(out).expect("JSON");
        report.pointer(at).cloned().expect("the keys")
    };
    let (_, plain, _) = run(&folder, &["status", "a.db", "-wjson"]);
    let expected = needs(&plain, "/encrypted");
    let list = expected.as_array().expect("a list");
    assert_eq!(list.len(), 11);
    assert_eq!(list[10], json!({"provider": "kms:v2", "name": "vault", "values": 4}));
    if Command::new("gzip").args(["-k", "a.db"]).current_dir(&folder).status().is_ok_and(|status| status.success()) {
        let (_, packed, _) = run(&folder, &["status", "a.db.gz", "-wjson"]);
        assert_eq!(needs(&packed, "/encrypted"), expected);
    }
    let bytes = snapshot(&vectors());
    let server = FakeEtcd::start(move |pieces| {
        pieces.send_snapshot(&bytes, 32 << 10)?;
        pieces.end()
    });
    let url = server.url();
    let save = ["save", "saved.db", "--no-compare", "--endpoints", &url];
    let (code, out, said) = run(&folder, &[&save[..], &["-wjson"]].concat());
    assert_eq!((code, needs(&out, "/encrypted")), (0, expected), "{said}");
    let (code, out, said) = run(&folder, &save);
    assert!(code == 0 && out.contains("4 (kms:v2, plugin vault)"), "{out}{said}");
    // A store without encrypted values says nothing of them.
    fs::write(folder.path().join("b.db"), snapshot(&[])).expect("a file");
    let (_, out, _) = run(&folder, &["status", "b.db", "-wjson"]);
    assert!(!out.contains("encrypted"), "{out}");
}

/// A value that was overwritten since does not hurt a restore.
#[test]
fn an_earlier_value_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let vectors = vectors();
    let mut writes = vec![vectors[0].clone(), vectors[0].clone()];
    writes[1].sealed = vectors[0].plain.clone();
    fs::write(folder.path().join("a.db"), snapshot(&writes)).expect("a file");
    fs::write(folder.path().join("other.yaml"), configuration(&[("aesgcm", "key99", &[2; 32])])).expect("a file");
    let (code, out, _) = run(&folder, &["verify", "a.db", "-wjson", "--encryption-config", "other.yaml"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &report["verdict"]), (0, &json!("warnings")));
    assert_eq!(report["findingCounts"], json!({"earlier-value-undecryptable": 1}));
}

#[test]
fn kube_encryption_tells_who_is_plain() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writes = vectors();
    let secrets: Vec<usize> = (0..writes.len()).filter(|at| writes[*at].key.contains("/secrets/")).collect();
    writes[secrets[0]].sealed = writes[secrets[0]].plain.clone();
    fs::write(folder.path().join("a.db"), snapshot(&writes)).expect("a file");
    let (code, out, said) = run(&folder, &["kube", "encryption", "a.db", "-wjson"]);
    assert_eq!(code, 0, "{said}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let find = |resource: &str, provider: Option<&str>, key: Option<&str>| {
        lines.iter().find(|line| {
            line["resource"] == resource && line["provider"].as_str() == provider && line["key"].as_str() == key
        })
    };
    let plain = find("secrets", None, None).expect("a plain one");
    assert_eq!((&plain["objects"], &plain["encrypted"], &plain["secret"]), (&json!(1), &json!(false), &json!(true)));
    let vault = find("widgets", Some("kms:v2"), Some("vault")).expect("the plugin's");
    assert_eq!(
        (&vault["objects"], &vault["keyId"], &vault["group"]),
        (&json!(2), &json!("kek-2026"), &json!("example.com"))
    );
    assert!(said.contains("secrets: 1 object is stored plain beside 11 encrypted ones"), "{said}");
    let (_, out, _) = run(&folder, &["kube", "encryption", "a.db"]);
    assert!(
        out.contains("RESOURCE")
            && out.contains("key-2026-03-09T09:46:54+01:00")
            && out.contains("widgets.example.com"),
        "{out}"
    );
    for vector in &mut writes {
        vector.sealed = vector.plain.clone();
    }
    fs::write(folder.path().join("b.db"), snapshot(&writes)).expect("a file");
    let (_, _, said) = run(&folder, &["kube", "encryption", "b.db"]);
    assert!(said.contains("secrets: 12 objects are stored plain. Whoever has this file"), "{said}");
}

/// An API server seals with another nonce, and after a rotation another key, whenever it writes.
#[test]
fn diff_compares_what_was_sealed() {
    let folder = tempfile::tempdir().expect("a folder");
    let vectors = vectors();
    let writes = |pick: &[usize]| -> Vec<Vector> {
        let key = "/registry/secrets/shop/one".to_owned();
        pick.iter().map(|at| Vector { key: key.clone(), ..vectors[*at].clone() }).collect()
    };
    // One object sealed by two keys of AES-CBC, and another object.
    let same = Vector { sealed: vectors[0].plain.clone(), ..vectors[0].clone() };
    let mut twice = writes(&[0, 0]);
    twice[1].sealed = same.sealed;
    fs::write(folder.path().join("a.db"), snapshot(&twice)).expect("a file");
    fs::write(folder.path().join("all.yaml"), all_keys()).expect("a file");
    let revisions = ["diff", "a.db", "--rev-a", "2", "--rev-b", "3"];
    let (code, out, _) = run(&folder, &revisions);
    assert_eq!((code, out.lines().count()), (1, 1), "{out}");
    let (code, out, said) = run(&folder, &[&revisions[..], &["--encryption-config", "all.yaml"]].concat());
    assert_eq!((code, out.as_str()), (0, ""), "{said}");
    let changed = writes(&[0, 2]);
    fs::write(folder.path().join("a.db"), snapshot(&changed)).expect("a file");
    let values = ["--values", "--encryption-config", "all.yaml"];
    let (code, out, _) = run(&folder, &[&revisions[..], &values].concat());
    assert!(code == 1 && out.contains("hidden") && !out.contains("hunter2"), "{out}");
    let (code, out, _) = run(&folder, &[&revisions[..], &values, &["--show-secrets"]].concat());
    assert!(code == 1 && out.matches("hunter2").count() >= 2, "{out}");
}

#[test]
fn a_configuration_that_cannot_be_read_is_told() {
    let folder = folder();
    fs::write(folder.path().join("long.yaml"), vec![b' '; (1 << 20) + 1]).expect("a file");
    fs::write(folder.path().join("bad.yaml"), "kind: Pod\napiVersion: v1\n").expect("a file");
    fs::write(folder.path().join("bytes.yaml"), [0xff, 0xfe]).expect("a file");
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    for (name, why) in [
        ("none.yaml", "there is no such file"),
        (".", "is no regular file"),
        ("fifo", "nothing came through the pipe fifo"),
        ("/dev/null", "is no regular file and no pipe"),
        ("long.yaml", "more than 1,048,576 bytes"),
        ("bad.yaml", "it is no EncryptionConfiguration"),
        ("bytes.yaml", "it is no text"),
    ] {
        let (code, out, said) = run(&folder, &["verify", "a.db", "--encryption-config", name]);
        assert!(code == 2 && out.is_empty() && said.contains(why), "{name}: {said}");
    }
    for socket in ["", "vault", "=path", "vault="] {
        let (code, _, _) = run(&folder, &["verify", "a.db", "--kms-socket", socket]);
        assert_eq!(code, 2, "{socket}");
    }
    // What is printed does not go into the configuration, nor does an export.
    let all = fs::read(folder.path().join("all.yaml")).expect("a file");
    let (code, _, said) = run(&folder, &["export", "a.db", "-o", "all.yaml", "--encryption-config", "all.yaml"]);
    assert!(code == 2, "{said}");
    assert_eq!(fs::read(folder.path().join("all.yaml")).expect("a file"), all);
}

/// The test of each: what came through a pipe opens what a file would open.
#[test]
fn a_configuration_comes_through_a_pipe() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let get = ["get", &path("a.db"), "/registry/example.com/widgets/shop/secretbox-8", "--encryption-config", "-"];
    let output = cli::run_with_input(&get, all_keys().as_bytes());
    assert!(output.status.success() && text(&output.stdout).contains("kind: Widget"), "{output:?}");
    let fifo = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    // Both ends, so that opening waits for nobody: what is written stays in the pipe until its end is closed.
    let mut pipe = fs::OpenOptions::new().read(true).write(true).open(&fifo).expect("a pipe");
    pipe.write_all(all_keys().as_bytes()).expect("room");
    let named = [&get[..3], &["--encryption-config", fifo.to_str().expect("text")]].concat();
    let child = Command::new(cli::program()).args(&named).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let child = child.expect("it runs");
    // It reads what is there and waits for more, until the last writer is gone.
    std::thread::sleep(std::time::Duration::from_millis(700));
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && text(&output.stdout).contains("kind: Widget"), "{output:?}");
    let twice = ["verify", "-", "--encryption-config", "-"];
    let output = cli::run_with_input(&twice, all_keys().as_bytes());
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("named twice"), "{output:?}");
    let long = cli::run_with_input(&get, &vec![b' '; (1 << 20) + 1]);
    assert!(long.status.code() == Some(2) && text(&long.stderr).contains("1,048,576 bytes"), "{long:?}");
}

/// An EncryptionConfiguration with these entries: resources, then the vector whose key is among the providers, then whether identity is.
fn entries(entries: &[(&str, &Vector, bool)]) -> String {
    let entries: String = entries
        .iter()
        .map(|(resources, vector, has_identity)| {
            let identity = if *has_identity { "  - identity: {}\n" } else { "" };
            format!(
                "- resources: [{resources}]\n  providers:\n  - {}: {{keys: [{{name: '{}', secret: {}}}]}}\n{identity}",
                vector.provider,
                vector.name,
                STANDARD.encode(&vector.secret)
            )
        })
        .collect();
    format!("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n{entries}")
}

/// A value counts as an API server would read it: by the providers of its own resource.
#[test]
fn verify_goes_by_the_entry_of_each_resource() {
    let folder = tempfile::tempdir().expect("a folder");
    let vectors = vectors();
    let of = |part: &str| vectors.iter().find(|v| v.provider == "secretbox" && v.key.contains(part)).expect("a vector");
    let (secret, widget) = (of("/secrets/"), of("/widgets/"));
    assert_eq!(secret.name, widget.name);
    let other = vectors.iter().find(|vector| vector.provider == "aescbc").expect("a vector");
    let plain = Vector {
        key: "/registry/configmaps/shop/a".into(),
        sealed: br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#.to_vec(),
        ..secret.clone()
    };
    fs::write(folder.path().join("a.db"), snapshot(&[secret.clone(), widget.clone(), plain])).expect("a file");
    let verify = |list: &[(&str, &Vector, bool)]| {
        fs::write(folder.path().join("config.yaml"), entries(list)).expect("a file");
        let (code, out, said) = run(&folder, &["verify", "a.db", "-wjson", "--encryption-config", "config.yaml"]);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{said}"));
        let told: Vec<String> = report["findings"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|finding| {
                format!("{} {}", finding["code"].as_str().unwrap_or(""), finding["message"].as_str().unwrap_or(""))
            })
            .collect();
        (code, told)
    };
    for sound in [
        &[("secrets, widgets.example.com", secret, true)][..],
        &[("secrets", secret, false), ("'*.example.com'", widget, false)],
        &[("'*.*'", secret, true)],
        // The entry of the resource itself counts, and not the one of all.
        &[("secrets", secret, false), ("configmaps", other, true), ("'*.*'", widget, false)],
        // Of two entries that name it, both.
        &[("secrets", other, false), ("secrets, widgets.example.com", secret, false)],
    ] {
        let told = verify(sound);
        assert_eq!(told, (0, vec![]), "{}", entries(sound));
    }
    for (list, want) in [
        (
            &[("secrets", secret, true)][..],
            "value-undecryptable the value of revision 3 needs secretbox:v1, key {}: the configuration has no entry for widgets.example.com",
        ),
        (
            &[("secrets", secret, true), ("'*.example.com'", other, true)],
            "not among the providers of widgets.example.com",
        ),
        (
            &[("secrets", secret, false), ("'*.*'", widget, false)],
            "value-plain-refused the value of revision 4 is stored plain, and `identity` is not among the providers of configmaps",
        ),
        (
            &[("secrets", secret, false), ("widgets.example.com", widget, false), ("'*.'", other, false)],
            "value-plain-refused",
        ),
    ] {
        let (code, told) = verify(list);
        let want = want.replace("{}", &secret.name);
        assert!(code == 1 && told.len() == 1 && told[0].contains(&want), "{}{told:?}", entries(list));
    }
}

/// AES-CBC proves nothing: what is changed in the middle still begins as an object.
#[test]
fn a_changed_value_of_aescbc_is_found() {
    let folder = folder();
    let vectors = vectors();
    let of = |part: &str| vectors.iter().find(|v| v.provider == "aescbc" && v.key.contains(part)).expect("a vector");
    let body = |vector: &Vector| format!("k8s:enc:aescbc:v1:{}:", vector.name).len();
    // JSON, its second block: the first comes out as it was.
    let widget = of("/widgets/");
    for at in body(widget) + 32..body(widget) + 48 {
        let mut sealed = widget.sealed.clone();
        sealed[at] ^= 1;
        assert_eq!(open(widget, &widget.key, &sealed), Err(Why::NoObject), "{at}");
    }
    // The lengths in the envelope of protobuf, by the IV.
    let secret = of("/secrets/");
    for at in [5, 7] {
        let mut sealed = secret.sealed.clone();
        sealed[body(secret) + at] ^= 0x40;
        assert_eq!(open(secret, &secret.key, &sealed), Err(Why::NoObject), "{at}");
    }
    let mut changed = [secret.clone(), widget.clone()];
    let at = body(widget) + 36;
    changed[1].sealed[at] ^= 1;
    fs::write(folder.path().join("b.db"), snapshot(&changed)).expect("a file");
    let with = |words: &[&str]| run(&folder, &[words, &["--encryption-config", "all.yaml"]].concat());
    let (code, out, _) = with(&["verify", "b.db"]);
    assert!(
        code == 1 && out.contains("value-undecryptable") && out.contains("decrypts to something that is no object"),
        "{out}"
    );
    let (code, out, _) = with(&["kube", "check", "b.db"]);
    assert!(
        code == 1 && out.contains("object-undecodable (1)") && out.contains("cannot be decrypted (aescbc:v1"),
        "{out}"
    );
    let (code, _, said) = with(&["kube", "encryption", "b.db"]);
    assert!(code == 1 && said.contains("decrypts to something that is no object"), "{said}");
    // An object that begins whole and does not end so: a Pod whose metadata is longer than it.
    let pod = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x04\x0a\x7f\x0a\x00\x1a\x00\x22\x00";
    let key: &[u8] = &[7; 32];
    let sealed = seal_cbc(key, pod);
    let value = [b"k8s:enc:aescbc:v1:own:".as_slice(), &sealed].concat();
    let broken = Vector { key: "/registry/pods/shop/a".into(), sealed: value, ..secret.clone() };
    fs::write(folder.path().join("c.db"), snapshot(&[broken])).expect("a file");
    fs::write(folder.path().join("own.yaml"), configuration(&[("aescbc", "own", key)]).replace("secrets", "pods"))
        .expect("a file");
    let own = |words: &[&str]| run(&folder, &[words, &["--encryption-config", "own.yaml"]].concat());
    let (code, out, _) = own(&["verify", "c.db"]);
    let words: Vec<&str> = out.split_whitespace().collect();
    assert!(code == 1 && words.join(" ").contains("decrypts to something that is no whole object"), "{out}");
    let (code, _, said) = own(&["kube", "encryption", "c.db"]);
    assert!(code == 1 && said.contains("1 value decrypts to something that is no whole object"), "{said}");
    let (code, out, _) = own(&["kube", "check", "c.db"]);
    assert!(code == 1 && out.contains("object-undecodable"), "{out}");
}

/// An IV and AES-CBC with PKCS#7, by hand from the block cipher.
fn seal_cbc(key: &[u8], plain: &[u8]) -> Vec<u8> {
    use aes::cipher::{BlockCipherEncrypt, KeyInit};
    let cipher = aes::Aes256::new_from_slice(key).expect("a key");
    let padding = 16 - plain.len() % 16;
    let padded = [plain, &vec![padding as u8; padding]].concat();
    let mut out = vec![3_u8; 16];
    for block in padded.chunks(16) {
        let before = out[out.len() - 16..].to_vec();
        let mixed: Vec<u8> = block.iter().zip(before).map(|(a, b)| a ^ b).collect();
        let mut block = aes::Block::try_from(mixed.as_slice()).expect("16 bytes");
        cipher.encrypt_block(&mut block);
        out.extend_from_slice(&block);
    }
    out
}

/// A plugin that takes connections and never answers does not keep Ctrl-C waiting.
#[test]
fn a_signal_does_not_wait_for_a_plugin() {
    let folder = folder();
    let socket = folder.path().join("slow.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let taken = std::thread::spawn(move || listener.accept().map(|(stream, _)| stream));
    let plugin = format!("vault={}", socket.display());
    let words = ["kube", "manifests", "a.db", "widgets.example.com", "-n", "shop", "--kms-socket", &plugin];
    let mut command = Command::new(cli::program());
    let child =
        command.args(words).current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.spawn().expect("it runs");
    let stream = taken.join().expect("no panic").expect("a connection");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let sent = std::time::Instant::now();
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
    let code = child.wait().expect("it ends").code();
    assert_eq!(code, Some(130));
    assert!(sent.elapsed() < std::time::Duration::from_secs(3), "{:?}", sent.elapsed());
    drop(stream);
}

/// The plugin of the reference program, which Kubernetes' own server serves.
struct Plugin {
    child: Child,
    socket: String,
}

impl Plugin {
    fn start(folder: &tempfile::TempDir) -> Option<Self> {
        let program = reference("encryption", "encryption")?;
        let socket = folder.path().join("kms.sock");
        let mut command = Command::new(program);
        command.arg("plugin").arg(&socket).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().expect("it runs");
        let mut plugin = Self { child, socket: socket.to_str().expect("text").to_owned() };
        for _ in 0..200 {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                return Some(plugin);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        plugin.child.kill().expect("it ends");
        plugin.child.wait().expect("it ends");
        panic!("the plugin does not listen");
    }

    /// How many keys it opened until now, and the end of it.
    fn finish(mut self) -> usize {
        drop(self.child.stdin.take());
        let opened = BufReader::new(self.child.stdout.take().expect("a pipe")).lines().count();
        self.child.wait().expect("it ends");
        opened
    }
}

#[test]
fn a_plugin_is_asked_once_for_each_source() {
    let folder = folder();
    let Some(plugin) = Plugin::start(&folder) else { return };
    let socket = format!("vault=unix://{}", plugin.socket);
    // The plugin is among the providers of no resource.
    let (code, out, _) = run(&folder, &["verify", "a.db", "--encryption-config", "all.yaml", "--kms-socket", &socket]);
    let refused = "what opens it is not among the providers of secrets in the configuration";
    assert!(code == 1 && out.contains(refused), "{out}");
    let config = all_keys()
        .replace("  - identity", "  - kms: {apiVersion: v2, name: vault, endpoint: 'unix:///s'}\n  - identity");
    fs::write(folder.path().join("kms.yaml"), config).expect("a file");
    let (code, out, said) =
        run(&folder, &["verify", "a.db", "--encryption-config", "kms.yaml", "--kms-socket", &socket]);
    assert!(code == 0 && out.contains("24 encrypted values open, all of them"), "{out}{said}");
    let (code, out, said) =
        run(&folder, &["kube", "get", "a.db", "widgets.example.com", "-n", "shop", "-oyaml", "--kms-socket", &socket]);
    assert!(code == 1 && out.contains("name: kms-seed-10") && out.contains("name: kms-key-11"), "{out}{said}");
    // A source for each value of the vectors: four by each of the first two commands, two by the last.
    assert_eq!(plugin.finish(), 10);
}

/// Values that share a source cost one call.
#[test]
fn a_source_is_opened_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let seed = vectors().into_iter().find(|vector| vector.provider == "kms-seed").expect("a vector");
    let writes: Vec<Vector> = (0..50).map(|_| seed.clone()).collect();
    fs::write(folder.path().join("a.db"), snapshot(&writes)).expect("a file");
    let Some(plugin) = Plugin::start(&folder) else { return };
    let socket = format!("vault={}", plugin.socket);
    let (code, out, said) = run(&folder, &["verify", "a.db", "--kms-socket", &socket]);
    assert!(code == 0 && out.contains("50 encrypted values open, all of them"), "{out}{said}");
    assert_eq!(plugin.finish(), 1);
}

#[test]
fn a_plugin_that_is_not_there_is_told() {
    let folder = folder();
    let (code, out, _) = run(
        &folder,
        &["verify", "a.db", "-wjson", "--encryption-config", "all.yaml", "--kms-socket", "vault=none.sock"],
    );
    let report: Value = serde_json::from_str(&out).expect("JSON");
    // Nothing is wrong with the values, as far as anybody knows: it could not be found out.
    assert_eq!(
        (code, &report["verdict"], &report["findingCounts"]),
        (2, &json!("warnings"), &json!({"value-unchecked": 4}))
    );
    let message = report["findings"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("its socket none.sock cannot be reached: there is no such file"), "{message}");
    // Something else listens there, and says nothing: the connection ends it.
    let socket = folder.path().join("mute.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let closer = std::thread::spawn(move || drop(listener.accept()));
    let (code, out, said) = run(
        &folder,
        &["verify", "a.db", "--encryption-config", "all.yaml", "--kms-socket", &format!("vault={}", socket.display())],
    );
    closer.join().expect("no panic");
    assert!(code == 2 && out.contains("value-unchecked") && out.contains("the plugin cannot be asked"), "{out}{said}");
}

#[test]
fn kms_v1_is_named_and_not_read() {
    let keyring = Keyring::default();
    let closed = keyring.open(b"k", b"k8s:enc:kms:v1:old:\0\x02ab", &NoPlugins).expect_err("closed");
    assert_eq!((closed.why, closed.needs.provider, closed.needs.name.as_str()), (Why::KmsV1, Provider::KmsV1, "old"));
    let unknown = keyring.open(b"k", b"k8s:enc:rot13:v7:x:abc", &NoPlugins).expect_err("closed");
    assert_eq!(unknown.why, Why::UnknownProvider);
}
