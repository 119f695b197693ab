//! The store in a snapshot, kept open by a worker for the page.

mod about;
pub(crate) mod answers;
mod change_answers;
mod cluster;
mod cluster_check;
mod compare;
mod compare_calls;
mod compared_values;
mod comparison;
mod joined_spans;
mod last_search;
mod listed_changes;
mod objects;
mod opening;
mod purpose;
mod reading;
mod refusal;
mod search;
mod sorting;
mod steps;
#[cfg(test)]
mod tests;
mod usage;
mod view;

use etcdsnap_core::Revision;
use js_sys::Uint8Array;
use serde::Serialize;
use wasm_bindgen::prelude::*;
use web_sys::Blob;

use etcdsnap_core::Source;

use crate::blob::BlobSource;
use crate::convert::{error_of_kind, into_error, to_js};
use answers::narrow;
pub use opening::StoreOpening;
pub(crate) use opening::meta_choice;
use view::{Refusal, View};

/// An open store, which answers the calls in `calls.ts`. A query that reads the whole file has a `begin…` function, then `push` or `step`s, then a `finish…` function.
#[wasm_bindgen]
pub struct StoreView {
    source: &'static BlobSource,
    /// The other file of the last comparison.
    other: Option<&'static BlobSource>,
    view: View<'static, dyn Source>,
}

/// Converts spans from the worker's form: start, end, start, end, … Offsets in files are whole numbers below 2^53.
fn spans_of(numbers: &[f64]) -> Vec<(u64, u64)> {
    numbers.as_chunks().0.iter().map(|[from, to]| (*from as u64, *to as u64)).collect()
}

fn numbers_of(spans: impl IntoIterator<Item = (u64, u64)>) -> Vec<f64> {
    spans.into_iter().flat_map(|(from, to)| [from as f64, to as f64]).collect()
}

/// Creates a source that lives as long as the worker. It is never freed, because a store borrows it, and a struct with both would need `unsafe`. A worker has one,
/// and one for each file that it compares with, whose cache is emptied before the next comparison.
fn source(blob: Blob) -> Result<&'static BlobSource, JsValue> {
    Ok(Box::leak(Box::new(BlobSource::new(blob).map_err(into_error)?)))
}

/// Converts a refusal to an `Error` of kind `refused`: the cause is the file, and the worker can continue.
fn refused(refusal: Refusal) -> JsValue {
    error_of_kind("refused", &refusal)
}

fn answer<T: Serialize>(outcome: Result<T, Refusal>) -> Result<JsValue, JsValue> {
    to_js(&outcome.map_err(refused)?)
}

impl StoreView {
    /// Returns the file that the current query reads.
    fn read_source(&self) -> &'static BlobSource {
        self.other.filter(|_| self.view.reads_other()).unwrap_or(self.source)
    }
}

#[wasm_bindgen]
impl StoreView {
    /// Creates a view of an opened store. It has no keys until `beginKeys` and `finishKeys`.
    ///
    /// # Errors
    /// If the store cannot be read.
    #[wasm_bindgen(constructor)]
    pub fn new(opening: StoreOpening) -> Result<StoreView, JsValue> {
        let (source, store) = opening.finish().map_err(refused)?;
        Ok(Self { source, other: None, view: View::new(store) })
    }

    /// Returns the ranges of the file that the current query still needs: start, end, start, end, …
    #[must_use]
    pub fn runs(&mut self) -> Vec<f64> {
        numbers_of(self.view.runs())
    }

    /// Takes bytes of the file at offset `at`, preferably in order, and runs the steps whose bytes are complete.
    ///
    /// # Errors
    /// If the file cannot be read. This ends the current query.
    pub fn push(&mut self, at: f64, bytes: &[u8]) -> Result<(), JsValue> {
        let source = self.read_source();
        let window = source.arrive(at as u64, bytes);
        let needed = self.view.advance(&window).inspect_err(|_| source.take_back()).map_err(refused)?;
        source.forget_before(needed);
        Ok(())
    }

