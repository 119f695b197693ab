//! The secret key of fingerprints, from the browser's random numbers, because Rust's library has none in WebAssembly.

use etcdsnap_core::fingerprint;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::*;
use web_sys::WorkerGlobalScope;

/// Runs once, when the module is loaded.
#[wasm_bindgen(start)]
pub fn choose_key() {
    let mut key = [0; 16];
    // Every browser that runs the page has random numbers. Without them, the key of the fingerprints could be guessed.
    if random(&mut key) {
        fingerprint::set_key(&key);
    }
}

/// Fills `bytes` with random bytes; returns false if the browser provides none.
pub(crate) fn random(bytes: &mut [u8]) -> bool {
    let crypto = js_sys::global().dyn_into::<WorkerGlobalScope>().ok().and_then(|scope| scope.crypto().ok());
    crypto.is_some_and(|crypto| crypto.get_random_values_with_u8_array(bytes).is_ok())
}
