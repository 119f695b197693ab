//! The store inside a snapshot, for a page that looks into it: one file, kept open by a worker of its own.

mod about;
pub(crate) mod answers;
mod cluster;
mod compare;
mod comparison;
mod last_search;
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
use view::{Refusal, View};

/// An open store: what `calls.ts` lists can be asked of it. A question that the whole file is read for is begun, taken on by `step`s, and finished.
#[wasm_bindgen]
pub struct StoreView {
    source: &'static BlobSource,
    /// The other file of the last comparison.
    other: Option<&'static BlobSource>,
    view: View<'static, dyn Source>,
}

/// Spans as the worker writes them: from, to, from, to, … Offsets in files are whole numbers below 2^53.
fn spans_of(numbers: &[f64]) -> Vec<(u64, u64)> {
    numbers.as_chunks().0.iter().map(|[from, to]| (*from as u64, *to as u64)).collect()
}

fn numbers_of(spans: impl IntoIterator<Item = (u64, u64)>) -> Vec<f64> {
    spans.into_iter().flat_map(|(from, to)| [from as f64, to as f64]).collect()
}

/// A source for as long as the worker lives. It is never freed: a store borrows it, and a struct that holds both cannot be had without `unsafe`. A worker has one,
/// and one more for each file that it compares with, whose cache is emptied when the next one comes.
fn source(blob: Blob) -> Result<&'static BlobSource, JsValue> {
    Ok(Box::leak(Box::new(BlobSource::new(blob).map_err(into_error)?)))
}

/// A refusal as an `Error` of the kind `refused`: the file is the reason, and the worker is as it was.
fn refused(refusal: Refusal) -> JsValue {
    error_of_kind("refused", &refusal)
}

fn answer<T: Serialize>(outcome: Result<T, Refusal>) -> Result<JsValue, JsValue> {
    to_js(&outcome.map_err(refused)?)
}

impl StoreView {
    /// The file that is read.
    fn read_source(&self) -> &'static BlobSource {
        self.other.filter(|_| self.view.reads_other()).unwrap_or(self.source)
    }
}

#[wasm_bindgen]
impl StoreView {
    /// The store that was opened. It has no keys yet: `beginKeys`.
    ///
    /// # Errors
    /// An `Error` when it cannot be read.
    #[wasm_bindgen(constructor)]
    pub fn new(opening: StoreOpening) -> Result<StoreView, JsValue> {
        let (source, store) = opening.finish().map_err(refused)?;
        Ok(Self { source, other: None, view: View::new(store) })
    }

    /// Where the bytes of what was begun lie in the file that is read, as far as they did not come yet: from, to, from, to, …
    #[must_use]
    pub fn runs(&mut self) -> Vec<f64> {
        numbers_of(self.view.runs())
    }

    /// Takes in the bytes of the file that is read from `at` on: best those that follow the ones before. What is complete with them is taken on.
    ///
    /// # Errors
    /// When the file cannot be read. What was begun is over then.
    pub fn push(&mut self, at: f64, bytes: &[u8]) -> Result<(), JsValue> {
        let source = self.read_source();
        let window = source.arrive(at as u64, bytes);
        let needed = self.view.advance(&window).inspect_err(|_| source.take_back()).map_err(refused)?;
        source.forget_before(needed);
        Ok(())
    }

    /// The steps whose bytes did not come.
    #[must_use]
    pub fn left(&self) -> Vec<u32> {
        self.view.left().into_iter().map(narrow).collect()
    }

    /// Takes a step, whose bytes are read from the file.
    ///
    /// # Errors
    /// As `push`.
    pub fn step(&mut self, number: u32) -> Result<(), JsValue> {
        self.read_source().take_back();
        self.view.step(number as usize).map_err(refused)
    }

    /// Lets go of what was begun and is not to be finished.
    #[wasm_bindgen(js_name = giveUp)]
    pub fn give_up(&mut self) {
        self.read_source().take_back();
        self.view.give_up();
    }

