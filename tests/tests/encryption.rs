//! The commands over encrypted values: with and without a configuration, from files and pipes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use etcdsnap_tests::cli;
use etcdsnap_tests::fake_etcd::FakeEtcd;
use etcdsnap_tests::test_vectors::{
    TestVector, configuration, configuration_with_all_keys, configuration_with_entries, folder_with_snapshot, snapshot,
    vectors,
};
use serde_json::{Value, json};

#[test]
fn commands_decrypt_values_and_keep_secrets_hidden() {
    let folder = folder_with_snapshot();
    let with = |words: &[&str]| cli::run_in(folder.path(), &[words, &["--encryption-config", "all.yaml"]].concat());
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
        // The plugin's values stay encrypted, and only the export contains them.
        let expected = if form[0] == "export" { 1 } else { 0 };
        assert!(
            code == expected && (out.contains("hunter2") || out.contains("aHVudGVyMg") || out.contains("azhz")),
            "{form:?} {out}{said}"
        );
    }
    // Hidden values are not searched: a search would reveal them letter by letter.
    let filter = ["keys", "a.db", "/registry/secrets/", "--filter", "value~hunter2"];
    let (code, out, said) = with(&filter);
    assert_eq!((code, out.as_str()), (0, ""), "{said}");
    assert!(said.contains("12 keys are secrets and were not searched: --show-secrets"), "{said}");
    let (code, out, _) = with(&["keys", "a.db", "/registry/secrets/", "--filter", "value!~hunter2"]);
    assert_eq!((code, out.as_str()), (0, ""));
    let (code, out, said) = with(&[&filter[..], &["--show-secrets"]].concat());
    assert_eq!((code, out.lines().count()), (1, 10), "{out}{said}");
    assert!(said.contains("2 values stay encrypted (kms:v2, plugin vault)") && said.contains("--kms-socket"), "{said}");
    let (code, out, _) =
        cli::run_in(folder.path(), &["keys", "a.db", "/registry/secrets/", "--filter", "value~hunter2"]);
    assert_eq!((code, out.as_str()), (0, ""));
}

#[test]
fn undecrypted_values_are_reported_by_their_key() {
    let folder = folder_with_snapshot();
    let (code, out, said) = cli::run_in(folder.path(), &["kube", "get", "a.db", "secrets", "-n", "shop", "-oname"]);
    assert!(code == 0 && out.lines().count() == 12, "{out}{said}");
    let (code, _, said) = cli::run_in(folder.path(), &["kube", "get", "a.db", "secrets", "-n", "shop", "-oyaml"]);
    assert_eq!(code, 1);
    assert!(said.contains("1 value stays encrypted (aescbc:v1, key key16): no configuration was given"), "{said}");
    assert!(said.contains("2 values stay encrypted (kms:v2, plugin vault)"), "{said}");
    let other = ["kube", "get", "a.db", "secrets", "-n", "shop", "-oyaml", "--encryption-config", "other.yaml"];
    let (code, _, said) = cli::run_in(folder.path(), &other);
    assert_eq!(code, 1);
    assert!(said.contains("(aescbc:v1, key key16): the key of this name does not decrypt it"), "{said}");
    let lacks =
        "(aesgcm:v1, key key32): the configuration has no key of this name for this provider: it has aescbc:v1 key";
    assert!(said.contains(lacks), "{said}");
    assert!(said.contains("(secretbox:v1, key key-2026-03-09T09:46:54+01:00)"), "{said}");
}

