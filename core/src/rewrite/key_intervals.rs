//! Ranges of keys that could not be read from a damaged tree.

/// A range of keys: from `low`, up to but not including `high`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyInterval {
    /// The first key in the range; empty for the start of the bucket.
    pub low: Vec<u8>,
    /// The first key after the range; `None` for the end of the bucket.
    pub high: Option<Vec<u8>>,
}

impl KeyInterval {
    /// Creates the range of all keys.
    pub fn all() -> Self {
        Self { low: Vec::new(), high: None }
    }

    /// Whether all keys from `first` to `last` lie in the range.
    pub fn holds(&self, first: &[u8], last: &[u8]) -> bool {
        self.low.as_slice() <= first && self.ends_after(last)
    }

    /// Whether the range ends after a key.
    fn ends_after(&self, key: &[u8]) -> bool {
        self.high.as_deref().is_none_or(|high| key < high)
    }
}

/// Ranges of keys in order; no two overlap or touch.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyIntervals(Vec<KeyInterval>);

impl KeyIntervals {
    /// Joins ranges that overlap or touch.
    pub fn of(mut intervals: Vec<KeyInterval>) -> Self {
        intervals.retain(|interval| interval.ends_after(&interval.low));
        intervals.sort_unstable_by(|one, other| one.low.cmp(&other.low));
        let mut joined: Vec<KeyInterval> = Vec::new();
        for interval in intervals {
            match joined.last_mut().filter(|last| last.high.as_ref().is_none_or(|high| interval.low <= *high)) {
                Some(last) if interval.high.as_ref().is_some_and(|high| last.ends_after(high)) => {}
                Some(last) => last.high = interval.high,
                None => joined.push(interval),
            }
        }
        Self(joined)
    }

    /// Whether there are no ranges.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = &KeyInterval> {
        self.0.iter()
    }

    /// Whether all keys from `first` to `last` lie in one of the ranges.
    pub fn holds(&self, first: &[u8], last: &[u8]) -> bool {
        self.first_after(first).is_some_and(|interval| interval.holds(first, last))
    }

    /// Whether a range lies between two keys that are in no range.
    pub fn reaches_between(&self, before: &[u8], behind: &[u8]) -> bool {
        self.first_after(before).is_some_and(|interval| interval.low.as_slice() < behind)
    }

    /// Returns the first range that ends after a key.
    fn first_after(&self, key: &[u8]) -> Option<&KeyInterval> {
        self.0.get(self.0.partition_point(|interval| !interval.ends_after(key)))
    }

    /// Returns the keys that lie in both sets of ranges.
    pub fn intersection(&self, others: &Self) -> Self {
        let mut common = Vec::new();
        let (mut mine, mut theirs) = (self.0.iter().peekable(), others.0.iter().peekable());
        while let (Some(one), Some(other)) = (mine.peek(), theirs.peek()) {
            let low = one.low.as_slice().max(&other.low);
            let mine_ends_first = match (&one.high, &other.high) {
                (Some(one), Some(other)) => one <= other,
                (Some(_), None) => true,
                (None, _) => false,
            };
            let high = if mine_ends_first { &one.high } else { &other.high };
            if high.as_deref().is_none_or(|high| low < high) {
                common.push(KeyInterval { low: low.to_vec(), high: high.clone() });
            }
            if mine_ends_first {
                mine.next()
            } else {
                theirs.next()
            };
        }
        Self(common)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval((low, high): (&str, &str)) -> KeyInterval {
        let high = (high != "end").then(|| high.as_bytes().to_vec());
        KeyInterval { low: low.as_bytes().to_vec(), high }
    }

    fn intervals(all: &[(&str, &str)]) -> KeyIntervals {
        KeyIntervals::of(all.iter().copied().map(interval).collect())
    }

    fn said(intervals: &KeyIntervals) -> String {
        let one = |interval: &KeyInterval| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            format!("{}-{}", text(&interval.low), interval.high.as_deref().map_or("end".into(), text))
        };
        intervals.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn those_that_overlap_or_touch_are_one() {
        assert_eq!(said(&intervals(&[("m", "p"), ("a", "c"), ("b", "d"), ("d", "e"), ("n", "o")])), "a-e m-p");
        assert_eq!(said(&intervals(&[("a", "end"), ("c", "d"), ("x", "x"), ("z", "b")])), "a-end");
        assert_eq!(said(&intervals(&[("a", "c"), ("b", "end"), ("k", "l")])), "a-end");
    }

    #[test]
    fn keys_are_found_in_them() {
        let all = intervals(&[("b", "d"), ("m", "end")]);
        for (first, last, wanted) in
            [("a", "a", false), ("b", "c", true), ("c", "d", false), ("d", "e", false), ("m", "z", true)]
        {
            assert_eq!(all.holds(first.as_bytes(), last.as_bytes()), wanted, "{first} {last}");
        }
        for (before, behind, wanted) in [
            ("a", "b", false),
            ("a", "c", true),
            ("e", "f", false),
            ("a", "z", true),
            ("d", "n", true),
            ("", "a", false),
        ] {
            assert_eq!(all.reaches_between(before.as_bytes(), behind.as_bytes()), wanted, "{before} {behind}");
        }
    }

    #[test]
    fn the_intersection_contains_common_keys() {
        let common =
            |one: &[(&str, &str)], other: &[(&str, &str)]| said(&intervals(one).intersection(&intervals(other)));
        assert_eq!(common(&[("", "end")], &[("b", "d"), ("m", "end")]), "b-d m-end");
        assert_eq!(common(&[("a", "c"), ("e", "k")], &[("b", "f"), ("j", "z")]), "b-c e-f j-k");
        assert_eq!(common(&[("a", "c")], &[("c", "d")]), "");
    }
}
