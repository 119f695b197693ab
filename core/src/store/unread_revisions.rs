//! Finds the unreadable revisions of bucket `key`: a key may have a newer state in one of them.
//!
//! Leaves are sorted by revision. A damaged leaf held revisions between the last readable one before it and the first
//! one after it.

use crate::error::Error;
use crate::etcd::revision::Revision;
use crate::limits::FINDINGS_PER_CODE;
use crate::lost_history::{LostHistory, RevisionRange};
use crate::lost_parts::LostParts;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::opened_store::{Page, Store};
use crate::store::query::Query;
use crate::store::range::KeyRange;

/// Ranges of main revisions with possibly lost entries: ascending and disjoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnreadRevisions {
    ranges: Vec<RevisionRange>,
}

impl UnreadRevisions {
    /// Any revision may be lost.
    #[must_use]
    pub fn any() -> Self {
        Self { ranges: vec![RevisionRange { from: Revision::FIRST, to: None }] }
    }

    /// The ranges: at most a thousand; if there are more, the last one has no end and covers the rest.
    #[must_use]
    pub fn ranges(&self) -> &[RevisionRange] {
        &self.ranges
    }

    /// Whether every revision could be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether a key whose newest known entry has this revision may have a lost newer one.
    #[must_use]
    pub fn may_follow(&self, revision: Revision) -> bool {
        self.ranges.last().is_some_and(|range| range.to.is_none_or(|to| to >= revision))
    }

    /// Whether an entry may be lost between two revisions of a key, both included.
    #[must_use]
    pub fn may_lie_between(&self, first: Revision, last: Revision) -> bool {
        self.ranges.iter().any(|range| range.from <= last && range.to.is_none_or(|to| to >= first))
    }

    /// Limits the ranges to those that concern answers at a revision.
    #[must_use]
    pub fn up_to(self, revision: Revision) -> Self {
        let mut ranges = self.ranges;
        ranges.retain(|range| range.from <= revision);
        Self { ranges }
    }

    /// Adds the ranges of a report: unreadable pages and gaps.
    pub fn add_history(&mut self, history: &LostHistory) {
        let listed = |ranges: &[RevisionRange]| {
            let is_full = ranges.len() as u64 >= FINDINGS_PER_CODE;
            let more = ranges.last().filter(|_| is_full).map(|last| RevisionRange { from: last.from, to: None });
            ranges.iter().copied().chain(more).collect::<Vec<_>>()
        };
        self.add(listed(&history.unreadable).into_iter().chain(listed(&history.missing)));
    }

    fn add(&mut self, ranges: impl Iterator<Item = RevisionRange>) {
        self.ranges.extend(ranges);
        self.ranges.sort_by_key(|range| (range.from, range.to.unwrap_or(Revision::MAX)));
        let mut apart: Vec<RevisionRange> = Vec::new();
        for range in self.ranges.drain(..) {
            let is_full = apart.len() as u64 >= FINDINGS_PER_CODE;
            match apart.last_mut() {
                Some(last) if is_full || last.to.is_none_or(|to| to.next() >= range.from) => {
                    last.to = last.to.zip(range.to).map(|(last, to)| last.max(to));
                }
                _ => apart.push(range),
            }
        }
        self.ranges = apart;
    }
}

/// Follows the entries in tree order.
#[derive(Default)]
struct LossTracker {
    found: Vec<RevisionRange>,
    /// Highest main revision so far.
    last: Revision,
    /// Start of a loss without an end yet: the highest main revision before it.
    lost_behind: Option<Revision>,
}

impl LossTracker {
    fn lose(&mut self) {
        self.lost_behind.get_or_insert(self.last);
    }

    /// Adds an entry, which ends a loss before it; `sub` is its operation within its revision.
    fn see(&mut self, main: Revision, sub: i64) {
        if let Some(before) = self.lost_behind.take() {
            let to = if sub == 0 { main.previous() } else { main };
            // Entries are out of order only if more is damaged: then nothing bounds the loss.
            let to = (to >= before).then_some(to);
            let from = before.next().min(to.unwrap_or(Revision::MAX)).max(Revision::FIRST);
            self.push(RevisionRange { from, to });
        }
        self.last = self.last.max(main);
    }

    fn push(&mut self, range: RevisionRange) {
        // The open end of the last range covers everything beyond the first thousand.
        let is_full = self.found.len() as u64 > FINDINGS_PER_CODE;
        match self.found.last_mut() {
            Some(last) if last.to.is_none() => {}
            Some(last) if is_full => last.to = None,
            _ => self.found.push(range),
        }
    }
}

