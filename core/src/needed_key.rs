//! Finds out which provider and which key encrypted a value of Kubernetes, as far as its bytes show.

use std::fmt;

/// Prefix of all encrypted values.
pub const PREFIX: &[u8] = b"k8s:enc:";

/// Longest key name that is recognized, in bytes. Names in Kubernetes are shorter, but a forged value could consist of
/// nothing but a name.
const MAX_NAME: usize = 256;

/// An encryption provider of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// AES-CBC with a key of the configuration.
    AesCbc,
    /// AES-GCM with a key of the configuration.
    AesGcm,
    /// XSalsa20-Poly1305 with a key of the configuration.
    Secretbox,
    /// A KMS plugin with the v1 API: a data key per value.
    KmsV1,
    /// A KMS plugin with the v2 API.
    KmsV2,
    /// A provider that this program does not know.
    Unknown,
}

impl Provider {
    const ALL: [Self; 5] = [Self::AesCbc, Self::AesGcm, Self::Secretbox, Self::KmsV1, Self::KmsV2];

    /// The provider as encrypted values spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AesCbc => "aescbc:v1",
            Self::AesGcm => "aesgcm:v1",
            Self::Secretbox => "secretbox:v1",
            Self::KmsV1 => "kms:v1",
            Self::KmsV2 => "kms:v2",
            Self::Unknown => "unknown",
        }
    }
}

/// The encryption key that a value needs: a provider, and the name of a key or of a KMS plugin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeededKey {
    /// The provider.
    pub provider: Provider,
    /// Name of the key or plugin; for an unknown provider everything readable.
    pub name: String,
}

impl fmt::Display for NeededKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, name } = self;
        match provider {
            Provider::KmsV1 | Provider::KmsV2 => write!(f, "{}, plugin {name}", provider.as_str()),
            Provider::Unknown => write!(f, "an unknown provider, {name}"),
            _ => write!(f, "{}, key {name}", provider.as_str()),
        }
    }
}

/// An encrypted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted<'v> {
    /// The provider that encrypted the value.
    pub provider: Provider,
    /// Everything after the provider: the name, a colon, and the encrypted data.
    pub rest: &'v [u8],
}

impl<'v> Encrypted<'v> {
    /// Splits off the prefix of a value; `None` if the value is not encrypted.
    #[must_use]
    pub fn of(value: &'v [u8]) -> Option<Self> {
        let rest = value.strip_prefix(PREFIX)?;
        let known = Provider::ALL.into_iter().find_map(|provider| {
            let rest = rest.strip_prefix(provider.as_str().as_bytes())?.strip_prefix(b":")?;
            Some(Self { provider, rest })
        });
        Some(known.unwrap_or(Self { provider: Provider::Unknown, rest }))
    }

    /// Returns the data after `name`; `None` if the value does not begin with that name.
    #[must_use]
    pub fn data_after(&self, name: &str) -> Option<&'v [u8]> {
        self.rest.strip_prefix(name.as_bytes())?.strip_prefix(b":")
    }

    /// Guesses the needed key without an encryption configuration, which would say where the name ends. A name ends at
    /// its first colon, unless the text after it looks like the rest of a time, as in the names of k3s. With AES-CBC,
    /// the length of the encrypted data must also be a multiple of the block size.
    #[must_use]
    pub fn needed_key(&self) -> NeededKey {
        let start = self.rest.get(..MAX_NAME).unwrap_or(self.rest);
        let readable = start.iter().position(|byte| !(b' '..=b'~').contains(byte)).unwrap_or(start.len());
        let text = start.get(..readable).unwrap_or_default();
        let colons = || text.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
        let end = match self.provider {
            Provider::AesCbc => {
                let fits = |at: &usize| {
                    let len = self.rest.len().saturating_sub(at.saturating_add(1));
                    len >= 32 && len.is_multiple_of(16)
                };
                colons().rfind(fits).or_else(|| colons().next())
            }
            Provider::AesGcm | Provider::Secretbox => {
                let mut ends = colons();
                let first = ends.next();
                first.map(|first| {
                    let time_parts = ends.scan(first, |before, at| {
                        let part = text.get(before.saturating_add(1)..at).unwrap_or_default();
                        *before = at;
                        is_part_of_time(part).then_some(at)
                    });
                    time_parts.last().unwrap_or(first)
                })
            }
            Provider::KmsV1 | Provider::KmsV2 => colons().next_back(),
            Provider::Unknown => colons().nth(2).or_else(|| colons().next_back()),
        };
        let name = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
        NeededKey { provider: self.provider, name: String::from_utf8_lossy(name).into_owned() }
    }
}

/// Whether `part` can be a component of a time such as `09:46:54+01:00`.
fn is_part_of_time(part: &[u8]) -> bool {
    let digits = part.get(..2).is_some_and(|start| start.iter().all(u8::is_ascii_digit));
    digits && part.get(2..).is_some_and(|rest| rest.iter().all(|sign| sign.is_ascii_digit() || b".+-Z".contains(sign)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(start: &str, encrypted: &[u8]) -> (Provider, String) {
        let value = [start.as_bytes(), encrypted].concat();
        let NeededKey { provider, name } = Encrypted::of(&value).unwrap().needed_key();
        (provider, name)
    }

    #[test]
    fn names_end_where_the_encrypted_data_begins() {
        let colons = [0x3a; 48];
        assert_eq!(needed("k8s:enc:aescbc:v1:key1:", &[0xff; 48]), (Provider::AesCbc, "key1".into()));
        // Every colon could end the name, but whole blocks follow only one of them.
        assert_eq!(needed("k8s:enc:aescbc:v1:a:b:", &[&[0x3a; 3][..], &[1; 45]].concat()).1, "a:b");
        let k3s = "key-2026-03-09T09:46:54+01:00";
        for provider in ["aescbc:v1", "aesgcm:v1", "secretbox:v1"] {
            assert_eq!(needed(&format!("k8s:enc:{provider}:{k3s}:"), &[0x80; 48]).1, k3s, "{provider}");
        }
        assert_eq!(needed("k8s:enc:secretbox:v1:key1:", &colons).1, "key1");
        assert_eq!(needed("k8s:enc:aesgcm:v1:key1:", b"ab:cd\xff").1, "key1");
        assert_eq!(needed("k8s:enc:kms:v2:vault:", b"\x0a\x00"), (Provider::KmsV2, "vault".into()));
        assert_eq!(needed("k8s:enc:kms:v1:old:", b"\x00\x20"), (Provider::KmsV1, "old".into()));
        assert_eq!(needed("k8s:enc:foo:v9:key:", b"\xff"), (Provider::Unknown, "foo:v9:key".into()));
    }

    #[test]
    fn truncated_values_have_a_name_too() {
        assert_eq!(Encrypted::of(b"k8s:enc"), None);
        assert_eq!(needed("k8s:enc:", b""), (Provider::Unknown, String::new()));
        assert_eq!(needed("k8s:enc:aescbc:v1:", b""), (Provider::AesCbc, String::new()));
        assert_eq!(needed("k8s:enc:aesgcm:v1::", b""), (Provider::AesGcm, String::new()));
        assert_eq!(needed("k8s:enc:aesgcm:v1:key1", b"").1, "key1");
        assert_eq!(needed("k8s:enc:aescbc:v1:", &[b'a'; 9000]).1.len(), MAX_NAME);
    }
}
