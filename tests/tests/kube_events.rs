//! `etcdsnap kube events`, `etcdsnap kube helm` and `etcdsnap usage --by kind`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use etcdsnap_tests::build::kubernetes::{cluster, deployment, field, protobuf};
use etcdsnap_tests::cli;
use serde_json::Value;

fn event(name: &str, kind: &str, reason: &str, last: &str, count: u32) -> Option<Vec<u8>> {
    Some(format!(r#"{{"apiVersion":"v1","kind":"Event","metadata":{{"creationTimestamp":"2026-03-09T09:00:00Z","name":"{name}","namespace":"shop"}},"type":"{kind}","reason":"{reason}","message":"it did","involvedObject":{{"kind":"Pod","name":"web"}},"firstTimestamp":"2026-03-09T09:00:00Z","lastTimestamp":"{last}","count":{count}}}"#).into_bytes())
}

fn newer_event() -> Option<Vec<u8>> {
    Some(br#"{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"creationTimestamp":"2026-03-09T09:30:00Z","name":"e3","namespace":"blog"},"type":"Normal","reason":"Scheduled","note":"to a node","regarding":{"kind":"Pod","name":"front"},"eventTime":"2026-03-09T09:30:00.000000Z"}"#.to_vec())
}

fn lease(renewed: &str) -> Option<Vec<u8>> {
    Some(format!(r#"{{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"creationTimestamp":"2026-03-09T09:00:00Z","name":"n"}},"spec":{{"renewTime":"2026-03-09T{renewed}:00.000000Z"}}}}"#).into_bytes())
}

fn packed(release: &str) -> String {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(release.as_bytes()).unwrap();
    STANDARD.encode(gzip.finish().unwrap())
}

fn release(version: u32, image: &str) -> String {
    format!(
        r#"{{"name":"web","namespace":"shop","version":{version},"info":{{"status":"deployed","last_deployed":"2026-03-09T09:0{version}:00Z","notes":"Enjoy.","description":"Upgrade complete"}},"chart":{{"metadata":{{"name":"nginx","version":"1.2.3","appVersion":"9.9"}},"templates":[{{"name":"t","data":"eA=="}}]}},"config":{{"image":{{"tag":"{image}"}},"replicas":2}},"manifest":"---\nkind: Secret\nstringData:\n  p: hunter2\n"}}"#
    )
}

/// Encodes a Secret as an API server stores it: data has Helm's base64 as bytes.
fn helm_secret(version: u32, image: &str) -> Option<Vec<u8>> {
    let data = field(2, &[field(1, b"release"), field(2, packed(&release(version, image)).as_bytes())].concat());
    Some(protobuf("v1", "Secret", &[field(1, &field(1, b"x")), data, field(3, b"helm.sh/release.v1")].concat()))
}

fn helm_map() -> Option<Vec<u8>> {
    Some(format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"labels":{{"owner":"helm"}},"name":"x"}},"data":{{"release":"{}"}}}}"#, packed(&release(7, "map"))).into_bytes())
}

struct TestFolder {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

impl TestFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let writes = [
            ("/registry/leases/kube-node-lease/n", lease("09:00")),
            ("/registry/events/shop/e1", event("e1", "Warning", "BackOff", "2026-03-09T09:50:00Z", 7)),
            ("/registry/events/shop/e2", event("e2", "Normal", "Pulled", "2026-03-09T09:00:00Z", 1)),
            ("/registry/events/blog/e3", newer_event()),
            ("/registry/secrets/shop/sh.helm.release.v1.web.v9", helm_secret(1, "old")),
            ("/registry/secrets/shop/sh.helm.release.v1.web.v10", helm_secret(2, "S3CRET")),
            (
                "/registry/secrets/shop/sh.helm.release.v1.bad.v1",
                Some(protobuf("v1", "Secret", &field(3, b"helm.sh/release.v1"))),
            ),
            ("/registry/configmaps/blog/sh.helm.release.v1.old.v7", helm_map()),
            ("/registry/deployments/shop/web", Some(deployment("shop", "web", 1, "nginx:1"))),
            ("/registry/leases/kube-node-lease/n", lease("10:00")),
        ];
        fs::write(&file, cluster(&writes)).unwrap();
        Self { _folder: folder, file }
    }

    fn run(&self, line: &str) -> Output {
        let words: Vec<&str> =
            line.split(' ').map(|word| if word == "FILE" { self.file.to_str().unwrap() } else { word }).collect();
        cli::run(&words)
    }

    fn says(&self, line: &str, code: i32) -> (String, String) {
        let output = self.run(line);
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(output.status.code(), Some(code), "{line}: {out}{err}");
        (out, err)
    }
}

#[test]
fn events_are_sorted_by_time() {
    let desk = TestFolder::new();
    let (out, _) = desk.says("kube events FILE -A", 0);
    let want = "NAMESPACE  LAST SEEN           TYPE     REASON     OBJECT     MESSAGE
shop       60m                 Normal   Pulled     Pod/web    it did
blog       30m                 Normal   Scheduled  Pod/front  to a node
shop       10m (x7 over 60m)   Warning  BackOff    Pod/web    it did
";
    assert_eq!(out.split_whitespace().collect::<Vec<_>>(), want.split_whitespace().collect::<Vec<_>>(), "{out}");
    let (out, _) = desk.says("kube events FILE -n shop --types warning --for pod/web", 0);
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(!out.contains("NAMESPACE"), "{out}");
    let (out, _) = desk.says("kube events FILE -n shop -w json", 0);
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!((&first["reason"], &first["lastSeen"]), (&"Pulled".into(), &"2026-03-09T09:00:00Z".into()));
    let (out, said) = desk.says("kube events FILE", 0);
    assert!(out.is_empty() && said.contains("No events found in default namespace."), "{said}");
    let (_, said) = desk.says("kube events FILE --for nonsense/a", 2);
    assert!(said.contains("is called nonsense"), "{said}");
}

#[test]
fn helm_releases_are_listed_and_printed() {
    let desk = TestFolder::new();
    let (out, said) = desk.says("kube helm FILE list -A", 1);
    let rows: Vec<Vec<&str>> = out.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["old", "blog", "7", "2026-03-09T09:07:00Z", "deployed", "nginx-1.2.3", "9.9"]);
    assert_eq!(rows[1], ["bad", "shop", "1", "unknown"]);
    assert_eq!(rows[2][..5], ["web", "shop", "10", "2026-03-09T09:02:00Z", "deployed"]);
    assert!(said.contains("the release has no data.release"), "{said}");
    let (out, _) = desk.says("kube helm FILE list -n shop --revisions -w json", 1);
    assert_eq!(out.lines().count(), 3, "{out}");
    // Helm's message about a failure quotes values.
    assert!(!out.contains("Upgrade complete") && out.contains("hidden"), "{out}");
    let (out, _) = desk.says("kube helm FILE list -n shop --revisions -w json --show-secrets", 1);
    assert!(out.contains("Upgrade complete"), "{out}");
    // Values are hidden, their names are not.
    let (out, _) = desk.says("kube helm FILE get values web -n shop", 0);
    assert!(out.contains("image:\n  tag: '(hidden: --show-secrets)'\nreplicas: ") && !out.contains("S3CRET"), "{out}");
    let (out, _) = desk.says("kube helm FILE get values web -n shop --show-secrets", 0);
    assert_eq!(out, "image:\n  tag: S3CRET\nreplicas: 2\n");
    let (out, _) = desk.says("kube helm FILE get values web -n shop --show-secrets --revision 9", 0);
    assert!(out.contains("tag: old"), "{out}");
    let (out, said) = desk.says("kube helm FILE get manifest web -n shop", 2);
    assert!(out.is_empty() && said.contains("may have secrets in it"), "{said}");
    let (out, _) = desk.says("kube helm FILE get manifest web -n shop --show-secrets", 0);
    assert_eq!(out, "---\nkind: Secret\nstringData:\n  p: hunter2\n");
    let (out, _) = desk.says("kube helm FILE get notes old -n blog --show-secrets", 0);
    assert_eq!(out, "Enjoy.\n");
    let (_, said) = desk.says("kube helm FILE get values gone -n shop", 1);
    assert!(said.contains("There is no release gone in namespace shop"), "{said}");
    desk.says("kube helm FILE get values bad -n shop", 1);
}

