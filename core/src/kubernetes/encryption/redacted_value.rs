//! Recognizes encrypted values whose encrypted bytes `etcdsnap redact` replaced: no key opens them.

use crate::kubernetes::redact_rules::is_replacement;
use crate::needed_key::{Encrypted, NeededKey, Provider};
use crate::protobuf_raw::{WireValue, next};

/// Whether the bytes after the key name of an encrypted value are a replacement.
pub(super) fn is_redacted(encrypted: &Encrypted<'_>, needs: &NeededKey) -> bool {
    let Some(mut sealed) = encrypted.data_after(&needs.name) else { return false };
    if encrypted.provider != Provider::KmsV2 {
        return is_replacement(sealed);
    }
    // The message of a plugin: {1 data, …}.
    while let Some((number, value)) = next(&mut sealed) {
        if let (1, WireValue::Delimited(data)) = (number, value) {
            return is_replacement(data);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::redact_object::redact;
    use crate::kubernetes::redact_rules::{RedactRules, RedactedKey};

    #[test]
    fn redacted_values_are_distinguished_from_encrypted_ones() {
        for (start, sealed) in [
            ("k8s:enc:aescbc:v1:key1:", vec![0xa5; 48]),
            ("k8s:enc:aesgcm:v1:key1:", vec![0xa5; 41]),
            ("k8s:enc:secretbox:v1:key1:", vec![0xa5; 57]),
            (
                "k8s:enc:kms:v2:vault:",
                [&[0x0a, 40][..], &[0xa5; 40], &[0x12, 2, b'i', b'd', 0x1a, 3, 1, 2, 3]].concat(),
            ),
        ] {
            let value = [start.as_bytes(), &sealed].concat();
            let is_redacted = |value: &[u8]| {
                let encrypted = Encrypted::of(value).unwrap();
                is_redacted(&encrypted, &encrypted.needed_key())
            };
            assert!(!is_redacted(&value), "{start}");
            for keep_size in [false, true] {
                let rules = RedactRules { keep_size, ..RedactRules::default() };
                let redacted = redact(&value, RedactedKey::default(), &rules).value;
                assert!(is_redacted(&redacted), "{}", redacted.escape_ascii());
            }
        }
    }
}
