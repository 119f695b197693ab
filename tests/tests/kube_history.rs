//! `etcdsnap kube history`: the revisions of an object, field by field.

use std::fs;
use std::path::PathBuf;

use etcdsnap_tests::build::kubernetes::{cluster, deployment, field, protobuf};
use etcdsnap_tests::cli;
use serde_json::{Value, json};

const WIDGET: &str = "/registry/example.com/widgets/shop/web";

fn widget(size: u32, manager: &str, minute: u32) -> Option<Vec<u8>> {
    Some(format!(r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"creationTimestamp":"2026-03-09T10:00:00Z","managedFields":[{{"manager":"first","operation":"Apply","time":"2026-03-09T10:00:00Z"}},{{"manager":"{manager}","operation":"Update","subresource":"status","time":"2026-03-09T10:{minute:02}:00Z"}}],"name":"web","namespace":"shop"}},"spec":{{"size":{size}}}}}"#).into_bytes())
}

fn secret(password: &str) -> Option<Vec<u8>> {
    let metadata = [field(1, b"login"), field(3, b"shop")].concat();
    let data = field(2, &[field(1, b"password"), field(2, password.as_bytes())].concat());
    Some(protobuf("v1", "Secret", &[field(1, &metadata), data].concat()))
}

fn file(writes: &[(&str, Option<Vec<u8>>)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    fs::write(&file, cluster(writes)).unwrap();
    (folder, file)
}

fn says(file: &std::path::Path, words: &[&str], code: i32) -> (String, String) {
    let output = cli::run(&[&["kube", "history", file.to_str().unwrap()], words].concat());
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(output.status.code(), Some(code), "{words:?}: {err}");
    (out, err)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_revision_shows_time_manager_and_changes() {
    let (_folder, path) = file(&[
        (WIDGET, widget(1, "kubectl", 1)),
        (WIDGET, widget(3, "scaler", 2)),
        (WIDGET, widget(3, "kubelet", 3)),
        (WIDGET, None),
        (WIDGET, widget(7, "kubectl", 5)),
        ("/registry/deployments/shop/web", Some(deployment("shop", "web", 2, "nginx:1"))),
        ("/registry/deployments/shop/web", Some(deployment("shop", "web", 5, "nginx:2"))),
    ]);
    let (out, _) = says(&path, &["widgets.example.com/web", "-n", "shop", "-wjson"], 0);
    let told = lines(&out);
    let brief: Vec<Value> = told
        .iter()
        .map(|line| json!([line["revision"], line["event"], line["manager"], line["fields"], line["remarks"]]))
        .collect();
    assert_eq!(
        brief,
        [
            json!([2, "create", "kubectl", [], null]),
            json!([3, "put", "scaler", [{"path": ".spec.size", "old": 1, "new": 3}], null]),
            json!([4, "put", "kubelet", [], ["managedFields alone"]]),
            json!([5, "delete", null, [], null]),
            json!([6, "create", "kubectl", [], null]),
        ]
    );
    assert_eq!((&told[1]["operation"], &told[1]["subresource"]), (&"Update".into(), &"status".into()));
    assert!(told[1]["time"].as_str().unwrap().starts_with("2026-03-09T10:0"), "{told:?}");
    let (out, _) = says(&path, &["deploy/web", "-n", "shop"], 0);
    let last: Vec<&str> = out.lines().skip(2).map(str::trim).collect();
    assert!(last[0].contains("kubectl (Update)  ~ .spec.replicas: 2 → 5"), "{out}");
    assert_eq!(last[1], "~ .spec.template.spec.containers[?(@.name==\"main\")].image: \"nginx:1\" → \"nginx:2\"");
    let (all, _) = says(&path, &["widgets.example.com/web", "-n", "shop", "--show-managed-fields", "--rev", "4"], 0);
    assert!(all.contains(".metadata.managedFields[1].manager: \"scaler\" → \"kubelet\""), "{all}");
    assert_eq!(all.lines().filter(|line| line.contains("2026-")).filter(|line| line.contains(" create ")).count(), 1);
    assert!(!all.contains("delete"), "{all}");
}

#[test]
fn changes_of_a_secret_are_listed_without_values() {
    const KEY: &str = "/registry/secrets/shop/login";
    let (_folder, path) = file(&[(KEY, secret("hunter2")), (KEY, secret("tr0ub4dor"))]);
    for form in ["simple", "json", "table"] {
        let (out, _) = says(&path, &["secret/login", "-n", "shop", "-w", form], 0);
        assert!(out.contains(".data.password") && !out.contains("aHVudGVyMg") && !out.contains("dHIwdWI"), "{out}");
    }
    let (out, _) = says(&path, &["secret/login", "-n", "shop", "--show-secrets"], 0);
    assert!(out.contains("~ .data.password: \"aHVudGVyMg==\" → \"dHIwdWI0ZG9y\""), "{out}");
}

#[test]
fn unknown_details_are_reported_as_unknown() {
    let cut = deployment("shop", "cut", 2, "nginx:1");
    let (_folder, path) = file(&[
        ("/registry/secrets/shop/locked", Some(b"k8s:enc:aescbc:v1:key1:\x01".to_vec())),
        ("/registry/secrets/shop/locked", Some(b"k8s:enc:aescbc:v1:key1:\x02".to_vec())),
        ("/registry/deployments/shop/cut", Some(cut.clone())),
        ("/registry/deployments/shop/cut", Some(cut[..cut.len() - 8].to_vec())),
        ("/registry/deployments/shop/cut", Some(cut)),
    ]);
    let (out, _) = says(&path, &["secret/locked", "-n", "shop"], 1);
    assert!(out.contains("unknown: the value is encrypted (aescbc:v1)"), "{out}");
    let (out, _) = says(&path, &["deploy/cut", "-n", "shop"], 1);
    assert!(out.contains("what could be read is shown"), "{out}");
    let (_, said) = says(&path, &["deploy/gone", "-n", "shop"], 1);
    assert!(said.contains("There is no deployment.apps/gone in namespace shop"), "{said}");
    let (_, said) = says(&path, &["nonsense/gone", "-n", "shop"], 2);
    assert!(said.contains("is called nonsense"), "{said}");
    let (out, _) = says(&path, &["deploy", "-n", "shop"], 1);
    assert!(out.starts_with("OBJECT") && out.contains("deployment.apps/cut in shop"), "{out}");
    // The revision before the first remaining one is compacted.
    let small = path.with_extension("small");
    let small = small.to_str().unwrap();
    let compacted = cli::run(&["compact", path.to_str().unwrap(), "-o", small, "--rev", "5"]);
    assert_eq!(compacted.status.code(), Some(0), "{compacted:?}");
    let (out, _) = says(small.as_ref(), &["deploy/cut", "-n", "shop", "-wjson"], 1);
    assert_eq!(lines(&out)[0]["remarks"][0], "unknown: the revision before is compacted away or lost");
}

#[test]
fn the_history_of_many_objects_equals_that_of_each() {
    let keys: Vec<String> = (0..150).map(|number| format!("/registry/deployments/shop/d{number:03}")).collect();
    let mut writes = Vec::new();
    for replicas in 1..=3 {
        for (number, key) in keys.iter().enumerate() {
            let name = format!("d{number:03}");
            let value = (number % 7 != 3 || replicas != 2).then(|| deployment("shop", &name, replicas, "nginx:1"));
            writes.push((key.as_str(), value));
        }
    }
    let (_folder, path) = file(&writes);
    let (all, _) = says(&path, &["deploy", "-n", "shop", "-wjson"], 0);
    assert_eq!(lines(&all).len(), 450);
    for number in [0, 3, 149] {
        let object = format!("deploy/d{number:03}");
        let (alone, _) = says(&path, &[&object, "-n", "shop", "-wjson"], 0);
        let name = format!("deployment.apps/d{number:03}");
        let among: Vec<Value> = lines(&all).into_iter().filter(|line| line["object"] == *name).collect();
        assert_eq!((lines(&alone).len(), lines(&alone)), (3, among));
    }
    // At a revision, later ones are left out.
    let (early, _) = says(&path, &["deploy", "-n", "shop", "-wjson", "--rev", "200"], 0);
    assert_eq!(lines(&early).len(), 199);
}
