//! `etcdsnap kube diff`: compares two snapshots of a cluster, field by field.

use std::fs;
use std::path::{Path, PathBuf};

use etcdsnap_tests::build::kubernetes::{cluster, deployment, field, protobuf};
use etcdsnap_tests::cli;
use serde_json::{Value, json};

type Writes = Vec<(&'static str, Option<Vec<u8>>)>;

fn json_object(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

fn lease(minute: u32) -> Option<Vec<u8>> {
    json_object(&format!(
        r#"{{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"name":"n"}},"spec":{{"renewTime":"2026-03-09T10:{minute:02}:00.000000Z"}}}}"#
    ))
}

fn widget(size: u32, managed: u32) -> Option<Vec<u8>> {
    json_object(&format!(
        r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"managedFields":[{{"manager":"{managed}"}}],"name":"w"}},"spec":{{"size":{size}}}}}"#
    ))
}

fn secret(password: &str) -> Option<Vec<u8>> {
    let data = field(2, &[field(1, b"password"), field(2, password.as_bytes())].concat());
    Some(protobuf("v1", "Secret", &[field(1, &field(1, b"login")), data].concat()))
}

const DEFINITION: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1beta1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","version":"v1","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget","shortNames":["wd"]}}}"#;

/// Two files; the second one has later writes.
struct TestFolder {
    folder: tempfile::TempDir,
    a: PathBuf,
    b: PathBuf,
}

impl TestFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a.db", "b.db"].map(|name| folder.path().join(name));
        let mut writes: Writes = vec![
            ("/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com", json_object(DEFINITION)),
            ("/registry/deployments/shop/web", Some(deployment("shop", "web", 2, "nginx:1"))),
            ("/registry/deployments/shop/old", Some(deployment("shop", "old", 1, "nginx:1"))),
            ("/registry/deployments/blog/front", Some(deployment("blog", "front", 1, "nginx:1"))),
            ("/registry/leases/kube-node-lease/n", lease(1)),
            ("/registry/example.com/widgets/shop/w", widget(1, 1)),
            ("/registry/example.com/widgets/shop/quiet", widget(1, 1)),
            ("/registry/secrets/shop/login", secret("hunter2")),
        ];
        fs::write(&a, cluster(&writes)).unwrap();
        writes.extend([
            ("/registry/deployments/shop/web", Some(deployment("shop", "web", 5, "nginx:2"))),
            ("/registry/deployments/shop/old", None),
            ("/registry/deployments/shop/api", Some(deployment("shop", "api", 1, "nginx:1"))),
            ("/registry/deployments/blog/front", Some(deployment("blog", "front", 1, "nginx:1"))),
            ("/registry/leases/kube-node-lease/n", lease(2)),
            ("/registry/example.com/widgets/shop/w", widget(3, 2)),
            ("/registry/example.com/widgets/shop/quiet", widget(1, 2)),
            ("/registry/secrets/shop/login", secret("tr0ub4dor")),
        ]);
        fs::write(&b, cluster(&writes)).unwrap();
        Self { folder, a, b }
    }

    fn says(&self, files: &[&Path], words: &[&str], code: i32) -> (String, String) {
        let files = files.iter().map(|path| path.to_str().unwrap());
        let words: Vec<&str> = ["kube", "diff"].into_iter().chain(files).chain(words.iter().copied()).collect();
        let output = cli::run(&words);
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(output.status.code(), Some(code), "{words:?}: {err}");
        (out, err)
    }
}

#[test]
fn objects_are_grouped_with_the_fields_that_differ() {
    let desk = TestFolder::new();
    let (out, said) = desk.says(&[&desk.a, &desk.b], &[], 1);
    let want = r#"deployments.apps in shop
  + api
  - old
  ~ web
      ~ .spec.replicas: 2 → 5
      ~ .spec.template.spec.containers[?(@.name=="main")].image: "nginx:1" → "nginx:2"
      ~ .status.replicas: 2 → 5

widgets.example.com in shop
  ~ w
      ~ .spec.size: 1 → 3

secrets in shop
  ~ login
      ~ .data.password: (hidden: --show-secrets) → (hidden: --show-secrets)
"#;
    assert_eq!(out, want);
    assert!(said.contains("Folded: 1 Lease, 1 object that differs in managedFields alone"), "{said}");
    // In the other direction.
    let (out, _) = desk.says(&[&desk.b, &desk.a], &["-n", "shop", "deploy"], 1);
    assert!(out.contains("  - api\n  + old\n") && !out.contains("widgets"), "{out}");
    let (out, _) = desk.says(&[&desk.a, &desk.b], &["--show-secrets", "secrets"], 1);
    assert!(out.contains("\"aHVudGVyMg==\" → \"dHIwdWI0ZG9y\""), "{out}");
}

#[test]
fn folded_differences_are_shown_on_request() {
    let desk = TestFolder::new();
    let (out, said) = desk.says(&[&desk.a, &desk.b], &["leases"], 1);
    assert!(out.contains("leases.coordination.k8s.io in kube-node-lease\n  ~ n\n      ~ .spec.renewTime: "), "{out}");
    assert!(said.is_empty(), "{said}");
    let (out, _) = desk.says(&[&desk.a, &desk.b], &["--all", "wd/quiet"], 1);
    assert!(out.contains("~ quiet\n      managedFields alone\n"), "{out}");
    let (out, _) = desk.says(&[&desk.a, &desk.b], &["--show-managed-fields", "wd/quiet"], 1);
    assert!(out.contains("~ .metadata.managedFields[0].manager: \"1\" → \"2\""), "{out}");
    // Folded differences do not count.
    let (out, said) = desk.says(&[&desk.a, &desk.b], &["-n", "kube-node-lease"], 0);
    assert!(out.is_empty() && said.contains("Folded: 1 Lease"), "{out}{said}");
    let (out, said) = desk.says(&[&desk.a, &desk.a], &[], 0);
    assert!(out.is_empty() && said.is_empty(), "{out}{said}");
    let (_, said) = desk.says(&[&desk.a, &desk.b], &["nonsense"], 2);
    assert!(said.contains("is called nonsense"), "{said}");
}

