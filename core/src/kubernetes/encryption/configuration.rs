//! Reads an EncryptionConfiguration: the file of `--encryption-provider-config` of kube-apiserver.
//!
//! ```yaml
//! apiVersion: apiserver.config.k8s.io/v1     # kind EncryptionConfig, apiVersion v1 up to Kubernetes 1.12
//! kind: EncryptionConfiguration
//! resources:
//!   providers:                               # the first one encrypts, all of them decrypt
//!   providers:                               # the first one writes, all of them read
//!   - aescbc: {keys: [{name: key1, secret: BASE64}]}      # aesgcm and secretbox alike
//!   - kms: {apiVersion: v2, name: vault, endpoint: 'unix:///run/kms.sock'}
//!   - identity: {}
//! ```

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::cipher::{is_aes_key, is_secretbox_key};
use super::resource_entries::{ConfigEntry, GroupResource, Readers};
use super::yaml_reader::{self, YamlNode};
use crate::needed_key::Provider;

/// A key in a configuration. Its bytes are wiped from memory, and nothing prints them.
pub struct ConfiguredKey {
    /// The provider that uses it.
    pub provider: Provider,
    /// Its name, which may contain colons.
    pub name: String,
    /// Its bytes.
    pub secret: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for ConfiguredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfiguredKey({}:{}, …)", self.provider.as_str(), self.name)
    }
}

/// A KMS plugin in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// The version of its interface: one of the two KMS providers.
    pub provider: Provider,
    /// Its name.
    pub name: String,
    /// The socket at which the API server reaches it, such as `unix:///run/kms.sock`; may be empty.
    pub endpoint: String,
}

/// The keys and plugins of a configuration. Each value names the key that it needs; [`Configuration::readers`] tells whether an API server uses that key for a resource.
#[derive(Debug, Default)]
pub struct Configuration {
    /// The keys, in the order of the file.
    pub keys: Vec<ConfiguredKey>,
    /// The plugins, in the order of the file.
    pub plugins: Vec<Plugin>,
    entries: Vec<ConfigEntry>,
}

impl Configuration {
    /// Parses a configuration.
    ///
    /// # Errors
    /// What is wrong, and where; without any secrets.
    pub fn parse(text: &str) -> Result<Self, String> {
        let root = yaml_reader::read(text)?;
        let word = |name: &str| root.get(name).and_then(YamlNode::text).unwrap_or_default();
        match (word("apiVersion"), word("kind")) {
            ("apiserver.config.k8s.io/v1" | "apiserver.config.k8s.io/v1alpha1", "EncryptionConfiguration")
            | ("v1", "EncryptionConfig") => {}
            _ => return Err("it is not an EncryptionConfiguration: apiVersion or kind is another one".into()),
        }
        let mut out = Self::default();
        for (at, entry) in list(&root, "", "resources")?.iter().enumerate() {
            let at = format!("resources[{at}]");
            let mut read = ConfigEntry::default();
            for (number, resource) in list(entry, &at, "resources")?.iter().enumerate() {
                let text = resource.text().ok_or_else(|| format!("{at}.resources[{number}] is not text"))?;
                read.resources.push(GroupResource::parse(text));
            }
            let first = out.keys.len();
            for (number, provider) in list(entry, &at, "providers")?.iter().enumerate() {
                out.provider(provider, &format!("{at}.providers[{number}]"), &mut read)?;
            }
            read.keys = first..out.keys.len();
            out.entries.push(read);
        }
        Ok(out)
    }

    /// Returns the keys and plugins with which an API server reads the values of a resource.
    #[must_use]
    pub fn readers(&self, resource: &GroupResource) -> Readers {
        Readers::of(&self.entries, resource)
    }

    fn provider(&mut self, provider: &YamlNode, at: &str, entry: &mut ConfigEntry) -> Result<(), String> {
        let known = [("aescbc", Provider::AesCbc), ("aesgcm", Provider::AesGcm), ("secretbox", Provider::Secretbox)];
        // `identity: {}` is an empty map, and `identity:` is null.
        let mut is_known = provider.has("identity");
        entry.has_identity |= is_known;
        for (name, of) in known {
            let Some(node) = provider.get(name) else { continue };
            is_known = true;
            let at = format!("{at}.{name}");
            for (number, key) in list(node, &at, "keys")?.iter().enumerate() {
                self.keys.push(read_key(key, of, &format!("{at}.keys[{number}]"))?);
            }
        }
        if let Some(kms) = provider.get("kms") {
            is_known = true;
            let text = |name: &str| kms.get(name).and_then(YamlNode::text).unwrap_or_default();
            let of = match text("apiVersion") {
                "" | "v1" => Provider::KmsV1,
                "v2" => Provider::KmsV2,
                _ => return Err(format!("{at}.kms.apiVersion is neither v1 nor v2")),
            };
            if text("name").is_empty() {
                return Err(format!("{at}.kms has no name"));
            }
            let plugin = Plugin { provider: of, name: text("name").into(), endpoint: text("endpoint").into() };
            entry.plugins.push(plugin.name.clone());
            if !self.plugins.contains(&plugin) {
                self.plugins.push(plugin);
            }
        }
        if is_known { Ok(()) } else { Err(format!("{at} is not one of identity, aescbc, aesgcm, secretbox and kms")) }
    }
}

