//! Gaps in the history: revisions that must exist between two neighbouring entries of bucket `key`, but are missing.
//!
//! Every transaction that changes something gets the next main revision, and its operations get the sub revisions from
//! 0 on (etcd's `mvcc/kvstore_txn.go`, 3.3 to 3.7). Only a compaction removes revisions, and only up to its own.
//! So above the last requested compaction no revision is skipped. etcd's first write is revision 2.

use crate::etcd::revision::Revision;
use crate::etcd::revision_key::FullRevision;

/// The missing revisions between two neighbouring entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevisionGap {
    /// First and last missing main revision.
    pub mains: Option<(Revision, Revision)>,
    /// A main revision with missing operations: its first and last missing sub revision.
    pub subs: Option<(Revision, i64, i64)>,
}

impl RevisionGap {
    /// Returns the revisions above `complete_above` that are missing between the entries `before` (`None` at the start
    /// of the bucket) and `here`; `None` if there are none.
    ///
    /// Revisions out of order are not a gap; another check finds them.
    #[must_use]
    pub fn between(before: Option<FullRevision>, here: FullRevision, complete_above: Revision) -> Option<Self> {
        if here.main <= complete_above {
            return None;
        }
        let (first_sub, last_main) = match before {
            Some(before) if before.main == here.main => (before.sub.saturating_add(1), here.main),
            Some(before) => (0, before.main),
            None => (0, Revision::ZERO),
        };
        let from = last_main.max(complete_above).next();
        let to = here.main.previous();
        let mains = (from <= to).then_some((from, to));
        let subs = (first_sub < here.sub && last_main <= here.main).then(|| {
            let last = here.sub.saturating_sub(1);
            (here.main, first_sub, last)
        });
        (mains.is_some() || subs.is_some()).then_some(Self { mains, subs })
    }

    /// The number of missing main revisions.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.mains.map_or(0, |(from, to)| from.count_to(to))
    }
}

impl std::fmt::Display for RevisionGap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (main_text, is_plural) = match (self.mains, self.subs) {
            (Some((from, to)), _) if from == to => (format!("Revision {from}"), false),
            (Some((from, to)), _) => (format!("Revisions {from} to {to}"), true),
            (None, _) => (String::new(), true),
        };
        let sub_text = self.subs.map(|(main, from, to)| match from == to {
            true => format!("operation {from} of revision {main}"),
            false => format!("operations {from} to {to} of revision {main}"),
        });
        match (self.mains, sub_text) {
            (None, Some(sub_text)) => {
                let mut letters = sub_text.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                let verb = if self.subs.is_some_and(|(_, from, to)| from == to) { "is" } else { "are" };
                write!(f, "{}{} {verb} missing", first.map(String::from).unwrap_or_default(), letters.as_str())
            }
            (_, Some(sub_text)) => write!(f, "{main_text} and {sub_text} are missing"),
            (_, None) => write!(f, "{main_text} {} missing", if is_plural { "are" } else { "is" }),
        }
    }
}

/// Returns the lowest `complete_above` for which [`RevisionGap::between`] finds no gap between two neighbours; 0 if it
/// finds none for any value.
#[must_use]
#[inline]
pub fn complete_from(before: Option<FullRevision>, here: FullRevision) -> Revision {
    let (next_main, next_sub) = match before {
        Some(before) if before.main == here.main => (here.main, before.sub.saturating_add(1)),
        Some(before) => (before.main.next(), 0),
        None => (Revision::FIRST, 0),
    };
    if before.is_some_and(|before| before >= here) {
        Revision::ZERO
    } else if here.sub > next_sub {
        here.main
    } else if here.main > next_main {
        here.main.previous()
    } else {
        Revision::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rev(main: i64, sub: i64) -> FullRevision {
        FullRevision { main: Revision::new(main), sub }
    }

    #[test]
    fn consecutive_revisions_have_no_gap() {
        for (before, here) in [(rev(4, 0), rev(5, 0)), (rev(4, 7), rev(5, 0)), (rev(4, 7), rev(4, 8))] {
            assert_eq!(complete_from(Some(before), here), Revision::ZERO);
            assert_eq!(RevisionGap::between(Some(before), here, Revision::FIRST), None);
        }
        assert_eq!(RevisionGap::between(None, rev(2, 0), Revision::FIRST), None);
        assert_eq!(RevisionGap::between(None, rev(41, 0), Revision::new(40)), None);
    }

    #[test]
    fn missing_revisions_are_named() {
        let text = |before, here, compaction| {
            RevisionGap::between(before, here, Revision::new(compaction)).map(|gap| gap.to_string()).unwrap_or_default()
        };
        assert_eq!(text(Some(rev(4, 0)), rev(6, 0), 1), "Revision 5 is missing");
        assert_eq!(text(Some(rev(4, 0)), rev(9, 0), 1), "Revisions 5 to 8 are missing");
        assert_eq!(text(Some(rev(4, 0)), rev(9, 0), 6), "Revisions 7 to 8 are missing");
        assert_eq!(text(Some(rev(4, 0)), rev(9, 0), 8), "");
        assert_eq!(text(Some(rev(4, 0)), rev(4, 2), 1), "Operation 1 of revision 4 is missing");
        assert_eq!(text(Some(rev(4, 0)), rev(5, 3), 1), "Operations 0 to 2 of revision 5 are missing");
        assert_eq!(text(Some(rev(4, 0)), rev(6, 1), 1), "Revision 5 and operation 0 of revision 6 are missing");
        assert_eq!(text(None, rev(4, 0), 1), "Revisions 2 to 3 are missing");
        assert_eq!(text(Some(rev(9, 0)), rev(4, 0), 1), "");
    }

    #[test]
    fn between_and_complete_from_agree() {
        let all: Vec<_> = (0..6).flat_map(|main| (0..4).map(move |sub| rev(main, sub))).collect();
        for here in &all {
            for before in std::iter::once(None).chain(all.iter().map(Some)) {
                for compaction in (1..8).map(Revision::new) {
                    let needed = complete_from(before.copied(), *here);
                    let gap = RevisionGap::between(before.copied(), *here, compaction);
                    assert_eq!(
                        gap.is_some(),
                        needed > compaction,
                        "{before:?} {here:?} {compaction}: {needed} {gap:?}"
                    );
                }
            }
        }
    }
}
