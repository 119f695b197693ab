//! Random access to a browser's `Blob`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;

use etcdsnap_core::{Error, Offset, ReadError, Source};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, FileReaderSync};

/// Bytes of a block, the smallest read. A read costs 0.75 ms whether it is 4 or 64 KiB long (Chromium 156).
const BLOCK: u64 = 64 * 1024;
/// Blocks fetched at once for sequential reads: 1 MiB. The cost of a longer read depends on its length.
const AHEAD: u64 = 16;
/// Blocks in the cache: 8 MiB, enough for the branch pages of a large tree and some sequential reads.
const KEPT: usize = 128;

/// Makes a `Blob` or `File` a [`Source`] of core, with synchronous reads and a small cache of aligned blocks.
pub struct BlobSource {
    blob: Blob,
    len: u64,
    reader: FileReaderSync,
    cache: RefCell<Cache>,
    /// Bytes that the worker has read in advance, asynchronously, which is faster.
    lent: RefCell<Lent>,
}

#[derive(Default)]
struct Lent {
    /// The offset of each span in the file, ascending, and its range in `bytes`.
    spans: Vec<(u64, Range<usize>)>,
    bytes: Vec<u8>,
}

impl Lent {
    /// Returns the range of the last span in the file; empty without one.
    fn window(&self) -> Range<u64> {
        self.spans.last().map_or(0..0, |(start, range)| *start..start.saturating_add(range.len() as u64))
    }

    /// Returns bytes of the file from `offset`, if all of them are here.
    fn get(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let behind = self.spans.partition_point(|(start, _)| *start <= offset);
        let (start, range) = self.spans.get(behind.checked_sub(1)?)?;
        let at = usize::try_from(offset.checked_sub(*start)?).ok()?;
        self.bytes.get(range.clone())?.get(at..at.checked_add(len)?)
    }
}

#[derive(Default)]
struct Cache {
    /// Block numbers and bytes, the least recently used first.
    blocks: VecDeque<(u64, Vec<u8>)>,
    /// The block after the last fetched one. A miss at this block means that reads are sequential.
    next: u64,
}

impl BlobSource {
    /// Creates a source for `blob`.
    ///
    /// # Errors
    /// [`Error::Read`] outside a worker, where browsers have no synchronous reads.
    pub fn new(blob: Blob) -> Result<Self, Error> {
        let reader = FileReaderSync::new().map_err(|cause| Error::Read {
            offset: Offset::START,
            len: 0,
            cause: medium(&cause),
        })?;
        // Lengths of blobs are whole numbers below 2^53.
        let len = blob.size() as u64;
        Ok(Self { blob, len, reader, cache: RefCell::default(), lent: RefCell::default() })
    }

    /// Empties the cache.
    pub(crate) fn forget(&self) {
        *self.cache.borrow_mut() = Cache::default();
        self.take_back();
    }

    /// Stores bytes that will be read next, until `take_back`. `bytes` contains the ascending `spans` one after the other. If the lengths do not add up, all bytes
    /// are discarded.
    pub(crate) fn lend(&self, spans: &[(u64, u64)], bytes: Vec<u8>) {
        let mut at = 0usize;
        let placed = spans.iter().map(|(from, to)| {
            let start = at;
            at = at.saturating_add(usize::try_from(to.saturating_sub(*from)).unwrap_or(usize::MAX));
            (*from, start..at)
        });
        let spans = placed.collect();
        *self.lent.borrow_mut() = if at == bytes.len() { Lent { spans, bytes } } else { Lent::default() };
    }

    /// Appends bytes of the file at offset `at`. Discards the earlier bytes if these do not follow them. Returns the range of the file that is stored now.
    pub(crate) fn arrive(&self, at: u64, bytes: &[u8]) -> Range<u64> {
        let mut lent = self.lent.borrow_mut();
        let window = lent.window();
        if window.end != at {
            *lent = Lent::default();
        }
        if lent.spans.is_empty() {
            lent.spans.push((at, 0..0));
        }
        lent.bytes.extend_from_slice(bytes);
        let end = lent.bytes.len();
        if let Some((_, range)) = lent.spans.last_mut() {
            range.end = end;
        }
        lent.window()
    }

