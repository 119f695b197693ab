//! `etcdsnap kube manifests`: prints objects of a snapshot so that they can be applied again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use etcdsnap_tests::build::kubernetes::{cluster, deployment};
use etcdsnap_tests::cli;

/// A namespace with typical objects, and the objects around it.
const OBJECTS: &[(&str, &str)] = &[
    (
        "namespaces/shop",
        r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop","uid":"u1"},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}"#,
    ),
    ("namespaces/other", r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"other"}}"#),
    (
        "services/specs/shop/web",
        r#"{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop"},"spec":{"clusterIP":"10.96.0.7","ports":[{"port":80,"nodePort":30080}]}}"#,
    ),
    (
        "services/endpoints/shop/web",
        r#"{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"2024-01-01T00:00:00Z"}}}"#,
    ),
    (
        "replicasets/shop/web-1",
        r#"{"kind":"ReplicaSet","apiVersion":"apps/v1","metadata":{"name":"web-1","namespace":"shop","ownerReferences":[{"kind":"Deployment","name":"web","uid":"x","controller":true}]}}"#,
    ),
    (
        "configmaps/shop/kube-root-ca.crt",
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"kube-root-ca.crt","namespace":"shop"}}"#,
    ),
    (
        "configmaps/shop/settings",
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","namespace":"shop"},"data":{"on":"yes"}}"#,
    ),
    (
        "secrets/shop/password",
        r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"password","namespace":"shop"},"data":{"p":"aHVudGVyMg=="},"type":"Opaque"}"#,
    ),
    (
        "secrets/shop/sa-token-1",
        r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"sa-token-1","namespace":"shop"},"data":{"token":"c2VjcmV0"},"type":"kubernetes.io/service-account-token"}"#,
    ),
    (
        "serviceaccounts/shop/default",
        r#"{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"default","namespace":"shop"}}"#,
    ),
    (
        "serviceaccounts/shop/sa",
        r#"{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"sa","namespace":"shop"}}"#,
    ),
    ("events/shop/e1", r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e1","namespace":"shop"}}"#),
    (
        "clusterroles/viewer",
        r#"{"kind":"ClusterRole","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"viewer"}}"#,
    ),
    (
        "apiextensions.k8s.io/customresourcedefinitions/widgets.example.com",
        r#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1beta1","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"widgets","kind":"Widget"},"version":"v1","versions":[{"name":"v1","served":true,"storage":true}],"preserveUnknownFields":false},"status":{"conditions":[]}}"#,
    ),
    (
        "example.com/widgets/shop/w",
        r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","namespace":"shop","generation":1},"spec":{"size":3},"status":{"ready":true}}"#,
    ),
];

struct ShopSnapshot {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl ShopSnapshot {
    /// With `deleted`, the end of the snapshot deletes everything in the namespace, then the namespace itself.
    fn new(deleted: bool) -> Self {
        let key = |path: &str| format!("/registry/{path}");
        let mut writes: Vec<(String, Option<Vec<u8>>)> = vec![
            (key("deployments/shop/web"), Some(deployment("shop", "web", 2, "nginx:1.27"))),
            (key("deployments/other/api"), Some(deployment("other", "api", 1, "api:1"))),
        ];
        writes.extend(OBJECTS.iter().map(|(path, json)| (key(path), Some(json.as_bytes().to_vec()))));
        if deleted {
            let in_shop: Vec<String> =
                writes.iter().map(|(key, _)| key.clone()).filter(|key| key.contains("/shop/")).collect();
            writes.extend(in_shop.into_iter().map(|key| (key, None)));
            writes.push((key("namespaces/shop"), None));
        }
        let writes: Vec<(&str, Option<Vec<u8>>)> =
            writes.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.db");
        fs::write(&file, cluster(&writes)).unwrap();
        Self { folder, file }
    }

    /// The revision of the last object, before any deletion.
    const WHOLE: usize = OBJECTS.len() + 3;

    fn run(&self, words: &[&str]) -> Output {
        cli::run(&[&["kube", "manifests", self.file.to_str().unwrap()], words].concat())
    }

