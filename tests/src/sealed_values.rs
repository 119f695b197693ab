//! Values that Kubernetes' own packages sealed, and snapshots of them.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};

use crate::build::kubernetes::cluster;
use crate::programs::tests_dir;

/// A sealed value with what it was made of.
#[derive(Debug, Clone, Deserialize)]
pub struct Vector {
    /// aescbc, aesgcm, secretbox; kms-seed and kms-key for the two types of sources of KMS v2.
    pub provider: String,
    /// The name of the key or the plugin.
    pub name: String,
    /// The key; empty for a plugin.
    #[serde(default, deserialize_with = "bytes")]
    pub secret: Vec<u8>,
    /// The key of etcd.
    pub key: String,
    /// What was sealed.
    #[serde(deserialize_with = "bytes")]
    pub plain: Vec<u8>,
    /// The value as it is stored.
    #[serde(default, deserialize_with = "bytes")]
    pub sealed: Vec<u8>,
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// The values that stand in the repository: a Secret and a custom resource for each cipher, length of key and kind of name.
///
/// # Panics
/// When they are not there.
#[must_use]
pub fn vectors() -> Vec<Vector> {
    let text = fs::read_to_string(tests_dir().join("encryption/vectors.jsonl")).expect("the vectors");
    text.lines().map(|line| serde_json::from_str(line).expect("a vector")).collect()
}

/// A snapshot in which these were written one after the other.
#[must_use]
pub fn snapshot(vectors: &[Vector]) -> Vec<u8> {
    let writes: Vec<(&str, Option<Vec<u8>>)> =
        vectors.iter().map(|vector| (vector.key.as_str(), Some(vector.sealed.clone()))).collect();
    cluster(&writes)
}

/// An EncryptionConfiguration with these keys: provider, name, bytes.
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
