//! Estimates when each revision was written, from the times in objects.
//!
//! etcd stores no times. An API server writes the time of its clock into `creationTimestamp` of each object that it creates, which is the best evidence, and into `managedFields` when a client
//! changes fields. Nodes and controllers write their times into Leases and Events. Each such time is a mark: at this revision, a clock showed this time.
//!
//! Clocks can be wrong, marks stale, and objects copied from elsewhere, so no single mark is trusted. The line through the marks never falls, and has the smallest sum of absolute errors
//! (isotonic regression by pooling adjacent violators): where marks contradict each other, it takes their median. It is wrong at a revision only if half of the marks around it are wrong.
//!
//! Between marks the line is straight. A restore that bumps the revision leaves a gap of a billion revisions in which nothing was written; the width of a gap has no effect.

use crate::etcd::revision::Revision;

/// The clock of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// The API server's clock when it created an object.
    Creation,
    /// The clock of a node or a controller, in a Lease or an Event.
    Node,
    /// The API server's clock, in `managedFields`. A write that changes no fields leaves an earlier time there.
    Managed,
}

impl Clock {
    fn weight(self) -> u64 {
        match self {
            Self::Creation => 4,
            Self::Node => 2,
            Self::Managed => 1,
        }
    }
}

/// The time that a clock showed when a revision was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeMark {
    /// The main revision.
    pub revision: Revision,
    /// Seconds since 1970.
    pub seconds: i64,
    /// The clock.
    pub clock: Clock,
}

/// An estimate of when a revision was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Maximum error in seconds, in both directions; `None` if it is unknown.
    pub within: Option<i64>,
}

/// A range of revisions whose marks share one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimeStep {
    first: Revision,
    last: Revision,
    seconds: i64,
    /// The median distance of the marks from `seconds`.
    spread: i64,
}

/// The line through the marks of a snapshot: steps with rising revisions and rising times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeLine {
    steps: Vec<TimeStep>,
    /// The usual time between two revisions, in nanoseconds; `None` for a single step.
    pace: Option<i128>,
}

/// Number of steps at the end of the line from which the usual time between two revisions is computed.
const RECENT: usize = 32;

const NANOS: i128 = 1_000_000_000;

impl TimeLine {
    /// Computes the line through these marks; `None` if there are none.
    #[must_use]
    pub fn of(mut marks: Vec<TimeMark>) -> Option<Self> {
        marks.sort_unstable();
        let mut pools: Vec<Pool> = Vec::new();
        for together in marks.chunk_by(|a, b| a.revision == b.revision) {
            let mut pool = Pool::of(together);
            while let Some(before) = pools.pop_if(|before| before.median > pool.median) {
                pool = before.merged(pool);
            }
            pools.push(pool);
        }
        let steps: Vec<TimeStep> = pools.iter().map(Pool::step).collect();
        let pace = pace(&steps);
        (!steps.is_empty()).then_some(Self { steps, pace })
    }

    /// Estimates when a revision was written.
    #[must_use]
    pub fn at(&self, revision: Revision) -> Moment {
        let behind = self.steps.partition_point(|step| step.last < revision);
        let before = behind.checked_sub(1).and_then(|number| self.steps.get(number));
        match (before, self.steps.get(behind)) {
            (_, Some(step)) if step.first <= revision => {
                Moment { seconds: step.seconds, within: Some(step.spread.max(1)) }
            }
            (Some(before), Some(after)) => between(before, after, revision),
            (Some(last), None) => self.beyond(last, i128::from(revision).saturating_sub(i128::from(last.last))),
            (None, Some(first)) => self.beyond(first, i128::from(revision).saturating_sub(i128::from(first.first))),
            (None, None) => Moment { seconds: 0, within: None },
        }
    }

    /// Returns the last revision between `first` and `last` that was written at or before a time; `None` if all were written later.
    #[must_use]
    pub fn revision_at(&self, seconds: i64, first: Revision, last: Revision) -> Option<Revision> {
        let is_up_to = |revision: Revision| self.at(revision).seconds <= seconds;
        if first > last || !is_up_to(first) {
            return None;
        }
        // `low` was written at or before the time, and everything above `high` after it.
        let (mut low, mut high) = (first, last);
        while low < high {
            // The middle, rounded up.
            let middle = low.plus(high.since(low).div_ceil(2));
            if is_up_to(middle) {
                low = middle;
            } else {
                high = middle.previous();
            }
        }
        Some(low)
    }