    /// Returns the numbers of the steps whose bytes did not arrive.
    #[must_use]
    pub fn left(&self) -> Vec<u32> {
        self.view.left().into_iter().map(narrow).collect()
    }

    /// Runs a step; reads its bytes from the file.
    ///
    /// # Errors
    /// Same as `push`.
    pub fn step(&mut self, number: u32) -> Result<(), JsValue> {
        self.read_source().take_back();
        self.view.step(number as usize).map_err(refused)
    }

    /// Drops the current query.
    #[wasm_bindgen(js_name = giveUp)]
    pub fn give_up(&mut self) {
        self.read_source().take_back();
        self.view.give_up();
    }

    /// Starts reading the keys at a revision; 0 is the latest.
    ///
    /// # Errors
    /// If the revision was compacted or is in the future.
    #[wasm_bindgen(js_name = beginKeys)]
    pub fn begin_keys(&mut self, revision: i64) -> Result<(), JsValue> {
        self.view.begin_keys(Revision::new(revision)).map_err(refused)
    }

    /// Finishes reading the keys; returns facts about the store.
    ///
    /// # Errors
    /// If the query was not started.
    #[wasm_bindgen(js_name = finishKeys, unchecked_return_type = "StoreFacts")]
    pub fn finish_keys(&mut self) -> Result<JsValue, JsValue> {
        answer(self.view.finish_keys())
    }

    /// Starts a search for keys; returns true if it must read the file.
    ///
    /// # Errors
    /// If there is not enough memory. `finishSearch` reports an error in the line.
    #[wasm_bindgen(js_name = beginSearch)]
    pub fn begin_search(&mut self, line: &str) -> Result<bool, JsValue> {
        self.view.begin_search(line).map_err(refused)
    }

    /// Finishes a search and lists the found `live`, `deleted` or `all` keys, in an `Order`.
    ///
    /// # Errors
    /// If no search was started, or `order` is not an `Order`.
    #[wasm_bindgen(js_name = finishSearch, unchecked_return_type = "Found")]
    pub fn finish_search(&mut self, show: JsValue, order: JsValue) -> Result<JsValue, JsValue> {
        answer(self.view.finish_search(serde_wasm_bindgen::from_value(show)?, serde_wasm_bindgen::from_value(order)?))
    }

    /// Returns rows of the list.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "KeyRow[]")]
    pub fn rows(&self, from: u32, count: u32) -> Result<JsValue, JsValue> {
        to_js(&self.view.rows(from, count))
    }

    /// Resets the tree; returns the number of its lines.
    pub fn tree(&mut self) -> u32 {
        self.view.tree()
    }

    /// Returns lines of the tree.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "TreeRow[]")]
    pub fn lines(&self, from: u32, count: u32) -> Result<JsValue, JsValue> {
        to_js(&self.view.lines(from, count))
    }

    /// Opens or closes a folder; returns the new number of lines.
    pub fn toggle(&mut self, line: u32) -> u32 {
        self.view.toggle(line)
    }

    /// Opens the folders above a key; returns its line.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "{ line: number; total: number } | null")]
    pub fn reveal(&mut self, id: u32) -> Result<JsValue, JsValue> {
        to_js(&self.view.reveal(id))
    }

