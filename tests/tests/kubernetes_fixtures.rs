//! Decodes every object of Kubernetes' own fixtures, and compares it with Kubernetes' own output.
//!
//! `k8s.io/api/testdata` has each kind with all its fields set, as protobuf, JSON and YAML, of HEAD and of earlier versions. Creating the
//! table of types (`cargo xtask kubernetes`) puts them into Go's module cache; they are not committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use etcdsnap_core::key_syntax::is_unprintable;
use etcdsnap_core::kubernetes::decode::{Options, Skip};
use etcdsnap_core::kubernetes::object;
use etcdsnap_core::kubernetes::type_table::Schema;
use etcdsnap_core::kubernetes::yaml::to_yaml;
use etcdsnap_tests::programs::{kubernetes_modules, tests_dir};

/// Returns the folders of the fixtures: of each version of the module HEAD and those of older versions.
fn folders(cache: &Path) -> Vec<PathBuf> {
    let modules = fs::read_to_string(tests_dir().join("reference/kubernetes/modules.txt"));
    let modules = modules.expect("the list of modules");
    let versions = modules.lines().filter_map(|line| line.strip_prefix("k8s.io/api "));
    let data = versions.map(|version| cache.join(format!("k8s.io/api@{version}/testdata")));
    let mut folders: Vec<PathBuf> = data
        .filter_map(|data| fs::read_dir(data).ok())
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    folders
}

/// Older fixtures come from servers that printed a zero time as `null`.
const OPTIONS: Options<'static> =
    Options { resource_version: None, null_creation_timestamp: true, only_metadata: false, skip: Skip::Nothing };

/// Removes the blanks between JSON values.
fn compact(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let keep = |sign: &char| {
        if *sign == '"' && !escaped {
            in_text = !in_text;
        }
        escaped = in_text && *sign == '\\' && !escaped;
        in_text || !sign.is_whitespace()
    };
    json.chars().filter(keep).collect()
}

/// Returns whether a fixture's kind is an object that etcd stores.
fn is_stored(name: &str) -> bool {
    let mut parts = name.rsplitn(3, '.');
    let (kind, version, group) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap_or_default());
    let group = if group == "core" { "" } else { group };
    let kinds = Schema::builtin().kinds();
    kinds.iter().any(|known| (known.group, known.version, known.kind) == (group, version, kind))
}

#[test]
fn fixtures_come_out_as_kubernetes_prints_them() {
    let Some(cache) = kubernetes_modules() else { return };
    let folders = folders(&cache);
    let (mut objects, mut differing) = (0, BTreeMap::<String, Vec<String>>::new());
    for folder in folders {
        for entry in fs::read_dir(&folder).expect("fixtures") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.extension().is_none_or(|ending| ending != "pb") || !is_stored(&name) {
                continue;
            }
            let value = fs::read(&path).expect("a fixture");
            let read = |ending| {
                let text = fs::read_to_string(path.with_extension(ending)).expect("its other form");
                if name.ends_with(".StatefulSet") { with_kinds_of_claims(&text) } else { text }
            };
            objects += 1;
            let mut json = Vec::new();
            let remarks = object::api_json(&value, OPTIONS, &mut json).expect("an object");
            let (tree, _) = object::tree(&value, OPTIONS).expect("an object");
            let yaml = read("yaml");
            let differs = [
                (!remarks.is_empty(), "remarks"),
                (String::from_utf8(json).unwrap() != compact(&read("json")), "JSON"),
                (yaml != to_yaml(&tree) && !yaml.contains(is_escaped_by_us), "YAML"),
            ];
            for (_, what) in differs.into_iter().filter(|(differs, _)| *differs) {
                let place = folder.iter().rev().take(3).map(|part| part.to_string_lossy()).collect::<Vec<_>>();
                differing.entry(format!("{name} {what}")).or_default().push(format!("{}/{}", place[2], place[0]));
            }
        }
    }
    assert!(objects > 6000, "only {objects} fixtures");
    let unexpected: Vec<_> = differing.iter().filter(|(name, folders)| !is_known(name, folders)).collect();
    assert!(unexpected.is_empty(), "{} of {objects}: {unexpected:#?}", unexpected.len());
}

/// Adds kind and version to the claims of a StatefulSet, as a server does on reading; no server made the fixtures, which lack them.
fn with_kinds_of_claims(text: &str) -> String {
    let json = r#""volumeClaimTemplates": [
      {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1","#;
    let yaml = "volumeClaimTemplates:\n  - apiVersion: v1\n    kind: PersistentVolumeClaim\n    metadata:";
    text.replace("\"volumeClaimTemplates\": [\n      {", json).replace("volumeClaimTemplates:\n  - metadata:", yaml)
}

/// Returns whether a character is invisible: random texts of old fixtures contain some, and etcdsnap escapes them where kubectl does not.
fn is_escaped_by_us(sign: char) -> bool {
    is_unprintable(sign) && !sign.is_control()
}

/// Returns whether a fixture and our output differ for a known reason.
fn is_known(name: &str, folders: &[String]) -> bool {
    // 1.15 had an alpha field `managedFields[].fields`, whose type no newer module has: it is printed by its number, and counted.
    let others: Vec<&str> = folders.iter().map(String::as_str).filter(|at| *at != "api@v0.17.5/v1.15.0").collect();
    let Some((kind, what)) = name.split_once(' ') else { return false };
    // A newer field that may be null and has no `omitempty`: in protobuf, null on newer servers looks the same as a missing field on older ones.
    let null: &[&str] = match kind {
        "core.v1.Pod" => &["api@v0.37.2/HEAD"],
        "certificates.k8s.io.v1beta1.PodCertificateRequest" => &["v1.35.0", "api@v0.35.10/HEAD"],
        "resource.k8s.io.v1alpha3.ResourceClaim" => &["v1.31.0", "api@v0.31.14/HEAD"],
        "networking.k8s.io.v1.IngressClass" | "networking.k8s.io.v1beta1.IngressClass" => {
            &["v1.18.0", "v1.19.0", "v1.20.0", "api@v0.20.6/HEAD"]
        }
        // The fixture's own envelope says v2beta2.
        "autoscaling.v2.HorizontalPodAutoscaler" => &["api@v0.23.16/HEAD"],
        _ => &[],
    };
    others.is_empty() || what != "remarks" && others.iter().all(|at| null.iter().any(|known| at.ends_with(known)))
}
