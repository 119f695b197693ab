//! Edits of a few entries, written the way bbolt writes a transaction: copies of the changed pages are appended, and a
//! meta page then points to them.
//!
//! ```text
//! ├ meta ┼ meta ┼ unchanged old pages … ┼ copies of changed pages ┼ freelist, if the file has one ┤
//!      └─ the older meta page is rewritten: next transaction id, new root, new high-water mark
//! ```
//! This module only computes the bytes to write and their offsets; the caller writes them. The old pages stay, so the
//! other meta page still describes the file as it was before. Memory: the changed pages, and 8 bytes per free page if
//! the freelist is in the file.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeMap;

use crate::bolt::added_pages::{AddedPages, encode_bucket_header};
use crate::bolt::bucket::BucketLocation;
use crate::bolt::database::{BoltDatabase, DatabaseError, inline_items, parse_bucket, read_node, too_deep};
use crate::bolt::freelist;
use crate::bolt::leaf::BUCKET;
use crate::bolt::meta::{META_END, NO_FREELIST, checksum};
use crate::bolt::node::{BoltNode, BranchItem, LeafItem, assemble_page};
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::PageReader;
use crate::error::Error;
use crate::finding::{Findings, excerpt};
use crate::int_readers::u64_le;
use crate::limits::{MAX_DEPTH, MAX_REWRITTEN_BUCKET};
use crate::source::Source;

/// An edit of one top-level bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketEdit {
    /// The bucket's name.
    pub bucket: Vec<u8>,
    /// Whether to create the bucket if it does not exist.
    pub if_missing: IfMissing,
    /// Whether the bucket's old entries, nested buckets included, are kept or removed.
    pub old_entries: OldEntries,
    /// The new value of each changed key; `None` deletes the key.
    pub entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// What an edit does if its bucket does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IfMissing {
    /// Create the bucket.
    Create,
    /// Fail with [`DatabaseError`].
    #[default]
    Fail,
}

/// Whether an edit keeps the old entries of its bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OldEntries {
    /// Keep all old entries that the edit does not change.
    #[default]
    Keep,
    /// Remove all old entries.
    Remove,
}