    fn said(&self, words: &[&str]) -> (String, String) {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

/// Returns kind and name of each object of a stream, in order.
fn names(stream: &str) -> Vec<String> {
    let documents = stream.split("\n---\n").filter(|document| !document.is_empty());
    let of = |document: &str, start: &str| {
        document.lines().find_map(|line| line.strip_prefix(start).map(str::to_owned)).unwrap_or_default()
    };
    documents.map(|document| format!("{}/{}", of(document, "kind: "), of(document, "  name: "))).collect()
}

const IN_ORDER: [&str; 7] = [
    "CustomResourceDefinition/widgets.example.com",
    "Namespace/shop",
    "ServiceAccount/sa",
    "ConfigMap/settings",
    "Deployment/web",
    "Service/web",
    "Widget/w",
];

#[test]
fn a_namespace_is_printed_clean_and_in_order() {
    let shop = ShopSnapshot::new(false);
    let (stream, said) = shop.said(&["-n", "shop"]);
    assert_eq!(names(&stream), IN_ORDER);
    for field in [
        "uid",
        "resourceVersion",
        "managedFields",
        "generation",
        "creationTimestamp",
        "status",
        "clusterIP",
        "nodePort",
    ] {
        assert!(!stream.contains(&format!("{field}:")), "{field} in {stream}");
    }
    assert!(stream.contains("replicas: 2") && stream.contains("image: nginx:1.27"), "{stream}");
    assert!(stream.contains("apiVersion: apiextensions.k8s.io/v1\n"), "{stream}");
    for line in [
        "Left out: replicasets 1: their owner is in the snapshot",
        "Left out: secrets 2: their values are hidden",
        "configmaps 1, endpoints 1, serviceaccounts 1: every cluster creates its own",
        "apply it twice, or write a directory",
    ] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    assert!(!stream.contains("aHVudGVyMg") && !said.contains("aHVudGVyMg"));
}

#[test]
fn a_deleted_namespace_comes_back() {
    let shop = ShopSnapshot::new(true);
    assert_eq!(names(&shop.said(&["-n", "shop", "--deleted"]).0), IN_ORDER);
    let before = ShopSnapshot::WHOLE.to_string();
    assert_eq!(names(&shop.said(&["-n", "shop", "--rev", &before]).0), IN_ORDER);
    let output = shop.run(&["-n", "shop"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("There is nothing to write") && said.contains("--deleted"), "{said}");
    assert_eq!(names(&shop.said(&["deploy/web", "-n", "shop", "--deleted"]).0), ["Deployment/web"]);
}

#[test]
fn selects_types_and_optional_objects() {
    let shop = ShopSnapshot::new(false);
    let of = |words: &[&str]| names(&shop.said(words).0);
    assert_eq!(of(&["deploy,svc", "-n", "shop"]), ["Deployment/web", "Service/web"]);
    assert_eq!(of(&["deploy,svc", "-A"]), ["Deployment/api", "Deployment/web", "Service/web"]);
    assert_eq!(of(&["clusterroles"]), ["ClusterRole/viewer"]);
    assert_eq!(of(&["widgets", "-n", "shop"]), ["CustomResourceDefinition/widgets.example.com", "Widget/w"]);
    assert_eq!(of(&["rs", "-n", "shop", "--include-owned"]), ["ReplicaSet/web-1"]);
    assert!(!shop.said(&["rs", "-n", "shop", "--include-owned"]).0.contains("ownerReferences"));
    let all = of(&["-A", "--cluster-scoped", "--show-secrets"]);
    for name in ["ClusterRole/viewer", "Namespace/other", "Namespace/shop", "Deployment/api", "Secret/password"] {
        assert!(all.contains(&name.to_owned()), "{name} is not in {all:?}");
    }
    assert!(!all.iter().any(|name| name.contains("token") || name.starts_with("Event/")), "{all:?}");
    assert_eq!(of(&["events", "-n", "shop"]), ["Event/e1"], "named types are written");
    let (stream, _) = shop.said(&["secret/password", "-n", "shop", "--show-secrets"]);
    assert!(stream.contains("p: aHVudGVyMg=="), "{stream}");
    let (kept, _) = shop.said(&["deploy/web", "-n", "shop", "--keep", "uid,status"]);
    assert!(kept.contains("uid: 6f1c1d0e") && kept.contains("status:") && !kept.contains("generation:"), "{kept}");
    let output = shop.run(&["deploy/web", "deploy/none", "-n", "shop"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("There is no deployment.apps/none"));
    assert_eq!(shop.run(&["deploy", "--keep", "colour"]).status.code(), Some(2));
    assert_eq!(shop.run(&["deploy", "svc/web"]).status.code(), Some(2));
}

/// Builds a snapshot of these objects, named by the part of their keys after `/registry/`.
fn snapshot_of(objects: &[(&str, &str)]) -> ShopSnapshot {
    let writes: Vec<(String, Option<Vec<u8>>)> =
        objects.iter().map(|(path, json)| (format!("/registry/{path}"), Some(json.as_bytes().to_vec()))).collect();
    let writes: Vec<(&str, Option<Vec<u8>>)> =
        writes.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    fs::write(&file, cluster(&writes)).unwrap();
    ShopSnapshot { folder, file }
}

#[test]
fn objects_that_no_controller_recreates_are_written() {
    let shop = snapshot_of(&[
        (
            "replicasets/shop/orphan",
            r#"{"kind":"ReplicaSet","apiVersion":"apps/v1","metadata":{"name":"orphan","namespace":"shop","ownerReferences":[{"kind":"Deployment","name":"gone","uid":"x","controller":true}]}}"#,
        ),
        (
            "serviceaccounts/shop/default",
            r#"{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"default","namespace":"shop"},"imagePullSecrets":[{"name":"pull"}]}"#,
        ),
        (
            "configmaps/shop/kube-root-ca.crt",
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"kube-root-ca.crt","namespace":"shop"}}"#,
        ),
    ]);
    assert_eq!(names(&shop.said(&["-n", "shop"]).0), ["ServiceAccount/default", "ReplicaSet/orphan"]);
    let named = shop.said(&["cm/kube-root-ca.crt", "-n", "shop"]).0;
    assert_eq!(names(&named), ["ConfigMap/kube-root-ca.crt"], "what is named is wanted");
}

/// A person who may write one etcd key must not get a role bound by the person who applies the manifests.
#[test]
fn a_body_under_the_key_of_another_object_is_not_written() {
    let shop = snapshot_of(&[
        (
            "configmaps/shop/crb",
            r#"{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"crb"}}"#,
        ),
        (
            "configmaps/shop/elsewhere",
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"elsewhere","namespace":"kube-system"}}"#,
        ),
        (
            "configmaps/shop/list",
            r#"{"kind":"List","apiVersion":"v1","metadata":{"name":"list","namespace":"shop"},"items":[{"kind":"Secret","data":{"p":"aHVudGVyMg=="}}]}"#,
        ),
        (
            "deployments/shop/web",
            r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"Xeb","namespace":"shop"}}"#,
        ),
        (
            "configmaps/shop/good",
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"good","namespace":"shop"}}"#,
        ),
    ]);
    let output = shop.run(&["-n", "shop", "-o", shop.folder.path().join("out").to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let readme = fs::read_to_string(shop.folder.path().join("out/README.md")).unwrap();
    for name in
        ["configmaps/crb in shop", "configmaps/elsewhere in shop", "configmaps/list in shop", "deployments/web in shop"]
    {
        assert!(said.contains(name) && readme.contains(name), "{name}: {said}\n{readme}");
    }
    let written = fs::read_dir(shop.folder.path().join("out/objects")).unwrap().count();
    assert_eq!(written, 1);
    let shown = cli::run(&["kube", "get", shop.file.to_str().unwrap(), "cm", "-n", "shop", "-o", "yaml"]);
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("aHVudGVyMg"));
    let shown = cli::run(&["get", shop.file.to_str().unwrap(), "/registry/configmaps/shop/list"]);
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("aHVudGVyMg"));
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_directory_appears_complete_and_is_never_overwritten() {
    let shop = ShopSnapshot::new(false);
    let out = shop.folder.path().join("out");
    let words = ["-n", "shop", "-o", out.to_str().unwrap()];
    let (stdout, said) = shop.said(&words);
    assert_eq!(stdout, "");
    assert!(said.contains("kubectl apply --server-side -f objects") && said.contains("7 objects"), "{said}");
    assert_eq!(files(&out), ["README.md", "crds", "objects"]);
    assert_eq!(files(&out.join("crds")), ["0001-customresourcedefinition-widgets.example.com.yaml"]);
    let expected = [
        "0002-namespace-shop",
        "0003-shop-serviceaccount-sa",
        "0004-shop-configmap-settings",
        "0005-shop-deployment-web",
        "0006-shop-service-web",
        "0007-shop-widget-w",
    ];
    assert_eq!(files(&out.join("objects")), expected.map(|name| format!("{name}.yaml")));
    let readme = fs::read_to_string(out.join("README.md")).unwrap();
    let commands = [
        "kubectl apply --server-side -f crds",
        "kubectl wait --for=condition=Established",
        "kubectl apply --server-side -f objects",
    ];
    let places = commands.map(|command| readme.find(command).expect(command));
    assert!(places.is_sorted(), "{readme}");
    assert!(readme.contains("Left out: replicasets 1"), "{readme}");
    let again = shop.run(&words);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists already"), "{again:?}");
    // A failed command leaves no files.
    let nothing = shop.folder.path().join("nothing");
    assert_eq!(shop.run(&["-n", "none", "-o", nothing.to_str().unwrap()]).status.code(), Some(1));
    assert_eq!(files(shop.folder.path()), ["out", "shop.db"]);
}