#[test]
fn events_can_be_selected_by_object() {
    let desk = TestFolder::new();
    for (words, count) in [
        ("pod/web -n shop", 2),
        ("po web -n shop", 2),
        ("pod/front -n shop", 0),
        ("pods -A", 3),
        ("pod web front -A", 3),
        ("deploy/web -n shop", 0),
        ("pod/front deploy/web -A", 1),
    ] {
        let (out, said) = desk.says(&format!("kube events FILE {words} -w json"), 0);
        assert_eq!(out.lines().count(), count, "{words}: {out}{said}");
    }
    let (_, said) = desk.says("kube events FILE pos/web -n shop", 2);
    assert!(said.contains("is called pos"), "{said}");
    let (_, said) = desk.says("kube events FILE pod/web --for pod/web -n shop", 2);
    assert!(said.contains("cannot be used with"), "{said}");
}

#[test]
fn usage_by_kind_has_the_share_of_managed_fields() {
    let desk = TestFolder::new();
    let (out, _) = desk.says("usage FILE --by kind", 0);
    let row = out.lines().find(|line| line.starts_with("Deployment.apps")).unwrap();
    let web = deployment("shop", "web", 1, "nginx:1");
    let (json, _) = desk.says("kube kinds FILE -w json", 0);
    let kinds: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = kinds.iter().find(|kind| kind["kind"] == "Deployment").unwrap();
    let managed = of["managedFieldsBytes"].as_u64().unwrap();
    let percent = (managed as f64 * 100.0 / web.len() as f64).round();
    assert!(row.trim_end().ends_with(&format!(" {percent} %")), "{out}");
    assert!(out.lines().next().is_some() && out.contains("MANAGED"), "{out}");
    let (json, _) = desk.says("usage FILE --by kind -w json", 0);
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["resource"] == "deployments").unwrap();
    assert_eq!((&line["kinds"][0], &line["managedFieldsBytes"]), (&"Deployment.apps".into(), &managed.into()));
    let (_, said) = desk.says("usage FILE /registry/pods/ --by kind", 2);
    assert!(said.contains("--by kind covers all objects"), "{said}");
}