    /// Begins to read the keys at a revision; 0 is the latest.
    ///
    /// # Errors
    /// When it was compacted, or is in the future.
    #[wasm_bindgen(js_name = beginKeys)]
    pub fn begin_keys(&mut self, revision: i64) -> Result<(), JsValue> {
        self.view.begin_keys(Revision::new(revision)).map_err(refused)
    }

    /// What is open, now that all steps are taken.
    ///
    /// # Errors
    /// When nothing was begun.
    #[wasm_bindgen(js_name = finishKeys, unchecked_return_type = "StoreFacts")]
    pub fn finish_keys(&mut self) -> Result<JsValue, JsValue> {
        answer(self.view.finish_keys())
    }

    /// Begins a search for keys by a line as people type it; whether the file has to be read for it.
    ///
    /// # Errors
    /// When there is no memory for it. What is wrong with the line is told at its end.
    #[wasm_bindgen(js_name = beginSearch)]
    pub fn begin_search(&mut self, line: &str) -> Result<bool, JsValue> {
        self.view.begin_search(line).map_err(refused)
    }

    /// Ends a search: makes what it found the list, of `live`, `deleted` or `all` keys, in an `Order`.
    ///
    /// # Errors
    /// When nothing was begun, or it is no `Order`.
    #[wasm_bindgen(js_name = finishSearch, unchecked_return_type = "Found")]
    pub fn finish_search(&mut self, show: JsValue, order: JsValue) -> Result<JsValue, JsValue> {
        answer(self.view.finish_search(serde_wasm_bindgen::from_value(show)?, serde_wasm_bindgen::from_value(order)?))
    }

    /// Part of the list.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "KeyRow[]")]
    pub fn rows(&self, from: u32, count: u32) -> Result<JsValue, JsValue> {
        to_js(&self.view.rows(from, count))
    }

    /// Begins the tree anew; how many lines it has.
    pub fn tree(&mut self) -> u32 {
        self.view.tree()
    }

    /// Part of the tree.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "TreeRow[]")]
    pub fn lines(&self, from: u32, count: u32) -> Result<JsValue, JsValue> {
        to_js(&self.view.lines(from, count))
    }

    /// Opens or closes a folder; how many lines the tree has now.
    pub fn toggle(&mut self, line: u32) -> u32 {
        self.view.toggle(line)
    }

    /// Opens the folders above a key.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "{ line: number; total: number } | null")]
    pub fn reveal(&mut self, id: u32) -> Result<JsValue, JsValue> {
        to_js(&self.view.reveal(id))
    }