#[test]
fn incomplete_objects_are_left_out_and_reported() {
    let whole = deployment("shop", "web", 2, "nginx");
    let writes = [
        ("/registry/deployments/shop/cut", Some(whole[..whole.len() - 20].to_vec())),
        ("/registry/deployments/shop/web", Some(whole)),
        ("/registry/configmaps/shop/enc", Some(b"k8s:enc:aescbc:v1:key1:xxxxxxxx".to_vec())),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    fs::write(&file, cluster(&writes)).unwrap();
    let output = cli::run(&["kube", "manifests", file.to_str().unwrap(), "-n", "shop"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(names(&String::from_utf8(output.stdout).unwrap()), ["Deployment/web"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("configmaps 1, deployments 1: they cannot be decoded completely"), "{said}");
    assert!(said.contains("1 value stays encrypted (aescbc:v1, key key1)"), "{said}");
}

#[test]
fn a_claim_whose_volume_is_left_out_is_reported() {
    let claim = r#"{"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{"name":"data","namespace":"shop"},"spec":{"volumeName":"pv-1"}}"#;
    let volume = r#"{"kind":"PersistentVolume","apiVersion":"v1","metadata":{"name":"pv-1"},"spec":{"claimRef":{"name":"data","namespace":"shop","uid":"u"}}}"#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let writes = [
        ("/registry/persistentvolumeclaims/shop/data", Some(claim.as_bytes().to_vec())),
        ("/registry/persistentvolumes/pv-1", Some(volume.as_bytes().to_vec())),
    ];
    fs::write(&file, cluster(&writes)).unwrap();
    let run =
        |words: &[&str]| cli::run(&[&["kube", "manifests", file.to_str().unwrap(), "-n", "shop"], words].concat());
    let alone = run(&[]);
    assert!(
        String::from_utf8_lossy(&alone.stderr)
            .contains("1 claim names a volume that is not written here, such as pv-1")
    );
    let both = run(&["--cluster-scoped"]);
    assert!(!String::from_utf8_lossy(&both.stderr).contains("not written here"), "{both:?}");
    let stream = String::from_utf8(both.stdout).unwrap();
    assert_eq!(names(&stream), ["PersistentVolume/pv-1", "PersistentVolumeClaim/data"]);
    assert!(!stream.contains("uid:"), "{stream}");
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut child = Command::new(cli::program())
        .args(["kube", "manifests", "-", "-o"])
        .arg(&out)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The command waits for its input after it created the directory.
    let begun = Instant::now();
    while files(folder.path()).is_empty() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(files(folder.path()).len(), 1);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(files(folder.path()).is_empty());
}
