//! Ranges of a file that are fetched at a time.

/// Bytes between two ranges that are fetched along with them, because another read costs more.
const GAP: u64 = 16 << 10;

/// Sorts ranges, and joins those that are near each other.
pub(super) fn joined(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let mut out: Vec<(u64, u64)> = Vec::new();
    for (from, end) in spans {
        match out.last_mut().filter(|(_, to)| from <= to.saturating_add(GAP)) {
            Some((_, to)) => *to = end.max(*to),
            None => out.push((from, end)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_near_each_other_are_one() {
        let page = |at| (at, at + 4096);
        let spans = vec![page(28672), page(4096), (4096, 20000), page(8192), page(1 << 20)];
        assert_eq!(joined(spans), [(4096, 32768), page(1 << 20)]);
        assert!(joined(Vec::new()).is_empty());
    }
}