impl<S: Source + ?Sized> Store<'_, S> {
    /// Finds unreadable leaves and entries by reading all leaves once, in order. If a page above the leaves is damaged,
    /// [`Store::lost`] is not empty, and a report knows more ([`UnreadRevisions::add_history`]).
    ///
    /// # Errors
    /// The same errors as [`Store::entries`].
    pub fn unread_revisions(&self, progress: &dyn ScanProgress) -> Result<UnreadRevisions, Error> {
        let query = self.query(KeyRange::all(), self.current());
        let mut following = LossTracker::default();
        self.leaves_in_order(progress, &mut |page, lost| {
            // This may be another page: then its contents bound nothing.
            let is_right = lost.places == 0;
            if !is_right {
                following.lose();
            }
            if let Some(page) = page {
                follow(page, &query, is_right, &mut following);
            }
            true
        })?;
        let mut unread = UnreadRevisions::default();
        if let Some(before) = following.lost_behind {
            following.found.push(RevisionRange { from: before.next(), to: None });
        }
        unread.add(following.found.into_iter());
        Ok(unread)
    }
}

fn follow(page: &Page<'_>, query: &Query, is_right: bool, following: &mut LossTracker) {
    let mut expected = 0_u32;
    let mut lost = LostParts::default();
    for entry in page.entries(&mut lost) {
        if entry.place.index > expected {
            following.lose();
        }
        expected = entry.place.index.saturating_add(1);
        if is_right {
            following.see(entry.key.revision.main, entry.key.revision.sub);
        } else {
            following.last = following.last.max(entry.key.revision.main);
        }
        let mut odd = LostParts::default();
        query.message(&entry, &mut odd);
        if odd.places > 0 {
            let main = entry.key.revision.main;
            following.push(RevisionRange { from: main, to: Some(main) });
        }
    }
    if lost.places > 0 && usize::try_from(expected).is_ok_and(|seen| seen < page.leaf.count()) {
        following.lose();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: i64, to: Option<i64>) -> RevisionRange {
        RevisionRange { from: Revision::new(from), to: to.map(Revision::new) }
    }

    #[test]
    fn readable_neighbours_bound_the_lost_revisions() {
        let mut following = LossTracker::default();
        following.see(Revision::new(2), 0);
        following.lose();
        following.lose();
        following.see(Revision::new(7), 0);
        following.lose();
        following.see(Revision::new(9), 3);
        // Out of order.
        following.lose();
        following.see(Revision::new(4), 0);
        assert_eq!(following.found, [range(3, Some(6)), range(8, Some(9)), range(10, None)]);
    }

    #[test]
    fn a_key_is_certain_above_all_that_is_lost() {
        let mut unread = UnreadRevisions::default();
        assert!(!unread.may_follow(Revision::new(1)));
        unread.add([range(20, Some(30)), range(5, Some(8)), range(9, Some(9))].into_iter());
        assert_eq!(unread.ranges(), [range(5, Some(9)), range(20, Some(30))]);
        assert!(
            unread.may_follow(Revision::new(3))
                && unread.may_follow(Revision::new(12))
                && unread.may_follow(Revision::new(30))
                && !unread.may_follow(Revision::new(31))
        );
        assert!(
            unread.may_lie_between(Revision::new(9), Revision::new(12))
                && !unread.may_lie_between(Revision::new(10), Revision::new(19))
        );
        // At a revision before the second range.
        let earlier = unread.clone().up_to(Revision::new(19));
        assert!(earlier.may_follow(Revision::new(9)) && !earlier.may_follow(Revision::new(12)));
        unread.add_history(&LostHistory { unreadable: vec![range(25, None)], ..LostHistory::default() });
        assert_eq!(unread.ranges(), [range(5, Some(9)), range(20, None)]);
        assert!(unread.may_follow(Revision::MAX) && UnreadRevisions::any().may_follow(Revision::new(1)));
    }

    #[test]
    fn many_ranges_end_in_one_without_an_end() {
        let mut following = LossTracker::default();
        for main in 0..3_000 {
            following.push(range(main * 3 + 1, Some(main * 3 + 1)));
        }
        let mut unread = UnreadRevisions::default();
        unread.add(following.found.into_iter());
        assert!(unread.ranges().len() as u64 <= FINDINGS_PER_CODE && unread.may_follow(Revision::new(1_000_000)));
    }
}