#[test]
fn verify_says_which_key_is_missing_where() {
    let folder = folder_with_snapshot();
    let plain: Vec<TestVector> = vectors().into_iter().filter(|vector| !vector.secret.is_empty()).collect();
    fs::write(folder.path().join("keys.db"), snapshot(&plain)).expect("a file");
    let (code, out, said) = cli::run_in(folder.path(), &["verify", "keys.db", "--encryption-config", "all.yaml"]);
    assert!(code == 0 && out.contains("sound") && out.contains("20 encrypted values open, all of them"), "{out}{said}");
    let (code, out, _) =
        cli::run_in(folder.path(), &["verify", "keys.db", "-wjson", "--encryption-config", "other.yaml"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &report["verdict"]), (1, &json!("damaged")), "{out}");
    assert_eq!(report["findingCounts"]["value-undecryptable"], 20);
    let finding = &report["findings"][0];
    assert_eq!(finding["key"], plain[0].key.as_str());
    assert!(finding["message"].as_str().is_some_and(|text| text.contains("aescbc:v1, key key16")), "{finding}");
    // Packed, and through a pipe.
    let packed = Command::new("gzip").args(["-k", "keys.db"]).current_dir(&folder).status();
    if packed.is_ok_and(|status| status.success()) {
        let (code, again, _) =
            cli::run_in(folder.path(), &["verify", "keys.db.gz", "-wjson", "--encryption-config", "other.yaml"]);
        let again: Value = serde_json::from_str(&again).expect("JSON");
        assert_eq!((code, &again["findings"], &again["decrypted"]), (1, &report["findings"], &report["decrypted"]));
    }
    // Without a configuration nothing is decrypted, and the report names what the values need.
    let (code, out, _) = cli::run_in(folder.path(), &["verify", "keys.db", "-wjson"]);
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
    let (_, out, _) = cli::run_in(folder.path(), &["status", "keys.db"]);
    assert!(
        out.contains("encrypted: 2 (aescbc:v1, key key-2026-03-09T09:46:54+01:00); 2 (aescbc:v1, key key16)"),
        "{out}"
    );
}

/// Tests a plain file, a compressed file, and a save that streams.
#[test]
fn one_read_lists_the_keys_that_are_needed() {
    let folder = folder_with_snapshot();
    let needs = |out: &str, at: &str| {
        let report: Value = serde_json::from_str(out).expect("JSON");
        report.pointer(at).cloned().expect("the keys")
    };
    let (_, plain, _) = cli::run_in(folder.path(), &["status", "a.db", "-wjson"]);
    let expected = needs(&plain, "/encrypted");
    let list = expected.as_array().expect("a list");
    assert_eq!(list.len(), 11);
    assert_eq!(list[10], json!({"provider": "kms:v2", "name": "vault", "values": 4}));
    if Command::new("gzip").args(["-k", "a.db"]).current_dir(&folder).status().is_ok_and(|status| status.success()) {
        let (_, packed, _) = cli::run_in(folder.path(), &["status", "a.db.gz", "-wjson"]);
        assert_eq!(needs(&packed, "/encrypted"), expected);
    }
    let bytes = snapshot(&vectors());
    let server = FakeEtcd::start(move |pieces| {
        pieces.send_snapshot(&bytes, 32 << 10)?;
        pieces.end()
    });
    let url = server.url();
    let save = ["save", "saved.db", "--no-compare", "--endpoints", &url];
    let (code, out, said) = cli::run_in(folder.path(), &[&save[..], &["-wjson"]].concat());
    assert_eq!((code, needs(&out, "/encrypted")), (0, expected), "{said}");
    let (code, out, said) = cli::run_in(folder.path(), &save);
    assert!(code == 0 && out.contains("4 (kms:v2, plugin vault)"), "{out}{said}");
    // The report does not mention encryption for a store without encrypted values.
    fs::write(folder.path().join("b.db"), snapshot(&[])).expect("a file");
    let (_, out, _) = cli::run_in(folder.path(), &["status", "b.db", "-wjson"]);
    assert!(!out.contains("encrypted"), "{out}");
}

/// A value that was overwritten later does not affect a restore.
#[test]
fn an_earlier_value_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let vectors = vectors();
    let mut writes = vec![vectors[0].clone(), vectors[0].clone()];
    writes[1].sealed = vectors[0].plain.clone();
    fs::write(folder.path().join("a.db"), snapshot(&writes)).expect("a file");
    fs::write(folder.path().join("other.yaml"), configuration(&[("aesgcm", "key99", &[2; 32])])).expect("a file");
    let (code, out, _) = cli::run_in(folder.path(), &["verify", "a.db", "-wjson", "--encryption-config", "other.yaml"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &report["verdict"]), (0, &json!("warnings")));
    assert_eq!(report["findingCounts"], json!({"earlier-value-undecryptable": 1}));
}

