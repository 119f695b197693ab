//! Reads any bytes as an encrypted value, a configuration and a message of a KMS plugin, for fuzzing.

use etcdsnap_core::kubernetes::encryption::configuration::Configuration;
use etcdsnap_core::kubernetes::encryption::keyring::{Keyring, PluginError, Plugins};
use etcdsnap_core::kubernetes::encryption::kms_v2::Sealed;
use etcdsnap_core::kubernetes::encryption::needed_key::Encrypted;
use zeroize::Zeroizing;

/// A key for each cipher, one with colons in its name, and two with the same name.
const CONFIGURATION: &str = r#"{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],"providers":[
{"aescbc":{"keys":[{"name":"k","secret":"AAAAAAAAAAAAAAAAAAAAAA=="},{"name":"k","secret":"AQAAAAAAAAAAAAAAAAAAAA=="},{"name":"k:9","secret":"AAAAAAAAAAAAAAAAAAAAAA=="}]}},
{"aesgcm":{"keys":[{"name":"k","secret":"AAAAAAAAAAAAAAAAAAAAAA=="}]}},
{"secretbox":{"keys":[{"name":"k","secret":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]}},
{"kms":{"apiVersion":"v2","name":"k","endpoint":"unix:///k"}},{"identity":{}}]}]}"#;

/// A plugin that returns its input.
struct Echo([String; 1]);

impl Plugins for Echo {
    fn names(&self) -> &[String] {
        &self.0
    }

    fn open(&self, _plugin: &str, sealed: &Sealed<'_>) -> Result<Zeroizing<Vec<u8>>, PluginError> {
        Ok(Zeroizing::new(sealed.source.to_vec()))
    }
}

/// Decrypts the bytes as a value, and parses them as a configuration.
///
/// # Panics
/// Panics if an unencrypted value changes, or an encrypted one becomes longer.
pub fn decrypt_any(bytes: &[u8]) {
    let keyring = Keyring::from(Configuration::parse(CONFIGURATION).expect("a configuration"));
    let values = [bytes.to_vec(), [b"k8s:enc:", bytes].concat()];
    for value in &values {
        let opened = keyring.open(b"/registry/secrets/a/b", value, &Echo(["k".into()]));
        match (Encrypted::of(value), opened) {
            (None, opened) => assert_eq!(opened.as_deref(), Ok(&value[..])),
            (Some(encrypted), Ok(plain)) => {
                assert!(plain.len() < value.len());
                assert!(encrypted.needed_key().name.len() <= value.len());
            }
            (Some(_), Err(closed)) => {
                assert!(closed.needs.name.len() <= value.len() && !closed.why.to_string().is_empty())
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(Configuration::parse(text));
    }
}

/// Returns the seed inputs of the fuzzer: names and files.
#[must_use]
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = vec![("configuration".to_owned(), CONFIGURATION.as_bytes().to_vec())];
    let yaml =
        "apiVersion: v1\nkind: EncryptionConfig\nresources:\n- resources: ['*.*']\n  providers:\n  - identity: {}\n";
    seeds.push(("yaml".to_owned(), yaml.as_bytes().to_vec()));
    for provider in ["aescbc:v1", "aesgcm:v1", "secretbox:v1", "kms:v1"] {
        seeds.push((provider.replace(':', "-"), [provider.as_bytes(), b":k:", &[0; 64]].concat()));
    }
    // A message with all five fields, whose source is both a key and a seed.
    let data = [0; 64];
    let message =
        [&b"kms:v2:k:\x0a\x40"[..], &data, b"\x12\x02id\x1a\x20", &data[..32], b"\x22\x08\x0a\x01n\x12\x03abc\x28\x01"];
    seeds.push(("kms-v2".to_owned(), message.concat()));
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded_random::SeededRandom;

    #[test]
    fn reads_seeds_and_their_mutants_without_a_panic() {
        let mut rng = SeededRandom::new(29);
        for (_, seed) in seeds() {
            for _ in 0..500 {
                let mut mutant = seed.clone();
                for _ in 0..=rng.below(4) {
                    let at = rng.below(mutant.len());
                    match rng.below(3) {
                        0 => mutant[at] = rng.below(256) as u8,
                        1 => mutant.truncate(at.max(1)),
                        _ => mutant.insert(at, rng.below(256) as u8),
                    }
                }
                decrypt_any(&mutant);
            }
        }
    }
}
