//! Values that Kubernetes' own packages encrypted, and snapshots that hold them.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};

use crate::build::kubernetes::cluster;
use crate::programs::tests_dir;

/// An encrypted value with its inputs.
#[derive(Debug, Clone, Deserialize)]
pub struct TestVector {
    /// aescbc, aesgcm, secretbox; kms-seed and kms-key for the two kinds of sources of KMS v2.
    pub provider: String,
    /// The name of the key or the plugin.
    pub name: String,
    /// The key; empty for a plugin.
    #[serde(default, deserialize_with = "bytes")]
    pub secret: Vec<u8>,
    /// The etcd key.
    pub key: String,
    /// The plaintext.
    #[serde(deserialize_with = "bytes")]
    pub plain: Vec<u8>,
    /// The value as etcd stores it.
    #[serde(default, deserialize_with = "bytes")]
    pub sealed: Vec<u8>,
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// Reads the committed values: a Secret and a custom resource for each cipher, key length and kind of name.
///
/// # Panics
/// Panics if the file is missing.
#[must_use]
pub fn vectors() -> Vec<TestVector> {
    let text = fs::read_to_string(tests_dir().join("encryption/vectors.jsonl")).expect("the vectors");
    text.lines().map(|line| serde_json::from_str(line).expect("a vector")).collect()
}

/// Builds a snapshot that holds these values, one revision each.
#[must_use]
pub fn snapshot(vectors: &[TestVector]) -> Vec<u8> {
    let writes: Vec<(&str, Option<Vec<u8>>)> =
        vectors.iter().map(|vector| (vector.key.as_str(), Some(vector.sealed.clone()))).collect();
    cluster(&writes)
}

/// Builds an EncryptionConfiguration with these keys: provider, name, bytes.
#[must_use]
pub fn configuration(keys: &[(&str, &str, &[u8])]) -> String {
    let providers: String = keys
        .iter()
        .map(|(provider, name, secret)| {
            format!(
                "  - {provider}:\n      keys:\n      - name: '{name}'\n        secret: {}\n",
                STANDARD.encode(secret)
            )
        })
        .collect();
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets, '*.*']\n  providers:\n{providers}  - identity: {{}}\n"
    )
}

/// Returns a configuration with all keys of the vectors.
#[must_use]
pub fn configuration_with_all_keys() -> String {
    let vectors = vectors();
    let keys: Vec<(&str, &str, &[u8])> = vectors
        .iter()
        .filter(|vector| !vector.secret.is_empty())
        .map(|vector| (vector.provider.as_str(), vector.name.as_str(), vector.secret.as_slice()))
        .collect();
    configuration(&keys)
}

/// Creates a folder with the snapshot of all vectors, and two configurations: with all keys, and with one of another cluster.
#[must_use]
pub fn folder_with_snapshot() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.db"), snapshot(&vectors())).expect("a file");
    fs::write(folder.path().join("all.yaml"), configuration_with_all_keys()).expect("a file");
    let other = configuration(&[("aescbc", "key16", &[1; 16]), ("aesgcm", "key99", &[2; 32])]);
    fs::write(folder.path().join("other.yaml"), other).expect("a file");
    folder
}

/// Builds an EncryptionConfiguration with these entries: resources, the vector whose key is among the providers, and whether identity is.
#[must_use]
pub fn configuration_with_entries(entries: &[(&str, &TestVector, bool)]) -> String {
    let entries: String = entries
        .iter()
        .map(|(resources, vector, has_identity)| {
            let identity = if *has_identity { "  - identity: {}\n" } else { "" };
            format!(
                "- resources: [{resources}]\n  providers:\n  - {}: {{keys: [{{name: '{}', secret: {}}}]}}\n{identity}",
                vector.provider,
                vector.name,
                STANDARD.encode(&vector.secret)
            )
        })
        .collect();
    format!("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n{entries}")
}
