//! What of the history of keys is gone, as far as the file tells.

use serde::Serialize;

use crate::etcd::revision::Revision;
use crate::limits::{EXCERPT, FINDINGS_PER_CODE};

/// Prefixes that are listed.
const PREFIXES: usize = 20;

/// Parts of a key that make its prefix: a resource and a namespace of Kubernetes.
const DEPTH: usize = 3;

/// Main revisions from the first to the last, both counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RevisionRange {
    /// The first one.
    pub from: Revision,
    /// The last one; none when nothing in the file says where the range ends.
    pub to: Option<Revision>,
}

/// Keys that are affected, by what their names begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostPrefix {
    /// Up to and with the third slash behind the first character, printable.
    pub prefix: String,
    /// How many of the listed keys.
    pub keys: u64,
}

/// Revisions of bucket `key` that are gone, and the keys of which that can be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LostHistory {
    /// Revisions of which every transaction made an entry, and none is there: the first thousand ranges, rising.
    pub missing: Vec<RevisionRange>,
    /// How many revisions that are, those of ranges that are not listed included.
    pub missing_count: u64,
    /// What the pages hold that cannot be read, by the separators around them: the first thousand ranges, rising. A compaction may have left few entries of it.
    pub unreadable: Vec<RevisionRange>,
    /// Keys whose retained entries show that others are gone, printable: the first thousand. A key of which every entry is gone cannot be named.
    pub keys: Vec<String>,
    /// How many keys that are.
    pub key_count: u64,
    /// The listed keys by what they begin with, the most first: at most twenty.
    pub prefixes: Vec<LostPrefix>,
}

impl LostHistory {
    /// Whether nothing is known to be gone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing_count == 0 && self.unreadable.is_empty() && self.key_count == 0
    }

    /// Takes in a range of revisions that cannot be read.
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

    /// Takes in the keys, of which there are `count`.
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
        prefixes.truncate(PREFIXES);
        (self.keys, self.prefixes) = (keys, prefixes);
    }
}

fn prefix(key: &str) -> &str {
    let slashes = key.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'/');
    let end = slashes.take(DEPTH).last().map_or(0, |(at, _)| at.saturating_add(1));
    key.get(..end.min(EXCERPT)).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: i64, to: Option<i64>) -> RevisionRange {
        RevisionRange { from: Revision::new(from), to: to.map(Revision::new) }
    }

    #[test]
    fn ranges_that_touch_are_one() {
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
