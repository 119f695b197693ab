//! Writes the list of all libraries in the program, in the format CycloneDX 1.5.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::third_party::Library;

/// Returns the list as JSON. It is the same for each build of a commit, because it has no random serial number and only the time of the commit.
///
/// # Errors
/// When `Cargo.lock` cannot be read.
pub fn document(source: &Path, libraries: &[Library], version: &str, time: &str) -> Result<String> {
    let hashes = hashes(&source.join("Cargo.lock"))?;
    let components: Vec<Value> = libraries.iter().map(|library| component(library, &hashes)).collect();
    let own = format!("pkg:cargo/etcdsnap@{version}");
    let references: Vec<&Value> = components.iter().map(|component| &component["bom-ref"]).collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "etcdsnap",
                "version": version,
                "licenses": [{ "expression": "Apache-2.0" }],
                "purl": own,
            },
        },
        "dependencies": [{ "ref": own, "dependsOn": references }],
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn component(library: &Library, hashes: &BTreeMap<(String, String), String>) -> Value {
    let url = format!("pkg:{}/{}@{}", library.registry, library.name, library.version);
    let mut component = json!({
        "type": "library",
        "bom-ref": url,
        "name": library.name,
        "version": library.version,
        "licenses": [{ "expression": library.licence }],
        "purl": url,
    });
    if let Some(hash) =
        hashes.get(&(library.name.clone(), library.version.clone())).filter(|_| library.registry == "cargo")
    {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": hash }]);
    }
    component
}

/// Returns the hashes of packages from `Cargo.lock`, by name and version.
fn hashes(lock: &Path) -> Result<BTreeMap<(String, String), String>> {
    let text = fs::read_to_string(lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let lock: toml::Table = text.parse().context("Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock has no packages")?;
    let word = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    Ok(packages
        .iter()
        .filter_map(|package| Some(((word(package, "name")?, word(package, "version")?), word(package, "checksum")?)))
        .collect())
}
