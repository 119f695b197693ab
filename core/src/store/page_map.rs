//! A map of the database: the part to which each page belongs.

use serde::Serialize;

use crate::bolt::bucket::{self, BucketLocation};
use crate::bolt::meta::{MetaPages, NO_FREELIST};
use crate::bolt::page_id::PageId;
use crate::bolt::reader::PageReader;
use crate::error::Error;
use crate::key_syntax::key_text;
use crate::scan::trailer_hash::head;
use crate::source::Source;
use crate::store::opened_store::{KEY, Store};
use crate::store::page_place::{DatabasePart, overflow_of};

/// Maximum number of page headers read to find the overflow pages. A read takes up to a millisecond in a browser.
const MOST_HEADERS: usize = 2000;

/// Maximum number of parts before buckets share one, so that the number of a part fits in a byte.
const MOST_PARTS: usize = 250;

/// The number of a page that no part contains yet.
const UNASSIGNED: u8 = u8::MAX;

/// The part to which each page belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageMap {
    /// The parts of the database.
    pub parts: Vec<MapPart>,
    /// For each page the index of its part.
    pub pages: Vec<u8>,
}

/// A part of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MapPart {
    /// What it contains.
    pub part: DatabasePart,
    /// The bucket, of a bucket's tree; `None` if many buckets share this part.
    pub bucket: Option<String>,
    /// Number of its pages.
    pub pages: u64,
}

/// Collects the parts of pages. A page stays in the first part that contains it.
struct Painter {
    parts: Vec<MapPart>,
    pages: Vec<u8>,
}

impl Painter {
    /// Adds a part; returns its number.
    fn part(&mut self, part: DatabasePart, bucket: Option<String>) -> u8 {
        let mut number = self.parts.len();
        if number < MOST_PARTS || part != DatabasePart::Bucket {
            self.parts.push(MapPart { part, bucket, pages: 0 });
        } else if let Some(last) = self.parts.last_mut() {
            // More buckets than etcd ever has share a part.
            last.bucket = None;
            number = number.saturating_sub(1);
        }
        u8::try_from(number).unwrap_or(UNASSIGNED)
    }

    fn is_unassigned(&self, page: PageId) -> bool {
        page.as_index().and_then(|index| self.pages.get(index)) == Some(&UNASSIGNED)
    }

    fn paint(&mut self, page: PageId, part: u8) {
        if let Some(slot) =
            page.as_index().and_then(|index| self.pages.get_mut(index)).filter(|slot| **slot == UNASSIGNED)
        {
            *slot = part;
            if let Some(part) = self.parts.get_mut(usize::from(part)) {
                part.pages = part.pages.saturating_add(1);
            }
        }
    }
}

impl<S: Source + ?Sized> Store<'_, S> {
    /// Finds the part to which each page belongs. Of a database with very many overflow pages, some are
    /// [`DatabasePart::Unknown`].
    ///
    /// # Errors
    /// A read fails, or memory for one byte per page runs out.
    pub fn page_map(&self) -> Result<PageMap, Error> {
        let present = self.geometry.present;
        let mut pages = Vec::new();
        let bytes = present.get();
        let len = usize::try_from(bytes).unwrap_or(usize::MAX);
        pages.try_reserve_exact(len).map_err(|_| Error::Memory { what: "the part of each page", bytes })?;
        pages.resize(len, UNASSIGNED);
        let mut map = Painter { parts: Vec::new(), pages };
        let meta_part = map.part(DatabasePart::Meta, None);
        map.paint(PageId::ZERO, meta_part);
        map.paint(PageId::ZERO.next(), meta_part);
        let key = map.part(DatabasePart::Bucket, Some(KEY.to_owned()));
        self.leaves.iter().for_each(|(page, _)| map.paint(*page, key));
        self.parents.branches().iter().for_each(|(page, _)| map.paint(*page, key));
        let head = head(self.source)?;
        let meta = MetaPages::find(&head).and_then(|metas| metas.chosen(self.meta));
        if let Some((meta_page, meta)) = meta {
            let mut steps = present.get();
            let list = map.part(DatabasePart::BucketList, None);
            let trees = self.listed.iter().filter(|entry| *entry.name != *KEY.as_bytes());
            let mut roots = vec![(list, meta.root, meta_page)];
            for entry in trees {
                if let Ok(BucketLocation::Tree(root)) = bucket::parse(&entry.value) {
                    let part = map.part(DatabasePart::Bucket, Some(key_text(&entry.name)));
                    roots.push((part, root, entry.at.0));
                }
            }
            for (part, root, parent) in roots {
                let tree = self.tree(root, parent, &mut steps)?;
                tree.leaves.iter().for_each(|(page, _)| map.paint(*page, part));
                tree.parents.branches().iter().for_each(|(page, _)| map.paint(*page, part));
            }
            let freelist = map.part(DatabasePart::Freelist, None);
            map.paint(meta.freelist, freelist);
        }
        let has_freelist = meta.is_none_or(|(_, meta)| meta.freelist != NO_FREELIST);
        let whole = self.paint_overflow(&mut map)?;
        let free = map.part(DatabasePart::Free, None);
        let rest = match (whole, has_freelist) {
            (false, _) => map.part(DatabasePart::Unknown, None),
            (true, true) => map.part(DatabasePart::Lost, None),
            (true, false) => free,
        };
        for page in PageId::ZERO.up_to(present) {
            map.paint(page, if self.free.contains(page) { free } else { rest });
        }
        Ok(PageMap { parts: map.parts, pages: map.pages })
    }

    /// Adds the overflow pages to the parts of their first pages; returns false if there are too many to read.
    fn paint_overflow(&self, map: &mut Painter) -> Result<bool, Error> {
        let mut reader = PageReader::new(self.source, self.geometry);
        let mut headers = 0usize;
        for first in PageId::FIRST.up_to(self.geometry.present) {
            let next = first.next();
            if map.is_unassigned(first) || !map.is_unassigned(next) || self.free.contains(next) {
                continue;
            }
            if headers == MOST_HEADERS {
                return Ok(false);
            }
            headers = headers.saturating_add(1);
            let overflow = overflow_of(&mut reader, first)?;
            let part = first.as_index().and_then(|index| map.pages.get(index)).copied().unwrap_or(UNASSIGNED);
            for page in first.with_overflow(overflow).skip(1) {
                map.paint(page, part);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::incremental_open::OpenedStore;

    #[test]
    fn the_map_of_the_sample_agrees_with_the_place_of_each_page() {
        let bytes: &[u8] = include_bytes!("../../../samples/sample.db");
        let OpenedStore::Store(store) = Store::open(bytes).unwrap() else { panic!("the sample has no store") };
        let map = store.page_map().unwrap();
        assert_eq!(map.pages.len() as u64, store.pages());
        for (number, part) in map.pages.iter().enumerate() {
            let place = store.page_place(PageId::new(number as u64)).unwrap();
            let part = &map.parts[usize::from(*part)];
            assert_eq!((part.part, &part.bucket), (place.part, &place.bucket), "page {number}");
        }
        for (index, part) in map.parts.iter().enumerate() {
            let count = map.pages.iter().filter(|number| usize::from(**number) == index).count();
            assert_eq!(part.pages, count as u64);
        }
    }
}
