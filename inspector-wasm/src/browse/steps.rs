//! Tracks which steps of a query have not run yet, while the bytes of the file arrive.

use std::ops::Range;

/// The longest span of a step whose bytes are awaited. A longer span contains mostly other bytes, so its pages are read one by one.
const LONGEST: u64 = 32 << 20;

/// Bytes between two steps that are read along with them, because another read costs more.
const GAP: u64 = 1 << 20;

/// The steps of a query, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// The start and end of the bytes of each step; none once the step has run.
    spans: Vec<Option<(u64, u64)>>,
    /// The first step whose bytes may still arrive.
    next: usize,
}

impl Steps {
    /// Creates steps of which none has run.
    pub(crate) fn new(spans: impl Iterator<Item = (u64, u64)>) -> Self {
        Self { spans: spans.map(Some).collect(), next: 0 }
    }

    /// Returns the next step whose bytes are all in `window`, and marks it as run. Skips steps that start before `window`: their bytes have passed.
    pub(crate) fn ready(&mut self, window: &Range<u64>) -> Option<usize> {
        while let Some(span) = self.spans.get_mut(self.next) {
            let number = self.next;
            if span.is_some_and(|(from, to)| from >= window.start && to > window.end && is_awaited((from, to))) {
                return None;
            }
            self.next = number.saturating_add(1);
            if span.take_if(|(from, to)| *from >= window.start && *to <= window.end).is_some() {
                return Some(number);
            }
        }
        None
    }

    /// Returns the offset of the first byte that a step waits for; none if no step waits.
    pub(crate) fn needed_from(&self) -> Option<u64> {
        let later = self.spans.get(self.next..).unwrap_or_default();
        later.iter().flatten().find(|span| is_awaited(**span)).map(|(from, _)| *from)
    }

    /// Returns the ranges of all steps that have not run, with small gaps included, and waits for all of them again.
    pub(crate) fn runs(&mut self) -> Vec<(u64, u64)> {
        self.next = 0;
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (from, to) in self.spans.iter().flatten().copied().filter(|span| span.0 < span.1 && is_awaited(*span)) {
            match runs.last_mut().filter(|run| from <= run.1.saturating_add(GAP)) {
                Some(run) => run.1 = run.1.max(to),
                None => runs.push((from, to)),
            }
        }
        runs
    }

    /// Returns the numbers of the steps that have not run.
    pub(crate) fn left(&self) -> impl Iterator<Item = usize> {
        self.spans.iter().enumerate().filter(|(_, span)| span.is_some()).map(|(number, _)| number)
    }

    /// Marks a step as run whose bytes did not arrive.
    pub(crate) fn take(&mut self, number: usize) {
        if let Some(span) = self.spans.get_mut(number) {
            *span = None;
        }
    }
}

fn is_awaited((from, to): (u64, u64)) -> bool {
    to.saturating_sub(from) <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_ready(steps: &mut Steps, window: Range<u64>) -> Vec<usize> {
        std::iter::from_fn(|| steps.ready(&window)).collect()
    }

    #[test]
    fn a_step_is_ready_once_its_last_byte_is_there() {
        let mut steps = Steps::new([(10, 30), (25, 50), (60, 90)].into_iter());
        assert_eq!(steps.needed_from(), Some(10));
        assert!(all_ready(&mut steps, 0..29).is_empty());
        assert_eq!(all_ready(&mut steps, 10..40), [0]);
        assert_eq!(steps.needed_from(), Some(25));
        assert_eq!(all_ready(&mut steps, 25..200), [1, 2]);
        assert_eq!((steps.needed_from(), steps.left().count()), (None, 0));
    }

    #[test]
    fn missed_and_too_long_steps_remain() {
        let long = (70, 71 + LONGEST);
        let mut steps = Steps::new([(0, 10), (20, 40), (50, 60), long, (GAP + 70, GAP + 80)].into_iter());
        assert_eq!(all_ready(&mut steps, 30..65), [2]);
        assert_eq!(steps.left().collect::<Vec<_>>(), [0, 1, 3, 4]);
        assert_eq!(steps.runs(), [(0, 40), (GAP + 70, GAP + 80)]);
        assert_eq!(all_ready(&mut steps, 0..40), [0, 1]);
        assert_eq!(all_ready(&mut steps, GAP + 70..GAP + 80), [4]);
        assert_eq!(steps.left().collect::<Vec<_>>(), [3]);
        steps.take(3);
        assert_eq!((steps.left().count(), steps.runs()), (0, Vec::new()));
    }

    #[test]
    fn a_step_without_bytes_is_taken_at_the_beginning_or_left() {
        let mut steps = Steps::new(std::iter::once((0, 0)));
        assert_eq!(all_ready(&mut steps, 0..1), [0]);
        let mut steps = Steps::new(std::iter::once((0, 0)));
        assert!(steps.runs().is_empty());
        assert_eq!(steps.left().collect::<Vec<_>>(), [0]);
    }
}