#[test]
fn one_file_is_compared_with_itself() {
    let desk = TestFolder::new();
    let two = desk.says(&[&desk.a, &desk.b], &[], 1).0;
    assert_eq!(desk.says(&[&desk.b], &["--rev-a", "9"], 1).0, two);
    let (out, _) = desk.says(&[&desk.b], &["--rev-a", "9", "--rev-b", "10", "deploy,wd"], 1);
    assert!(out.starts_with("deployments.apps in shop\n  ~ web\n") && !out.contains("api"), "{out}");
    let (_, said) = desk.says(&[&desk.a], &[], 2);
    assert!(said.contains("There is nothing to compare the snapshot with"), "{said}");
    let (_, said) = desk.says(&[&desk.a], &["deploy"], 2);
    assert!(said.contains("deploy"), "{said}");
}

#[test]
fn a_named_object_without_differences_is_not_missing() {
    let desk = TestFolder::new();
    let (out, said) = desk.says(&[&desk.a, &desk.b], &["-n", "blog", "deploy/front"], 0);
    assert!(out.is_empty() && !said.contains("either snapshot"), "{out}{said}");
    let (_, said) = desk.says(&[&desk.a, &desk.b], &["-n", "blog", "deploy/back"], 1);
    assert!(said.contains("Neither snapshot has deployment.apps/back"), "{said}");
}

#[test]
fn json_output_holds_the_same_differences() {
    let desk = TestFolder::new();
    let (out, _) = desk.says(&[&desk.a, &desk.b], &["-wjson", "wd,deploy/web"], 2);
    assert!(out.is_empty());
    let (out, _) = desk.says(&[&desk.a, &desk.b], &["-wjson", "wd,secrets"], 1);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines,
        [
            json!({"change": "changed", "group": "example.com", "resource": "widgets", "namespace": "shop", "name": "w", "modRevisionA": 7, "modRevisionB": 15, "fields": [{"path": ".spec.size", "old": 1, "new": 3}]}),
            json!({"change": "changed", "group": "", "resource": "secrets", "namespace": "shop", "name": "login", "modRevisionA": 9, "modRevisionB": 17, "fields": [{"path": ".data.password", "hidden": true}]}),
        ]
    );
    let (table, _) = desk.says(&[&desk.a, &desk.b], &["-wtable", "deploy"], 1);
    assert!(table.contains("│ + ┆ deployments.apps ┆ shop      ┆ api"), "{table}");
    // An encrypted object is a difference without known details.
    let sealed = |byte: u8| Some([b"k8s:enc:aescbc:v1:key1:".as_slice(), &[byte]].concat());
    let [a, b] = [1, 2].map(|byte| {
        let path = desk.folder.path().join(format!("sealed-{byte}.db"));
        fs::write(&path, cluster(&[("/registry/secrets/shop/s", sealed(byte))])).unwrap();
        path
    });
    let (out, _) = desk.says(&[&a, &b], &[], 1);
    assert!(out.contains("  ~ s\n      unknown: the value is encrypted (aescbc:v1)\n"), "{out}");
}

fn map(uid: &str, text: &str) -> Option<Vec<u8>> {
    json_object(&format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a","namespace":"shop","uid":"{uid}"}},"data":{{"a":"{text}"}}}}"#
    ))
}

fn kube_system(uid: &str) -> (&'static str, Option<Vec<u8>>) {
    let json = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"kube-system","uid":"{uid}"}}}}"#);
    ("/registry/namespaces/kube-system", json_object(&json))
}

#[test]
fn recreated_objects_and_other_clusters_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let key = "/registry/configmaps/shop/a";
    let write = |name: &str, writes: &Writes| {
        let path = folder.path().join(name);
        fs::write(&path, cluster(writes)).unwrap();
        path
    };
    let first = write("a.db", &vec![kube_system("u-1"), (key, map("1", "x"))]);
    let again = write("b.db", &vec![kube_system("u-1"), (key, map("1", "x")), (key, None), (key, map("2", "x"))]);
    let other = write("c.db", &vec![kube_system("u-2"), (key, map("2", "y"))]);
    let says = |a: &Path, b: &Path, words: &[&str]| {
        let output = cli::run(&[&["kube", "diff", a.to_str().unwrap(), b.to_str().unwrap()], words].concat());
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(output.status.code(), Some(1), "{out}{err}");
        (out, err)
    };
    let (out, said) = says(&first, &again, &["-wjson"]);
    let line: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!((&line["change"], &line["name"]), (&json!("made anew"), &json!("a")), "{out}");
    assert!(!said.contains("two clusters"), "{said}");
    let (out, _) = says(&first, &again, &[]);
    assert!(out.contains("  -/+ a\n") && out.contains("made anew"), "{out}");
    let (out, said) = says(&first, &other, &[]);
    assert!(
        said.contains(
            "These are two clusters: the first has uid of kube-system u-1, the second uid of kube-system u-2"
        ),
        "{said}"
    );
    assert!(out.contains("  ~ a\n") && !out.contains("made anew"), "{out}");
}
