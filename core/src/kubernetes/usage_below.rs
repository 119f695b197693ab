//! Who takes the room below a prefix: the parts that its keys have behind it, the namespaces, and the largest and busiest keys.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::kubernetes::registry_keys::object_below;
use crate::store::index::Index;
use crate::store::key_state::Key;
use crate::store::sorted_keys::Order;
use crate::store::usage::{Usage, group};

/// Keys that have the same part behind the prefix.
#[derive(Debug)]
pub struct UsageGroup<'i> {
    /// What they all begin with, the prefix too; the key itself where there is but one without a slash.
    pub prefix: &'i [u8],
    /// Whether there can be more keys below it.
    pub folder: bool,
    /// What they take.
    pub sum: Usage,
}

/// How much is told.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Groups, and namespaces.
    pub groups: usize,
    /// Keys in each list.
    pub keys: usize,
}

/// Who takes the room below a prefix.
#[derive(Debug, Default)]
pub struct UsageBelow<'i> {
    /// All together.
    pub total: Usage,
    /// The largest groups first.
    pub groups: Vec<UsageGroup<'i>>,
    /// What the groups take that are not told, and how many they are.
    pub rest: (Usage, usize),
    /// Namespaces of Kubernetes, the largest first; none below the resources, where namespaces are groups.
    pub namespaces: Vec<(&'i [u8], Usage)>,
    /// The keys with the longest values.
    pub largest: Vec<Key<'i>>,
    /// The keys with the most revisions, if more than one.
    pub busiest: Vec<Key<'i>>,
}

impl<'i> UsageBelow<'i> {
    /// Of the keys of `order` that begin with `asked`. `prefixes` are those of API servers.
    #[must_use]
    pub fn of(index: &'i Index, order: &Order, asked: &[u8], prefixes: &[Vec<u8>], most: Most) -> Self {
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
            // A key with no slash behind the prefix is a group by itself. A slash right behind the prefix does not count.
            let start = asked.len().saturating_add(usize::from(key.key.get(asked.len()) == Some(&b'/')));
            let folder = part.len() > start;
            let prefix = if folder { part } else { key.key };
            match below.groups.last_mut().filter(|last| last.prefix == prefix) {
                Some(last) => last.sum.add(&key),
                None => {
                    // The last group is complete now. There can be as many groups as keys.
                    if below.groups.len() >= most.groups.saturating_mul(2).max(64) {
                        below.keep_largest(most.groups);
                    }
                    let mut sum = Usage::default();
                    sum.add(&key);
                    below.groups.push(UsageGroup { prefix, folder, sum });
                }
            }
        }
        below.keep_largest(most.groups);
        below.namespaces = namespaces.into_iter().collect();
        below.namespaces.sort_by_key(|(_, sum)| Reverse(sum.bytes()));
        below.namespaces.truncate(most.groups);
        below.largest = top(keys(), most.keys, |key| if key.deleted { 0 } else { key.value_len });
        below.busiest = top(keys(), most.keys, |key| if key.revisions > 1 { key.revisions } else { 0 });
        below
    }

    /// Sorts the groups and adds all but the largest `most` to the rest.
    fn keep_largest(&mut self, most: usize) {
        self.groups.sort_by(|a, b| b.sum.bytes().cmp(&a.sum.bytes()).then_with(|| a.prefix.cmp(b.prefix)));
        for other in self.groups.drain(self.groups.len().min(most)..) {
            self.rest.0.append(&other.sum);
            self.rest.1 = self.rest.1.saturating_add(1);
        }
    }
}

/// Whether the resources of an API server with this prefix are all below what is asked for.
fn is_above(asked: &[u8], prefix: &[u8]) -> bool {
    prefix.starts_with(asked) || asked.strip_suffix(b"/") == Some(prefix)
}

/// The keys with the largest numbers, of equal ones those that were written first; those with 0 are none. No more than
/// twice the wanted number are held.
fn top<'i>(keys: impl Iterator<Item = Key<'i>>, most: usize, number: impl Fn(&Key<'_>) -> u32) -> Vec<Key<'i>> {
    let order = |a: &Key<'_>, b: &Key<'_>| number(b).cmp(&number(a)).then(a.revision.cmp(&b.revision));
    let cut = |best: &mut Vec<Key<'i>>| {
        best.sort_by(order);
        best.truncate(most);
    };
    let mut best: Vec<Key<'i>> = Vec::new();
    // The smallest number that a key needs to be among the best, as far as it is known.
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
    fn namespaces_are_told_above_the_resources_alone() {
        for asked in ["", "/", "/reg", "/registry", "/registry/"] {
            assert!(is_above(asked.as_bytes(), b"/registry"), "{asked}");
        }
        for asked in ["/registry/pods/", "/registryx", "/x"] {
            assert!(!is_above(asked.as_bytes(), b"/registry"), "{asked}");
        }
    }
}