    /// Discards stored bytes before an offset of the file.
    pub(crate) fn forget_before(&self, offset: u64) {
        let mut lent = self.lent.borrow_mut();
        let Lent { spans, bytes } = &mut *lent;
        let Some((start, range)) = spans.last_mut() else { return };
        let gone = usize::try_from(offset.saturating_sub(*start)).unwrap_or(usize::MAX).min(range.len());
        *start = start.saturating_add(gone as u64);
        range.start = range.start.saturating_add(gone);
        // Only rarely, because this moves all remaining bytes.
        if range.start > range.len() {
            bytes.drain(..range.start);
            *range = 0..bytes.len();
        }
    }

    /// Discards all stored bytes.
    pub(crate) fn take_back(&self) {
        *self.lent.borrow_mut() = Lent::default();
    }

    /// Reads from the stored bytes; returns false if some are missing.
    fn read_lent(&self, offset: u64, out: &mut [u8]) -> bool {
        let lent = self.lent.borrow();
        let bytes = lent.get(offset, out.len());
        if let Some(bytes) = bytes {
            out.copy_from_slice(bytes);
        }
        bytes.is_some()
    }

    /// Reads the bytes from `start` to `end` from the browser.
    fn fetch(&self, start: u64, end: u64) -> Result<Uint8Array, ReadError> {
        let slice = self.blob.slice_with_f64_and_f64(start as f64, end as f64).map_err(|cause| medium(&cause))?;
        let buffer = self.reader.read_as_array_buffer(&slice).map_err(|cause| medium(&cause))?;
        let bytes = Uint8Array::new(&buffer);
        if u64::from(bytes.length()) == end.saturating_sub(start) { Ok(bytes) } else { Err(ReadError::OutOfRange) }
    }

    /// Puts block `number`, and further blocks if reads are sequential, at the most recent end of the cache.
    fn load(&self, cache: &mut Cache, number: u64) -> Result<(), ReadError> {
        if let Some(at) = cache.blocks.iter().position(|(have, _)| *have == number) {
            if let Some(block) = cache.blocks.remove(at) {
                cache.blocks.push_back(block);
            }
            return Ok(());
        }
        let count = if number != 0 && number == cache.next { AHEAD } else { 1 };
        let start = number.saturating_mul(BLOCK);
        let end = start.saturating_add(count.saturating_mul(BLOCK)).min(self.len);
        let bytes = self.fetch(start, end)?;
        cache.next = number.saturating_add(count);
        // The requested block comes last, so that it is the most recent.
        for ahead in (0..count).rev() {
            let from = ahead.saturating_mul(BLOCK);
            let to = from.saturating_add(BLOCK).min(u64::from(bytes.length()));
            if from < to {
                cache.blocks.retain(|(have, _)| *have != number.saturating_add(ahead));
                let part = bytes.subarray(from as u32, to as u32).to_vec();
                cache.blocks.push_back((number.saturating_add(ahead), part));
            }
        }
        while cache.blocks.len() > KEPT {
            cache.blocks.pop_front();
        }
        Ok(())
    }
}

impl Source for BlobSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let end = offset.checked_add(out.len() as u64).filter(|end| *end <= self.len).ok_or(ReadError::OutOfRange)?;
        if self.read_lent(offset, out) {
            return Ok(());
        }
        if out.len() as u64 >= AHEAD.saturating_mul(BLOCK) {
            // A long read would only evict useful blocks.
            self.fetch(offset, end)?.copy_to(out);
            return Ok(());
        }
        let mut cache = self.cache.borrow_mut();
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            self.load(&mut cache, at / BLOCK)?;
            let (_, block) = cache.blocks.back().ok_or(ReadError::OutOfRange)?;
            let bytes = block.get((at % BLOCK) as usize..).filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or(ReadError::OutOfRange)?;
            let count = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(bytes.get(..count).ok_or(ReadError::OutOfRange)?);
            rest = later;
            at = at.saturating_add(count as u64);
        }
        Ok(())
    }
}

/// Returns the browser's message for a failed read, such as that the file changed since it was chosen.
pub(crate) fn medium(cause: &JsValue) -> ReadError {
    let text = cause.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    ReadError::Medium(text.unwrap_or_else(|| String::from("the browser could not read the file")))
}
