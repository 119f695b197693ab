//! Core as a wasm module for the workers of the page.
//!
//! A thin layer: it converts the input, calls core once, and converts the output. It knows nothing about snapshots. It runs in a
//! dedicated worker only, because [`BlobSource`] reads synchronously, which browsers do not allow elsewhere.
//!
//! It has no network, no DOM, and no state except one file and the file that it is compared with. The page cancels by ending the worker.

mod blob;
mod browse;
mod convert;
mod headroom;
mod random_key;
mod rewrite_file;
mod types;
mod unpacker;

use etcdsnap_core::{Code, Consumed, FinishedSweep, Source, Sweep, SweepLimits};
use sha2::Digest;
use wasm_bindgen::prelude::*;
use web_sys::Blob;

pub use blob::BlobSource;
pub use browse::{StoreOpening, StoreView};
pub use rewrite_file::rewrite_file;
pub use unpacker::Unpacker;

use convert::{Progress, into_error, to_js};
use headroom::Headroom;

/// Memory for pages that may no longer be in the tree. It is small, because a tab has little memory; pages that do not fit cost another read of the file.
const ROOM: SweepLimits = SweepLimits { raw: 32 << 20, digests: 128 << 20 };

/// Verifies one file while it is read in order. Call `push` with every piece until it returns false or the file ends; do this again while `again`
/// returns true; then call `finish`.
#[wasm_bindgen]
pub struct Inspector {
    /// The running sweep, or its result.
    state: Result<Sweep, Box<FinishedSweep>>,
    headroom: Headroom,
}

#[wasm_bindgen]
impl Inspector {
    /// Creates an inspector that has read nothing yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { state: Ok(Sweep::with_limits(ROOM)), headroom: Headroom::default() }
    }

    /// Takes the next bytes of the file; pieces of 256 KiB to 1 MiB are best. Returns false if no more are needed.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let Ok(sweep) = &mut self.state else { return false };
        let more = sweep.push(bytes);
        self.headroom.keep();
        more
    }

    /// Ends a read of the file; returns true if the file must be read again from the start.
    ///
    /// # Errors
    /// A `ScanError` of kind `memory`.
    pub fn again(&mut self) -> Result<bool, JsValue> {
        if let Ok(sweep) = &mut self.state {
            self.state = std::mem::take(sweep).finish().map_err(into_error)?.second_pass();
        }
        Ok(self.state.is_ok())
    }

    /// Returns the report on all pushed bytes. Reads pages that the sweep did not keep from `blob`.
    ///
    /// # Errors
    /// Throws a `ScanError`; of kind `consumed` if pages must be read and there is no blob.
    #[wasm_bindgen(unchecked_return_type = "Report")]
    pub fn finish(mut self, blob: Option<Blob>, progress: js_sys::Function) -> Result<JsValue, JsValue> {
        self.headroom.make();
        let swept = match self.state {
            Ok(sweep) => Box::new(sweep.finish().map_err(into_error)?),
            Err(swept) => swept,
        };
        let progress = Progress::new(progress);
        // As `dyn Source`, so that the wasm contains the code that reads it only once.
        let source: Box<dyn Source> = match blob {
            Some(blob) => Box::new(BlobSource::new(blob).map_err(into_error)?),
            None => Box::new(Consumed(swept.len())),
        };
        to_js(&swept.verify(&*source, &progress).map_err(into_error)?)
    }
}

/// Returns first facts about a file, from a few small reads.
///
/// # Errors
/// A `ScanError` when the file cannot be read.
#[wasm_bindgen(unchecked_return_type = "FileSummary")]
pub fn summarize(blob: Blob) -> Result<JsValue, JsValue> {
    let source: Box<dyn Source> = Box::new(BlobSource::new(blob).map_err(into_error)?);
    to_js(&etcdsnap_core::summarize(&*source).map_err(into_error)?)
}

/// Counts the keys of a `LostHistory` by kind and namespace.
///
/// # Errors
/// None in practice.
#[wasm_bindgen(js_name = lostKinds, unchecked_return_type = "LostKind[]")]
pub fn lost_kinds(keys: Vec<String>) -> Result<JsValue, JsValue> {
    to_js(&etcdsnap_core::kubernetes::lost_kinds::lost_kinds(keys.iter().map(String::as_str)))
}

/// Returns every finding code with its severity, meaning and advice.
///
/// # Errors
/// None in practice: the codes are constants.
#[wasm_bindgen(unchecked_return_type = "CodeInfo[]")]
pub fn codes() -> Result<JsValue, JsValue> {
    let all: Vec<_> = Code::ALL.iter().copied().map(types::CodeInfo::from).collect();
    to_js(&all)
}

/// Computes only SHA-256, with the same pieces as [`Inspector`]. The benchmark compares the verdict with it.
#[wasm_bindgen]
#[derive(Default)]
pub struct Sha256Only {
    hasher: sha2::Sha256,
}

#[wasm_bindgen]
impl Sha256Only {
    /// Creates a hasher that has read nothing yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Returns the digest of all pushed bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.hasher.finalize().to_vec()
    }
}
