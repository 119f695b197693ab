//! A read buffer whose bytes begin at a page boundary in memory.

use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut};

/// The memory page size of nearly all machines, in bytes.
const ALIGNMENT: usize = 4096;

/// A resizable buffer whose bytes begin at a memory page boundary.
///
/// An allocator places large buffers 16 bytes after a page boundary, while the bytes of a file in the page cache begin
/// at one. During a copy with such an offset, the processor assumes that each read depends on the write before it.
/// Measured on AMD EPYC: 1.5 GB/s instead of 6.5 GB/s out of the page cache.
#[derive(Debug, Default)]
pub struct AlignedBuf {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuf {
    /// Creates a buffer of `len` zero bytes.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let memory = vec![0; len.saturating_add(ALIGNMENT)];
        Self { start: aligned_start(&memory), memory, len }
    }

    /// Resizes; contents are unspecified afterwards.
    ///
    /// # Errors
    /// The allocator has no memory for `len` bytes.
    pub fn try_resize(&mut self, len: usize) -> Result<(), TryReserveError> {
        if self.start.saturating_add(len) > self.memory.len() {
            let size = len.saturating_add(ALIGNMENT);
            // Free the old memory first: none of its contents is kept.
            self.memory = Vec::new();
            (self.start, self.len) = (0, 0);
            self.memory.try_reserve_exact(size)?;
            self.memory.resize(size, 0);
            self.start = aligned_start(&self.memory);
        }
        self.len = len;
        Ok(())
    }
}

/// Offset of the first page boundary within `memory`, or 0 if the platform does not say.
fn aligned_start(memory: &[u8]) -> usize {
    let start = memory.as_ptr().align_offset(ALIGNMENT);
    if start < ALIGNMENT { start } else { 0 }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.start..self.start.saturating_add(self.len)).unwrap_or_default()
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.start.saturating_add(self.len)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_page_boundary_at_any_length() {
        let mut buffer = AlignedBuf::default();
        assert!(buffer.is_empty());
        for len in [1, 4096, 5, 100_000, 1 << 20, 70] {
            buffer.try_resize(len).unwrap();
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr().addr() % ALIGNMENT, 0);
            buffer.fill(7);
            assert_eq!(AlignedBuf::new(len).len(), len);
            assert_eq!(AlignedBuf::new(len).as_ptr().addr() % ALIGNMENT, 0);
        }
        assert!(buffer.try_resize(usize::MAX - 1).is_err());
        assert!(buffer.is_empty());
    }
}
