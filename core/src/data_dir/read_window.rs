//! Reads a source through a buffer, for bytes that are read roughly from front to back.

use crate::error::Error;
use crate::offset::Offset;
use crate::progress::ScanProgress;
use crate::source::Source;

/// Length of the buffer, and of a read, in bytes.
pub(super) const WINDOW_LEN: usize = 256 << 10;

/// Reads a source in pieces, and keeps the last piece in memory.
pub(super) struct ReadWindow<'s, S: ?Sized> {
    source: &'s S,
    progress: &'s dyn ScanProgress,
    start: u64,
    bytes: Vec<u8>,
}

impl<'s, S: Source + ?Sized> ReadWindow<'s, S> {
    pub fn new(source: &'s S, progress: &'s dyn ScanProgress) -> Self {
        Self { source, progress, start: 0, bytes: Vec::new() }
    }

    /// The length of the source in bytes.
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// Returns `len` bytes at `at`, at most [`WINDOW_LEN`], or fewer at the end of the source.
    ///
    /// # Errors
    /// A read fails, or `progress` requests a stop.
    pub fn bytes(&mut self, at: u64, len: usize) -> Result<&[u8], Error> {
        let left = usize::try_from(self.source.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let len = len.min(left).min(WINDOW_LEN);
        if len == 0 {
            return Ok(&[]);
        }
        if self.buffered(at, len).is_none() {
            self.load(at, left.min(WINDOW_LEN))?;
        }
        Ok(self.buffered(at, len).unwrap_or_default())
    }

    fn buffered(&self, at: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }

    fn load(&mut self, at: u64, len: usize) -> Result<(), Error> {
        if self.progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let missing = len.saturating_sub(self.bytes.len());
        self.bytes.try_reserve(missing).map_err(|_| Error::Memory { what: "a piece of the log", bytes: len as u64 })?;
        self.bytes.resize(len, 0);
        self.start = at;
        let read = self.source.read_at(at, &mut self.bytes);
        if let Err(cause) = read {
            self.bytes.clear();
            return Err(Error::Read { offset: Offset::new(at), len: len as u64, cause });
        }
        self.progress.advance(len as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::IgnoreProgress;

    #[test]
    fn the_window_returns_the_bytes_of_the_source() {
        let bytes: Vec<u8> = (0..WINDOW_LEN * 2 + 100).map(|i| (i % 251) as u8).collect();
        let mut window = ReadWindow::new(&bytes, &IgnoreProgress);
        for (at, len) in [
            (0, 10),
            (WINDOW_LEN - 5, 10),
            (3, 7),
            (WINDOW_LEN * 2 + 95, 10),
            (WINDOW_LEN * 2 + 100, 1),
            (1, WINDOW_LEN),
        ] {
            let end = (at + len).min(bytes.len());
            assert_eq!(window.bytes(at as u64, len).unwrap(), &bytes[at..end], "{at}, {len}");
        }
        assert_eq!(window.bytes(u64::MAX, 8).unwrap(), b"");
    }
}
