//! Parses values that a KMS plugin with version 2 of the interface encrypted.
//!
//! ```text
//! message EncryptedObject {
//!   1 data                     the encrypted value
//!   2 keyID                    the plugin's name for its own key
//!   3 encryptedDEKSource       encrypted with the plugin's key
//!   4 annotations {1, 2}       sent back to the plugin
//!   5 encryptedDEKSourceType   0: the source is the key of AES-GCM; 1: HKDF expands the key from it
//! }
//! ```
//!
//! Source: `k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2`.

use super::cipher::{self, CipherError};
use crate::protobuf_raw::{WireValue, next};

/// Maximum number of bytes that are sent to a plugin. API servers accept 1 kB for the source and for the name, and 32 kB of annotations.
const MAX_SENT: usize = 128 << 10;

/// The parts of an encrypted value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sealed<'v> {
    data: &'v [u8],
    source_type: u64,
    /// The plugin's name for its own key.
    pub key_id: &'v str,
    /// The encrypted seed or key that the plugin decrypts.
    pub source: &'v [u8],
    /// Annotations that are sent back to the plugin.
    pub annotations: Vec<(&'v str, &'v [u8])>,
}

impl<'v> Sealed<'v> {
    /// Parses a value.
    ///
    /// # Errors
    /// When it is not such a message, or one that no API server writes.
    pub fn parse(mut message: &'v [u8]) -> Result<Self, &'static str> {
        let mut out = Self::default();
        let mut sent = 0_usize;
        while !message.is_empty() {
            let (number, value) = next(&mut message).ok_or("it is not a KMS v2 message")?;
            let length = match (number, value) {
                (1, WireValue::Delimited(data)) => {
                    out.data = data;
                    0
                }
                (2, WireValue::Delimited(id)) => {
                    out.key_id = std::str::from_utf8(id).map_err(|_| "its key id is not text")?;
                    id.len()
                }
                (3, WireValue::Delimited(source)) => {
                    out.source = source;
                    source.len()
                }
                (4, WireValue::Delimited(entry)) => {
                    out.annotations.push(annotation(entry).ok_or("it has a malformed annotation")?);
                    entry.len().saturating_add(16)
                }
                (5, WireValue::Varint(kind)) => {
                    out.source_type = kind;
                    0
                }
                (1..=5, _) => return Err("it is not a KMS v2 message"),
                _ => 0,
            };
            sent = sent.saturating_add(length);
            if sent > MAX_SENT {
                return Err("it has more data for the plugin than any API server writes");
            }
        }
        match out {
            Self { source_type: 2.., .. } => Err("its type of source is unknown to this program"),
            Self { source: [], .. } | Self { data: [], .. } => Err("a part of its message is missing"),
            out => Ok(out),
        }
    }

    /// Decrypts the value with the source that the plugin decrypted.
    ///
    /// # Errors
    /// When it cannot be decrypted.
    pub fn open(&self, source: &[u8], etcd_key: &[u8]) -> Result<Vec<u8>, CipherError> {
        match self.source_type {
            0 if cipher::is_aes_key(source) => cipher::open_aes_gcm(source, self.data, etcd_key),
            0 => Err(CipherError::WrongKey),
            _ => cipher::open_extended_gcm(source, self.data, etcd_key),
        }
    }
}

fn annotation(mut entry: &[u8]) -> Option<(&str, &[u8])> {
    let (mut name, mut text) = ("", &b""[..]);
    while !entry.is_empty() {
        match next(&mut entry)? {
            (1, WireValue::Delimited(bytes)) => name = std::str::from_utf8(bytes).ok()?,
            (2, WireValue::Delimited(bytes)) => text = bytes,
            _ => return None,
        }
    }
    Some((name, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_apart() {
        let message = b"\x0a\x02ab\x12\x01k\x1a\x03src\x22\x06\x0a\x01n\x12\x01v\x28\x01";
        let sealed = Sealed::parse(message).unwrap();
        let expected =
            Sealed { data: b"ab", source_type: 1, key_id: "k", source: b"src", annotations: vec![("n", &b"v"[..])] };
        assert_eq!(sealed, expected);
        for len in 0..message.len() - 2 {
            assert!(Sealed::parse(&message[..len]).is_err() || len == 12 || len == 20, "{len}");
        }
    }

    #[test]
    fn messages_that_no_server_writes_are_refused() {
        assert!(Sealed::parse(b"").is_err());
        assert_eq!(Sealed::parse(b"\x0a\x01a\x1a\x01s\x28\x02"), Err("its type of source is unknown to this program"));
        assert!(Sealed::parse(b"\x0a\x01a\x12\x01\xff\x1a\x01s").is_err());
        assert!(Sealed::parse(b"\x0a\x01a\x18\x01").is_err());
        let long = [&b"\x0a\x01a\x1a\x81\x80\x0c"[..], &[7; 196_609]].concat();
        assert!(Sealed::parse(&long).is_err());
        assert!(Sealed::parse(b"\x0a\xff\xff\xff\xff\x0fa").is_err());
    }
}
