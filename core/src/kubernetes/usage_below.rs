//! Computes the space used below a prefix: by the next part of the keys, by namespace, and by the largest and busiest keys.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::kubernetes::registry_keys::object_below;
use crate::store::index::Index;
use crate::store::key_state::Key;
use crate::store::sorted_keys::Order;
use crate::store::usage::{Usage, group};

/// Keys with the same next part after the prefix.
#[derive(Debug)]
pub struct UsageGroup<'i> {
    /// The common beginning of these keys, including the prefix; the key itself for a single key without a slash.
    pub prefix: &'i [u8],
    /// Whether it can contain several keys.
    pub folder: bool,
    /// Their usage.
    pub sum: Usage,
}

/// Maximum lengths of the lists in the answer.
#[derive(Debug, Clone, Copy)]
pub struct UsageLimits {
    /// Maximum number of groups, and of namespaces.
    pub groups: usize,
    /// Maximum number of keys in each list.
    pub keys: usize,
}

/// The space used below a prefix.
#[derive(Debug, Default)]
pub struct UsageBelow<'i> {
    /// The usage of all keys.
    pub total: Usage,
    /// The groups, the largest first.
    pub groups: Vec<UsageGroup<'i>>,
    /// The total usage of the remaining groups, and their number.
    pub rest: (Usage, usize),
    /// Kubernetes namespaces, the largest first; empty for a prefix below the resources, where namespaces are groups.
    pub namespaces: Vec<(&'i [u8], Usage)>,
    /// The keys with the longest values.
    pub largest: Vec<Key<'i>>,
    /// The keys with the most revisions, without those that have only one.
    pub busiest: Vec<Key<'i>>,
}

impl<'i> UsageBelow<'i> {
    /// Computes the usage of the keys in `order` that begin with `asked`. `prefixes` are those of API servers.
    #[must_use]
    pub fn of(index: &'i Index, order: &Order, asked: &[u8], prefixes: &[Vec<u8>], limits: UsageLimits) -> Self {
        let keys = || order.prefix(index, asked).filter_map(|number| order.get(index, number));
        let mut below = Self::default();
        let mut namespaces: BTreeMap<&'i [u8], Usage> = BTreeMap::new();
        let above: Vec<&[u8]> = prefixes.iter().map(Vec::as_slice).filter(|prefix| is_above(asked, prefix)).collect();
        for key in keys() {
            below.total.add(&key);
            if let Some(object) = object_below(key.key, &above).filter(|object| !object.namespace.is_empty()) {
                namespaces.entry(object.namespace).or_default().add(&key);
            }
            let part = group(key.key, asked.len(), 1);
            // A key without a further slash is a group by itself. A slash directly after the prefix does not count.
            let start = asked.len().saturating_add(usize::from(key.key.get(asked.len()) == Some(&b'/')));
            let folder = part.len() > start;
            let prefix = if folder { part } else { key.key };
            match below.groups.last_mut().filter(|last| last.prefix == prefix) {
                Some(last) => last.sum.add(&key),
                None => {
                    // The last group is now complete. There can be as many groups as keys, so the smallest ones are merged from time to time.
                    if below.groups.len() >= limits.groups.saturating_mul(2).max(64) {
                        below.keep_largest(limits.groups);
                    }
                    let mut sum = Usage::default();
                    sum.add(&key);
                    below.groups.push(UsageGroup { prefix, folder, sum });
                }
            }
        }
        below.keep_largest(limits.groups);
        below.namespaces = namespaces.into_iter().collect();
        below.namespaces.sort_by_key(|(_, sum)| Reverse(sum.bytes()));
        below.namespaces.truncate(limits.groups);
        below.largest = top(keys(), limits.keys, |key| if key.deleted { 0 } else { key.value_len });
        below.busiest = top(keys(), limits.keys, |key| if key.revisions > 1 { key.revisions } else { 0 });
        below
    }

    /// Sorts the groups, and merges all but the largest `most` into the rest.
    fn keep_largest(&mut self, most: usize) {
        self.groups.sort_by(|a, b| b.sum.bytes().cmp(&a.sum.bytes()).then_with(|| a.prefix.cmp(b.prefix)));
        for other in self.groups.drain(self.groups.len().min(most)..) {
            self.rest.0.append(&other.sum);
            self.rest.1 = self.rest.1.saturating_add(1);
        }
    }
}

/// Whether all resources of an API server with this prefix are below `asked`.
fn is_above(asked: &[u8], prefix: &[u8]) -> bool {
    prefix.starts_with(asked) || asked.strip_suffix(b"/") == Some(prefix)
}

/// Returns the keys with the largest numbers; of equal ones, those that were written first. Leaves out keys with 0. Holds at most twice the wanted number of keys in memory.
fn top<'i>(keys: impl Iterator<Item = Key<'i>>, most: usize, number: impl Fn(&Key<'_>) -> u32) -> Vec<Key<'i>> {
    let order = |a: &Key<'_>, b: &Key<'_>| number(b).cmp(&number(a)).then(a.revision.cmp(&b.revision));
    let cut = |best: &mut Vec<Key<'i>>| {
        best.sort_by(order);
        best.truncate(most);
    };
    let mut best: Vec<Key<'i>> = Vec::new();
    // The smallest number with which a key can still be among the largest.
    let mut least = 1;
    for key in keys {
        if number(&key) < least {
            continue;
        }
        best.push(key);
        if best.len() >= most.saturating_mul(2).max(64) {
            cut(&mut best);
            least = best.last().map_or(u32::MAX, &number).max(1);
        }
    }
    cut(&mut best);
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_listed_only_above_the_resources() {
        for asked in ["", "/", "/reg", "/registry", "/registry/"] {
            assert!(is_above(asked.as_bytes(), b"/registry"), "{asked}");
        }
        for asked in ["/registry/pods/", "/registryx", "/x"] {
            assert!(!is_above(asked.as_bytes(), b"/registry"), "{asked}");
        }
    }
}