    /// A key by its name.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "KeyRow | null")]
    pub fn find(&self, key: &str) -> Result<JsValue, JsValue> {
        to_js(&self.view.find(key))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn value(&self, id: u32) -> Result<Vec<u8>, JsValue> {
        self.view.value(id).map_err(refused)
    }

    /// Begins to look for the events of a key.
    #[wasm_bindgen(js_name = beginHistory)]
    pub fn begin_history(&mut self, id: u32) {
        self.view.begin_history(id);
    }

    /// The events of a key, and how many places of the file could not be read for them.
    ///
    /// # Errors
    /// When nothing was begun.
    #[wasm_bindgen(js_name = finishHistory, unchecked_return_type = "KeyPast")]
    pub fn finish_history(&mut self) -> Result<JsValue, JsValue> {
        answer(self.view.finish_history())
    }

    /// The value of one event.
    ///
    /// # Errors
    /// When it cannot be read.
    #[wasm_bindgen(js_name = valueAt)]
    pub fn value_at(&self, page: u64, index: u32) -> Result<Vec<u8>, JsValue> {
        self.view.value_at(page, index).map_err(refused)
    }

    /// A protobuf message without its schema; null when the bytes are none.
    ///
    /// # Errors
    /// None in practice.
    #[wasm_bindgen(unchecked_return_type = "MessageField[] | null")]
    pub fn message(&self, bytes: &[u8]) -> Result<JsValue, JsValue> {
        to_js(&view::message_of(bytes))
    }

    /// What the store is: of when, of Kubernetes or not, what it holds most of.
    ///
    /// # Errors
    /// When there is no memory for the answer.
    #[wasm_bindgen(unchecked_return_type = "About")]
    pub fn about(&mut self) -> Result<JsValue, JsValue> {
        to_js(&self.view.about())
    }

    /// Who takes the room below a prefix.
    ///
    /// # Errors
    /// When the prefix is no key.
    #[wasm_bindgen(unchecked_return_type = "UsageAnswer")]
    pub fn usage(&self, prefix: &str) -> Result<JsValue, JsValue> {
        answer(self.view.usage(prefix))
    }

    /// Lets go of the last comparison, so that there is room for another.
    #[wasm_bindgen(js_name = endComparison)]
    pub fn end_comparison(&mut self) {
        self.view.end_comparison();
        if let Some(before) = self.other.take() {
            before.forget();
        }
    }

    /// Begins to compare with another file, or another revision of this one, once the last comparison was let go of.
    ///
    /// # Errors
    /// When the other one cannot be read, or has no such revision.
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

    /// How they differ.
    ///
    /// # Errors
    /// When nothing was begun.
    #[wasm_bindgen(js_name = finishCompare, unchecked_return_type = "Differences")]
    pub fn finish_compare(&mut self) -> Result<JsValue, JsValue> {
        answer(self.view.finish_compare())
    }

    /// Part of the differences, chosen and put in order by a `Differing`.
    ///
    /// # Errors
    /// When it is no `Differing`.
    #[wasm_bindgen(unchecked_return_type = "ChangeRow[]")]
    pub fn changes(&mut self, from: u32, count: u32, differing: JsValue) -> Result<JsValue, JsValue> {
        to_js(&self.view.changes(from, count, serde_wasm_bindgen::from_value(differing)?))
    }

    /// Both values of a key that differs.
    ///
    /// # Errors
    /// When one cannot be read, or nothing is compared.
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

    /// Members, leases, users, roles, alarms and marks.
    ///
    /// # Errors
    /// When the file cannot be read.
    #[wasm_bindgen(unchecked_return_type = "Cluster")]
    pub fn cluster(&self) -> Result<JsValue, JsValue> {
        answer(self.view.cluster())
    }

    /// A page, taken apart.
    ///
    /// # Errors
    /// When it cannot be read.
    #[wasm_bindgen(unchecked_return_type = "PageView")]
    pub fn page(&self, page: u64) -> Result<JsValue, JsValue> {
        answer(self.view.page(page))
    }

    /// The bytes of a page with its overflow, at most 64 KiB.
    ///
    /// # Errors
    /// When they cannot be read.
    #[wasm_bindgen(js_name = pageBytes)]
    pub fn page_bytes(&self, page: u64) -> Result<Vec<u8>, JsValue> {
        self.view.page_bytes(page).map_err(refused)
    }

    /// Begins what a server's `HashKV` says at a revision; 0 is the latest.
    ///
    /// # Errors
    /// When it was compacted, or is in the future.
    #[wasm_bindgen(js_name = beginHash)]
    pub fn begin_hash(&mut self, revision: i64) -> Result<(), JsValue> {
        self.view.begin_hash(Revision::new(revision)).map_err(refused)
    }

    /// The hash.
    ///
    /// # Errors
    /// When not all could be read, or nothing was begun.
    #[wasm_bindgen(js_name = finishHash, unchecked_return_type = "{ hash: number; revision: bigint; compactRevision: bigint }")]
    pub fn finish_hash(&mut self) -> Result<JsValue, JsValue> {
        answer(self.view.finish_hash())
    }
}
