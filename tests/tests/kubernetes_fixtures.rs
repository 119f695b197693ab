//! Every object of Kubernetes' own fixtures comes out as Kubernetes prints it.
//!
//! `k8s.io/api/testdata` has each kind with all its fields set, as protobuf, JSON and YAML, of HEAD and of the versions before it. They lie in Go's module cache when the
//! table of types was made (`cargo xtask kubernetes`), and are not committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::object;
use etcdsnap_core::kubernetes::schema::Schema;
use etcdsnap_core::kubernetes::yaml::to_yaml;
use etcdsnap_tests::programs::{kubernetes_modules, tests_dir};

/// The folders of the fixtures: of each version of the module HEAD and those of older versions.
fn folders(cache: &Path) -> Vec<PathBuf> {
    let modules = fs::read_to_string(tests_dir().join("reference/kubernetes/modules.txt"));
    let modules = modules.expect("the list of modules");
    let versions = modules.lines().filter_map(|line| line.strip_prefix("k8s.io/api "));
    let data = versions.map(|version| cache.join(format!("k8s.io/api@{version}/testdata")));
    let mut folders: Vec<PathBuf> =
        data.filter_map(|data| fs::read_dir(data).ok()).flatten().map(|entry| entry.expect("an entry").path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    folders
}

/// Older fixtures are of servers that printed a zero time as `null`.
const OPTIONS: Options<'static> = Options { resource_version: None, null_creation_timestamp: true };

/// JSON without the blanks between its values.
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

/// Why a fixture is not looked at: its kind is no object that is stored.
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
            let read = |ending| fs::read_to_string(path.with_extension(ending)).expect("its other form");
            objects += 1;
            let mut json = Vec::new();
            let remarks = object::api_json(&value, OPTIONS, &mut json).expect("an object");
            let (tree, _) = object::tree(&value, OPTIONS).expect("an object");
            let differs = [
                (!remarks.is_empty(), "remarks"),
                (String::from_utf8(json).unwrap() != compact(&read("json")), "JSON"),
                (to_yaml(&tree) != read("yaml"), "YAML"),
            ];
            for (_, what) in differs.into_iter().filter(|(differs, _)| *differs) {
                let place = folder.iter().rev().take(3).map(|part| part.to_string_lossy()).collect::<Vec<_>>();
                differing.entry(format!("{name} {what}")).or_default().push(format!("{}/{}", place[2], place[0]));
            }
        }
    }
    println!("{objects} objects");
    let unexpected: Vec<_> = differing.iter().collect();
    assert!(unexpected.is_empty(), "{} of {objects}: {unexpected:#?}", unexpected.len());
}
