//! A bbolt database opened at its live meta page; lookups read the path from the root to one leaf.

use crate::bolt::bucket::{self, BucketLocation};
use crate::bolt::leaf::BUCKET;
use crate::bolt::meta::{Meta, MetaPages};
use crate::bolt::node::{BoltNode, LeafItem};
use crate::bolt::page::Header;
use crate::bolt::page_id::PageId;
use crate::bolt::reader::{Geometry, PageReader};
use crate::error::Error;
use crate::limits::{HEAD_LEN, MAX_DEPTH};
use crate::offset::Offset;
use crate::source::Source;

/// A bbolt database to look up entries in, or to [`edit`](BoltDatabase::edit).
pub struct BoltDatabase<'s, S: Source + ?Sized> {
    pub(super) reader: PageReader<'s, S>,
    pub(super) source: &'s S,
    /// Page id of the live meta page: 0 or 1.
    pub(super) live: PageId,
    pub(super) meta: Meta,
}

impl<'s, S: Source + ?Sized> BoltDatabase<'s, S> {
    /// Opens a database at its live meta page.
    ///
    /// # Errors
    /// The first bytes cannot be read, or contain no valid meta page.
    pub fn open(source: &'s S) -> Result<Self, DatabaseError> {
        let mut head = vec![0; HEAD_LEN.min(usize::try_from(source.len()).unwrap_or(HEAD_LEN))];
        let len = head.len() as u64;
        source.read_at(0, &mut head).map_err(|cause| Error::Read { offset: Offset::START, len, cause })?;
        let (live, meta) = MetaPages::find(&head).ok_or(DatabaseError::NoDatabase)?.live();
        let whole = source.len().checked_div(u64::from(meta.page_size)).unwrap_or(0);
        let present = PageId::new(whole).min(meta.high_water);
        let geometry = Geometry { page_size: meta.page_size, high_water: meta.high_water, present };
        Ok(Self { reader: PageReader::new(source, geometry), source, live, meta })
    }

    /// The decoded live meta page.
    #[must_use]
    pub fn meta(&self) -> Meta {
        self.meta
    }

    /// Returns the value of a key in a top-level bucket; `None` if the key or the bucket is missing.
    ///
    /// # Errors
    /// A page on the path cannot be read or is damaged.
    pub fn get(&mut self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, DatabaseError> {
        let Some(items) = self.leaf_of(bucket, Some(key))? else { return Ok(None) };
        Ok(items.into_iter().find(|item| item.key == key && item.flags & BUCKET == 0).map(|item| item.value))
    }

    /// Returns the last key of a top-level bucket; `None` if the bucket is empty or missing.
    ///
    /// # Errors
    /// The same errors as [`BoltDatabase::get`].
    pub fn last_key(&mut self, bucket: &[u8]) -> Result<Option<Vec<u8>>, DatabaseError> {
        Ok(self.leaf_of(bucket, None)?.and_then(|items| items.into_iter().next_back()).map(|item| item.key))
    }

    /// Returns the keys on the last leaf page of a top-level bucket: all its keys if it has only one page. Empty if the
    /// bucket is empty or missing.
    ///
    /// # Errors
    /// The same errors as [`BoltDatabase::get`].
    pub fn last_keys(&mut self, bucket: &[u8]) -> Result<Vec<Vec<u8>>, DatabaseError> {
        Ok(self.leaf_of(bucket, None)?.unwrap_or_default().into_iter().map(|item| item.key).collect())
    }

    /// Reads the leaf of a bucket that contains `key` if any does, or the last leaf if `key` is `None`; returns `None`
    /// if the bucket does not exist.
    fn leaf_of(&mut self, bucket: &[u8], key: Option<&[u8]>) -> Result<Option<Vec<LeafItem>>, DatabaseError> {
        let root = self.descend(self.meta.root, Some(bucket))?;
        let Some(found) = root.into_iter().find(|item| item.key == bucket && item.flags & BUCKET != 0) else {
            return Ok(None);
        };
        match parse_bucket(&found, self.meta.root)? {
            BucketLocation::Tree(root) => self.descend(root, key).map(Some),
            BucketLocation::Inline(header, page) => inline_items(header, page, self.meta.root).map(Some),
        }
    }

    /// Reads the leaf of a tree that contains `key` if any does, or the last leaf if `key` is `None`.
    pub(super) fn descend(&mut self, root: PageId, key: Option<&[u8]>) -> Result<Vec<LeafItem>, DatabaseError> {
        let mut page = root;
        for _ in 0..MAX_DEPTH {
            let links = match read_node(&mut self.reader, page)?.1 {
                BoltNode::Leaf(items) => return Ok(items),
                BoltNode::Branch(links) => links,
            };
            let index = key.map_or(links.len(), |key| links.partition_point(|link| link.key.as_slice() <= key));
            page = links.get(index.saturating_sub(1)).map_or(PageId::ZERO, |link| link.page);
        }
        Err(too_deep(page))
    }
}

/// Why a bbolt database cannot be read or edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Bytes could not be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// Neither meta page is valid.
    #[error("the file is not a bbolt database")]
    NoDatabase,
    /// A page on the path is damaged.
    #[error("page {page}: {message}")]
    Page {
        /// The page's id.
        page: PageId,
        /// The damage, as a clause.
        message: String,
    },
    /// The bucket does not exist.
    #[error("bucket `{}` does not exist", name.escape_ascii())]
    NoBucket {
        /// Its name.
        name: Vec<u8>,
    },
}

/// Reads and decodes a tree page; returns its header, too.
pub(super) fn read_node<S: Source + ?Sized>(
    reader: &mut PageReader<'_, S>,
    page: PageId,
) -> Result<(Header, BoltNode), DatabaseError> {
    let size = reader.geometry().page_size;
    let damaged = |message: String| DatabaseError::Page { page, message };
    let geometry = reader.geometry();
    let (header, bytes) = reader.unit(page)?.map_err(|defect| damaged(defect.message))?;
    // An edit frees the page with all overflow pages that it claims, so the claim must be right, even if the page can
    // be read without them.
    geometry.check(page, header.overflow).map_err(|defect| damaged(defect.message))?;
    if header.id != page {
        return Err(damaged(format!("it is labelled {}", header.id)));
    }
    BoltNode::parse(header, bytes, size).map(|node| (header, node)).map_err(damaged)
}

/// Decodes the value of a bucket's element on page `page`.
pub(super) fn parse_bucket(item: &LeafItem, page: PageId) -> Result<BucketLocation<'_>, DatabaseError> {
    bucket::parse(&item.value).map_err(|defect| DatabaseError::Page { page, message: defect.message })
}

/// Decodes the items of an inline bucket whose element is on page `page`.
pub(super) fn inline_items(header: Header, bytes: &[u8], page: PageId) -> Result<Vec<LeafItem>, DatabaseError> {
    match BoltNode::parse(header, bytes, 0) {
        Ok(BoltNode::Leaf(items)) => Ok(items),
        Ok(BoltNode::Branch(_)) => {
            Err(DatabaseError::Page { page, message: "an inline bucket's page is not a leaf page".into() })
        }
        Err(message) => Err(DatabaseError::Page { page, message }),
    }
}

/// The error for a tree with more than [`MAX_DEPTH`] levels.
pub(super) fn too_deep(page: PageId) -> DatabaseError {
    DatabaseError::Page { page, message: format!("the tree has more than {MAX_DEPTH} levels") }
}
