//! A namespace that was deleted from a real cluster, with the definition of its custom resource, came back from an encrypted snapshot:
//! the applied manifests equal our output, and the server's answers afterwards equal those before.

use std::collections::BTreeMap;
use std::fs;

use etcdsnap_tests::cli;
use etcdsnap_tests::recorded::RecordedCluster;
use serde_json::{Map, Value};

/// Kinds of objects that every cluster creates by itself.
const CREATED_BY_CLUSTER: [&str; 4] = ["Endpoints", "EndpointSlice", "Event", "Lease"];

/// Returns our manifests, one file after the other, as `record` writes them.
fn written(recorded: &RecordedCluster) -> String {
    let out = tempfile::tempdir().expect("a folder");
    let folder = out.path().join("manifests");
    let (snapshot, keys) = (recorded.snapshot(), recorded.file("encryption.yaml"));
    let text = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
    let (snapshot, keys, into) = (text(&snapshot), text(&keys), text(&folder));
    let words = ["kube", "manifests", &snapshot, "-n", "shop", "--show-secrets"];
    let output = cli::run(&[&words[..], &["--encryption-config", &keys, "-o", &into]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut written = String::new();
    for part in ["crds", "objects"] {
        let files = fs::read_dir(folder.join(part)).expect(part);
        let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().expect("a name").to_string_lossy();
            written.push_str(&format!("# {part}/{name}\n{}", fs::read_to_string(&path).expect("text")));
        }
    }
    written
}

#[test]
fn the_applied_manifests_equal_our_output() {
    let recorded = RecordedCluster::open("restored");
    let applied = String::from_utf8(recorded.read("manifests.yaml.zst")).expect("UTF-8");
    let ours = written(&recorded);
    let differing = applied.lines().zip(ours.lines()).find(|(theirs, ours)| theirs != ours);
    assert!(
        applied == ours,
        "what `kube manifests` writes has changed since it was applied to a real server (cargo xtask record --kubernetes restored): {differing:?}"
    );
}

/// Returns what a person wrote: the namespace and its objects, without anything that servers and controllers create or set.
fn user_written_parts(bodies: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for (identity, body) in bodies {
        let mut object: Map<String, Value> = serde_json::from_str(body).expect("an object");
        let text = |path: [&str; 2]| object.get(path[0]).and_then(|part| part.get(path[1])).and_then(Value::as_str);
        let (namespace, name) = (text(["metadata", "namespace"]), text(["metadata", "name"]).expect("a name"));
        let kind = object["kind"].as_str().expect("a kind");
        let is_ours = namespace == Some("shop")
            || (kind, name) == ("Namespace", "shop")
            || (kind, name) == ("CustomResourceDefinition", "widgets.example.com");
        let is_made = CREATED_BY_CLUSTER.contains(&kind) || ["kube-root-ca.crt", "default"].contains(&name);
        let has_owner = object["metadata"].get("ownerReferences").is_some();
        if !is_ours || is_made || has_owner {
            continue;
        }
        object.remove("status");
        let metadata = object["metadata"].as_object_mut().expect("metadata");
        metadata
            .retain(|name, _| ["name", "namespace", "labels", "annotations", "finalizers"].contains(&name.as_str()));
        // Earlier versions of autoscalers store parts of their status there.
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|name, _| !name.starts_with("autoscaling.alpha.kubernetes.io/"));
        }
        // A Service gets another address, unless it has none.
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
            && spec.get("clusterIP").is_some_and(|address| address != "None")
        {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        objects.insert(identity.clone(), Value::Object(object));
    }
    objects
}

#[test]
fn the_restored_namespace_equals_the_deleted_one() {
    let recorded = RecordedCluster::open("restored");
    let before = user_written_parts(&recorded.answers("answers.jsonl.zst").bodies);
    let after = user_written_parts(&recorded.answers("restored.jsonl.zst").bodies);
    assert!(before.len() >= 16, "{:?}", before.keys());
    let kinds = ["v1 Secret", "v1 ConfigMap", "apps/v1 Deployment", "apps/v1 StatefulSet", "example.com/v1 Widget"];
    for kind in kinds {
        assert!(before.keys().any(|identity| identity.starts_with(kind)), "{kind}");
    }
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let differing: Vec<String> = before
        .iter()
        .filter(|(identity, object)| after[*identity] != **object)
        .map(|(identity, object)| format!("{identity}\n  before {object}\n  after  {}", after[identity]))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// All objects were created again: each has a new uid, and pods were started again.
#[test]
fn everything_was_created_again() {
    let recorded = RecordedCluster::open("restored");
    let uids = |name: &str| -> BTreeMap<String, String> {
        let answers = recorded.answers(name);
        let known = user_written_parts(&answers.bodies);
        let uid = |body: &str| {
            let object: Value = serde_json::from_str(body).expect("JSON");
            object["metadata"]["uid"].as_str().expect("a uid").to_owned()
        };
        known.keys().map(|identity| (identity.clone(), uid(&answers.bodies[identity]))).collect()
    };
    let (before, after) = (uids("answers.jsonl.zst"), uids("restored.jsonl.zst"));
    assert!(before.iter().all(|(identity, uid)| after.get(identity).is_some_and(|new| new != uid)));
    let pods = |name: &str| {
        let bodies = recorded.answers(name).bodies;
        bodies.keys().filter(|identity| identity.starts_with("v1 Pod shop/web-")).count()
    };
    assert_eq!((pods("answers.jsonl.zst"), pods("restored.jsonl.zst")), (3, 3));
}