    /// Extrapolates from the last step by this many revisions, or backwards from the first step by a negative number.
    fn beyond(&self, step: &TimeStep, revisions: i128) -> Moment {
        let Some(pace) = self.pace else { return Moment { seconds: step.seconds, within: None } };
        let away = seconds(revisions.saturating_mul(pace));
        let within = away.saturating_abs().saturating_add(step.spread).max(1);
        Moment { seconds: step.seconds.saturating_add(away), within: Some(within) }
    }
}

/// Converts nanoseconds to whole seconds, limited to a century: longer extrapolations mean nothing.
fn seconds(nanos: i128) -> i64 {
    const CENTURY: i128 = 3_155_760_000;
    let whole = nanos.checked_div(NANOS).unwrap_or_default();
    i64::try_from(whole.clamp(-CENTURY, CENTURY)).unwrap_or_default()
}

fn between(before: &TimeStep, after: &TimeStep, revision: Revision) -> Moment {
    let [from, to, at] = [before.last, after.first, revision].map(i128::from);
    let whole = i128::from(after.seconds).saturating_sub(i128::from(before.seconds));
    let part = whole
        .saturating_mul(at.saturating_sub(from))
        .checked_div(to.saturating_sub(from))
        .and_then(|part| i64::try_from(part).ok())
        .unwrap_or_default();
    let seconds = before.seconds.saturating_add(part);
    // It may have been written right after the first step, or right before the second one.
    let farthest = seconds.saturating_sub(before.seconds).max(after.seconds.saturating_sub(seconds));
    Moment { seconds, within: Some(farthest.max(before.spread).max(after.spread).max(1)) }
}

/// Returns the median time between two revisions among the last steps.
fn pace(steps: &[TimeStep]) -> Option<i128> {
    let recent = steps.get(steps.len().saturating_sub(RECENT)..)?;
    let mut paces: Vec<i128> = recent
        .windows(2)
        .filter_map(|pair| {
            let [before, after] = pair else { return None };
            let time = i128::from(after.seconds).saturating_sub(i128::from(before.seconds));
            // Measures from the middle of one step to the middle of the other.
            let middle = |step: &TimeStep| i128::from(step.first).saturating_add(i128::from(step.last));
            let revisions = middle(after).saturating_sub(middle(before));
            time.saturating_mul(NANOS).saturating_mul(2).checked_div(revisions)
        })
        .collect();
    paces.sort_unstable();
    paces.get(paces.len() >> 1).copied()
}

/// Marks that share one time on the line: their weighted median, the lower one of two.
struct Pool {
    first: Revision,
    last: Revision,
    /// Seconds and weights, sorted by seconds.
    marks: Vec<(i64, u64)>,
    median: i64,
}

impl Pool {
    /// Pools the marks of one revision, which must be sorted.
    fn of(marks: &[TimeMark]) -> Self {
        let revision = marks.first().map_or(Revision::ZERO, |mark| mark.revision);
        let marks: Vec<_> = marks.iter().map(|mark| (mark.seconds, mark.clock.weight())).collect();
        Self { first: revision, last: revision, median: median(&marks), marks }
    }

    fn merged(self, after: Self) -> Self {
        let mut marks = Vec::with_capacity(self.marks.len().saturating_add(after.marks.len()));
        let (mut left, mut right) = (self.marks.into_iter().peekable(), after.marks.into_iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let next = if a.0 <= b.0 { left.next() } else { right.next() };
            marks.extend(next);
        }
        marks.extend(left);
        marks.extend(right);
        Self { first: self.first, last: after.last, median: median(&marks), marks }
    }

    fn step(&self) -> TimeStep {
        let distance = |(seconds, weight): &(i64, u64)| (seconds.saturating_sub(self.median).saturating_abs(), *weight);
        let mut distances: Vec<_> = self.marks.iter().map(distance).collect();
        distances.sort_unstable();
        TimeStep { first: self.first, last: self.last, seconds: self.median, spread: median(&distances) }
    }
}

