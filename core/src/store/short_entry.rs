//! Where an entry is and when it was written, in four bytes less each: millions of rows hold them.

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::missing_parts::Lost;
use crate::store::entry::{Entry, Place};

/// Bits of an element's number on its page, of which bolt counts no more.
const INDEX_BITS: u32 = 16;

/// The most operations of a transaction that are told apart.
const MOST_SUB: u32 = u32::MAX >> 1;

/// When an entry was written, whether it deletes, and where it is: 20 bytes with the alignment of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShortEntry {
    main: [u32; 2],
    /// And the lowest bit: whether it deletes.
    sub: u32,
    place: [u32; 2],
}

impl ShortEntry {
    /// Of an entry; one so far behind that no file has it counts as lost.
    #[inline]
    pub fn of(entry: &Entry<'_>, lost: &mut Lost) -> Option<Self> {
        let short = Self::new(entry.key, entry.place);
        if short.is_none() {
            let text = format!(
                "entry {} of page {} lies further behind than any file reaches",
                entry.place.index, entry.place.page
            );
            lost.add(Finding::new(Code::PageOutOfRange, text).page(entry.place.page));
        }
        short
    }

    /// None of a page behind 2^48 others: no file has so many.
    #[inline]
    fn new(key: RevisionKey, place: Place) -> Option<Self> {
        let page = place.page.get().checked_mul(1 << INDEX_BITS)?;
        let index = u64::from(u16::try_from(place.index).ok()?);
        let sub = u32::try_from(key.revision.sub).unwrap_or(MOST_SUB).min(MOST_SUB);
        Some(Self {
            main: halves(key.revision.main.get().cast_unsigned()),
            sub: sub << 1 | u32::from(key.tombstone),
            place: halves(page | index),
        })
    }

    /// Whether it deletes.
    #[inline]
    pub fn is_deletion(self) -> bool {
        self.sub & 1 != 0
    }

    /// When it was written; of its number within the transaction 31 bits.
    pub fn revision(self) -> FullRevision {
        FullRevision { main: Revision::new(whole(self.main).cast_signed()), sub: i64::from(self.sub >> 1) }
    }

    /// Where it is.
    pub fn place(self) -> Place {
        let place = whole(self.place);
        // Truncation is meant.
        Place { page: PageId::new(place >> INDEX_BITS), index: u32::from(place as u16) }
    }

    /// Whether it was written before another entry of the same key. Only a damaged file has two of one revision; their places decide, so that no order of reading does.
    #[inline]
    pub fn is_before(self, other: Self) -> bool {
        let order = |entry: Self| (whole(entry.main), entry.sub >> 1, whole(entry.place));
        order(self) < order(other)
    }
}

#[inline]
fn halves(number: u64) -> [u32; 2] {
    // Truncation is meant.
    [(number >> 32) as u32, number as u32]
}

#[inline]
fn whole([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(main: i64, sub: i64, tombstone: bool, page: u64, index: u32) -> Option<ShortEntry> {
        ShortEntry::new(
            RevisionKey { revision: FullRevision { main: Revision::new(main), sub }, tombstone },
            Place { page: PageId::new(page), index },
        )
    }

    #[test]
    fn what_goes_in_comes_out() {
        for (main, sub, tombstone, page, index) in [
            (0, 0, false, 0, 0),
            (i64::MAX, 7, true, (1 << 48) - 1, 65535),
            (1 << 33, i64::from(MOST_SUB), false, 1 << 33, 1),
        ] {
            let short = entry(main, sub, tombstone, page, index).unwrap();
            assert_eq!(
                (short.revision(), short.is_deletion()),
                (FullRevision { main: Revision::new(main), sub }, tombstone)
            );
            assert_eq!(short.place(), Place { page: PageId::new(page), index });
        }
        assert!(entry(1, 0, false, 1 << 48, 0).is_none() && entry(1, 0, false, 1, 65536).is_none());
    }

    #[test]
    fn the_order_is_that_of_revisions_and_then_places() {
        let entries = [(1, 9, 5, 3), (2, 0, 1, 0), (2, 1, 9, 9), (3, 0, 1, 9), (3, 0, 2, 0), (1 << 40, 0, 0, 0)];
        let entries = entries.map(|(main, sub, page, index)| entry(main, sub, main == 2, page, index).unwrap());
        for (number, one) in entries.iter().enumerate() {
            assert!(entries[..number].iter().all(|before| before.is_before(*one) && !one.is_before(*before)));
        }
    }
}
