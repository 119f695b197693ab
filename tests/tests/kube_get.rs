//! `etcdsnap kube get`, and `get` of an object, as a person who knows kubectl uses them.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use etcdsnap_tests::build::puts;
use etcdsnap_tests::cli;

/// Encodes a message's length-delimited field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).expect("short");
    let head = if len < 0x80 { vec![number << 3 | 2, len] } else { vec![number << 3 | 2, len | 0x80, 1] };
    assert!(bytes.len() < 0x100);
    [head, bytes.to_vec()].concat()
}

/// 2026-01-02T03:04:05Z
const CREATED: u64 = 1_767_323_045;

/// Encodes a `metav1.Time`.
fn time(seconds: u64) -> Vec<u8> {
    let bytes = (0..5).map(|at| (seconds >> (7 * at)) as u8 & 0x7f | if at < 4 { 0x80 } else { 0 });
    [0x08].into_iter().chain(bytes).collect()
}

/// Encodes an object in its envelope, with these fields after its metadata.
fn stored(api_version: &str, kind: &str, name: &str, namespace: &str, rest: &[u8]) -> Vec<u8> {
    let created = time(CREATED);
    let metadata =
        [field(1, name.as_bytes()), field(3, namespace.as_bytes()), field(6, b""), field(8, &created)].concat();
    let raw = [field(1, &metadata), rest.to_vec()].concat();
    let types = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &types), field(2, &raw), vec![0x1a, 0, 0x22, 0]].concat()
}

fn leak(bytes: Vec<u8>) -> &'static [u8] {
    Box::leak(bytes.into_boxed_slice())
}

struct Cluster {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

impl Cluster {
    fn new() -> Self {
        // spec {replicas 3} of a Deployment, then field 200, which no Deployment has.
        let deployment = stored("apps/v1", "Deployment", "web", "shop", &[0x12, 2, 0x08, 3]);
        let changed = stored("apps/v1", "Deployment", "web", "shop", &[0x12, 2, 0x08, 5]);
        let newer = stored("apps/v1", "Deployment", "api", "default", &[0x12, 0, 0xc0, 0x0c, 7]);
        let mut cut = stored("v1", "ConfigMap", "cut", "default", &[0x12, 9, 0x0a, 1]);
        cut.truncate(cut.len() - 4);
        // data {password: hunter2}
        let data = field(2, &[field(1, b"password"), field(2, b"hunter2")].concat());
        let secret = stored("v1", "Secret", "login", "shop", &data);
        // spec {renewTime: two hours later}
        let renewed = field(4, &time(CREATED + 7200));
        let lease = stored("coordination.k8s.io/v1", "Lease", "node-1", "kube-node-lease", &field(2, &renewed));
        let fresh = stored("coordination.k8s.io/v1", "Lease", "node-1", "kube-node-lease", &field(2, b""));
        let definition = br#"{"apiVersion":"apiextensions.k8s.io/v1beta1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","version":"v1","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget","shortNames":["wd"]},"versions":[{"name":"v1","served":true,"storage":true}],"preserveUnknownFields":false}}"#;
        let widget = br#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"creationTimestamp":"2026-01-02T03:04:05Z","managedFields":[{"manager":"kubectl"}],"name":"big","namespace":"shop"},"spec":{"on":"yes","size":1e21}}"#;
        let puts: &[puts::Put] = &[
            (b"/registry/deployments/shop/web", Some(leak(deployment)), 0),
            (b"/registry/deployments/default/api", Some(leak(newer)), 0),
            (b"/registry/secrets/shop/login", Some(leak(secret)), 0),
            (b"/registry/leases/kube-node-lease/node-1", Some(leak(fresh)), 0),
            (b"/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com", Some(definition), 0),
            (b"/registry/example.com/widgets/shop/big", Some(widget), 0),
            (b"/registry/configmaps/default/cut", Some(leak(cut)), 0),
            (b"/registry/deployments/shop/web", Some(leak(changed)), 0),
            (b"/registry/deployments/shop/web", None, 0),
            (b"/registry/secrets/shop/locked", Some(b"k8s:enc:aescbc:v1:key1:\x01\x02"), 0),
            (b"/registry/leases/kube-node-lease/node-1", Some(leak(lease)), 0),
        ];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cluster.db");
        fs::write(&file, puts::snapshot(puts)).unwrap();
        Self { _folder: folder, file }
    }

