//! Converts values, errors and progress to JavaScript.

use etcdsnap_core::{Error, ReadError, ScanProgress};
use js_sys::{Function, Reflect};
use serde::Serialize;
use wasm_bindgen::JsValue;

/// Converts a value to plain JavaScript: objects for maps, `null` for none, `bigint` for 64-bit numbers, which can be
/// too large for a `number` in a damaged file.
pub(crate) fn to_js<T: Serialize>(value: &T) -> Result<JsValue, JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::new()
        .serialize_maps_as_objects(true)
        .serialize_missing_as_null(true)
        .serialize_large_number_types_as_bigints(true);
    value.serialize(&serializer).map_err(JsValue::from)
}

/// Converts a core error to a JavaScript `Error` with a `kind` that tells the page what to do.
pub(crate) fn into_error(error: Error) -> JsValue {
    let kind = match &error {
        Error::Read { cause: ReadError::Consumed, .. } => "consumed",
        Error::Read { .. } => "read",
        Error::Cancelled => "cancelled",
        Error::Memory { .. } => "memory",
        _ => "other",
    };
    error_of_kind(kind, &error.to_string())
}

/// Creates a JavaScript `Error` with a `kind`.
pub(crate) fn error_of_kind(kind: &str, message: &str) -> JsValue {
    let out = js_sys::Error::new(message);
    // Setting a member of a new object cannot fail.
    let _ = Reflect::set(&out, &"kind".into(), &kind.into());
    out.into()
}

/// Passes core's progress on to a function of the worker.
pub(crate) struct Progress(Function);

impl Progress {
    pub(crate) fn new(function: Function) -> Self {
        Self(function)
    }
}

impl ScanProgress for Progress {
    fn advance(&self, bytes: u64) {
        // A failure to report progress must not stop the scan.
        let _ = self.0.call1(&JsValue::NULL, &JsValue::from_f64(bytes as f64));
    }
}
