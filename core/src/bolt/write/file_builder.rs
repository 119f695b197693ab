//! Builds a bbolt file from sorted entries, in one pass.
//!
//! ```text
//! ├ meta 0 ┼ meta 1 ┼ leaf pages of the first bucket, each branch page after its children ┼ … next buckets … ┼ root ┤
//! ```
//! Pages are filled as etcd's defragmentation fills them, small buckets are inline, and the file has no freelist,
//! because no page is free (etcd runs bbolt with `NoFreelistSync`, and reads such files). Both meta pages describe this
//! file; the one with the higher transaction id is where bbolt would have written it. The builder itself writes
//! nothing: it passes the pages to a [`PageSink`] in file order, and returns the meta pages at the end. The same
//! entries give the same bytes. Memory: the unfinished pages from the root to the current leaf.

use crate::bolt::leaf::BUCKET;
use crate::bolt::meta::{MAGIC, META_END, NO_FREELIST, VERSION, checksum};
use crate::bolt::page_id::PageId;
use crate::bolt::write::tree_builder::{PageOutput, TreeBuilder};
use crate::limits::MAX_DEPTH;

/// Length of the longest key that bbolt allows, in bytes (`MaxKeySize`).
pub const MAX_KEY: usize = 32_768;
/// Length of the longest value that bbolt allows, in bytes (`MaxValueSize`).
pub const MAX_VALUE: usize = (1 << 31) - 2;

/// The destination of the pages that [`FileBuilder`] makes: all pages after the two meta pages, in file order.
pub trait PageSink {
    /// Why the sink accepts no more pages.
    type Error;

    /// Appends the next pages, a whole number of them.
    ///
    /// # Errors
    /// The sink cannot accept the pages; the builder then returns this error, and its file is incomplete.
    fn append(&mut self, pages: &[u8]) -> Result<(), Self::Error>;
}

impl PageSink for Vec<u8> {
    type Error = std::convert::Infallible;

    fn append(&mut self, pages: &[u8]) -> Result<(), Self::Error> {
        self.extend_from_slice(pages);
        Ok(())
    }
}

/// Properties of the new file that its entries do not determine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileParams {
    /// Page size in bytes, a power of two.
    pub page_size: u32,
    /// Transaction id of the live meta page; the other meta page gets the id before it.
    pub txid: u64,
    /// Sequence counter of the root bucket.
    pub sequence: u64,
}

/// The meta pages and the size of a finished file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFile {
    /// The first two pages of the file.
    pub meta_pages: Vec<u8>,
    /// Number of pages in the file, meta pages included.
    pub pages: u64,
    /// Length of the file in bytes.
    pub len: u64,
}

/// Why a file could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError<E> {
    /// A key is not greater than the one before it.
    #[error("a key is not greater than the one before it")]
    Order,
    /// A key is empty or longer than [`MAX_KEY`].
    #[error("a key has {0} bytes, but bbolt allows 1 to 32,768")]
    KeySize(usize),
    /// A value is longer than [`MAX_VALUE`].
    #[error("a value has {0} bytes, but bbolt allows at most 2,147,483,646")]
    ValueSize(usize),
    /// An entry, or the end of a bucket, without an open bucket; or buckets nested too deeply.
    #[error("a bucket begins or ends at an impossible place")]
    Nesting,
    /// The sink failed to append pages.
    #[error("{0}")]
    Sink(E),
}

/// Builds a bbolt file from buckets and entries in key order, and passes its pages to a sink.
#[derive(Debug)]
pub struct FileBuilder<S> {
    params: FileParams,
    sink: S,
    /// The root bucket, and the open buckets below it.
    open_buckets: Vec<(Vec<u8>, TreeBuilder)>,
    next_page: PageId,
    pending: Vec<u8>,
}

impl<S: PageSink> FileBuilder<S> {
    /// Starts an empty file.
    pub fn new(params: FileParams, sink: S) -> Self {
        let root = (Vec::new(), TreeBuilder::new(params.page_size, params.sequence));
        Self { params, sink, open_buckets: vec![root], next_page: PageId::FIRST, pending: Vec::new() }
    }

    /// Opens a bucket within the bucket that is open, or at the top level. `sequence` is bbolt's counter for
    /// `NextSequence`.
    ///
    /// # Errors
    /// The name is not greater than the last key of the parent bucket or is not a valid key, or buckets are nested too
    /// deeply.
    pub fn begin_bucket(&mut self, name: &[u8], sequence: u64) -> Result<(), BuildError<S::Error>> {
        if self.open_buckets.len() >= MAX_DEPTH {
            return Err(BuildError::Nesting);
        }
        self.check_entry(name, 0)?;
        self.open_buckets.push((name.to_vec(), TreeBuilder::new(self.params.page_size, sequence)));
        Ok(())
    }

