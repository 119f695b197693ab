//! A bolt database opened at its live meta page: entries are looked up on the way from the root to one leaf.

use crate::bolt::bucket::{self, Place};
use crate::bolt::leaf::BUCKET;
use crate::bolt::meta::{Meta, Metas};
use crate::bolt::node::{Item, Node};
use crate::bolt::page::Header;
use crate::bolt::page_id::PageId;
use crate::bolt::reader::{Geometry, Reader};
use crate::error::Error;
use crate::limits::{HEAD_LEN, MAX_DEPTH};
use crate::offset::Offset;
use crate::source::Source;

/// A database to look up entries in, or to [`edit`](Database::edit).
pub struct Database<'s, S: Source + ?Sized> {
    pub(super) reader: Reader<'s, S>,
    pub(super) source: &'s S,
    /// Number of the live meta page: 0 or 1.
    pub(super) live: PageId,
    pub(super) meta: Meta,
}

impl<'s, S: Source + ?Sized> Database<'s, S> {
    /// Finds the live meta page.
    ///
    /// # Errors
    /// When the first bytes cannot be read, or hold no meta page.
    pub fn open(source: &'s S) -> Result<Self, DatabaseError> {
        let mut head = vec![0; HEAD_LEN.min(usize::try_from(source.len()).unwrap_or(HEAD_LEN))];
        let len = head.len() as u64;
        source.read_at(0, &mut head).map_err(|cause| Error::Read { offset: Offset::START, len, cause })?;
        let (live, meta) = Metas::find(&head).ok_or(DatabaseError::NoDatabase)?.live();
        let whole = source.len().checked_div(u64::from(meta.page_size)).unwrap_or(0);
        let present = PageId::new(whole).min(meta.high_water);
        let geometry = Geometry { page_size: meta.page_size, high_water: meta.high_water, present };
        Ok(Self { reader: Reader::new(source, geometry), source, live, meta })
    }

    /// What the live meta page says.
    #[must_use]
    pub fn meta(&self) -> Meta {
        self.meta
    }

    /// The value of a key in a bucket at the top; none when either is missing.
    ///
    /// # Errors
    /// When a page on the way cannot be read or is damaged.
    pub fn get(&mut self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, DatabaseError> {
        let Some(items) = self.leaf_of(bucket, Some(key))? else { return Ok(None) };
        Ok(items.into_iter().find(|item| item.key == key && item.flags & BUCKET == 0).map(|item| item.value))
    }

    /// The last key of a bucket at the top; none when it is empty or missing.
    ///
    /// # Errors
    /// As [`Database::get`].
    pub fn last_key(&mut self, bucket: &[u8]) -> Result<Option<Vec<u8>>, DatabaseError> {
        Ok(self.leaf_of(bucket, None)?.and_then(|items| items.into_iter().next_back()).map(|item| item.key))
    }

    /// The keys of the last leaf of a bucket at the top: all of a bucket of one page; none when it is empty or missing.
    ///
    /// # Errors
    /// As [`Database::get`].
    pub fn last_keys(&mut self, bucket: &[u8]) -> Result<Vec<Vec<u8>>, DatabaseError> {
        Ok(self.leaf_of(bucket, None)?.unwrap_or_default().into_iter().map(|item| item.key).collect())
    }

    /// The leaf of a bucket where `key` belongs, or the last one; none when there is no such bucket.
    fn leaf_of(&mut self, bucket: &[u8], key: Option<&[u8]>) -> Result<Option<Vec<Item>>, DatabaseError> {
        let root = self.descend(self.meta.root, Some(bucket))?;
        let Some(found) = root.into_iter().find(|item| item.key == bucket && item.flags & BUCKET != 0) else {
            return Ok(None);
        };
        match parse_bucket(&found, self.meta.root)? {
            Place::Tree(root) => self.descend(root, key).map(Some),
            Place::Inline(header, page) => inline_items(header, page, self.meta.root).map(Some),
        }
    }

    /// The leaf of a tree where `key` belongs, or the last one.
    pub(super) fn descend(&mut self, root: PageId, key: Option<&[u8]>) -> Result<Vec<Item>, DatabaseError> {
        let mut page = root;
        for _ in 0..MAX_DEPTH {
            let links = match node(&mut self.reader, page)?.1 {
                Node::Leaf(items) => return Ok(items),
                Node::Branch(links) => links,
            };
            let place = key.map_or(links.len(), |key| links.partition_point(|link| link.key.as_slice() <= key));
            page = links.get(place.saturating_sub(1)).map_or(PageId::ZERO, |link| link.page);
        }
        Err(too_deep(page))
    }
}

/// Why a database cannot be looked into or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Bytes could not be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// Neither meta page is valid.
    #[error("it is no bolt database")]
    NoDatabase,
    /// A page on the way is damaged.
    #[error("page {page}: {message}")]
    Page {
        /// Its number.
        page: PageId,
        /// What is wrong with it.
        message: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket `{}`", name.escape_ascii())]
    NoBucket {
        /// Its name.
        name: Vec<u8>,
    },
}

pub(super) fn node<S: Source + ?Sized>(
    reader: &mut Reader<'_, S>,
    page: PageId,
) -> Result<(Header, Node), DatabaseError> {
    let size = reader.geometry().page_size;
    let broken = |message: String| DatabaseError::Page { page, message };
    let geometry = reader.geometry();
    let (header, bytes) = reader.unit(page)?.map_err(|fault| broken(fault.message))?;
    // What a page claims is given up with it, so the claim must hold, although the page can be read without it.
    geometry.check(page, header.overflow).map_err(|fault| broken(fault.message))?;
    if header.id != page {
        return Err(broken(format!("it carries the number {}", header.id)));
    }
    Node::parse(header, bytes, size).map(|node| (header, node)).map_err(broken)
}

pub(super) fn parse_bucket(item: &Item, page: PageId) -> Result<Place<'_>, DatabaseError> {
    bucket::parse(&item.value).map_err(|fault| DatabaseError::Page { page, message: fault.message })
}

pub(super) fn inline_items(header: Header, bytes: &[u8], page: PageId) -> Result<Vec<Item>, DatabaseError> {
    match Node::parse(header, bytes, 0) {
        Ok(Node::Leaf(items)) => Ok(items),
        Ok(Node::Branch(_)) => Err(DatabaseError::Page { page, message: "an inline bucket is no leaf".into() }),
        Err(message) => Err(DatabaseError::Page { page, message }),
    }
}

pub(super) fn too_deep(page: PageId) -> DatabaseError {
    DatabaseError::Page { page, message: format!("the tree is deeper than {MAX_DEPTH} pages") }
}
