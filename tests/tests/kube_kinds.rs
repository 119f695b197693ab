//! `etcdsnap kube kinds`: the kinds of objects in a snapshot, and how they are stored.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use etcdsnap_tests::build::kubernetes::{cluster, deployment, field, protobuf};
use etcdsnap_tests::cli;
use serde_json::{Value, json};

fn file(writes: &[(&str, Option<Vec<u8>>)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    fs::write(&file, cluster(writes)).unwrap();
    (folder, file)
}

fn kinds(file: &std::path::Path, words: &[&str]) -> Output {
    cli::run(&[&["kube", "kinds", file.to_str().unwrap()], words].concat())
}

#[test]
fn kinds_are_counted_by_how_they_are_stored() {
    let web = deployment("shop", "web", 2, "nginx:1");
    let widget = br#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"managedFields":[{"manager":"a"}]}}"#;
    let (_folder, path) = file(&[
        ("/registry/deployments/shop/web", Some(web.clone())),
        ("/registry/deployments/shop/api", Some(web.clone())),
        ("/registry/deployments/shop/gone", Some(web.clone())),
        ("/registry/example.com/widgets/shop/w", Some(widget.to_vec())),
        ("/registry/secrets/shop/s", Some(b"k8s:enc:aescbc:v1:key1:0123456789".to_vec())),
        ("/registry/deployments/shop/gone", None),
    ]);
    let output = kinds(&path, &["-wjson"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The size of the managedFields entry: header, manager, operation, version, fields type and fields.
    let managed = 3 + [
        field(1, b"kubectl"),
        field(2, b"Update"),
        field(3, b"apps/v1"),
        field(6, b"FieldsV1"),
        field(7, &field(1, br#"{"f:spec":{"f:replicas":{}}}"#)),
    ]
    .concat()
    .len();
    let of = |group: &str, version: &str, kind: &str, form: &str, count: u64, bytes: usize, managed: usize| json!({"group": group, "version": version, "kind": kind, "storedAs": form, "count": count, "bytes": bytes, "managedFieldsBytes": managed, "notDecodable": 0});
    assert_eq!(
        lines,
        [
            of("apps", "v1", "Deployment", "protobuf", 2, 2 * web.len(), 2 * managed),
            of("example.com", "v1", "Widget", "JSON", 1, widget.len(), r#""managedFields":[{"manager":"a"}],"#.len()),
            of("", "", "Secret", "encrypted: aescbc:v1", 1, 33, 0),
        ]
    );
    let before = kinds(&path, &["--rev", "4"]);
    let table = String::from_utf8(before.stdout).unwrap();
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..5], ["apps", "v1", "Deployment", "protobuf", "3"], "{table}");
    assert!(!table.contains("Widget"), "{table}");
}

#[test]
fn undecodable_objects_are_counted() {
    let web = deployment("shop", "web", 2, "nginx:1");
    let (_folder, path) = file(&[
        ("/registry/deployments/shop/cut", Some(web[..web.len() - 10].to_vec())),
        ("/registry/pods/shop/new", Some(protobuf("later.k8s.io/v9", "Later", b"\x0a\x00"))),
        ("/registry/configmaps/shop/text", Some(b"no object".to_vec())),
    ]);
    let output = kinds(&path, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows.iter().all(|row| row.trim_end().ends_with('1')), "{table}");
    assert!(table.contains("Later") && table.contains("ConfigMap") && table.contains("other"), "{table}");
}
