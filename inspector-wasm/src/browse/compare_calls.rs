//! The calls about comparisons that the wasm exports.

use etcdsnap_core::Revision;
use js_sys::{Float64Array, Uint8Array};
use wasm_bindgen::prelude::*;

use super::{StoreOpening, StoreView, answer, numbers_of, refused, spans_of};
use crate::convert::to_js;

#[wasm_bindgen]
impl StoreView {
    /// Drops the last comparison to free its memory.
    #[wasm_bindgen(js_name = endComparison)]
    pub fn end_comparison(&mut self) {
        self.view.end_comparison();
        if let Some(before) = self.other.take() {
            before.forget();
        }
    }

    /// Starts a comparison with another file, or with another revision of this one. Call `endComparison` first.
    ///
    /// # Errors
    /// If the other side cannot be read, or does not have the revision.
    #[wasm_bindgen(js_name = beginCompare)]
    pub fn begin_compare(&mut self, other: Option<StoreOpening>, revision: i64) -> Result<(), JsValue> {
        let store = match other {
            Some(opening) => {
                let (source, store) = opening.finish().map_err(refused)?;
                self.other = Some(source);
                Some(store)
            }
            None => None,
        };
        self.view.begin_compare(store, Revision::new(revision)).map_err(refused)
    }

    /// Returns how the sides differ.
    ///
    /// # Errors
    /// If the query was not started.
    #[wasm_bindgen(js_name = finishCompare, unchecked_return_type = "Differences")]
    pub fn finish_compare(&mut self) -> Result<JsValue, JsValue> {
        answer(self.view.finish_compare())
    }

    /// Chooses changed objects whose values are compared next; returns the ranges of both files with them.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(js_name = wantedValues, unchecked_return_type = "{ here: Float64Array; there: Float64Array }")]
    pub fn wanted_values(&mut self) -> Result<JsValue, JsValue> {
        let spans = js_sys::Object::new();
        for (name, wanted) in ["here", "there"].iter().zip(self.view.wanted_values()) {
            let numbers = Float64Array::from(numbers_of(wanted).as_slice());
            js_sys::Reflect::set(&spans, &JsValue::from_str(name), &numbers)?;
        }
        Ok(spans.into())
    }

    /// Compares the chosen values, to find out which changes are noise. Takes the bytes of the wanted ranges; missing bytes are read from the files.
    ///
    /// # Errors
    /// If there is no comparison.
    #[wasm_bindgen(js_name = compareValues, unchecked_return_type = "ChangeNoise")]
    pub fn compare_values(
        &mut self,
        here: &[f64],
        bytes: Vec<u8>,
        there: &[f64],
        other_bytes: Vec<u8>,
    ) -> Result<JsValue, JsValue> {
        self.source.lend(&spans_of(here), bytes);
        if let Some(other) = self.other {
            other.lend(&spans_of(there), other_bytes);
        }
        let noise = self.view.compare_values();
        self.source.take_back();
        if let Some(other) = self.other {
            other.take_back();
        }
        answer(noise)
    }

    /// Lists changes, filtered, sorted and grouped as a `Differing` says.
    ///
    /// # Errors
    /// If `differing` is not a `Differing`.
    #[wasm_bindgen(js_name = changeList, unchecked_return_type = "ChangeList")]
    pub fn change_list(&mut self, differing: JsValue) -> Result<JsValue, JsValue> {
        to_js(&self.view.change_list(&serde_wasm_bindgen::from_value(differing)?))
    }

    /// Opens or closes a group of changes; returns the new number of lines.
    #[wasm_bindgen(js_name = toggleChanges)]
    pub fn toggle_changes(&mut self, line: u32) -> u32 {
        self.view.toggle_changes(line)
    }

    /// Returns lines of the list of changes; with `all`, as if every group were open.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "(ChangeRow | ChangeGroupRow)[]")]
    pub fn changes(&self, from: u32, count: u32, all: bool) -> Result<JsValue, JsValue> {
        to_js(&self.view.changes(from, count, all))
    }

    /// Returns both values of a changed key.
    ///
    /// # Errors
    /// If a value cannot be read, or there is no comparison.
    #[wasm_bindgen(
        unchecked_return_type = "{ before: Uint8Array<ArrayBuffer> | null; after: Uint8Array<ArrayBuffer> | null }"
    )]
    pub fn sides(&self, key: &str) -> Result<JsValue, JsValue> {
        let sides = js_sys::Object::new();
        for (name, value) in ["before", "after"].iter().zip(self.view.sides(key).map_err(refused)?) {
            let value = value.map_or(JsValue::NULL, |bytes| Uint8Array::from(bytes.as_slice()).into());
            js_sys::Reflect::set(&sides, &JsValue::from_str(name), &value)?;
        }
        Ok(sides.into())
    }
}
