//! The calls about objects that the wasm exports.

use wasm_bindgen::prelude::*;

use super::object_answers::{ManifestAsk, ObjectOrder, ObjectScope, ObjectShowing};
use crate::browse::{StoreView, answer, refused};
use crate::convert::to_js;

#[wasm_bindgen]
impl StoreView {
    /// Counts objects: the kinds in a namespace, and the namespaces that contain a kind.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(js_name = objectKinds, unchecked_return_type = "ObjectKinds")]
    pub fn object_kinds(&mut self, kind: Option<String>, namespace: Option<String>) -> Result<JsValue, JsValue> {
        to_js(&self.view.object_kinds(kind.as_deref(), namespace.as_deref()))
    }

    /// Lists objects as an `ObjectScope` and an `ObjectOrder` say.
    ///
    /// # Errors
    /// If an argument has another shape.
    #[wasm_bindgen(js_name = objectList, unchecked_return_type = "ObjectList")]
    pub fn object_list(&mut self, scope: JsValue, order: JsValue) -> Result<JsValue, JsValue> {
        let scope: ObjectScope = serde_wasm_bindgen::from_value(scope)?;
        let order: ObjectOrder = serde_wasm_bindgen::from_value(order)?;
        to_js(&self.view.object_list(&scope, order))
    }

    /// Returns rows of the list.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(js_name = objectRows, unchecked_return_type = "ObjectRow[]")]
    pub fn object_rows(&self, from: u32, count: u32) -> Result<JsValue, JsValue> {
        to_js(&self.view.object_rows(from, count))
    }

    /// Returns the object in a value that a key had at a revision, with the parts in an `ObjectShowing`.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(js_name = objectText, unchecked_return_type = "ObjectText | null")]
    pub fn object_text(
        &mut self,
        key: &str,
        value: &[u8],
        revision: i64,
        showing: JsValue,
    ) -> Result<JsValue, JsValue> {
        let showing: ObjectShowing = serde_wasm_bindgen::from_value(showing)?;
        to_js(&self.view.object_text(key, value, revision, showing))
    }

    /// Returns a decrypted value; undefined if it is not encrypted or cannot be decrypted.
    #[wasm_bindgen(js_name = openedValue)]
    #[must_use]
    pub fn opened_value(&self, key: &str, value: &[u8]) -> Option<Vec<u8>> {
        self.view.opened_value(key, value)
    }

    /// Returns the fields that differ between two values of a key.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(js_name = objectChanges, unchecked_return_type = "ObjectChanges")]
    pub fn object_changes(&self, key: &str, old: &[u8], new: &[u8], showing: JsValue) -> Result<JsValue, JsValue> {
        let showing: ObjectShowing = serde_wasm_bindgen::from_value(showing)?;
        to_js(&self.view.object_changes(key, old, new, showing))
    }

    /// Returns the approximate time of each revision.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "(RevisionTime | null)[]")]
    pub fn times(&mut self, revisions: Vec<i64>) -> Result<JsValue, JsValue> {
        to_js(&self.view.times(&revisions))
    }

    /// Starts trying the text of an EncryptionConfiguration on all values; undefined removes the current one.
    ///
    /// # Errors
    /// If the text is not a valid configuration.
    #[wasm_bindgen(js_name = beginDecryption)]
    pub fn begin_decryption(&mut self, configuration: Option<String>) -> Result<(), JsValue> {
        self.view.begin_decryption(configuration.as_deref()).map_err(refused)
    }

    /// Returns what the configuration decrypts.
    ///
    /// # Errors
    /// If the query was not started.
    #[wasm_bindgen(js_name = finishDecryption, unchecked_return_type = "EncryptionState")]
    pub fn finish_decryption(&mut self) -> Result<JsValue, JsValue> {
        answer(self.view.finish_decryption())
    }

    /// Starts reading the last states of deleted objects; returns false if there are none to read.
    #[wasm_bindgen(js_name = beginLastStates)]
    pub fn begin_last_states(&mut self) -> bool {
        self.view.begin_last_states()
    }

    /// Finishes reading the last states.
    ///
    /// # Errors
    /// If the query was not started.
    #[wasm_bindgen(js_name = finishLastStates)]
    pub fn finish_last_states(&mut self) -> Result<(), JsValue> {
        self.view.finish_last_states().map_err(refused)
    }

    /// Starts looking for dependents and Events of an object, by its uid.
    ///
    /// # Errors
    /// If the text is not a uid.
    #[wasm_bindgen(js_name = beginRelated)]
    pub fn begin_related(&mut self, uid: &str) -> Result<(), JsValue> {
        self.view.begin_related(uid).map_err(refused)
    }

    /// Returns the dependents and Events of the object.
    ///
    /// # Errors
    /// If the query was not started.
    #[wasm_bindgen(js_name = finishRelated, unchecked_return_type = "RelatedObjects")]
    pub fn finish_related(&mut self, uid: &str) -> Result<JsValue, JsValue> {
        answer(self.view.finish_related(uid))
    }

    /// Starts writing manifests as a `ManifestAsk` says; returns the maximum number of objects.
    ///
    /// # Errors
    /// If there are too many objects.
    #[wasm_bindgen(js_name = beginManifests)]
    pub fn begin_manifests(&mut self, ask: JsValue) -> Result<u32, JsValue> {
        let ask: ManifestAsk = serde_wasm_bindgen::from_value(ask)?;
        self.view.begin_manifests(ask).map_err(refused)
    }

    /// Writes the next manifests; returns their bytes and the number of objects left.
    ///
    /// # Errors
    /// If the query was not started.
    #[wasm_bindgen(js_name = writeManifests, unchecked_return_type = "{ bytes: Uint8Array<ArrayBuffer>; left: number }")]
    pub fn write_manifests(&mut self) -> Result<JsValue, JsValue> {
        let (bytes, left) = self.view.write_manifests().map_err(refused)?;
        let out = with_bytes(&bytes)?;
        js_sys::Reflect::set(&out, &"left".into(), &left.into())?;
        Ok(out)
    }

    /// Finishes the manifests; returns the last bytes and a report.
    ///
    /// # Errors
    /// If the query was not started.
    #[wasm_bindgen(js_name = finishManifests, unchecked_return_type = "{ bytes: Uint8Array<ArrayBuffer>; answer: ManifestAnswer }")]
    pub fn finish_manifests(&mut self) -> Result<JsValue, JsValue> {
        let (bytes, answer) = self.view.finish_manifests().map_err(refused)?;
        let out = with_bytes(&bytes)?;
        js_sys::Reflect::set(&out, &"answer".into(), &to_js(&answer)?)?;
        Ok(out)
    }
}

fn with_bytes(bytes: &[u8]) -> Result<JsValue, JsValue> {
    let out = js_sys::Object::new();
    js_sys::Reflect::set(&out, &"bytes".into(), &js_sys::Uint8Array::from(bytes).into())?;
    Ok(out.into())
}
