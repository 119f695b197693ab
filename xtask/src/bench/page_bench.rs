//! Benchmarks the page beside SHA-256 alone in the same wasm, with the same reads.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use crate::repo;

/// The full verdict should take at most this many times as long as SHA-256 alone in the same wasm.
const VERDICT_TARGET: f64 = 1.5;
/// The first screen of keys should take at most this many times as long as the verdict.
const KEYS_TARGET: f64 = 1.3;
/// The renderer should never exceed this many MiB.
const RENDERER_TARGET: u64 = 350;

/// The output of `web/bench/page.mjs`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    verdict_seconds: f64,
    sha256_seconds: f64,
    keys_seconds: f64,
    ratio: f64,
    #[serde(rename = "rendererPeakMiB")]
    renderer_peak_mib: u64,
}

/// Opens the file in a browser, in turns with a page that only hashes.
pub fn measure(input: &Path, runs: usize) -> Result<()> {
    let output = repo::capture(
        Command::new("node")
            .arg(repo::root().join("web/bench/page.mjs"))
            .arg(input.canonicalize()?)
            .arg(runs.to_string()),
    )?;
    let measured: Measured = serde_json::from_str(&output)?;
    println!("  {:<26}{:>8.3} s", "page: verdict", measured.verdict_seconds);
    println!("  {:<26}{:>8.3} s", "page: SHA-256 alone", measured.sha256_seconds);
    println!("  {:<26}{:>8.2} ×    target ≤ {VERDICT_TARGET} ×", "times SHA-256", measured.ratio);
    println!("  {:<26}{:>8.3} s", "page: first keys", measured.keys_seconds);
    let times = measured.keys_seconds / measured.verdict_seconds;
    println!("  {:<26}{:>8.2} ×    target ≤ {KEYS_TARGET} ×", "times the verdict", times);
    println!("  {:<26}{:>8} MiB  target ≤ {RENDERER_TARGET} MiB\n", "renderer's peak", measured.renderer_peak_mib);
    Ok(())
}
