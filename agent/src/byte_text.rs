//! Bytes of keys and values where other programs or people read them.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

/// Puts a path into an object under `name`. Bytes that are no UTF-8 are replaced there, and then `nameBase64` has the path as it is.
pub fn put_path(object: &mut Map<String, Value>, name: &str, path: &Path) {
    object.insert(name.to_owned(), path.to_string_lossy().into());
    let bytes = path.as_os_str().as_bytes();
    if std::str::from_utf8(bytes).is_err() {
        object.insert(format!("{name}Base64"), BASE64_STANDARD.encode(bytes).into());
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_can_be_read_and_can_be_opened() {
        let mut object = Map::new();
        put_path(&mut object, "file", Path::new("a/b.db"));
        put_path(&mut object, "odd", Path::new(OsStr::from_bytes(b"a/\xff.db")));
        assert_eq!(Value::from(object), json!({"file": "a/b.db", "odd": "a/\u{fffd}.db", "oddBase64": "YS//LmRi"}));
    }
}