/// The writes that carry out an edit, and properties of the edited database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditWrites {
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
    pub fn edit(mut self, edits: &[BucketEdit]) -> Result<EditWrites, DatabaseError> {
        let page_size = self.meta.page_size;
        let present = self.reader.geometry().present;
        if self.meta.high_water.get() / 2 > present.get() {
            // New pages are appended at the high-water mark. If that is wrong, the file could grow to any size.
            let message = format!("the meta page claims {} pages, but the file has {present}", self.meta.high_water);
            return Err(DatabaseError::Page { page: self.live, message });
        }
        let mut new = AddedPages::starting_at(self.meta.high_water, page_size);
        let mut root = BTreeMap::new();
        for edit in edits {
            let value = self.edited_bucket_value(edit, &mut new)?;
            let item = LeafItem { flags: BUCKET, key: edit.bucket.clone(), value };
            root.insert(edit.bucket.clone(), ItemChange { item: Some(item), may_be_bucket: true });
        }
        let links = rewrite_subtree(&mut self.reader, &mut new, self.meta.root, root, 0)?;
        // No bucket is removed, so no page loses a child.
        let links = links.ok_or_else(|| DatabaseError::Page {
            page: self.meta.root,
            message: "a branch page below this page has a single child".into(),
        })?;
        let root = new.append_root(links);
        let freelist = match self.meta.freelist {
            NO_FREELIST => NO_FREELIST,
            old => self.new_freelist(old, &mut new)?,
        };
        let (txid, at, page) = self.new_meta(root, freelist, new.next_page)?;
        new.writes.push((at, page));
        let size = new.next_page.offset(page_size).get();
        let pages = new.next_page.pages_since(self.meta.high_water).saturating_add(1);
        Ok(EditWrites { writes: new.writes, pages, high_water: new.next_page, txid, size })
    }

    /// Computes the value of the bucket's element in the root tree after the edit.
    fn edited_bucket_value(&mut self, edit: &BucketEdit, new: &mut AddedPages) -> Result<Vec<u8>, DatabaseError> {
        let top = self.meta.root;
        let found = self.descend(top, Some(&edit.bucket))?.into_iter().find(|item| item.key == edit.bucket);
        let item_changes = edit.entries.iter().map(|(key, value)| {
            let item = value.as_ref().map(|value| LeafItem { flags: 0, key: key.clone(), value: value.clone() });
            (key.clone(), ItemChange { item, may_be_bucket: false })
        });
        let item_changes: BTreeMap<Vec<u8>, ItemChange> = item_changes.collect();
        let Some(found) = found else {
            if edit.if_missing == IfMissing::Fail {
                return Err(DatabaseError::NoBucket { name: edit.bucket.clone() });
            }
            return Ok(new.append_bucket(0, apply_changes(Vec::new(), item_changes, top)?));
        };
        if found.flags & BUCKET == 0 {
            return Err(DatabaseError::NoBucket { name: edit.bucket.clone() });
        }
        let sequence = u64_le(&found.value, 8).unwrap_or(0);
        let location = parse_bucket(&found, top)?;
        match (location, edit.old_entries) {
            (BucketLocation::Inline(header, page), old_entries) => {
                let items = if old_entries == OldEntries::Keep { inline_items(header, page, top)? } else { Vec::new() };
                Ok(new.append_bucket(sequence, apply_changes(items, item_changes, top)?))
            }
            (BucketLocation::Tree(root), OldEntries::Remove) => {
                self.free_tree(root, new, 0)?;
                Ok(new.append_bucket(sequence, apply_changes(Vec::new(), item_changes, root)?))
            }
            (BucketLocation::Tree(root), OldEntries::Keep) => {
                let (header, node) = read_node(&mut self.reader, root)?;
                if let BoltNode::Leaf(items) = node {
                    let merged = apply_changes(items, item_changes, root)?;
                    new.free(root, header.overflow)?;
                    return Ok(new.append_bucket(sequence, merged));
                }
                let before = new.clone();
                let Some(links) = rewrite_subtree(&mut self.reader, new, root, item_changes.clone(), 0)? else {
                    // bbolt merges neighbours where a branch page would keep a single child. That is so rare here that
                    // the whole bucket is rewritten instead.
                    *new = before;
                    let mut items = Vec::new();
                    self.free_and_collect_items(root, new, &mut items, &mut 0, 0)?;
                    return Ok(new.append_bucket(sequence, apply_changes(items, item_changes, root)?));
                };
                if links.is_empty() {
                    return Ok(new.append_bucket(sequence, Vec::new()));
                }
                Ok(encode_bucket_header(new.append_root(links), sequence))
            }
        }
    }

    /// Frees every page of a tree, except the nested buckets, and collects the tree's items.
    fn free_and_collect_items(
        &mut self,
        page: PageId,
        new: &mut AddedPages,
        items: &mut Vec<LeafItem>,
        bytes: &mut usize,
        depth: usize,
    ) -> Result<(), DatabaseError> {
        if depth > MAX_DEPTH {
            return Err(too_deep(page));
        }
        let (header, node) = read_node(&mut self.reader, page)?;
        new.free(page, header.overflow)?;
        match node {
            BoltNode::Leaf(leaf) => {
                let own = leaf.iter().map(|item| item.key.len().saturating_add(item.value.len()));
                *bytes = own.fold(*bytes, usize::saturating_add);
                items.extend(leaf);
            }
            BoltNode::Branch(links) => {
                links.into_iter().try_for_each(|link| {
                    self.free_and_collect_items(link.page, new, items, bytes, depth.saturating_add(1))
                })?;
            }
        }
        if *bytes > MAX_REWRITTEN_BUCKET {
            let message = format!("more than {MAX_REWRITTEN_BUCKET} bytes of a bucket would have to be rewritten");
            return Err(DatabaseError::Page { page, message });
        }
        Ok(())
    }

    /// Frees every page of a tree, nested buckets included.
    fn free_tree(&mut self, page: PageId, new: &mut AddedPages, depth: usize) -> Result<(), DatabaseError> {
        if depth > MAX_DEPTH {
            return Err(too_deep(page));
        }
        let (header, node) = read_node(&mut self.reader, page)?;
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
    fn new_freelist(&mut self, old: PageId, new: &mut AddedPages) -> Result<PageId, DatabaseError> {
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
        let short_count = u16::try_from(count).ok().filter(|count| *count < u16::MAX);
        if short_count.is_none() {
            data.extend_from_slice(&count.to_le_bytes());
        }
        let free_pages = PageId::FIRST.up_to(present).filter(|page| free.contains(*page));
        free_pages.for_each(|page| data.extend_from_slice(&page.to_le_bytes()));
        Ok(new.append_page(|id, page_size| assemble_page(id, 0x10, short_count.unwrap_or(u16::MAX), data, page_size)))
    }

    /// Builds the new contents of the meta page that is not live; returns transaction id, offset and bytes.
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

/// The change of one item of a leaf page.
#[derive(Clone)]
struct ItemChange {
    /// The new item; `None` deletes the old one.
    item: Option<LeafItem>,
    /// Whether the old item may be a nested bucket.
    may_be_bucket: bool,
}

/// Appends changed copies of `page` and of the pages below it; returns the parent's items for the pages that replace
/// `page`. `None` if a branch page below the root would keep a single child, which bbolt never writes.
fn rewrite_subtree<S: Source + ?Sized>(
    reader: &mut PageReader<'_, S>,
    new: &mut AddedPages,
    page: PageId,
    mut item_changes: BTreeMap<Vec<u8>, ItemChange>,
    depth: usize,
) -> Result<Option<Vec<BranchItem>>, DatabaseError> {
    if depth > MAX_DEPTH {
        return Err(too_deep(page));
    }
    let (header, node) = read_node(reader, page)?;
    new.free(page, header.overflow)?;
    match node {
        BoltNode::Leaf(items) => Ok(Some(new.append_pages(apply_changes(items, item_changes, page)?))),
        BoltNode::Branch(links) => {
            let mut replaced = Vec::new();
            let mut remaining = links.into_iter().peekable();
            while let Some(link) = remaining.next() {
                let later_changes = remaining.peek().map(|next| item_changes.split_off(&next.key)).unwrap_or_default();
                let own_changes = std::mem::replace(&mut item_changes, later_changes);
                if own_changes.is_empty() {
                    replaced.push(link);
                } else {
                    match rewrite_subtree(reader, new, link.page, own_changes, depth.saturating_add(1))? {
                        Some(pages) => replaced.extend(pages),
                        None => return Ok(None),
                    }
                }
            }
            Ok(match (replaced.len(), depth) {
                // The child becomes the root: the tree loses a level.
                (1, 0) => Some(replaced),
                (1, _) => None,
                _ => Some(new.append_pages(replaced)),
            })
        }
    }
}

/// Applies the changes to the items of a bucket or a leaf page; returns the new items in key order.
fn apply_changes(
    items: Vec<LeafItem>,
    item_changes: BTreeMap<Vec<u8>, ItemChange>,
    page: PageId,
) -> Result<Vec<LeafItem>, DatabaseError> {
    let mut all: BTreeMap<Vec<u8>, LeafItem> = items.into_iter().map(|item| (item.key.clone(), item)).collect();
    for (key, item_change) in item_changes {
        let old_item = all.remove(&key);
        if old_item.is_some_and(|old_item| old_item.flags & BUCKET != 0 && !item_change.may_be_bucket) {
            let message = format!("the key {} names a nested bucket", excerpt(&key));
            return Err(DatabaseError::Page { page, message });
        }
        if let Some(item) = item_change.item {
            all.insert(key, item);
        }
    }
    Ok(all.into_values().collect())
}