#[test]
fn kube_encryption_lists_unencrypted_resources() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writes = vectors();
    let secrets: Vec<usize> = (0..writes.len()).filter(|at| writes[*at].key.contains("/secrets/")).collect();
    writes[secrets[0]].sealed = writes[secrets[0]].plain.clone();
    fs::write(folder.path().join("a.db"), snapshot(&writes)).expect("a file");
    let (code, out, said) = cli::run_in(folder.path(), &["kube", "encryption", "a.db", "-wjson"]);
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
    let (_, out, _) = cli::run_in(folder.path(), &["kube", "encryption", "a.db"]);
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
    let (_, _, said) = cli::run_in(folder.path(), &["kube", "encryption", "b.db"]);
    assert!(said.contains("secrets: 12 objects are stored plain. Whoever has this file"), "{said}");
}

/// An API server encrypts with a new nonce, and after a rotation with a new key, on every write.
#[test]
fn diff_compares_decrypted_values() {
    let folder = tempfile::tempdir().expect("a folder");
    let vectors = vectors();
    let writes = |pick: &[usize]| -> Vec<TestVector> {
        let key = "/registry/secrets/shop/one".to_owned();
        pick.iter().map(|at| TestVector { key: key.clone(), ..vectors[*at].clone() }).collect()
    };
    // One object encrypted with two AES-CBC keys, and another object.
    let same = TestVector { sealed: vectors[0].plain.clone(), ..vectors[0].clone() };
    let mut twice = writes(&[0, 0]);
    twice[1].sealed = same.sealed;
    fs::write(folder.path().join("a.db"), snapshot(&twice)).expect("a file");
    fs::write(folder.path().join("all.yaml"), configuration_with_all_keys()).expect("a file");
    let revisions = ["diff", "a.db", "--rev-a", "2", "--rev-b", "3"];
    let (code, out, _) = cli::run_in(folder.path(), &revisions);
    assert_eq!((code, out.lines().count()), (1, 1), "{out}");
    let (code, out, said) =
        cli::run_in(folder.path(), &[&revisions[..], &["--encryption-config", "all.yaml"]].concat());
    assert_eq!((code, out.as_str()), (0, ""), "{said}");
    let changed = writes(&[0, 2]);
    fs::write(folder.path().join("a.db"), snapshot(&changed)).expect("a file");
    let values = ["--values", "--encryption-config", "all.yaml"];
    let (code, out, _) = cli::run_in(folder.path(), &[&revisions[..], &values].concat());
    assert!(code == 1 && out.contains("hidden") && !out.contains("hunter2"), "{out}");
    let (code, out, _) = cli::run_in(folder.path(), &[&revisions[..], &values, &["--show-secrets"]].concat());
    assert!(code == 1 && out.matches("hunter2").count() >= 2, "{out}");
}

#[test]
fn an_unreadable_configuration_is_reported() {
    let folder = folder_with_snapshot();
    fs::write(folder.path().join("long.yaml"), vec![b' '; (1 << 20) + 1]).expect("a file");
    fs::write(folder.path().join("bad.yaml"), "kind: Pod\napiVersion: v1\n").expect("a file");
    fs::write(folder.path().join("bytes.yaml"), [0xff, 0xfe]).expect("a file");
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    for (name, why) in [
        ("none.yaml", "there is no such file"),
        (".", "is neither a regular file"),
        ("fifo", "The pipe fifo for the encryption configuration is empty"),
        ("/dev/null", "is neither a regular file nor a pipe"),
        ("long.yaml", "more than 1,048,576 bytes"),
        ("bad.yaml", "it is not an EncryptionConfiguration"),
        ("bytes.yaml", "it is not UTF-8 text"),
    ] {
        let (code, out, said) = cli::run_in(folder.path(), &["verify", "a.db", "--encryption-config", name]);
        assert!(code == 2 && out.is_empty() && said.contains(why), "{name}: {said}");
    }
    for socket in ["", "vault", "=path", "vault="] {
        let (code, _, _) = cli::run_in(folder.path(), &["verify", "a.db", "--kms-socket", socket]);
        assert_eq!(code, 2, "{socket}");
    }
    // Neither printed output nor an export replaces the configuration.
    let all = fs::read(folder.path().join("all.yaml")).expect("a file");
    let (code, _, said) =
        cli::run_in(folder.path(), &["export", "a.db", "-o", "all.yaml", "--encryption-config", "all.yaml"]);
    assert!(code == 2, "{said}");
    assert_eq!(fs::read(folder.path().join("all.yaml")).expect("a file"), all);
}

