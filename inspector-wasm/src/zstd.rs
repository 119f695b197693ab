//! Zstandard, which browsers do not decompress by themselves.

use std::io::{self, Read};

use js_sys::Uint8Array;
use ruzstd::decoding::StreamingDecoder;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, FileReaderSync};

use crate::blob::medium;

/// Compressed bytes are fetched in pieces of this size.
const INPUT: u64 = 1024 * 1024;

/// The decompressed bytes of a `.zst` blob, in order. Several frames one after the other count as one.
#[wasm_bindgen]
pub struct ZstdReader {
    /// None at the end.
    state: Option<State>,
}

enum State {
    Between(BlobReader),
    Inside(Box<StreamingDecoder<BlobReader, ruzstd::decoding::FrameDecoder>>),
}

#[wasm_bindgen]
impl ZstdReader {
    /// A reader at the start of `blob`.
    ///
    /// # Errors
    /// An `Error` outside a worker.
    #[wasm_bindgen(constructor)]
    pub fn new(blob: Blob) -> Result<ZstdReader, JsValue> {
        let reader = FileReaderSync::new()?;
        let len = blob.size() as u64;
        let input = BlobReader { blob, len, reader, next: 0, block: Vec::new(), at: 0 };
        Ok(Self { state: Some(State::Between(input)) })
    }

    /// The next bytes, at most `max` of them; empty at the end.
    ///
    /// # Errors
    /// An `Error` that says what is wrong with the compressed data.
    pub fn read(&mut self, max: usize) -> Result<Vec<u8>, JsValue> {
        let mut out = vec![0; max];
        let count = self.fill(&mut out).map_err(|error| JsValue::from(js_sys::Error::new(&error.to_string())))?;
        out.truncate(count);
        Ok(out)
    }

    /// How many compressed bytes were taken in.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn taken(&self) -> f64 {
        match &self.state {
            Some(State::Between(input)) => input.next as f64,
            Some(State::Inside(decoder)) => decoder.get_ref().next as f64,
            None => 0.0,
        }
    }

    fn fill(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0_usize;
        while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.state.take() {
                None => break,
                Some(State::Between(mut input)) => {
                    if input.is_at_end()? {
                        break;
                    }
                    let decoder = StreamingDecoder::new(input).map_err(io::Error::other)?;
                    self.state = Some(State::Inside(Box::new(decoder)));
                }
                Some(State::Inside(mut decoder)) => match decoder.read(rest)? {
                    0 => self.state = Some(State::Between(decoder.into_inner())),
                    count => {
                        filled = filled.saturating_add(count);
                        self.state = Some(State::Inside(decoder));
                    }
                },
            }
        }
        Ok(filled)
    }
}

/// A blob from front to back.
struct BlobReader {
    blob: Blob,
    len: u64,
    reader: FileReaderSync,
    /// Offset of the next block.
    next: u64,
    block: Vec<u8>,
    /// How far the block was handed out.
    at: usize,
}

impl BlobReader {
    fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.rest()?.is_empty())
    }

    /// What is left of the block, or the next one.
    fn rest(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.block.len() && self.next < self.len {
            let end = self.next.saturating_add(INPUT).min(self.len);
            self.block = self.fetch(end).map_err(|cause| io::Error::other(medium(&cause)))?;
            self.next = end;
            self.at = 0;
        }
        Ok(self.block.get(self.at..).unwrap_or_default())
    }

    fn fetch(&self, end: u64) -> Result<Vec<u8>, JsValue> {
        let slice = self.blob.slice_with_f64_and_f64(self.next as f64, end as f64)?;
        Ok(Uint8Array::new(&self.reader.read_as_array_buffer(&slice)?.into()).to_vec())
    }
}

impl Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.rest()?;
        let count = rest.read(out)?;
        self.at = self.at.saturating_add(count);
        Ok(count)
    }
}
