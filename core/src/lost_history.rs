//! The parts of the keys' history that are lost, as far as the file shows.

use serde::Serialize;

use crate::etcd::revision::Revision;
use crate::limits::{FINDINGS_PER_CODE, MAX_EXCERPT};

/// Number of prefixes listed.
const MAX_PREFIXES: usize = 20;

/// Path components of a key that form its prefix: in Kubernetes a resource and a namespace.
const PREFIX_COMPONENTS: usize = 3;

/// An inclusive range of main revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RevisionRange {
    /// First revision.
    pub from: Revision,
    /// Last revision; `None` if nothing in the file bounds the range.
    pub to: Option<Revision>,
}

/// The number of affected keys with a common prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostPrefix {
    /// The prefix up to and including the third slash after the first character, printable.
    pub prefix: String,
    /// Number of listed keys with this prefix.
    pub keys: u64,
}

/// Lost revisions of bucket `key`, and the keys known to be affected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LostHistory {
    /// Missing revisions above the last compaction, where every revision must have an entry: the first thousand ranges,
    /// ascending.
    pub missing: Vec<RevisionRange>,
    /// Number of missing revisions, including ranges that are not listed.
    pub missing_count: u64,
    /// Ranges that contain the revisions on unreadable pages, as the separators around the pages bound them: the first
    /// thousand, ascending. Below a compaction a range may have had only few entries.
    pub unreadable: Vec<RevisionRange>,
    /// Keys whose remaining entries show that others are lost, printable: the first thousand. A key that lost every
    /// entry cannot be named.
    pub keys: Vec<String>,
    /// Number of affected keys, including those not listed.
    pub key_count: u64,
    /// Prefixes of the listed keys: at most twenty, the most frequent first.
    pub prefixes: Vec<LostPrefix>,
}

impl LostHistory {
    /// Whether no loss is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing_count == 0 && self.unreadable.is_empty() && self.key_count == 0
    }

    /// Adds a range of revisions that cannot be read.
    pub(crate) fn add_unreadable(&mut self, range: RevisionRange) {
        let has_room = (self.unreadable.len() as u64) < FINDINGS_PER_CODE;
        match self.unreadable.last_mut() {
            Some(last) if last.to.is_none_or(|to| to.next() >= range.from) => {
                last.to = last.to.zip(range.to).map(|(last, to)| last.max(to));
            }
            _ if has_room => self.unreadable.push(range),
            _ => {}
        }
    }

    /// Sets the affected keys; `count` is their total number.
    pub(crate) fn set_keys(&mut self, mut keys: Vec<String>, count: u64) {
        keys.sort_unstable();
        keys.dedup();
        self.key_count = count.max(keys.len() as u64);
        let mut prefixes: Vec<LostPrefix> = Vec::new();
        for key in &keys {
            let prefix = prefix(key);
            match prefixes.last_mut().filter(|last| last.prefix == prefix) {
                Some(last) => last.keys = last.keys.saturating_add(1),
                None => prefixes.push(LostPrefix { prefix: prefix.to_owned(), keys: 1 }),
            }
        }
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.keys));
        prefixes.truncate(MAX_PREFIXES);
        (self.keys, self.prefixes) = (keys, prefixes);
    }
}

fn prefix(key: &str) -> &str {
    let slashes = key.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'/');
    let end = slashes.take(PREFIX_COMPONENTS).last().map_or(0, |(at, _)| at.saturating_add(1));
    key.get(..end.min(MAX_EXCERPT)).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: i64, to: Option<i64>) -> RevisionRange {
        RevisionRange { from: Revision::new(from), to: to.map(Revision::new) }
    }

    #[test]
    fn adjacent_ranges_are_merged() {
        let mut lost = LostHistory::default();
        for (from, to) in [(2, 5), (6, 9), (12, 13), (12, 14)] {
            lost.add_unreadable(range(from, Some(to)));
        }
        assert_eq!(lost.unreadable, [range(2, Some(9)), range(12, Some(14))]);
        lost.add_unreadable(range(20, None));
        lost.add_unreadable(range(30, Some(40)));
        assert_eq!(lost.unreadable.last(), Some(&range(20, None)));
    }

    #[test]
    fn keys_are_counted_by_prefix() {
        let mut lost = LostHistory::default();
        let keys =
            ["/registry/pods/shop/a", "/registry/pods/shop/b", "/registry/minions/n", "plain", "/registry/pods/shop/a"];
        lost.set_keys(keys.map(str::to_owned).to_vec(), 3);
        assert_eq!((lost.keys.len(), lost.key_count), (4, 4));
        let prefixes: Vec<_> = lost.prefixes.iter().map(|prefix| (prefix.prefix.as_str(), prefix.keys)).collect();
        assert_eq!(prefixes, [("/registry/pods/shop/", 2), ("/registry/minions/", 1), ("", 1)]);
    }
}
