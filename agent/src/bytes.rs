//! Bytes of keys and values where other programs or people read them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

/// Puts bytes into an object: as text under `name` where they are UTF-8, in base64 under `nameBase64` otherwise.
pub fn put_bytes(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}Base64"), BASE64_STANDARD.encode(bytes).into()),
    };
}
