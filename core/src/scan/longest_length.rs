//! Limits the length of a file by its first bytes; anything beyond the limit is not read to its end.

use crate::bolt::meta::{Meta, Metas};
use crate::bolt::page::Header;
use crate::bolt::page_id::PageId;
use crate::limits::{HEAD_LEN, MAX_TAIL, MAX_WITHOUT_META, MAX_WITHOUT_PAGE};
use crate::scan::file_kind::{FileKind, sniff};
use crate::trailer::TRAILER;

/// The length of a file that its first bytes claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    kind: FileKind,
    live: Option<Meta>,
}

impl Extent {
    /// Reads the claim from `head`: the first [`HEAD_LEN`] bytes, or the whole file.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        Self { kind: sniff(head), live: Metas::find(head).map(|metas| metas.live().1) }
    }

    /// Format of the file.
    #[must_use]
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// The live meta page.
    pub(crate) fn live(&self) -> Option<Meta> {
        self.live
    }

    /// Length of the database according to its live meta page, in bytes; `None` if the file is not a database or has no
    /// valid meta page.
    #[must_use]
    pub fn database(&self) -> Option<u64> {
        Some(self.live?.logical_size().unwrap_or(u64::MAX))
    }

    /// Length of the database with its SHA-256, in bytes.
    #[must_use]
    pub fn snapshot(&self) -> Option<u64> {
        Some(self.database()?.saturating_add(TRAILER as u64))
    }

    /// Maximum number of bytes to read from the file. A longer file is not a snapshot with extra bytes, but something
    /// else.
    #[must_use]
    pub fn most(&self) -> u64 {
        match (self.snapshot(), self.kind) {
            (Some(snapshot), _) => snapshot.saturating_add(MAX_TAIL),
            (None, FileKind::BrokenBolt) => MAX_WITHOUT_META,
            (None, _) => HEAD_LEN as u64,
        }
    }
}

/// Watches unpacked bytes, so that a small file cannot cause endless work: in a real database every page was written
/// once, and begins with its own page id.
///
/// A meta page may claim any size. Pages that were never used are rare, so a long stretch without a page start is not a
/// database.
#[derive(Debug, Clone)]
pub struct PageWatch {
    page_size: usize,
    database: u64,
    at: u64,
    last_page: u64,
}

impl PageWatch {
    /// Watches a database of this extent; without a valid meta page it accepts everything.
    #[must_use]
    pub fn new(extent: &Extent) -> Self {
        let page_size = extent.live.map_or(0, |live| live.page_size as usize);
        Self { page_size, database: extent.database().unwrap_or(0), at: 0, last_page: 0 }
    }

    /// Adds the next bytes, which should begin and end between two pages; returns false once [`MAX_WITHOUT_PAGE`]
    /// consecutive bytes contain no page start.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        for page in bytes.chunks(self.page_size.max(1)).filter(|_| self.page_size > 0) {
            if self.starts_page(page) {
                self.last_page = self.at;
            }
            self.at = self.at.saturating_add(page.len() as u64);
        }
        let seen = self.at.min(self.database);
        seen.saturating_sub(self.last_page) <= MAX_WITHOUT_PAGE
    }

    /// Offset of the last page start seen, in bytes.
    #[must_use]
    pub fn last_page(&self) -> u64 {
        self.last_page
    }

    fn starts_page(&self, page: &[u8]) -> bool {
        let number = self.at.checked_div(self.page_size as u64).map(PageId::new);
        Header::parse(page).is_some_and(|header| Some(header.id) == number && header.kind().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: &[u8] = include_bytes!("../../../tests/cases/3.7-history/snapshot.db");

    fn head() -> &'static [u8] {
        &SNAPSHOT[..HEAD_LEN]
    }

    #[test]
    fn a_snapshot_is_as_long_as_its_meta_page_says() {
        let extent = Extent::of(head());
        assert_eq!(extent.kind(), FileKind::Bolt);
        assert_eq!(extent.snapshot(), Some(SNAPSHOT.len() as u64));
        assert_eq!(extent.most(), SNAPSHOT.len() as u64 + MAX_TAIL);
    }

    #[test]
    fn of_anything_else_no_more_than_the_head_is_read() {
        for head in [&[0; HEAD_LEN][..], b"<html>", b""] {
            let extent = Extent::of(head);
            assert_eq!((extent.database(), extent.most()), (None, HEAD_LEN as u64));
        }
        let mut broken = head().to_vec();
        broken[72] ^= 1;
        broken[4096 + 72] ^= 1;
        assert_eq!((Extent::of(&broken).kind(), Extent::of(&broken).most()), (FileKind::BrokenBolt, MAX_WITHOUT_META));
    }

    #[test]
    fn a_long_stretch_without_pages_is_noticed() {
        let extent = Extent {
            live: Extent::of(head()).live.map(|live| Meta { high_water: PageId::new(1 << 28), ..live }),
            ..Extent::of(head())
        };
        let mut watch = PageWatch::new(&extent);
        assert!(watch.push(&SNAPSHOT[..SNAPSHOT.len() - 32]));
        let last = watch.last_page();
        assert!(last > 0 && last < SNAPSHOT.len() as u64);
        let zeros = vec![0; 64 << 20];
        let pushed = (1..).find(|_| !watch.push(&zeros)).unwrap();
        assert_eq!((pushed, watch.last_page()), (MAX_WITHOUT_PAGE.div_ceil(64 << 20), last));
    }

    #[test]
    fn what_stands_behind_the_database_needs_no_pages() {
        let mut watch = PageWatch::new(&Extent::of(head()));
        assert!(watch.push(&SNAPSHOT[..SNAPSHOT.len() - 32]));
        let zeros = vec![0; 64 << 20];
        assert!((0..40).all(|_| watch.push(&zeros)));
    }
}
