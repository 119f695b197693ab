//! Which pairs of a page are handed out: together they are never longer than the page.
//!
//! Bolt writes the pairs of a page back to back, so those of a sound page fit it. A damaged or forged page can have thousands of elements that all name the same megabyte, and
//! whatever is done for each element is then done thousands of times. So the lengths are added up before the first pair is handed out. Where they exceed the page, a pair is left
//! out if it shares bytes with the pair before it, with the start of the next one, or with the element that names it; the others are handed out as long as they fit.
//!
//! A bucket inside such a page is a page itself, so this also bounds what lies nested: all tables together have at most as many elements as the outermost page has room for.

use std::ops::Range;

use crate::bolt::sizes::{ELEMENT, HEADER};

/// Counts the bytes of a page's pairs while they are handed out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Bytes left for elements and pairs; counted only in an overfull page.
    left: usize,
    /// Whether elements and pairs together are longer than the page.
    overfull: bool,
    /// End of the last pair that was handed out.
    end: usize,
}

/// What becomes of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is handed out.
    Granted,
    /// It shares bytes with another one.
    Shared,
    /// The page is used up: neither this pair nor one after it is handed out.
    Full,
}

impl Room {
    /// For a page of `len` bytes. `pairs` are the lengths of all pairs that lie in it.
    pub(crate) fn new(len: usize, pairs: impl Iterator<Item = usize>) -> Self {
        let left = len.saturating_sub(HEADER);
        let needed = pairs.fold(0usize, |sum, pair| sum.saturating_add(ELEMENT).saturating_add(pair));
        Self { left, overfull: needed > left, end: 0 }
    }

    /// Whether elements and pairs together are longer than the page.
    pub(crate) fn is_overfull(&self) -> bool {
        self.overfull
    }

    /// Asks for the pair of an element that stands at `at`. `next` is where the pair of the following element begins, if it lies in the page.
    pub(crate) fn admit(&mut self, at: usize, pair: Range<usize>, next: Option<usize>) -> Admission {
        if !self.overfull {
            return Admission::Granted;
        }
        if !self.skip() {
            return Admission::Full;
        }
        let first = at.saturating_add(ELEMENT).max(self.end);
        // A next pair that begins before this one is out of place itself.
        let behind = next.filter(|next| *next > pair.start).unwrap_or(usize::MAX);
        if pair.start < first || pair.end > behind {
            return Admission::Shared;
        }
        let Some(left) = self.left.checked_sub(pair.len()) else { return Admission::Full };
        self.left = left;
        self.end = pair.end;
        Admission::Granted
    }

    /// Counts an element without a pair; false when the page is used up.
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

    /// The answers for pairs whose elements stand one behind the other, in a page of 400 bytes.
    fn admitted(pairs: &[Range<usize>]) -> Vec<Admission> {
        let mut room = Room::new(400, pairs.iter().map(ExactSizeIterator::len));
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
