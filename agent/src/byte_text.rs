//! Converts bytes of keys, values and paths to text in JSON.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

/// Puts bytes into an object: as text under `name` if they are UTF-8, otherwise in base64 under `nameBase64`.
pub fn put_bytes(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}Base64"), BASE64_STANDARD.encode(bytes).into()),
    };
}

/// Puts a path into an object under `name`. If the path is not UTF-8, `name` gets replacement characters and `nameBase64` the exact bytes.
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
    fn a_path_is_both_readable_and_exact() {
        let mut object = Map::new();
        put_path(&mut object, "file", Path::new("a/b.db"));
        put_path(&mut object, "odd", Path::new(OsStr::from_bytes(b"a/\xff.db")));
        assert_eq!(Value::from(object), json!({"file": "a/b.db", "odd": "a/\u{fffd}.db", "oddBase64": "YS//LmRi"}));
    }
}