fn list<'n>(node: &'n YamlNode, at: &str, name: &str) -> Result<&'n [YamlNode], String> {
    let dot = if at.is_empty() { "" } else { "." };
    node.get(name).and_then(YamlNode::items).ok_or_else(|| format!("{at}{dot}{name} is not a list"))
}

fn read_key(node: &YamlNode, provider: Provider, at: &str) -> Result<ConfiguredKey, String> {
    let name = node.get("name").and_then(YamlNode::text).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| format!("{at} has no name"))?;
    let secret = node.get("secret").and_then(YamlNode::text).ok_or_else(|| format!("{at} has no secret"))?;
    // The buffer has its final size from the start: a growing buffer would leave copies that are not wiped.
    let mut bytes = Zeroizing::new(vec![0; secret.len()]);
    // Go's decoder, which API servers use, ignores line breaks.
    let mut text = Zeroizing::new(String::with_capacity(secret.len()));
    text.extend(secret.chars().filter(|sign| !matches!(sign, '\r' | '\n')));
    let len = STANDARD.decode_slice(text.as_bytes(), &mut bytes).map_err(|_| format!("{at}.secret is not base64"))?;
    bytes.truncate(len);
    let (is_right, wanted) = match provider {
        Provider::Secretbox => (is_secretbox_key(&bytes), "32"),
        _ => (is_aes_key(&bytes), "16, 24 or 32"),
    };
    if !is_right {
        return Err(format!("{at}.secret has {len} bytes instead of {wanted}"));
    }
    Ok(ConfiguredKey { provider, name: name.to_owned(), secret: bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn of(resources: &str) -> Result<Configuration, String> {
        Configuration::parse(&format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n{resources}"
        ))
    }

    #[test]
    fn all_providers_and_entries_are_read() {
        let found = of(&format!(
            "- resources: [secrets]
  providers:
  - aescbc:
      keys:
      - {{name: 'key-2026-03-09T09:46:54+01:00', secret: {KEY}}}
      - {{name: key1, secret: MDEyMzQ1Njc4OWFiY2RlZg==}}
  - identity: {{}}
- resources: ['*.apps', '*.*']
  providers:
  - secretbox: {{keys: [{{name: key1, secret: {KEY}}}]}}
  - aesgcm: {{keys: [{{name: key1, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3}}]}}
  - kms: {{apiVersion: v2, name: vault, endpoint: 'unix:///run/kms.sock', timeout: 3s}}
  - kms: {{name: old, endpoint: 'unix:///run/old.sock', cachesize: 100}}
"
        ))
        .unwrap();
        let names: Vec<_> =
            found.keys.iter().map(|key| (key.provider.as_str(), &*key.name, key.secret.len())).collect();
        assert_eq!(
            names,
            [
                ("aescbc:v1", "key-2026-03-09T09:46:54+01:00", 32),
                ("aescbc:v1", "key1", 16),
                ("secretbox:v1", "key1", 32),
                ("aesgcm:v1", "key1", 24)
            ]
        );
        let plugins: Vec<_> = found.plugins.iter().map(|plugin| (plugin.provider, &*plugin.name)).collect();
        assert_eq!(plugins, [(Provider::KmsV2, "vault"), (Provider::KmsV1, "old")]);
    }

    #[test]
    fn older_forms_and_json_are_read() {
        let json = format!(
            r#"{{"kind":"EncryptionConfig","apiVersion":"v1","resources":[{{"resources":["secrets"],"providers":[{{"aescbc":{{"keys":[{{"name":"k","secret":"{KEY}"}}]}}}},{{"identity":{{}}}}]}}]}}"#
        );
        assert_eq!(Configuration::parse(&json).unwrap().keys.len(), 1);
    }

    #[test]
    fn errors_contain_no_secrets() {
        let key = |name: &str, secret: &str| {
            format!(
                "- resources: [secrets]\n  providers:\n  - aescbc: {{keys: [{{name: {name}, secret: {secret}}}]}}\n"
            )
        };
        let short = key("a", "c2VjcmV0");
        for (text, why) in [
            (key("''", KEY), "resources[0].providers[0].aescbc.keys[0] has no name"),
            (key("a", "TOPSECRET?"), "keys[0].secret is not base64"),
            (short, "keys[0].secret has 6 bytes instead of 16, 24 or 32"),
            ("- resources: [secrets]\n  providers: [{rot13: {}}]\n".into(), "providers[0] is not one of identity"),
            ("- resources: secrets\n".into(), "resources[0].resources is not a list"),
            ("- resources: [secrets]\n  providers: [{kms: {apiVersion: v2}}]\n".into(), "kms has no name"),
            ("- resources: [secrets]\n  providers: [{kms: {apiVersion: v3, name: a}}]\n".into(), "neither v1 nor v2"),
        ] {
            let error = of(&text).unwrap_err();
            assert!(error.contains(why) && !error.contains("TOPSECRET"), "{error}");
        }
        assert!(
            Configuration::parse("kind: Secret\napiVersion: v1\n").unwrap_err().contains("not an EncryptionConfig")
        );
        let found = of(&key("a", KEY)).unwrap();
        assert!(!format!("{found:?}").contains("MDEy") && !format!("{found:?}").contains("0123"));
    }
}
