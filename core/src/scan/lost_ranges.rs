//! Computes the ranges of revisions on unreadable pages of bucket `key`, from the keys around these pages.

use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;
use crate::lost_history::{LostHistory, RevisionRange};
use crate::scan::walk::LostKeyRange;

/// Adds the ranges of revisions between the keys to `history`. A key that is not a revision, which only damage causes,
/// is no bound.
pub(crate) fn add_ranges(history: &mut LostHistory, lost: impl Iterator<Item = LostKeyRange>) {
    let mut ranges: Vec<RevisionRange> = lost.filter_map(|keys| range(&keys)).collect();
    ranges.sort_by_key(|range| (range.from, range.to.unwrap_or(Revision::MAX)));
    ranges.into_iter().for_each(|range| history.add_unreadable(range));
}

/// The range of all keys, if bucket `key` cannot be found.
pub(crate) fn whole_bucket() -> LostKeyRange {
    LostKeyRange { low: None, high: None }
}

fn range(keys: &LostKeyRange) -> Option<RevisionRange> {
    let revision = |key: &Option<_>| {
        let key: &std::sync::Arc<[u8]> = key.as_ref()?;
        RevisionKey::parse(key).map(|key| key.revision)
    };
    let from = revision(&keys.low).map_or(Revision::FIRST, |low| low.main);
    let to = revision(&keys.high).map(|high| if high.sub == 0 { high.main.previous() } else { high.main });
    (to.is_none_or(|to| from <= to)).then_some(RevisionRange { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::revision_key::FullRevision;

    fn key(main: i64, sub: i64) -> Option<std::sync::Arc<[u8]>> {
        let (bytes, len) =
            RevisionKey { revision: FullRevision { main: Revision::new(main), sub }, tombstone: false }.to_bytes();
        bytes.get(..len).map(Into::into)
    }

    #[test]
    fn separators_bound_the_lost_ranges() {
        let mut history = LostHistory::default();
        let lost = [
            LostKeyRange { low: key(90, 0), high: None },
            LostKeyRange { low: None, high: key(12, 0) },
            LostKeyRange { low: key(20, 3), high: key(31, 1) },
        ];
        add_ranges(&mut history, lost.into_iter());
        let range = |from, to: Option<i64>| RevisionRange { from: Revision::new(from), to: to.map(Revision::new) };
        assert_eq!(history.unreadable, [range(1, Some(11)), range(20, Some(31)), range(90, None)]);
        let mut everything = LostHistory::default();
        add_ranges(&mut everything, [whole_bucket()].into_iter());
        assert_eq!(everything.unreadable, [range(1, None)]);
    }
}
