//! Limits the entries that are read from a page: together they are never longer than the page.
//!
//! bbolt writes the entries of a page back to back, so those of a sound page fit in it. A damaged or forged page can
//! have thousands of elements that all point to the same megabyte, and reading each of them would do the same work
//! thousands of times. So the lengths are added up before the first entry is returned. If they exceed the page, an
//! entry is skipped if it overlaps the entry before it, the start of the next one, or its own element; the
//! others are returned as long as they fit.
//!
//! An inline bucket is a page itself, so this also limits nested buckets: their element tables together have no more
//! elements than fit in the outermost page.

use std::ops::Range;

use crate::bolt::sizes::{ELEMENT, HEADER};

/// The bytes of a page that its entries may still use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageBudget {
    /// Bytes left for elements and entries; only counted down in an overfull page.
    bytes_left: usize,
    /// Whether elements and entries together are longer than the page.
    overfull: bool,
    /// End of the last entry that was returned.
    end: usize,
}

/// Whether an entry may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The entry may be read.
    Granted,
    /// The entry overlaps another one.
    Overlaps,
    /// The page is used up: neither this entry nor a later one may be read.
    PageUsedUp,
}

impl PageBudget {
    /// Creates the budget of a page of `len` bytes; `entry_lengths` are the lengths of all entries that lie within the
    /// page.
    pub(crate) fn new(len: usize, entry_lengths: impl Iterator<Item = usize>) -> Self {
        let bytes_left = len.saturating_sub(HEADER);
        let needed = entry_lengths.fold(0usize, |sum, entry| sum.saturating_add(ELEMENT).saturating_add(entry));
        Self { bytes_left, overfull: needed > bytes_left, end: 0 }
    }

    /// Whether elements and entries together are longer than the page.
    pub(crate) fn is_overfull(&self) -> bool {
        self.overfull
    }

    /// Decides whether the entry of the element at offset `at` may be read. `next` is the start of the following
    /// element's entry, if that lies within the page. All offsets count from the start of the page.
    pub(crate) fn admit(&mut self, at: usize, entry: Range<usize>, next: Option<usize>) -> Admission {
        if !self.overfull {
            return Admission::Granted;
        }
        if !self.count_skipped() {
            return Admission::PageUsedUp;
        }
        let first = at.saturating_add(ELEMENT).max(self.end);
        // A next entry that begins before this one is misplaced itself.
        let end_limit = next.filter(|next| *next > entry.start).unwrap_or(usize::MAX);
        if entry.start < first || entry.end > end_limit {
            return Admission::Overlaps;
        }
        let Some(bytes_left) = self.bytes_left.checked_sub(entry.len()) else { return Admission::PageUsedUp };
        self.bytes_left = bytes_left;
        self.end = entry.end;
        Admission::Granted
    }

    /// Subtracts an element whose entry is not read; returns false if no bytes are left.
    pub(crate) fn count_skipped(&mut self) -> bool {
        if !self.overfull {
            return true;
        }
        let bytes_left = self.bytes_left.checked_sub(ELEMENT);
        self.bytes_left = bytes_left.unwrap_or(0);
        bytes_left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decides about entries whose elements lie back to back in a page of 400 bytes.
    fn admitted(entries: &[Range<usize>]) -> Vec<Admission> {
        let mut budget = PageBudget::new(400, entries.iter().map(ExactSizeIterator::len));
        let next = |index: usize| entries.get(index + 1).map(|entry| entry.start);
        let each = entries.iter().enumerate();
        each.map(|(index, entry)| budget.admit(HEADER + index * ELEMENT, entry.clone(), next(index))).collect()
    }

    #[test]
    fn entries_that_fit_the_page_are_all_granted() {
        use Admission::Granted;
        assert_eq!(admitted(&[64..200, 200..300, 300..400]), [Granted; 3]);
        // Slight overlaps do no harm.
        assert_eq!(admitted(&[64..200, 199..300, 64..90]), [Granted; 3]);
    }

    #[test]
    fn only_the_misplaced_entry_of_an_overfull_page_is_skipped() {
        use Admission::{Granted, Overlaps};
        assert_eq!(admitted(&[80..160, 160..390, 240..320, 320..400]), [Granted, Overlaps, Granted, Granted]);
        assert_eq!(admitted(&[80..160, 30..380, 240..320, 320..400]), [Granted, Overlaps, Granted, Granted]);
    }

    #[test]
    fn bytes_that_many_elements_point_to_are_granted_once() {
        let all = admitted(&vec![200..390; 12]);
        assert_eq!(all.iter().filter(|answer| **answer == Admission::Granted).count(), 1);
    }

    #[test]
    fn an_overfull_page_ends_when_its_bytes_are_used_up() {
        let all = admitted(&vec![200..390; 40]);
        assert_eq!(all.iter().filter(|answer| **answer == Admission::PageUsedUp).count(), 40 - 12);
    }
}
