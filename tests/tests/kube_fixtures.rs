//! Runs `etcdsnap kube` over Kubernetes' own fixtures: each kind with all its fields set, as a server stores it.
//!
//! Creating the table of types (`cargo xtask kubernetes`) puts them into Go's module cache; they are not committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use etcdsnap_core::kubernetes::resources::{Resource, Resources};
use etcdsnap_core::kubernetes::type_table::Schema;
use etcdsnap_tests::build::kubernetes::cluster;
use etcdsnap_tests::cli;
use etcdsnap_tests::programs::{kubernetes_modules, tests_dir};

/// Returns the fixtures of the newest version.
fn folder() -> Option<PathBuf> {
    let cache = kubernetes_modules()?;
    let modules =
        fs::read_to_string(tests_dir().join("reference/kubernetes/modules.txt")).expect("the list of modules");
    let version = modules.lines().rev().find_map(|line| line.strip_prefix("k8s.io/api ")).expect("a version");
    Some(cache.join(format!("k8s.io/api@{version}/testdata/HEAD")))
}

/// Returns the key under which an object of a type is stored.
fn key(resource: &Resource) -> String {
    let stored = match resource.plural.as_str() {
        "services" => "services/specs",
        "endpoints" => "services/endpoints",
        "nodes" => "minions",
        "rangeallocations" => "ranges",
        plural => plural,
    };
    let namespace = if resource.namespaced { "namespaceValue/" } else { "" };
    format!("/registry/{stored}/{namespace}nameValue")
}

/// Returns one object of each type that has a fixture, by its key.
fn objects() -> Option<BTreeMap<String, (Resource, Vec<u8>)>> {
    let folder = folder()?;
    let mut objects = BTreeMap::new();
    for kind in Schema::builtin().kinds() {
        let group = if kind.group.is_empty() { "core" } else { kind.group };
        let Ok(value) = fs::read(folder.join(format!("{group}.{}.{}.pb", kind.version, kind.kind))) else { continue };
        let resources = Resources::builtin();
        let resource =
            resources.list().iter().find(|resource| resource.group == kind.group && resource.kind == kind.kind);
        let resource = resource.expect("a type of the table").clone();
        objects.entry(key(&resource)).or_insert((resource, value));
    }
    Some(objects)
}

#[test]
fn every_kind_is_printed_as_a_clean_manifest() {
    let Some(objects) = objects() else { return };
    assert!(objects.len() > 50, "only {} types have a fixture", objects.len());
    let writes: Vec<(&str, Option<Vec<u8>>)> =
        objects.iter().map(|(key, (_, value))| (key.as_str(), Some(value.clone()))).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    fs::write(&file, cluster(&writes)).unwrap();
    let mut failed = Vec::new();
    for (key, (resource, _)) in &objects {
        let word = format!("{}.{}/nameValue", resource.plural, resource.group);
        let word = word.replace("./", "/");
        let path = file.to_str().unwrap();
        let output = cli::run(&["kube", "manifests", path, "-A", &word, "--include-owned", "--show-secrets"]);
        let (yaml, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.code() != Some(0) {
            failed.push(format!("{key}: {said}"));
            continue;
        }
        // Up to the next line that is not indented.
        let metadata = yaml.split_once("\nmetadata:").expect("metadata").1;
        let end = metadata.match_indices('\n').find(|(at, _)| !metadata[at + 1..].starts_with([' ', '-']));
        let metadata = end.map_or(metadata, |(at, _)| &metadata[..at]);
        for field in [
            "uid",
            "resourceVersion",
            "managedFields",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "ownerReferences",
        ] {
            assert!(!metadata.contains(&format!("\n  {field}:")), "{key} has {field}: {yaml}");
        }
        assert!(!yaml.contains("\nstatus:"), "{key} has a status: {yaml}");
        assert!(yaml.contains("\n  name: nameValue\n"), "{key}: {yaml}");
    }
    assert!(failed.is_empty(), "{failed:#?}");
    let kinds = cli::run(&["kube", "kinds", file.to_str().unwrap(), "-wjson"]);
    assert_eq!(kinds.status.code(), Some(0), "{kinds:?}");
    assert_eq!(String::from_utf8(kinds.stdout).unwrap().lines().count(), objects.len());
}
