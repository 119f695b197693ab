//! The length that the first bytes of a file claim, which limits how much of the file is read.

use crate::bolt::meta::{Meta, MetaPages};
use crate::bolt::page::Header;
use crate::bolt::page_id::PageId;
use crate::limits::{HEAD_LEN, MAX_EXTRA_BYTES, MAX_WITHOUT_META, MAX_WITHOUT_PAGE};
use crate::scan::file_kind::{FileKind, sniff};
use crate::trailer::TRAILER_LEN;

/// The format of a file and the length that its first bytes claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedLength {
    kind: FileKind,
    live: Option<Meta>,
}

impl ClaimedLength {
    /// Reads the claim from `head`: the first [`HEAD_LEN`] bytes, or the whole file.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        Self { kind: sniff(head), live: MetaPages::find(head).map(|metas| metas.live().1) }
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
        Some(self.database()?.saturating_add(TRAILER_LEN as u64))
    }

    /// Maximum number of bytes to read from the file. A longer file is no snapshot with extra bytes, but something
    /// else.
    #[must_use]
    pub fn read_limit(&self) -> u64 {
        match (self.snapshot(), self.kind) {
            (Some(snapshot), _) => snapshot.saturating_add(MAX_EXTRA_BYTES),
            (None, FileKind::BrokenBolt) => MAX_WITHOUT_META,
            (None, _) => HEAD_LEN as u64,
        }
    }
}

/// Checks that unpacked bytes are pages, so that a small compressed file cannot cause endless work.
///
/// A meta page may claim any size. But in a real database nearly every page was written once, and begins with its own
/// page id: a long stretch without the start of a page is not part of a database.
#[derive(Debug, Clone)]
pub struct PageStartCheck {
    page_size: usize,
    database: u64,
    position: u64,
    last_page_start: u64,
}

impl PageStartCheck {
    /// Creates a check for a file that claims this length. Without a valid meta page it accepts all bytes.
    #[must_use]
    pub fn new(claimed: &ClaimedLength) -> Self {
        let page_size = claimed.live.map_or(0, |live| live.page_size as usize);
        Self { page_size, database: claimed.database().unwrap_or(0), position: 0, last_page_start: 0 }
    }

    /// Adds the next bytes, which should be whole pages; returns false once [`MAX_WITHOUT_PAGE`]
    /// consecutive bytes contain no page start.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        for page in bytes.chunks(self.page_size.max(1)).filter(|_| self.page_size > 0) {
            if self.starts_page(page) {
                self.last_page_start = self.position;
            }
            self.position = self.position.saturating_add(page.len() as u64);
        }
        let seen = self.position.min(self.database);
        seen.saturating_sub(self.last_page_start) <= MAX_WITHOUT_PAGE
    }

    /// Offset of the last page start seen, in bytes.
    #[must_use]
    pub fn last_page_start(&self) -> u64 {
        self.last_page_start
    }

    fn starts_page(&self, page: &[u8]) -> bool {
        let number = self.position.checked_div(self.page_size as u64).map(PageId::new);
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
        let claimed = ClaimedLength::of(head());
        assert_eq!(claimed.kind(), FileKind::Bolt);
        assert_eq!(claimed.snapshot(), Some(SNAPSHOT.len() as u64));
        assert_eq!(claimed.read_limit(), SNAPSHOT.len() as u64 + MAX_EXTRA_BYTES);
    }

    #[test]
    fn only_the_head_of_other_files_is_read() {
        for head in [&[0; HEAD_LEN][..], b"<html>", b""] {
            let claimed = ClaimedLength::of(head);
            assert_eq!((claimed.database(), claimed.read_limit()), (None, HEAD_LEN as u64));
        }
        let mut broken = head().to_vec();
        broken[72] ^= 1;
        broken[4096 + 72] ^= 1;
        assert_eq!(
            (ClaimedLength::of(&broken).kind(), ClaimedLength::of(&broken).read_limit()),
            (FileKind::BrokenBolt, MAX_WITHOUT_META)
        );
    }

    #[test]
    fn a_long_stretch_without_page_starts_is_noticed() {
        let claimed = ClaimedLength {
            live: ClaimedLength::of(head()).live.map(|live| Meta { high_water: PageId::new(1 << 28), ..live }),
            ..ClaimedLength::of(head())
        };
        let mut check = PageStartCheck::new(&claimed);
        assert!(check.push(&SNAPSHOT[..SNAPSHOT.len() - 32]));
        let last = check.last_page_start();
        assert!(last > 0 && last < SNAPSHOT.len() as u64);
        let zeros = vec![0; 64 << 20];
        let pushed = (1..).find(|_| !check.push(&zeros)).unwrap();
        assert_eq!((pushed, check.last_page_start()), (MAX_WITHOUT_PAGE.div_ceil(64 << 20), last));
    }

    #[test]
    fn bytes_after_the_database_need_no_page_starts() {
        let mut check = PageStartCheck::new(&ClaimedLength::of(head()));
        assert!(check.push(&SNAPSHOT[..SNAPSHOT.len() - 32]));
        let zeros = vec![0; 64 << 20];
        assert!((0..40).all(|_| check.push(&zeros)));
    }
}
