//! Limits the entries read from a page: together they are never longer than the page.
//!
//! bbolt writes the entries of a page back to back, so those of a sound page fit in it. A damaged or forged page can
//! have thousands of elements that all name the same megabyte, and reading each of them would do the same work
//! thousands of times. So the lengths are added up before the first entry is returned. If they exceed the page, an
//! entry is skipped if it overlaps the entry before it, the start of the next one, or the element that names it; the
//! others are returned as long as they fit.
//!
//! An inline bucket is a page itself, so this also bounds nested buckets: all their tables together have at most as
//! many elements as fit in the outermost page.

use std::ops::Range;

use crate::bolt::sizes::{ELEMENT, HEADER};

/// The bytes of a page that its entries may still use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageBudget {
    /// Bytes left for elements and entries; counted only in an overfull page.
    left: usize,
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
    Shared,
    /// The page is used up: neither this entry nor a later one may be read.
    Full,
}

impl PageBudget {
    /// Creates the budget of a page of `len` bytes; `pairs` are the lengths of all entries that lie within the page.
    pub(crate) fn new(len: usize, pairs: impl Iterator<Item = usize>) -> Self {
        let left = len.saturating_sub(HEADER);
        let needed = pairs.fold(0usize, |sum, pair| sum.saturating_add(ELEMENT).saturating_add(pair));
        Self { left, overfull: needed > left, end: 0 }
    }

    /// Whether elements and entries together are longer than the page.
    pub(crate) fn is_overfull(&self) -> bool {
        self.overfull
    }

    /// Decides about the entry of an element at `at`. `next` is the start of the following element's entry, if that
    /// lies within the page.
    pub(crate) fn admit(&mut self, at: usize, pair: Range<usize>, next: Option<usize>) -> Admission {
        if !self.overfull {
            return Admission::Granted;
        }
        if !self.skip() {
            return Admission::Full;
        }
        let first = at.saturating_add(ELEMENT).max(self.end);
        // A next entry that begins before this one is misplaced itself.
        let behind = next.filter(|next| *next > pair.start).unwrap_or(usize::MAX);
        if pair.start < first || pair.end > behind {
            return Admission::Shared;
        }
        let Some(left) = self.left.checked_sub(pair.len()) else { return Admission::Full };
        self.left = left;
        self.end = pair.end;
        Admission::Granted
    }

    /// Counts an element without an entry; returns false if the page is used up.
    pub(crate) fn skip(&mut self) -> bool {
        if !self.overfull {
            return true;
        }
        let left = self.left.checked_sub(ELEMENT);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decides about entries whose elements lie back to back in a page of 400 bytes.
    fn admitted(pairs: &[Range<usize>]) -> Vec<Admission> {
        let mut room = PageBudget::new(400, pairs.iter().map(ExactSizeIterator::len));
        let next = |index: usize| pairs.get(index + 1).map(|pair| pair.start);
        let each = pairs.iter().enumerate();
        each.map(|(index, pair)| room.admit(HEADER + index * ELEMENT, pair.clone(), next(index))).collect()
    }

    #[test]
    fn pairs_that_fit_the_page_are_all_handed_out() {
        use Admission::Granted;
        assert_eq!(admitted(&[64..200, 200..300, 300..400]), [Granted; 3]);
        // Slight overlaps do no harm.
        assert_eq!(admitted(&[64..200, 199..300, 64..90]), [Granted; 3]);
    }

    #[test]
    fn of_an_overfull_page_only_the_culprit_is_left_out() {
        use Admission::{Granted, Shared};
        assert_eq!(admitted(&[80..160, 160..390, 240..320, 320..400]), [Granted, Shared, Granted, Granted]);
        assert_eq!(admitted(&[80..160, 30..380, 240..320, 320..400]), [Granted, Shared, Granted, Granted]);
    }

    #[test]
    fn what_many_elements_name_is_handed_out_once_at_most() {
        let all = admitted(&vec![200..390; 12]);
        assert_eq!(all.iter().filter(|answer| **answer == Admission::Granted).count(), 1);
    }

    #[test]
    fn an_overfull_page_is_used_up() {
        let all = admitted(&vec![200..390; 40]);
        assert_eq!(all.iter().filter(|answer| **answer == Admission::Full).count(), 40 - 12);
    }
}
