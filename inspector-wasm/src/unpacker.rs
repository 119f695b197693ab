//! Unpacks gzip, zip and zstd files with the same code as the terminal, so that both accept the same files.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use etcdsnap_core::limits::{HEAD_LEN, MAX_WITHOUT_PAGE};
use etcdsnap_core::{ClaimedLength, PageStartCheck};
use etcdsnap_unpack::{Format, UnpackError, Unpacked};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, FileReaderSync};

use crate::blob::medium;
use crate::convert::error_of_kind;

/// Compressed bytes are read in pieces of this size. Synchronous reads of 1 MiB have a third of the speed (Chromium 156).
const INPUT: u64 = 8 << 20;

/// Unpacks a blob in order.
#[wasm_bindgen]
pub struct Unpacker {
    unpacked: Unpacked<'static>,
    taken: Rc<Cell<u64>>,
    extent: ClaimedLength,
    pages: PageStartCheck,
    /// The first bytes, which were unpacked to recognize the contents. Those from `at` on are returned first.
    head: Vec<u8>,
    at: usize,
}

#[wasm_bindgen]
impl Unpacker {
    /// Starts to unpack `blob`, whose compression is `gzip`, `zip` or `zstd`.
    ///
    /// # Errors
    /// Throws an `Error` of kind `broken` if the data is damaged, `unsupported` if its format is not supported, or `read` if a read fails.
    #[wasm_bindgen(constructor)]
    pub fn new(blob: Blob, packing: &str) -> Result<Unpacker, JsValue> {
        let format = match packing {
            "gzip" => Format::Gzip,
            "zip" => Format::Zip,
            _ => Format::Zstd,
        };
        let reader = BlobReader::new(blob)?;
        let taken = Rc::clone(&reader.taken);
        let mut unpacked = Unpacked::new(format, reader).map_err(into_error)?;
        let mut head = vec![0; HEAD_LEN];
        let count = unpacked.fill(&mut head).map_err(|(_, error)| into_error(error))?;
        head.truncate(count);
        let extent = ClaimedLength::of(&head);
        Ok(Self { unpacked, taken, pages: PageStartCheck::new(&extent), extent, head, at: 0 })
    }

    /// Returns the range of the contents in the blob, as start and end, if they are stored uncompressed; otherwise undefined.
    #[must_use]
    pub fn stored(&self) -> Option<Vec<f64>> {
        self.unpacked.stored().map(|range| vec![range.start as f64, range.end as f64])
    }

    /// Returns the maximum of unpacked bytes to read. Anything longer is not a snapshot.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn most(&self) -> f64 {
        self.extent.read_limit() as f64
    }

    /// Returns the length of the snapshot according to its first bytes; undefined if they are not the start of one.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn snapshot(&self) -> Option<f64> {
        self.extent.snapshot().map(|bytes| bytes as f64)
    }

    /// Returns how many compressed bytes were read.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn taken(&self) -> f64 {
        self.taken.get() as f64
    }

    /// Returns the next bytes, at most `max`; empty at the end.
    ///
    /// # Errors
    /// Same as the constructor.
    pub fn read(&mut self, max: usize) -> Result<Vec<u8>, JsValue> {
        let mut out = vec![0; max];
        self.fill(&mut out)?;
        Ok(out)
    }
}

impl Unpacker {
    /// Fills `out` with the next bytes and truncates it to their number.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>) -> Result<(), JsValue> {
        let first = self.head.get(self.at..).unwrap_or_default();
        let ready = first.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..ready), first.get(..ready)) {
            to.copy_from_slice(from);
        }
        self.at = self.at.saturating_add(ready);
        let rest = out.get_mut(ready..).unwrap_or_default();
        let count = self.unpacked.fill(rest).map_err(|(_, error)| into_error(error))?;
        out.truncate(ready.saturating_add(count));
        if self.pages.push(out) {
            return Ok(());
        }
        let mib = MAX_WITHOUT_PAGE >> 20;
        let text =
            format!("The {mib} MiB after byte {} contain no page of the database.", self.pages.last_page_start());
        Err(error_of_kind("broken", &text))
    }
}

fn into_error(error: UnpackError) -> JsValue {
    match error {
        UnpackError::Broken(reason) => error_of_kind("broken", &reason),
        UnpackError::Input(cause) => error_of_kind("read", &cause.to_string()),
        other => error_of_kind("unsupported", &other.to_string()),
    }
}

/// Reads a blob in order.
struct BlobReader {
    blob: Blob,
    len: u64,
    reader: FileReaderSync,
    at: u64,
    /// The fetched bytes; `start` is their offset in the blob.
    block: Vec<u8>,
    start: u64,
    taken: Rc<Cell<u64>>,
}

impl BlobReader {
    fn new(blob: Blob) -> Result<Self, JsValue> {
        let reader = FileReaderSync::new()?;
        let len = blob.size() as u64;
        Ok(Self { blob, len, reader, at: 0, block: Vec::new(), start: 0, taken: Rc::default() })
    }

    /// Returns the rest of the block; fetches the next one if necessary.
    fn rest(&mut self) -> io::Result<&[u8]> {
        let inside = |start: u64, len: usize, at: u64| {
            let at = at.checked_sub(start).and_then(|at| usize::try_from(at).ok())?;
            (at < len).then_some(at)
        };
        if inside(self.start, self.block.len(), self.at).is_none() && self.at < self.len {
            let end = self.at.saturating_add(INPUT).min(self.len);
            self.block = self.fetch(end).map_err(|cause| io::Error::other(medium(&cause)))?;
            self.start = self.at;
        }
        let at = inside(self.start, self.block.len(), self.at);
        Ok(at.and_then(|at| self.block.get(at..)).unwrap_or_default())
    }

    fn fetch(&self, end: u64) -> Result<Vec<u8>, JsValue> {
        let slice = self.blob.slice_with_f64_and_f64(self.at as f64, end as f64)?;
        Ok(Uint8Array::new(&self.reader.read_as_array_buffer(&slice)?.into()).to_vec())
    }
}

impl Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.rest()?;
        let count = rest.read(out)?;
        self.at = self.at.saturating_add(count as u64);
        self.taken.set(self.at);
        Ok(count)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