    /// Returns a key by its name.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "KeyRow | null")]
    pub fn find(&self, key: &str) -> Result<JsValue, JsValue> {
        to_js(&self.view.find(key))
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn value(&self, id: u32) -> Result<Vec<u8>, JsValue> {
        self.view.value(id).map_err(refused)
    }

    /// Starts reading the events of a key.
    #[wasm_bindgen(js_name = beginHistory)]
    pub fn begin_history(&mut self, id: u32) {
        self.view.begin_history(id);
    }

    /// Returns the events of a key, and how many places of the file could not be read.
    ///
    /// # Errors
    /// If the query was not started.
    #[wasm_bindgen(js_name = finishHistory, unchecked_return_type = "KeyEvents")]
    pub fn finish_history(&mut self) -> Result<JsValue, JsValue> {
        answer(self.view.finish_history())
    }

    /// Returns the value that an event wrote.
    ///
    /// # Errors
    /// If it cannot be read.
    #[wasm_bindgen(js_name = valueAt)]
    pub fn value_at(&self, page: u64, index: u32) -> Result<Vec<u8>, JsValue> {
        self.view.value_at(page, index).map_err(refused)
    }

    /// Decodes a protobuf message without its schema; null if the bytes are not a message.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "MessageField[] | null")]
    pub fn message(&self, bytes: &[u8]) -> Result<JsValue, JsValue> {
        to_js(&view::message_of(bytes))
    }

    /// Describes the store: when it was taken, whether it is from Kubernetes, and its largest kinds.
    ///
    /// # Errors
    /// If there is not enough memory.
    #[wasm_bindgen(unchecked_return_type = "About")]
    pub fn about(&mut self) -> Result<JsValue, JsValue> {
        to_js(&self.view.about())
    }

    /// Returns the space used below a prefix.
    ///
    /// # Errors
    /// If the prefix is not a valid key.
    #[wasm_bindgen(unchecked_return_type = "UsageAnswer")]
    pub fn usage(&self, prefix: &str) -> Result<JsValue, JsValue> {
        answer(self.view.usage(prefix))
    }

    /// Returns members, leases, users, roles, alarms and stored settings.
    ///
    /// # Errors
    /// If the file cannot be read.
    #[wasm_bindgen(unchecked_return_type = "Cluster")]
    pub fn cluster(&self) -> Result<JsValue, JsValue> {
        answer(self.view.cluster())
    }

    /// Decodes a page.
    ///
    /// # Errors
    /// If it cannot be read.
    #[wasm_bindgen(unchecked_return_type = "PageView")]
    pub fn page(&self, page: u64) -> Result<JsValue, JsValue> {
        answer(self.view.page(page))
    }

    /// Finds the place of a page in the database.
    ///
    /// # Errors
    /// If the file cannot be read.
    #[wasm_bindgen(js_name = pagePlace, unchecked_return_type = "PagePlace")]
    pub fn page_place(&self, page: u64) -> Result<JsValue, JsValue> {
        answer(self.view.page_place(page))
    }

    /// Finds the part of the database to which each page belongs.
    ///
    /// # Errors
    /// If the file cannot be read.
    #[wasm_bindgen(js_name = pageMap, unchecked_return_type = "{ parts: MapPart[]; pages: Uint8Array<ArrayBuffer> }")]
    pub fn page_map(&self) -> Result<JsValue, JsValue> {
        let map = self.view.page_map().map_err(refused)?;
        let answer = js_sys::Object::new();
        js_sys::Reflect::set(&answer, &"parts".into(), &to_js(&map.parts)?)?;
        js_sys::Reflect::set(&answer, &"pages".into(), &Uint8Array::from(map.pages.as_slice()))?;
        Ok(answer.into())
    }

    /// Returns the bytes of a page with its overflow, at most 64 KiB.
    ///
    /// # Errors
    /// If they cannot be read.
    #[wasm_bindgen(js_name = pageBytes)]
    pub fn page_bytes(&self, page: u64) -> Result<Vec<u8>, JsValue> {
        self.view.page_bytes(page).map_err(refused)
    }

    /// Starts computing `HashKV` at a revision; 0 is the latest.
    ///
    /// # Errors
    /// If the revision was compacted or is in the future.
    #[wasm_bindgen(js_name = beginHash)]
    pub fn begin_hash(&mut self, revision: i64) -> Result<(), JsValue> {
        self.view.begin_hash(Revision::new(revision)).map_err(refused)
    }

    /// Returns the hash.
    ///
    /// # Errors
    /// If part of the file could not be read, or `beginHash` was not called.
    #[wasm_bindgen(js_name = finishHash, unchecked_return_type = "{ hash: number; revision: bigint; compactRevision: bigint }")]
    pub fn finish_hash(&mut self) -> Result<JsValue, JsValue> {
        answer(self.view.finish_hash())
    }
}
