//! Opens a store in steps: the worker fetches the branch pages of each level, many at a time.
//!
//! A large file has thousands of branch pages in scattered places, and a synchronous read costs 0.75 ms whatever its length (Chromium 156).

use etcdsnap_core::store::{Opening, Store};
use etcdsnap_core::{MetaChoice, Offset, Source};
use wasm_bindgen::prelude::*;
use web_sys::Blob;

use super::joined_spans::joined;
use super::view::{self, Refusal, to_refusal};
use super::{numbers_of, refused, source, spans_of};
use crate::blob::BlobSource;

/// Pages fetched at a time.
const PAGES: usize = 512;
/// Maximum of bytes fetched at a time, if pages are large.
const BYTES: usize = 8 << 20;

/// A store that is being opened: call `wanted` and `step` until nothing is wanted, then `new StoreView(opening)`.
#[wasm_bindgen]
pub struct StoreOpening {
    source: &'static BlobSource,
    opening: Opening<'static, dyn Source>,
    /// Number of pages whose bytes were requested.
    asked: usize,
}

#[wasm_bindgen]
impl StoreOpening {
    /// Starts opening the store in `blob`; `older` chooses the tree of the older meta page.
    ///
    /// # Errors
    /// If the file contains no store, or cannot be read.
    #[wasm_bindgen(constructor)]
    pub fn new(blob: Blob, older: bool) -> Result<StoreOpening, JsValue> {
        let source = source(blob)?;
        // As `dyn Source`, so that the wasm contains the code that reads it only once.
        let any: &'static dyn Source = source;
        let opening = view::begin(any, meta_choice(older)).inspect_err(|_| source.forget()).map_err(refused)?;
        Ok(Self { source, opening, asked: 0 })
    }

    /// Returns the ranges to read next, ascending: start, end, start, end, …; empty if all are read.
    pub fn wanted(&mut self) -> Vec<f64> {
        let size = self.opening.page_size();
        let most = BYTES.checked_div(size as usize).unwrap_or(1).clamp(1, PAGES);
        let pages: Vec<(u64, u64)> =
            self.opening.ahead().take(most).map(Offset::get).map(|at| (at, at.saturating_add(size.into()))).collect();
        self.asked = pages.len();
        numbers_of(joined(pages))
    }

    /// Takes the bytes of the wanted spans, one after the other. Missing bytes are read from the file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn step(&mut self, spans: &[f64], bytes: Vec<u8>) -> Result<(), JsValue> {
        self.source.lend(&spans_of(spans), bytes);
        let outcome = self.opening.step(self.asked).map_err(|cause| refused(to_refusal(cause)));
        self.source.take_back();
        outcome
    }

    /// Gives up opening the store.
    #[wasm_bindgen(js_name = giveUp)]
    pub fn give_up(self) {
        self.source.forget();
    }
}

impl StoreOpening {
    pub(super) fn finish(self) -> Result<(&'static BlobSource, Store<'static, dyn Source>), Refusal> {
        let store = self.opening.finish().inspect_err(|_| self.source.forget()).map_err(to_refusal)?;
        Ok((self.source, store))
    }
}

/// Returns the choice of a meta page.
pub(crate) fn meta_choice(older: bool) -> MetaChoice {
    if older { MetaChoice::Older } else { MetaChoice::Newest }
}
