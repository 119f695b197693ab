//! Encryption at rest: values that API servers write as `k8s:enc:…`, and the configuration that decrypts them.
//!
//! ```text
//! k8s:enc:aescbc:v1:NAME:      IV 16, AES-CBC with PKCS#7
//! k8s:enc:aesgcm:v1:NAME:      nonce 12, ciphertext, tag 16
//! k8s:enc:secretbox:v1:NAME:   nonce 24, tag 16, ciphertext
//! k8s:enc:kms:v2:PLUGIN:       a message, see [`kms_v2`]
//! k8s:enc:kms:v1:PLUGIN:       length, encrypted key, then as aesgcm: recognized but not decrypted
//! ```
//!
//! NAME may contain colons: k3s names its keys after their time. AES-GCM authenticates the key in etcd, too, so a value that was copied to another key cannot be decrypted.
//!
//! A [`Keyring`](keyring::Keyring) decrypts values. It does no I/O: for keys that only a KMS plugin can decrypt, it calls [`Plugins`](keyring::Plugins).
//!
//! Source: `k8s.io/apiserver/pkg/storage/value/encrypt` and `k8s.io/apiserver/pkg/server/options/encryptionconfig`.

pub mod cipher;
pub mod configuration;
pub mod decryption_counts;
pub mod keyring;
pub mod kms_v2;
mod redacted_value;
pub mod resource_entries;
pub mod undecrypted_counts;
pub mod yaml_reader;

pub use crate::{needed_key, needed_key_counts};
