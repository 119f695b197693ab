//! Edits of a few entries, written the way bbolt writes a transaction: copies of the changed pages are appended, and a
//! meta page then points to them.
//!
//! ```text
//! ├ meta ┼ meta ┼ pages as they were … ┼ copies of changed pages ┼ freelist, where there is one ┤
//!      └─ the one that was not live gets the next transaction, the new root and the new high-water mark
//! ```
//! Nothing is written here: the result is a list of bytes with their offsets. The old pages stay, so the other meta
//! page still describes the file as it was. Memory: the changed pages, and 8 bytes per free page if the freelist is in
//! the file.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeMap;

use crate::bolt::added_pages::{Added, bucket_header};
use crate::bolt::bucket::BucketLocation;
use crate::bolt::database::{BoltDatabase, DatabaseError, inline_items, node, parse_bucket, too_deep};
use crate::bolt::freelist;
use crate::bolt::leaf::BUCKET;
use crate::bolt::meta::{META_END, NO_FREELIST, checksum};
use crate::bolt::node::{BoltNode, LeafItem, Link, finish};
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::PageReader;
use crate::error::Error;
use crate::finding::{Findings, excerpt};
use crate::int_readers::u64_le;
use crate::limits::{MAX_DEPTH, REWRITTEN_BYTES};
use crate::source::Source;

/// An edit of one top-level bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketEdit {
    /// The bucket's name.
    pub bucket: Vec<u8>,
    /// What to do if the bucket does not exist.
    pub missing: Missing,
    /// Whether the bucket's old entries stay or go, nested buckets included.
    pub kept: Kept,
    /// The value to put for each key; `None` deletes the key.
    pub entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// What an edit does if its bucket does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missing {
    /// Create the bucket.
    Create,
    /// Fail with [`DatabaseError`].
    #[default]
    Fail,
}

/// Which old entries of an edited bucket stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kept {
    /// All entries that the edit does not name.
    #[default]
    Others,
    /// No old entry.
    Nothing,
}

/// The writes that carry out an edit, and the database after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// Bytes to write, each with its file offset; the meta page comes last.
    pub writes: Vec<(Offset, Vec<u8>)>,
    /// Number of pages written.
    pub pages: u64,
    /// The new high-water mark.
    pub high_water: PageId,
    /// Transaction id of the new meta page.
    pub txid: u64,
    /// Minimum length of the edited file, in bytes.
    pub size: u64,
}

