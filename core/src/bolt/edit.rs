//! A change of a few entries, as bolt makes it: copies of the pages that change, behind the others, and a meta page that points to them.
//!
//! ```text
//! ├ meta ┼ meta ┼ pages as they were … ┼ copies of changed pages ┼ freelist, where there is one ┤
//!      └─ the one that was not live gets the next transaction, the new root and the new high-water mark
//! ```
//! Nothing is written here: the answer is a list of bytes with their offsets. The old pages stay, so the other meta page still describes the
//! file as it was. Memory: the pages that change, and 8 bytes a free page where the freelist is in the file.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeMap;

use crate::bolt::added_pages::{Added, bucket_header};
use crate::bolt::bucket::Place;
use crate::bolt::database::{Database, DatabaseError, inline_items, node, parse_bucket, too_deep};
use crate::bolt::freelist;
use crate::bolt::leaf::BUCKET;
use crate::bolt::meta::{META_END, NO_FREELIST, checksum};
use crate::bolt::node::{Item, Link, Node, finish};
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::Reader;
use crate::error::Error;
use crate::finding::{Findings, excerpt};
use crate::int_readers::u64_le;
use crate::limits::{MAX_DEPTH, REWRITTEN_BYTES};
use crate::source::Source;

/// What becomes of one bucket at the top of the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub bucket: Vec<u8>,
    /// What to do when there is none.
    pub missing: Missing,
    /// Whether what it held goes, buckets below it too.
    pub kept: Kept,
    /// Keys in order: bytes to put, or none to delete.
    pub entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// What to do about a bucket that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missing {
    /// It is made.
    Create,
    /// The edit fails.
    #[default]
    Fail,
}

/// What stays of the entries that a change does not name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kept {
    /// All of them.
    #[default]
    Others,
    /// None.
    Nothing,
}

/// What to write, and what the database is afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// Bytes and where they go; the meta page comes last.
    pub writes: Vec<(Offset, Vec<u8>)>,
    /// Pages among them.
    pub pages: u64,
    /// The new high-water mark.
    pub high_water: PageId,
    /// The new transaction.
    pub txid: u64,
    /// How long the file must be at least, in bytes.
    pub size: u64,
}