/// Returns the lower weighted median of sorted values.
fn median(sorted: &[(i64, u64)]) -> i64 {
    let all = sorted.iter().fold(0_u64, |sum, (_, weight)| sum.saturating_add(*weight));
    let mut sum = 0_u64;
    for (value, weight) in sorted {
        sum = sum.saturating_add(*weight);
        if sum.saturating_mul(2) >= all {
            return *value;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_767_323_045;

    fn mark(revision: i64, seconds: i64, clock: Clock) -> TimeMark {
        TimeMark { revision: Revision::new(revision), seconds: START + seconds, clock }
    }

    /// A cluster that writes a revision each second and creates an object every 20.
    fn steady(last: i64) -> Vec<TimeMark> {
        (1..=last / 20).map(|number| mark(number * 20, number * 20, Clock::Creation)).collect()
    }

    fn at(line: &TimeLine, revision: i64) -> Moment {
        line.at(Revision::new(revision))
    }

    fn revision_at(line: &TimeLine, seconds: i64, first: i64, last: i64) -> Option<i64> {
        line.revision_at(seconds, Revision::new(first), Revision::new(last)).map(Revision::get)
    }

    fn off(line: &TimeLine, revision: i64) -> i64 {
        (at(line, revision).seconds - START - revision).abs()
    }

    #[test]
    fn a_revision_between_two_marks_is_between_their_times() {
        let line = TimeLine::of(steady(1000)).unwrap();
        assert_eq!(at(&line, 100), Moment { seconds: START + 100, within: Some(1) });
        assert_eq!(at(&line, 105), Moment { seconds: START + 105, within: Some(15) });
        // Extrapolated at the usual pace; the error grows with the distance.
        assert_eq!(at(&line, 1010), Moment { seconds: START + 1010, within: Some(10) });
        assert_eq!(at(&line, 15), Moment { seconds: START + 15, within: Some(5) });
        assert_eq!(TimeLine::of(Vec::new()), None);
        let single = TimeLine::of(vec![mark(5, 0, Clock::Node)]).unwrap();
        assert_eq!(at(&single, 5), Moment { seconds: START, within: Some(1) });
        assert_eq!(at(&single, 9), Moment { seconds: START, within: None });
    }

    #[test]
    fn wrong_clocks_do_not_bend_the_line() {
        let mut marks = steady(2000);
        // A node an hour ahead and one a day behind renew their Leases every 100 revisions.
        for revision in (50..2000).step_by(100) {
            marks.push(mark(revision, revision + 3600, Clock::Node));
            marks.push(mark(revision + 1, revision - 86_400, Clock::Node));
        }
        // One object was copied from elsewhere, and one server's clock was a year ahead for a moment.
        marks.push(mark(333, -40_000_000, Clock::Creation));
        marks.push(mark(777, 31_536_000, Clock::Creation));
        let line = TimeLine::of(marks).unwrap();
        for revision in 20..2000 {
            assert!(off(&line, revision) <= 60, "{revision}: {:?}", at(&line, revision));
        }
        let mut before = i64::MIN;
        for revision in 0..2100 {
            let now = at(&line, revision).seconds;
            assert!(now >= before, "{revision}");
            before = now;
        }
    }

    #[test]
    fn a_clock_ahead_at_the_very_end_is_outvoted() {
        let mut marks = steady(1000);
        marks.extend([1001, 1003, 1004].map(|revision| mark(revision, revision, Clock::Node)));
        marks.push(mark(1002, 90_000, Clock::Node));
        let line = TimeLine::of(marks).unwrap();
        assert!(off(&line, 1004) <= 2, "{:?}", at(&line, 1004));
    }

    #[test]
    fn a_bump_of_the_revision_takes_no_time() {
        const BUMP: i64 = 1_000_000_000;
        let mut marks = steady(1000);
        marks.extend((1..=50).map(|number| mark(BUMP + 1000 + number * 20, 1060 + number * 20, Clock::Creation)));
        let line = TimeLine::of(marks).unwrap();
        assert_eq!(at(&line, 990).seconds, START + 990);
        assert_eq!(at(&line, BUMP + 1030).seconds, START + 1090);
        assert!((at(&line, BUMP + 2003).seconds - START - 2063).abs() <= 3);
        assert!((at(&line, BUMP + 1005).seconds - START - 1080).abs() <= 1);
    }

    #[test]
    fn times_find_their_revisions() {
        let line = TimeLine::of(steady(1000)).unwrap();
        assert_eq!(revision_at(&line, START + 105, 1, 1000), Some(105));
        assert_eq!(revision_at(&line, START + 1_000_000, 1, 1000), Some(1000));
        assert_eq!(revision_at(&line, START + 105, 500, 1000), None);
        assert_eq!(revision_at(&line, START + 105, 105, 105), Some(105));
        assert_eq!(revision_at(&line, START, 10, 9), None);
    }

    #[test]
    fn hostile_numbers_are_bounded() {
        let extremes = [i64::MIN, -1, 0, 1, i64::MAX];
        let marks = extremes.iter().flat_map(|revision| {
            extremes.map(|seconds| TimeMark { revision: Revision::new(*revision), seconds, clock: Clock::Creation })
        });
        let line = TimeLine::of(marks.collect()).unwrap();
        for revision in extremes {
            assert!(at(&line, revision).within.is_none_or(|within| within >= 1));
            assert!(revision_at(&line, i64::MAX, i64::MIN, revision).is_some_and(|found| found <= revision));
        }
    }
}