impl<S: Source + ?Sized> BoltDatabase<'_, S> {
    /// Computes the writes for these edits, each of a different bucket.
    ///
    /// # Errors
    /// A page on the path cannot be read or is damaged, a bucket is missing, or a key names a nested bucket.
    pub fn edit(mut self, changes: &[BucketEdit]) -> Result<Edited, DatabaseError> {
        let page_size = self.meta.page_size;
        let present = self.reader.geometry().present;
        if self.meta.high_water.get() / 2 > present.get() {
            // New pages are appended after the last page. If most pages are missing, the page count is wrong, and the
            // file could grow to any size.
            let message = format!("the meta page claims {} pages, but the file has {present}", self.meta.high_water);
            return Err(DatabaseError::Page { page: self.live, message });
        }
        let mut new = Added::behind(self.meta.high_water, page_size);
        let mut root = BTreeMap::new();
        for change in changes {
            let value = self.changed_bucket(change, &mut new)?;
            let item = LeafItem { flags: BUCKET, key: change.bucket.clone(), value };
            root.insert(change.bucket.clone(), Op { item: Some(item), bucket: true });
        }
        let links = rewrite(&mut self.reader, &mut new, self.meta.root, root, 0)?;
        // No bucket is removed, so no page loses a child.
        let links = links.ok_or_else(|| DatabaseError::Page {
            page: self.meta.root,
            message: "a branch page below this page has a single child".into(),
        })?;
        let root = new.root(links);
        let freelist = match self.meta.freelist {
            NO_FREELIST => NO_FREELIST,
            old => self.new_freelist(old, &mut new)?,
        };
        let (txid, at, page) = self.new_meta(root, freelist, new.next)?;
        new.writes.push((at, page));
        let size = new.next.offset(page_size).get();
        let pages = new.next.pages_since(self.meta.high_water).saturating_add(1);
        Ok(Edited { writes: new.writes, pages, high_water: new.next, txid, size })
    }

    /// Computes the value of the bucket's element after the edit.
    fn changed_bucket(&mut self, change: &BucketEdit, new: &mut Added) -> Result<Vec<u8>, DatabaseError> {
        let top = self.meta.root;
        let found = self.descend(top, Some(&change.bucket))?.into_iter().find(|item| item.key == change.bucket);
        let ops = change.entries.iter().map(|(key, value)| {
            let item = value.as_ref().map(|value| LeafItem { flags: 0, key: key.clone(), value: value.clone() });
            (key.clone(), Op { item, bucket: false })
        });
        let ops: BTreeMap<Vec<u8>, Op> = ops.collect();
        let Some(found) = found else {
            if change.missing == Missing::Fail {
                return Err(DatabaseError::NoBucket { name: change.bucket.clone() });
            }
            return Ok(new.bucket(0, merge(Vec::new(), ops, top)?));
        };
        if found.flags & BUCKET == 0 {
            return Err(DatabaseError::NoBucket { name: change.bucket.clone() });
        }
        let sequence = u64_le(&found.value, 8).unwrap_or(0);
        let place = parse_bucket(&found, top)?;
        match (place, change.kept) {
            (BucketLocation::Inline(header, page), kept) => {
                let items = if kept == Kept::Others { inline_items(header, page, top)? } else { Vec::new() };
                Ok(new.bucket(sequence, merge(items, ops, top)?))
            }
            (BucketLocation::Tree(root), Kept::Nothing) => {
                self.free_tree(root, new, 0)?;
                Ok(new.bucket(sequence, merge(Vec::new(), ops, root)?))
            }
            (BucketLocation::Tree(root), Kept::Others) => {
                let (header, node) = node(&mut self.reader, root)?;
                if let BoltNode::Leaf(items) = node {
                    let merged = merge(items, ops, root)?;
                    new.free(root, header.overflow)?;
                    return Ok(new.bucket(sequence, merged));
                }
                let before = new.clone();
                let Some(links) = rewrite(&mut self.reader, new, root, ops.clone(), 0)? else {
                    // bbolt merges neighbours where a branch page would keep a single child. That is so rare here that
                    // the whole bucket is rewritten instead.
                    *new = before;
                    let mut items = Vec::new();
                    self.take_items(root, new, &mut items, &mut 0, 0)?;
                    return Ok(new.bucket(sequence, merge(items, ops, root)?));
                };
                if links.is_empty() {
                    return Ok(new.bucket(sequence, Vec::new()));
                }
                Ok(bucket_header(new.root(links), sequence))
            }
        }
    }

    /// Frees every page of a tree, except the nested buckets, and collects the tree's items.
    fn take_items(
        &mut self,
        page: PageId,
        new: &mut Added,
        items: &mut Vec<LeafItem>,
        bytes: &mut usize,
        depth: usize,
    ) -> Result<(), DatabaseError> {
        if depth > MAX_DEPTH {
            return Err(too_deep(page));
        }
        let (header, node) = node(&mut self.reader, page)?;
        new.free(page, header.overflow)?;
        match node {
            BoltNode::Leaf(leaf) => {
                let own = leaf.iter().map(|item| item.key.len().saturating_add(item.value.len()));
                *bytes = own.fold(*bytes, usize::saturating_add);
                items.extend(leaf);
            }
            BoltNode::Branch(links) => {
                links
                    .into_iter()
                    .try_for_each(|link| self.take_items(link.page, new, items, bytes, depth.saturating_add(1)))?;
            }
        }
        if *bytes > REWRITTEN_BYTES {
            let message = format!("more than {REWRITTEN_BYTES} bytes of a bucket would have to be rewritten");
            return Err(DatabaseError::Page { page, message });
        }
        Ok(())
    }

    /// Frees every page of a tree, nested buckets included.
    fn free_tree(&mut self, page: PageId, new: &mut Added, depth: usize) -> Result<(), DatabaseError> {
        if depth > MAX_DEPTH {
            return Err(too_deep(page));
        }
        let (header, node) = node(&mut self.reader, page)?;
        new.free(page, header.overflow)?;
        let below: Vec<PageId> = match node {
            BoltNode::Branch(links) => links.into_iter().map(|link| link.page).collect(),
            BoltNode::Leaf(items) => {
                let buckets = items.iter().filter(|item| item.flags & BUCKET != 0);
                buckets.filter_map(|item| u64_le(&item.value, 0)).filter(|root| *root != 0).map(PageId::new).collect()
            }
        };
        below.into_iter().try_for_each(|page| self.free_tree(page, new, depth.saturating_add(1)))
    }

    /// Appends a new freelist: the old free pages, the pages that the edit freed, and the pages of the old list.
    fn new_freelist(&mut self, old: PageId, new: &mut Added) -> Result<PageId, DatabaseError> {
        let present = self.reader.geometry().present;
        let (used, free) = (PageSet::new(present.get())?, PageSet::new(present.get())?);
        let mut findings = Findings::default();
        freelist::read(&mut self.reader, old, &used, &free, &mut findings)?;
        if let Some(finding) = findings.list().first() {
            return Err(DatabaseError::Page { page: old, message: finding.message.clone() });
        }
        let own = old.up_to(present).take_while(|page| used.contains(*page));
        own.chain(new.freed.iter().copied()).for_each(|page| {
            free.insert(page);
        });
        let count = free.count();
        let mut data = Vec::new();
        // A count that does not fit the header's field is stored in the first word instead.
        let short = u16::try_from(count).ok().filter(|count| *count < u16::MAX);
        if short.is_none() {
            data.extend_from_slice(&count.to_le_bytes());
        }
        let listed = PageId::FIRST.up_to(present).filter(|page| free.contains(*page));
        listed.for_each(|page| data.extend_from_slice(&page.to_le_bytes()));
        Ok(new.write(|id, page_size| finish(id, 0x10, short.unwrap_or(u16::MAX), data, page_size)))
    }

    /// Builds the page of the meta that was not live; returns transaction id, offset and bytes.
    fn new_meta(
        &self,
        root: PageId,
        freelist: PageId,
        high_water: PageId,
    ) -> Result<(u64, Offset, Vec<u8>), DatabaseError> {
        let size = self.meta.page_size;
        let mut page = vec![0; META_END];
        let offset = self.live.offset(size);
        let read = self.source.read_at(offset.get(), &mut page);
        read.map_err(|cause| Error::Read { offset, len: META_END as u64, cause })?;
        let id = PageId::new(self.live.get() ^ 1);
        // bbolt writes transaction n to meta page n % 2.
        let next = self.meta.txid.saturating_add(1);
        let txid = if next & 1 == id.get() { next } else { next.saturating_add(1) };
        let fields = [
            (0, id.to_le_bytes()),
            (8, [4, 0, 0, 0, 0, 0, 0, 0]),
            (32, root.to_le_bytes()),
            (48, freelist.to_le_bytes()),
            (56, high_water.to_le_bytes()),
            (64, txid.to_le_bytes()),
        ];
        for (at, bytes) in fields {
            page.iter_mut().skip(at).zip(bytes).for_each(|(slot, byte)| *slot = byte);
        }
        page.iter_mut().skip(24).zip(self.meta.page_size.to_le_bytes()).for_each(|(slot, byte)| *slot = byte);
        let sum = checksum(page.get(16..72).unwrap_or_default());
        page.iter_mut().skip(72).zip(sum.to_le_bytes()).for_each(|(slot, byte)| *slot = byte);
        Ok((txid, id.offset(size), page))
    }
}