impl<S: Source + ?Sized> Database<'_, S> {
    /// Works out what to write for these changes, which must name different buckets.
    ///
    /// # Errors
    /// When a page that is in the way cannot be read or is damaged, a bucket is missing, or a key names a bucket.
    pub fn edit(mut self, changes: &[Change]) -> Result<Edited, DatabaseError> {
        let page_size = self.meta.page_size;
        let present = self.reader.geometry().present;
        if self.meta.high_water.get() / 2 > present.get() {
            // New pages go behind the last: where most are missing, the count is a lie, and the file would get any size.
            let message = format!("the meta page counts {} pages, the file has {present}", self.meta.high_water);
            return Err(DatabaseError::Page { page: self.live, message });
        }
        let mut new = Added::behind(self.meta.high_water, page_size);
        let mut root = BTreeMap::new();
        for change in changes {
            let value = self.changed_bucket(change, &mut new)?;
            let item = Item { flags: BUCKET, key: change.bucket.clone(), value };
            root.insert(change.bucket.clone(), Op { item: Some(item), bucket: true });
        }
        let links = rewrite(&mut self.reader, &mut new, self.meta.root, root, 0)?;
        // No bucket is taken out, so no page loses a child.
        let links = links.ok_or_else(|| DatabaseError::Page {
            page: self.meta.root,
            message: "a branch page below it has a single child".into(),
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

    /// The value of the bucket's element after the change.
    fn changed_bucket(&mut self, change: &Change, new: &mut Added) -> Result<Vec<u8>, DatabaseError> {
        let top = self.meta.root;
        let found = self.descend(top, Some(&change.bucket))?.into_iter().find(|item| item.key == change.bucket);
        let ops = change.entries.iter().map(|(key, value)| {
            let item = value.as_ref().map(|value| Item { flags: 0, key: key.clone(), value: value.clone() });
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
            (Place::Inline(header, page), kept) => {
                let items = if kept == Kept::Others { inline_items(header, page, top)? } else { Vec::new() };
                Ok(new.bucket(sequence, merge(items, ops, top)?))
            }
            (Place::Tree(root), Kept::Nothing) => {
                self.free_tree(root, new, 0)?;
                Ok(new.bucket(sequence, merge(Vec::new(), ops, root)?))
            }
            (Place::Tree(root), Kept::Others) => {
                let (header, node) = node(&mut self.reader, root)?;
                if let Node::Leaf(items) = node {
                    let merged = merge(items, ops, root)?;
                    new.free(root, header.overflow)?;
                    return Ok(new.bucket(sequence, merged));
                }
                let before = new.clone();
                let Some(links) = rewrite(&mut self.reader, new, root, ops.clone(), 0)? else {
                    // bolt joins neighbours where a branch page would keep a single child. That is so rare here that all of the bucket is written anew.
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

    /// Frees every page of a tree, but none of the buckets in it, and hands out what it holds.
    fn take_items(
        &mut self,
        page: PageId,
        new: &mut Added,
        items: &mut Vec<Item>,
        bytes: &mut usize,
        depth: usize,
    ) -> Result<(), DatabaseError> {
        if depth > MAX_DEPTH {
            return Err(too_deep(page));
        }
        let (header, node) = node(&mut self.reader, page)?;
        new.free(page, header.overflow)?;
        match node {
            Node::Leaf(leaf) => {
                let own = leaf.iter().map(|item| item.key.len().saturating_add(item.value.len()));
                *bytes = own.fold(*bytes, usize::saturating_add);
                items.extend(leaf);
            }
            Node::Branch(links) => {
                links
                    .into_iter()
                    .try_for_each(|link| self.take_items(link.page, new, items, bytes, depth.saturating_add(1)))?;
            }
        }
        if *bytes > REWRITTEN_BYTES {
            let message = format!("more than {REWRITTEN_BYTES} bytes of a bucket would have to be written anew");
            return Err(DatabaseError::Page { page, message });
        }
        Ok(())
    }

    /// Frees every page of a tree, and of the buckets in it.
    fn free_tree(&mut self, page: PageId, new: &mut Added, depth: usize) -> Result<(), DatabaseError> {
        if depth > MAX_DEPTH {
            return Err(too_deep(page));
        }
        let (header, node) = node(&mut self.reader, page)?;
        new.free(page, header.overflow)?;
        let below: Vec<PageId> = match node {
            Node::Branch(links) => links.into_iter().map(|link| link.page).collect(),
            Node::Leaf(items) => {
                let buckets = items.iter().filter(|item| item.flags & BUCKET != 0);
                buckets.filter_map(|item| u64_le(&item.value, 0)).filter(|root| *root != 0).map(PageId::new).collect()
            }
        };
        below.into_iter().try_for_each(|page| self.free_tree(page, new, depth.saturating_add(1)))
    }

    /// Writes the freelist anew: what was free, what the changes freed, and the pages of the old list.
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
        // A count that does not fit its field stands in the first word.
        let short = u16::try_from(count).ok().filter(|count| *count < u16::MAX);
        if short.is_none() {
            data.extend_from_slice(&count.to_le_bytes());
        }
        let listed = PageId::FIRST.up_to(present).filter(|page| free.contains(*page));
        listed.for_each(|page| data.extend_from_slice(&page.to_le_bytes()));
        Ok(new.write(|id, page_size| finish(id, 0x10, short.unwrap_or(u16::MAX), data, page_size)))
    }

    /// The page of the meta that was not live: transaction, offset, bytes.
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
        // bolt writes transaction n to page n % 2.
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

/// What happens to a key: an item put in its place, or none.
#[derive(Clone)]
struct Op {
    item: Option<Item>,
    /// Whether the key may be that of a bucket.
    bucket: bool,
}

/// Copies the pages below `page` that the changes touch, and says by which pages it is replaced; none when a branch page below the root would keep a single child, as bolt
/// never leaves one.
fn rewrite<S: Source + ?Sized>(
    reader: &mut Reader<'_, S>,
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
        Node::Leaf(items) => Ok(Some(new.pages(merge(items, ops, page)?))),
        Node::Branch(links) => {
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
                // The tree has a level less.
                (1, 0) => Some(replaced),
                (1, _) => None,
                _ => Some(new.pages(replaced)),
            })
        }
    }
}

/// The items with the changes carried out.
fn merge(items: Vec<Item>, ops: BTreeMap<Vec<u8>, Op>, page: PageId) -> Result<Vec<Item>, DatabaseError> {
    let mut all: BTreeMap<Vec<u8>, Item> = items.into_iter().map(|item| (item.key.clone(), item)).collect();
    for (key, op) in ops {
        let there = all.remove(&key);
        if there.is_some_and(|there| there.flags & BUCKET != 0 && !op.bucket) {
            let message = format!("the key {} is that of a bucket", excerpt(&key));
            return Err(DatabaseError::Page { page, message });
        }
        if let Some(item) = op.item {
            all.insert(key, item);
        }
    }
    Ok(all.into_values().collect())
}
