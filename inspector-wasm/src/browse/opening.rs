//! A store being opened: the worker fetches the branch pages that come next, many at a time.
//!
//! A large file has thousands, away from each other, and a synchronous read costs 0.75 ms whatever its length (Chromium 156).

use etcdsnap_core::store::{Opening, Store};
use etcdsnap_core::{Offset, Source};
use wasm_bindgen::prelude::*;
use web_sys::Blob;

use super::view::{self, Refusal, told};
use super::{numbers_of, refused, source, spans_of};
use crate::blob::BlobSource;

/// Pages fetched at a time.
const PAGES: usize = 512;
/// Bytes fetched at a time, where pages are large.
const BYTES: usize = 8 << 20;
/// What lies between two pages is fetched with them, up to so many bytes: a read costs more.
const GAP: u64 = 16 << 10;

/// A store that is being opened: `wanted` and `step` until nothing is wanted, then `new StoreView(opening)`.
#[wasm_bindgen]
pub struct StoreOpening {
    source: &'static BlobSource,
    opening: Opening<'static, dyn Source>,
    /// Pages whose bytes were asked for.
    asked: usize,
}

#[wasm_bindgen]
impl StoreOpening {
    /// Begins to open the store in `blob`.
    ///
    /// # Errors
    /// An `Error` when there is no store in it, or it cannot be read.
    #[wasm_bindgen(constructor)]
    pub fn new(blob: Blob) -> Result<StoreOpening, JsValue> {
        let source = source(blob)?;
        // As any source: what reads it is then in the wasm once, not once for each kind of source.
        let any: &'static dyn Source = source;
        let opening = view::begin(any).inspect_err(|_| source.forget()).map_err(refused)?;
        Ok(Self { source, opening, asked: 0 })
    }

    /// Which bytes are read next: from, to, from, to, …, rising; none when all are read.
    pub fn wanted(&mut self) -> Vec<f64> {
        let size = self.opening.page_size();
        let most = BYTES.checked_div(size as usize).unwrap_or(1).clamp(1, PAGES);
        let offsets: Vec<u64> = self.opening.ahead().take(most).map(Offset::get).collect();
        self.asked = offsets.len();
        numbers_of(spans(offsets, u64::from(size)))
    }

    /// Takes the bytes of the spans that were wanted, one behind the other. What is not among them is read from the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn step(&mut self, spans: &[f64], bytes: Vec<u8>) -> Result<(), JsValue> {
        self.source.lend(&spans_of(spans), bytes);
        let outcome = self.opening.step(self.asked).map_err(|cause| refused(told(cause)));
        self.source.take_back();
        outcome
    }

    /// Lets go of what is not to be opened after all.
    #[wasm_bindgen(js_name = giveUp)]
    pub fn give_up(self) {
        self.source.forget();
    }
}

impl StoreOpening {
    pub(super) fn finish(self) -> Result<(&'static BlobSource, Store<'static, dyn Source>), Refusal> {
        let store = self.opening.finish().inspect_err(|_| self.source.forget()).map_err(told)?;
        Ok((self.source, store))
    }
}

/// Spans that have pages of a size at some offsets, those that are near each other together.
fn spans(mut offsets: Vec<u64>, size: u64) -> Vec<(u64, u64)> {
    offsets.sort_unstable();
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for offset in offsets {
        let end = offset.saturating_add(size);
        match spans.last_mut().filter(|(_, to)| offset <= to.saturating_add(GAP)) {
            Some((_, to)) => *to = end.max(*to),
            None => spans.push((offset, end)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_near_each_other_are_one_span() {
        assert_eq!(spans(vec![28672, 4096, 8192, 4096, 1 << 20], 4096), [(4096, 32768), (1 << 20, (1 << 20) + 4096)]);
        assert!(spans(Vec::new(), 4096).is_empty());
    }
}