/// One edit of a key: the item to put; `None` deletes the key.
#[derive(Clone)]
struct Op {
    item: Option<LeafItem>,
    /// Whether the key may name a nested bucket.
    bucket: bool,
}

/// Copies the pages below `page` that the edit touches; returns links to the pages that replace `page`. `None` if a
/// branch page below the root would keep a single child, which bbolt never writes.
fn rewrite<S: Source + ?Sized>(
    reader: &mut PageReader<'_, S>,
    new: &mut Added,
    page: PageId,
    mut ops: BTreeMap<Vec<u8>, Op>,
    depth: usize,
) -> Result<Option<Vec<Link>>, DatabaseError> {
    if depth > MAX_DEPTH {
        return Err(too_deep(page));
    }
    let (header, node) = node(reader, page)?;
    new.free(page, header.overflow)?;
    match node {
        BoltNode::Leaf(items) => Ok(Some(new.pages(merge(items, ops, page)?))),
        BoltNode::Branch(links) => {
            let mut replaced = Vec::new();
            let mut rest = links.into_iter().peekable();
            while let Some(link) = rest.next() {
                let beyond = rest.peek().map(|next| ops.split_off(&next.key)).unwrap_or_default();
                let here = std::mem::replace(&mut ops, beyond);
                if here.is_empty() {
                    replaced.push(link);
                } else {
                    match rewrite(reader, new, link.page, here, depth.saturating_add(1))? {
                        Some(pages) => replaced.extend(pages),
                        None => return Ok(None),
                    }
                }
            }
            Ok(match (replaced.len(), depth) {
                // The tree loses a level.
                (1, 0) => Some(replaced),
                (1, _) => None,
                _ => Some(new.pages(replaced)),
            })
        }
    }
}

/// Applies the edits to the items.
fn merge(items: Vec<LeafItem>, ops: BTreeMap<Vec<u8>, Op>, page: PageId) -> Result<Vec<LeafItem>, DatabaseError> {
    let mut all: BTreeMap<Vec<u8>, LeafItem> = items.into_iter().map(|item| (item.key.clone(), item)).collect();
    for (key, op) in ops {
        let there = all.remove(&key);
        if there.is_some_and(|there| there.flags & BUCKET != 0 && !op.bucket) {
            let message = format!("the key {} names a nested bucket", excerpt(&key));
            return Err(DatabaseError::Page { page, message });
        }
        if let Some(item) = op.item {
            all.insert(key, item);
        }
    }
    Ok(all.into_values().collect())
}
