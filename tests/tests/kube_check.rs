//! `etcdsnap kube check`: problems of the objects of a cluster.

use std::fs;
use std::path::{Path, PathBuf};

use etcdsnap_tests::build::kubernetes::{cluster, deployment};
use etcdsnap_tests::cli;
use serde_json::Value;

type Writes = Vec<(&'static str, Option<Vec<u8>>)>;

fn object(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

fn named(api_version: &str, kind: &str, namespace: &str, name: &str, more: &str) -> Option<Vec<u8>> {
    object(&format!(
        r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"creationTimestamp":"2026-03-09T10:00:00Z","name":"{name}","namespace":"{namespace}"{more}}}}}"#
    ))
}

fn pod(name: &str, more: &str) -> Option<Vec<u8>> {
    named("v1", "Pod", "shop", name, more)
}

const SHOP: &str = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","uid":"u-shop"}}"#;
const DEFINITION: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1beta1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","version":"v1","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget"}}}"#;

/// Returns a cluster without problems: an owner, a webhook with its service, an object being deleted since this moment.
fn sound() -> Writes {
    vec![
        ("/registry/namespaces/shop", object(SHOP)),
        ("/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com", object(DEFINITION)),
        ("/registry/example.com/widgets/shop/w", named("example.com/v1", "Widget", "shop", "w", r#","uid":"u-w""#)),
        ("/registry/services/specs/shop/hook", named("v1", "Service", "shop", "hook", "")),
        (
            "/registry/pods/shop/owned",
            pod(
                "owned",
                r#","ownerReferences":[{"apiVersion":"example.com/v1","kind":"Widget","name":"w","uid":"u-w"}]"#,
            ),
        ),
        ("/registry/pods/shop/leaving", pod("leaving", r#","deletionTimestamp":"2026-03-09T10:00:00Z""#)),
        ("/registry/deployments/shop/web", Some(deployment("shop", "web", 1, "nginx:1"))),
        (
            "/registry/validatingwebhookconfigurations/hook",
            object(
                r#"{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration","metadata":{"name":"hook"},"webhooks":[{"name":"hook.example.com","clientConfig":{"service":{"namespace":"shop","name":"hook"}}}]}"#,
            ),
        ),
        ("/registry/masterleases/10.0.0.1", object(r#"{"apiVersion":"v1","kind":"Endpoints","metadata":{}}"#)),
        ("/registry/secrets/shop/a", Some(b"k8s:enc:aescbc:v1:key1:x".to_vec())),
    ]
}

fn snapshot_of(writes: &Writes) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    fs::write(&path, cluster(writes)).unwrap();
    (folder, path)
}

fn run(file: &Path, words: &[&str], code: i32) -> (String, String) {
    let output = cli::run(&[&["kube", "check", file.to_str().unwrap()], words].concat());
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(output.status.code(), Some(code), "{words:?}: {out}{err}");
    (out, err)
}

#[test]
fn a_healthy_cluster_has_no_findings() {
    let (_folder, path) = snapshot_of(&sound());
    let (out, said) = run(&path, &[], 0);
    assert_eq!(out, "10 objects checked, nothing found.\n");
    assert!(said.contains("1 object could not be decoded"), "{said}");
    let (out, _) = run(&path, &["-wjson"], 0);
    let total: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&total["objects"], &total["notLookedInto"]), (&10.into(), &1.into()));
}

#[test]
fn each_problem_is_found_and_described() {
    let broken = deployment("shop", "cut", 1, "nginx:1");
    let mut writes = sound();
    writes.extend([
        ("/registry/pods/shop/late", pod("late", r#","deletionTimestamp":"2026-03-09T08:00:00Z","finalizers":["example.com/wait"]"#)),
        ("/registry/pods/shop/orphan", pod("orphan", r#","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"gone","uid":"u-gone"}]"#)),
        // The uid of an encrypted owner is unknown.
        ("/registry/pods/shop/sealed", pod("sealed", r#","ownerReferences":[{"apiVersion":"v1","kind":"Secret","name":"a","uid":"u-a"}]"#)),
        ("/registry/pods/shop/here", pod("there", "")),
        ("/registry/pods/lost/a", named("v1", "Pod", "lost", "a", "")),
        ("/registry/pods/lost/b", named("v1", "Pod", "lost", "b", "")),
        ("/registry/example.com/gadgets/shop/g", named("example.com/v1", "Gadget", "shop", "g", "")),
        ("/registry/deployments/shop/cut", Some(broken[..broken.len() - 8].to_vec())),
        ("/registry/configmaps/shop/text", Some(b"no object".to_vec())),
        ("/registry/services/specs/shop/hook", None),
        (
            "/registry/apiregistration.k8s.io/apiservices/v1.metrics",
            object(r#"{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","metadata":{"name":"v1.metrics"},"spec":{"service":{"namespace":"shop","name":"metrics"}}}"#),
        ),
        ("/registry/secrets/shop/b", named("v1", "Secret", "shop", "b", "")),
    ]);
    let (_folder, path) = snapshot_of(&writes);
    let (out, _) = run(&path, &["-wjson"], 1);
    let mut lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let total = lines.pop().unwrap();
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap();
            assert!(!text("advice").is_empty());
            format!("{} {}/{}/{} {}", text("code"), text("resource"), text("namespace"), text("name"), text("what"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "object-undecodable configmaps/shop/text the value is not a Kubernetes object",
            &told[1],
            "object-misplaced pods/shop/here has another name in its value than in its key",
            "namespace-gone namespaces//lost is gone, and 2 objects are in it",
            "definition-gone customresourcedefinitions//gadgets.example.com is gone, and 1 objects of its type are there",
            "owner-gone pods/shop/orphan is owned by ReplicaSet gone, which is gone (uid u-gone)",
            "stuck-termination pods/shop/late was to be deleted at 2026-03-09T08:00:00Z, and it waits for example.com/wait",
            "webhook-service-gone validatingwebhookconfigurations//hook needs service hook in namespace shop for hook.example.com, which is gone",
            "apiservice-service-gone apiservices//v1.metrics needs service metrics in namespace shop, which is gone",
            "plain-secret secrets// are encrypted in 1 cases and stored in plain in 1",
        ]
    );
    assert!(told[1].starts_with("object-undecodable deployments/shop/cut "), "{told:?}");
    assert_eq!(total["findingCounts"]["object-undecodable"], 2);
    let (text, _) = run(&path, &[], 1);
    assert!(
        text.contains("stuck-termination (1)\n  pods/late in shop: was to be deleted") && text.contains("  → "),
        "{text}"
    );
}

/// Objects without names, as damage or a forger produces them, leave no gaps in sentences.
#[test]
fn objects_without_a_name_are_reported_too() {
    let mut writes = sound();
    writes.extend([
        (
            "/registry/pods/shop/late",
            pod("late", r#","deletionTimestamp":"2026-03-09T08:00:00Z","finalizers":[""],"ownerReferences":[{}]"#),
        ),
        ("/registry/pods/shop/nothing", object("{}")),
        ("/registry/pods/shop/kindless", Some(b"k8s\0".to_vec())),
    ]);
    let (_folder, path) = snapshot_of(&writes);
    let (out, _) = run(&path, &[], 1);
    assert!(out.contains(r#"pods/late in shop: is owned by "" "", which is gone (uid "")"#), "{out}");
    assert!(out.contains(r#"and it waits for """#), "{out}");
    for name in ["nothing", "kindless"] {
        let want = format!("pods/{name} in shop: the object has no kind; what could be read is shown");
        assert!(out.contains(&want), "{out}");
    }
}

#[test]
fn many_findings_are_counted_and_the_first_shown() {
    let mut writes: Vec<(String, Option<Vec<u8>>)> = vec![("/registry/namespaces/shop".into(), object(SHOP))];
    for number in 0..1_200 {
        writes.push((format!("/registry/pods/shop/p{number:04}"), Some(b"no object".to_vec())));
    }
    let writes: Writes = writes.into_iter().map(|(key, value)| (&*key.leak(), value)).collect();
    let (_folder, path) = snapshot_of(&writes);
    let (text, _) = run(&path, &[], 1);
    assert!(
        text.contains("object-undecodable (1,200)") && text.contains("and 1,190 more (--all prints them)"),
        "{text}"
    );
    assert!(text.contains("p0000 ") || text.contains("p0000 in"), "{text}");
    let (all, _) = run(&path, &["--all"], 1);
    assert!(all.contains("and ") && all.lines().count() > 1_000, "{}", all.lines().count());
}
