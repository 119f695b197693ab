//! Collects the pages of a new database and writes them in large blocks.

use etcdsnap_core::AlignedBuf;
use etcdsnap_core::bolt::write::file_builder::PageSink;

/// Bytes written at once.
const BLOCK: usize = 1 << 20;

/// Writes one block.
type WriteBlock<'w, E> = dyn FnMut(&[u8]) -> Result<(), E> + 'w;

/// Collects pages in a block, and passes each full block on. The block is aligned in memory, as writes that bypass the page cache need it.
pub(crate) struct BlockSink<'w, E> {
    write: Box<WriteBlock<'w, E>>,
    block: AlignedBuf,
    used: usize,
}

impl<'w, E> BlockSink<'w, E> {
    /// Creates an empty sink; `write` gets the blocks in order.
    pub fn new(write: impl FnMut(&[u8]) -> Result<(), E> + 'w) -> Self {
        Self { write: Box::new(write), block: AlignedBuf::new(BLOCK), used: 0 }
    }

    /// Writes the last block.
    ///
    /// # Errors
    /// The error of `write`.
    pub fn finish(mut self) -> Result<(), E> {
        self.hand_on()
    }

    fn hand_on(&mut self) -> Result<(), E> {
        let used = std::mem::take(&mut self.used);
        (self.write)(self.block.get(..used).unwrap_or_default())
    }
}

impl<E> PageSink for BlockSink<'_, E> {
    type Error = E;

    fn append(&mut self, mut pages: &[u8]) -> Result<(), E> {
        while !pages.is_empty() {
            let free = self.block.get_mut(self.used..).unwrap_or_default();
            let (now, later) = pages.split_at(pages.len().min(free.len()));
            free.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.used = self.used.saturating_add(now.len());
            pages = later;
            if self.used >= BLOCK {
                self.hand_on()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_out_in_order_in_full_blocks_and_a_rest() {
        let pages: Vec<u8> = (0..5 * BLOCK / 2 + 77).map(|at| (at % 251) as u8).collect();
        let (mut written, mut lengths) = (Vec::new(), Vec::new());
        let mut sink = BlockSink::new(|block: &[u8]| {
            lengths.push(block.len());
            written.extend_from_slice(block);
            Ok::<(), ()>(())
        });
        pages.chunks(300_007).try_for_each(|piece| sink.append(piece)).unwrap();
        sink.finish().unwrap();
        assert!(written == pages);
        assert_eq!(lengths, [BLOCK, BLOCK, BLOCK / 2 + 77]);
    }
}
