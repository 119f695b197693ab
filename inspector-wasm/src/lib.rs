//! The inspector: core, for a page's worker.
//!
//! A thin edge: convert in, one call into core, convert out. Nothing here knows what a snapshot is. It runs in a
//! dedicated worker only, because [`BlobSource`] reads synchronously, which browsers allow nowhere else.
//!
//! What is absent: the network, the DOM, any state beyond one file (and the one that it is compared with). Cancelling is the page's business (it ends the
//! worker).

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

/// Memory for pages that the tree may no longer have. A tab has little to give, and what does not fit costs one more read of the file.
const ROOM: SweepLimits = SweepLimits { raw: 32 << 20, digests: 128 << 20 };

/// One file, judged while it is read from front to back: `push` every piece in order until it is false or there are no more; the same once
/// more as long as `again` is true; then `finish`.
#[wasm_bindgen]
pub struct Inspector {
    /// What the bytes go into, or what became of them.
    state: Result<Sweep, Box<FinishedSweep>>,
    headroom: Headroom,
}

#[wasm_bindgen]
impl Inspector {
    /// An inspector that has seen nothing yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { state: Ok(Sweep::with_limits(ROOM)), headroom: Headroom::default() }
    }

    /// The next bytes of the file; pieces of 256 KiB to 1 MiB are best. False when no more are wanted.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let Ok(sweep) = &mut self.state else { return false };
        let more = sweep.push(bytes);
        self.headroom.keep();
        more
    }

    /// Ends a read of the file; whether it must be read once more, from the start.
    ///
    /// # Errors
    /// A `ScanError` of kind `memory`.
    pub fn again(&mut self) -> Result<bool, JsValue> {
        if let Ok(sweep) = &mut self.state {
            self.state = std::mem::take(sweep).finish().map_err(into_error)?.second_pass();
        }
        Ok(self.state.is_ok())
    }

    /// The report over all that was pushed. What the sweep did not remember is read from `blob`.
    ///
    /// # Errors
    /// A `ScanError`; of kind `consumed` when there is no blob and the answer needs one.
    #[wasm_bindgen(unchecked_return_type = "Report")]
    pub fn finish(mut self, blob: Option<Blob>, progress: js_sys::Function) -> Result<JsValue, JsValue> {
        self.headroom.make();
        let swept = match self.state {
            Ok(sweep) => Box::new(sweep.finish().map_err(into_error)?),
            Err(swept) => swept,
        };
        let watch = Progress::new(progress);
        // As any source: what reads it is then in the wasm once, not once for each kind of source.
        let source: Box<dyn Source> = match blob {
            Some(blob) => Box::new(BlobSource::new(blob).map_err(into_error)?),
            None => Box::new(Consumed(swept.len())),
        };
        to_js(&swept.verify(&*source, &watch).map_err(into_error)?)
    }
}

/// First facts about a file, from a few small reads.
///
/// # Errors
/// A `ScanError` when the file cannot be read.
#[wasm_bindgen(unchecked_return_type = "Peek")]
pub fn peek(blob: Blob) -> Result<JsValue, JsValue> {
    let source: Box<dyn Source> = Box::new(BlobSource::new(blob).map_err(into_error)?);
    to_js(&etcdsnap_core::peek(&*source).map_err(into_error)?)
}

/// The keys of a `LostHistory` by kind and namespace.
///
/// # Errors
/// None in practice.
#[wasm_bindgen(js_name = lostKinds, unchecked_return_type = "LostKind[]")]
pub fn lost_kinds(keys: Vec<String>) -> Result<JsValue, JsValue> {
    to_js(&etcdsnap_core::kubernetes::lost_kinds::lost_kinds(keys.iter().map(String::as_str)))
}

/// Every finding code with its severity, what it means and what to do.
///
/// # Errors
/// None in practice: the codes are constants.
#[wasm_bindgen(unchecked_return_type = "CodeInfo[]")]
pub fn codes() -> Result<JsValue, JsValue> {
    let all: Vec<_> = Code::ALL.iter().copied().map(types::CodeInfo::from).collect();
    to_js(&all)
}

/// SHA-256 alone, fed as [`Inspector`] is: what the benchmark compares a verdict with.
#[wasm_bindgen]
#[derive(Default)]
pub struct Sha256Only {
    hasher: sha2::Sha256,
}

#[wasm_bindgen]
impl Sha256Only {
    /// A hasher that has seen nothing yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The digest of all that was pushed.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.hasher.finalize().to_vec()
    }
}