    fn run(&self, words: &[&str]) -> Output {
        cli::run(&[&["kube", "get", self.file.to_str().unwrap()], words].concat())
    }

    /// Returns the output, and asserts the exit code and a text on stderr.
    fn says(&self, words: &[&str], code: i32, with: &str) -> String {
        let output = self.run(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(if with.is_empty() { said.is_empty() } else { said.contains(with) }, "{words:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn tables_count_ages_to_the_time_of_the_snapshot() {
    let cluster = Cluster::new();
    let table = cluster.says(&["deploy", "-A", "--rev", "8"], 0, "shown by their numbers");
    assert!(table.is_empty() || !table.contains("field"), "{table}");
    let table = cluster.says(&["widgets,leases", "-A"], 0, "");
    let want = "NAMESPACE   NAME                     AGE\nshop        widget.example.com/big   120m\n\nNAMESPACE         NAME                               HOLDER   AGE\nkube-node-lease   lease.coordination.k8s.io/node-1            120m\n";
    assert_eq!(table, want);
    assert_eq!(cluster.says(&["wd", "-n", "shop"], 0, ""), "NAME   AGE\nbig    120m\n");
    assert_eq!(cluster.says(&["Widget.example.com", "-n", "shop", "-o", "name"], 0, ""), "widget.example.com/big\n");
}

#[test]
fn objects_are_printed_as_kubectl_prints_them() {
    let cluster = Cluster::new();
    let yaml = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  creationTimestamp: \"2026-01-02T03:04:05Z\"\n  name: web\n  namespace: shop\n  resourceVersion: \"2\"\nspec:\n  replicas: 3\n  selector: null\n";
    assert_eq!(cluster.says(&["deployments.apps/web", "-n", "shop", "-o", "yaml", "--rev", "8"], 0, ""), yaml);
    let deleted = cluster.says(&["deploy", "web", "-n", "shop", "-o", "yaml", "--deleted"], 0, "");
    assert_eq!(deleted, yaml.replace("\"2\"", "\"9\"").replace("replicas: 3", "replicas: 5"));
    let list = cluster.says(&["deploy", "-n", "shop", "-o", "yaml", "--rev", "8"], 0, "");
    let items = yaml.replace('\n', "\n  ");
    assert_eq!(
        list,
        format!("apiVersion: v1\nitems:\n- {}\nkind: List\nmetadata:\n  resourceVersion: \"\"\n", items.trim_end())
    );
    let json = cluster.says(&["wd", "-A", "-o", "json"], 0, "");
    let want = "{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n        {\n            \"apiVersion\": \"example.com/v1\",\n            \"kind\": \"Widget\",\n            \"metadata\": {\n                \"creationTimestamp\": \"2026-01-02T03:04:05Z\",\n                \"name\": \"big\",\n                \"namespace\": \"shop\",\n                \"resourceVersion\": \"7\"\n            },\n            \"spec\": {\n                \"on\": \"yes\",\n                \"size\": 1e+21\n            }\n        }\n    ],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n";
    assert_eq!(json, want);
    let raw = cluster.says(&["deploy", "web", "-n", "shop", "-o", "raw", "--rev", "8"], 0, "");
    assert_eq!(
        raw,
        "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"resourceVersion\":\"2\",\"creationTimestamp\":\"2026-01-02T03:04:05Z\"},\"spec\":{\"replicas\":3,\"selector\":null}}\n"
    );
    let definition = cluster.says(&["crd", "widgets.example.com", "-o", "yaml"], 0, "");
    assert!(definition.starts_with("apiVersion: apiextensions.k8s.io/v1\n"), "{definition}");
    assert!(!definition.contains("preserveUnknownFields") && !definition.contains("  version: "), "{definition}");
}

#[test]
fn incomplete_objects_are_reported() {
    let cluster = Cluster::new();
    let yaml = cluster.says(&["deploy", "api", "-o", "yaml"], 0, "does not know");
    assert!(yaml.contains("field 200 (unknown): 7\n"), "{yaml}");
    let yaml = cluster.says(&["cm", "cut", "-o", "yaml"], 1, "what could be read is shown");
    assert!(yaml.contains("name: cut\n"), "{yaml}");
    cluster.says(&["secrets", "locked", "-n", "shop", "-o", "yaml"], 1, "encrypted (aescbc:v1, key key1)");
    cluster.says(&["deploy", "gone", "-n", "shop"], 1, "There is no deployment.apps/gone in namespace shop");
    cluster.says(&["nonsense"], 2, "No type of objects in this snapshot is called nonsense");
    cluster.says(&["pods"], 0, "No resources found in default");
}

#[test]
fn guessed_ages_are_marked_as_such() {
    let config = leak(stored("v1", "ConfigMap", "a", "default", &[]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    // One clock, and a later revision written an unknown time afterwards.
    let puts: &[puts::Put] = &[(b"/registry/configmaps/default/a", Some(config), 0), (b"/other", Some(b"x"), 0)];
    fs::write(&file, puts::snapshot(puts)).unwrap();
    let output = cli::run(&["kube", "get", file.to_str().unwrap(), "cm"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "NAME   DATA   AGE\na      0      0s\n");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Ages count to the newest of these objects"), "{said}");
}

#[test]
fn secrets_are_hidden_unless_requested() {
    let cluster = Cluster::new();
    for form in ["yaml", "json", "jsonl", "raw", "table"] {
        let said = cluster.says(&["secret", "login", "-n", "shop", "-o", form], 0, "");
        assert!(!said.contains("hunter2") && !said.contains("aHVudGVyMg"), "{said}");
        assert!(form == "table" || said.contains("password") && said.contains("(hidden"), "{said}");
    }
    let said = cluster.says(&["secret", "login", "-n", "shop", "-o", "yaml", "--show-secrets"], 0, "");
    assert!(said.contains("password: aHVudGVyMg==\n"), "{said}");
}

#[test]
fn get_prints_an_object_as_yaml() {
    let cluster = Cluster::new();
    let file = cluster.file.to_str().unwrap();
    let output = cli::run(&["get", file, "/registry/example.com/widgets/shop/big"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with("# /registry/example.com/widgets/shop/big\napiVersion: example.com/v1\nkind: Widget\n"),
        "{said}"
    );
    assert!(said.contains("  \"on\": \"yes\"\n"), "{said}");
    let raw = cli::run(&["get", file, "/registry/deployments/shop/web", "--rev", "8", "--raw"]).stdout;
    assert!(raw.starts_with(b"k8s\0"));
    let secret = cli::run(&["get", file, "/registry/secrets/shop/login"]);
    assert_eq!((secret.status.code(), secret.stdout.as_slice()), (Some(2), &b""[..]));
}

/// An object whose name is unreadable gets the one in its key.
#[test]
fn an_undecodable_object_is_named_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let types = [field(1, b"v1"), field(2, b"ConfigMap")].concat();
    let nameless = [b"k8s\0".to_vec(), field(1, &types), field(2, &[0x0a, 9, 0x0a]), vec![0x1a, 0]].concat();
    let odd = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"odd"},"data":{"a":"x\u007f\u009b31m"}}"#;
    let odd = String::from_utf8_lossy(odd).replace("\\u007f", "\u{7f}").replace("\\u009b", "\u{9b}");
    fs::write(
        &file,
        puts::snapshot(&[
            (b"/registry/configmaps/default/gone", Some(leak(nameless)), 0),
            (b"/registry/configmaps/default/odd", Some(leak(odd.into_bytes())), 0),
        ]),
    )
    .unwrap();
    let get = |words: &[&str]| cli::run(&[&["kube", "get", file.to_str().unwrap()], words].concat());
    let output = get(&["cm"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().any(|line| line.starts_with("gone ")), "{text}");
    assert_eq!(output.status.code(), Some(1));
    // JSON output always escapes control characters, whatever the target.
    for form in ["json", "jsonl", "raw"] {
        let output = get(&["cm", "odd", "-o", form]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(r"x\u007f\u009b31m") && !text.contains('\u{7f}'), "{form}: {text}");
        assert_eq!(output.status.code(), Some(0), "{form}");
    }
}