    /// Appends an entry to the open bucket.
    ///
    /// # Errors
    /// The key is not greater than the last one, a length exceeds bbolt's limit, no bucket is open, or the sink fails.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError<S::Error>> {
        if self.open_buckets.len() < 2 {
            return Err(BuildError::Nesting);
        }
        self.check_entry(key, value.len())?;
        self.push(0, key, value)
    }

    /// Closes the open bucket; its parent is then open.
    ///
    /// # Errors
    /// No bucket is open, or the sink fails.
    pub fn end_bucket(&mut self) -> Result<(), BuildError<S::Error>> {
        if self.open_buckets.len() < 2 {
            return Err(BuildError::Nesting);
        }
        let (name, tree) = self.open_buckets.pop().ok_or(BuildError::Nesting)?;
        let value = tree.finish(&mut PageOutput { next: &mut self.next_page, out: &mut self.pending });
        self.push(BUCKET, &name, &value)
    }

    /// Finishes the file; returns the meta pages, which belong before all appended pages, and the sink.
    ///
    /// # Errors
    /// A bucket is still open, or the sink fails.
    pub fn finish(mut self) -> Result<(BuiltFile, S), BuildError<S::Error>> {
        if self.open_buckets.len() != 1 {
            return Err(BuildError::Nesting);
        }
        let (_, mut tree) = self.open_buckets.pop().ok_or(BuildError::Nesting)?;
        let root = tree.write_remaining_pages(&mut PageOutput { next: &mut self.next_page, out: &mut self.pending });
        self.flush()?;
        let meta_pages = meta_pages(self.params, root, self.next_page);
        Ok((
            BuiltFile {
                meta_pages,
                pages: self.next_page.get(),
                len: self.next_page.offset(self.params.page_size).get(),
            },
            self.sink,
        ))
    }

    fn check_entry(&self, key: &[u8], value: usize) -> Result<(), BuildError<S::Error>> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(BuildError::KeySize(key.len()));
        }
        if value > MAX_VALUE {
            return Err(BuildError::ValueSize(value));
        }
        let (_, tree) = self.open_buckets.last().ok_or(BuildError::Nesting)?;
        if tree.is_next_key(key) { Ok(()) } else { Err(BuildError::Order) }
    }

    fn push(&mut self, flags: u32, key: &[u8], value: &[u8]) -> Result<(), BuildError<S::Error>> {
        let (_, tree) = self.open_buckets.last_mut().ok_or(BuildError::Nesting)?;
        tree.push(flags, key, value, &mut PageOutput { next: &mut self.next_page, out: &mut self.pending });
        self.flush()
    }

    fn flush(&mut self) -> Result<(), BuildError<S::Error>> {
        if !self.pending.is_empty() {
            self.sink.append(&self.pending).map_err(BuildError::Sink)?;
            self.pending.clear();
        }
        Ok(())
    }
}

/// Encodes both meta pages.
fn meta_pages(params: FileParams, root: PageId, high_water: PageId) -> Vec<u8> {
    // bbolt writes transaction n to meta page n % 2.
    let (previous, live) = (params.txid.saturating_sub(1), params.txid.max(1));
    let txids = if live & 1 == 0 { [live, previous] } else { [previous, live] };
    let size = params.page_size as usize;
    let mut pages = Vec::with_capacity(size.saturating_mul(2));
    for (id, txid) in (0_u64..).zip(txids) {
        let mut page = Vec::with_capacity(size.max(META_END));
        page.extend_from_slice(&id.to_le_bytes());
        page.extend_from_slice(&[4, 0, 0, 0, 0, 0, 0, 0]);
        [MAGIC, VERSION, params.page_size, 0].iter().for_each(|word| page.extend_from_slice(&word.to_le_bytes()));
        let words = [root.get(), params.sequence, NO_FREELIST.get(), high_water.get(), txid];
        words.iter().for_each(|word| page.extend_from_slice(&word.to_le_bytes()));
        let sum = checksum(page.get(16..).unwrap_or_default());
        page.extend_from_slice(&sum.to_le_bytes());
        page.resize(size.max(META_END), 0);
        pages.extend_from_slice(&page);
    }
    pages
}
