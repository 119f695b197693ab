//! A compact form of an entry's place and revision, for millions of rows.

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::lost_parts::LostParts;
use crate::store::entry::{EntryPlace, KeyEntry};

/// Bits of an element's index on its page; bbolt's count has as many.
const INDEX_BITS: u32 = 16;

/// Largest sub revision that can be stored.
const MOST_SUB: u32 = u32::MAX >> 1;

/// Revision, tombstone flag and place of an entry, in 20 bytes with the alignment of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShortEntry {
    main: [u32; 2],
    /// Sub revision, and the tombstone flag in the lowest bit.
    sub: u32,
    place: [u32; 2],
}

impl ShortEntry {
    /// Packs an entry; one beyond the end of any possible file counts as lost.
    #[inline]
    pub fn of(entry: &KeyEntry<'_>, lost: &mut LostParts) -> Option<Self> {
        let short = Self::new(entry.key, entry.place);
        if short.is_none() {
            let text = format!(
                "entry {} of page {} lies beyond the end of any possible file",
                entry.place.index, entry.place.page
            );
            lost.add(Finding::new(Code::PageOutOfRange, text).page(entry.place.page));
        }
        short
    }

    /// Returns `None` for page ids from 2^48 on: no file has so many pages.
    #[inline]
    fn new(key: RevisionKey, place: EntryPlace) -> Option<Self> {
        let page = place.page.get().checked_mul(1 << INDEX_BITS)?;
        let index = u64::from(u16::try_from(place.index).ok()?);
        let sub = u32::try_from(key.revision.sub).unwrap_or(MOST_SUB).min(MOST_SUB);
        Some(Self {
            main: halves(key.revision.main.get().cast_unsigned()),
            sub: sub << 1 | u32::from(key.tombstone),
            place: halves(page | index),
        })
    }

    /// Whether the entry is a tombstone.
    #[inline]
    pub fn is_deletion(self) -> bool {
        self.sub & 1 != 0
    }

    /// The revision of the entry; the sub revision is limited to 31 bits.
    pub fn revision(self) -> FullRevision {
        FullRevision { main: Revision::new(whole(self.main).cast_signed()), sub: i64::from(self.sub >> 1) }
    }

    /// The place of the entry.
    pub fn place(self) -> EntryPlace {
        let place = whole(self.place);
        // The truncation is intended.
        EntryPlace { page: PageId::new(place >> INDEX_BITS), index: u32::from(place as u16) }
    }

    /// Whether the entry was written before another entry of the same key. Only a damaged file has two entries with one
    /// revision; their places decide, so that the reading order does not.
    #[inline]
    pub fn is_before(self, other: Self) -> bool {
        let order = |entry: Self| (whole(entry.main), entry.sub >> 1, whole(entry.place));
        order(self) < order(other)
    }
}

#[inline]
fn halves(number: u64) -> [u32; 2] {
    // The truncation is intended.
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
            EntryPlace { page: PageId::new(page), index },
        )
    }

    #[test]
    fn packed_entries_unpack_to_the_same() {
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
            assert_eq!(short.place(), EntryPlace { page: PageId::new(page), index });
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