/// Tests each command: a configuration from a pipe decrypts like one from a file.
#[test]
fn a_configuration_can_come_through_a_pipe() {
    let folder = folder_with_snapshot();
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let get = ["get", &path("a.db"), "/registry/example.com/widgets/shop/secretbox-8", "--encryption-config", "-"];
    let output = cli::run_with_input(&get, configuration_with_all_keys().as_bytes());
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("kind: Widget"), "{output:?}");
    let fifo = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    // Open both ends, so that open() does not block: the pipe keeps the written bytes until its end is closed.
    let mut pipe = fs::OpenOptions::new().read(true).write(true).open(&fifo).expect("a pipe");
    pipe.write_all(configuration_with_all_keys().as_bytes()).expect("room");
    let named = [&get[..3], &["--encryption-config", fifo.to_str().expect("text")]].concat();
    let child = Command::new(cli::program()).args(&named).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let child = child.expect("it runs");
    // The program reads the available bytes and waits for more, until the last writer closes the pipe.
    std::thread::sleep(std::time::Duration::from_millis(700));
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("kind: Widget"), "{output:?}");
    let twice = ["verify", "-", "--encryption-config", "-"];
    let output = cli::run_with_input(&twice, configuration_with_all_keys().as_bytes());
    assert!(output.status.code() == Some(2) && cli::stderr(&output).contains("named twice"), "{output:?}");
    let long = cli::run_with_input(&get, &vec![b' '; (1 << 20) + 1]);
    assert!(long.status.code() == Some(2) && cli::stderr(&long).contains("1,048,576 bytes"), "{long:?}");
}

/// Each value is decrypted as by an API server: with the providers of its own resource.
#[test]
fn verify_uses_the_entry_of_each_resource() {
    let folder = tempfile::tempdir().expect("a folder");
    let vectors = vectors();
    let of = |part: &str| vectors.iter().find(|v| v.provider == "secretbox" && v.key.contains(part)).expect("a vector");
    let (secret, widget) = (of("/secrets/"), of("/widgets/"));
    assert_eq!(secret.name, widget.name);
    let other = vectors.iter().find(|vector| vector.provider == "aescbc").expect("a vector");
    let plain = TestVector {
        key: "/registry/configmaps/shop/a".into(),
        sealed: br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#.to_vec(),
        ..secret.clone()
    };
    fs::write(folder.path().join("a.db"), snapshot(&[secret.clone(), widget.clone(), plain])).expect("a file");
    let verify = |list: &[(&str, &TestVector, bool)]| {
        fs::write(folder.path().join("config.yaml"), configuration_with_entries(list)).expect("a file");
        let (code, out, said) =
            cli::run_in(folder.path(), &["verify", "a.db", "-wjson", "--encryption-config", "config.yaml"]);
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
        // The entry of the resource itself applies, and not the one for all resources.
        &[("secrets", secret, false), ("configmaps", other, true), ("'*.*'", widget, false)],
        // If two entries name it, both apply.
        &[("secrets", other, false), ("secrets, widgets.example.com", secret, false)],
    ] {
        let told = verify(sound);
        assert_eq!(told, (0, vec![]), "{}", configuration_with_entries(sound));
    }
    for (list, want) in [
        (
            &[("secrets", secret, true)][..],
            "value-undecryptable The value of revision 3 needs secretbox:v1, key {}: the configuration has no entry for widgets.example.com",
        ),
        (
            &[("secrets", secret, true), ("'*.example.com'", other, true)],
            "not among the providers of widgets.example.com",
        ),
        (
            &[("secrets", secret, false), ("'*.*'", widget, false)],
            "value-plain-refused The value of revision 4 is stored unencrypted, and `identity` is not among the providers of configmaps",
        ),
        (
            &[("secrets", secret, false), ("widgets.example.com", widget, false), ("'*.'", other, false)],
            "value-plain-refused",
        ),
    ] {
        let (code, told) = verify(list);
        let want = want.replace("{}", &secret.name);
        assert!(
            code == 1 && told.len() == 1 && told[0].contains(&want),
            "{}{told:?}",
            configuration_with_entries(list)
        );
    }
}
