//! Who takes the room below a prefix.

use std::collections::BTreeMap;

use etcdsnap_core::Source;
use etcdsnap_core::store::Key;
use etcdsnap_core::store::usage::{REGISTRY, Usage, group, namespace};
use etcdsnap_core::words::{key_bytes, key_text};

use super::answers::{KeyRow, NamespaceUse, UsageAnswer, UsageGroup, UsageSum, narrow};
use super::view::{Refusal, View};

/// Groups that go out; the page's picture has no room for more.
const GROUPS: usize = 1000;
/// Keys in each of the lists beside it.
const TOP: usize = 20;

struct Group<'k> {
    prefix: &'k [u8],
    folder: bool,
    sum: Usage,
}

/// Namespaces, the largest first.
fn largest(namespaces: BTreeMap<&[u8], Usage>) -> Vec<NamespaceUse> {
    let mut all: Vec<(&[u8], Usage)> = namespaces.into_iter().collect();
    all.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.bytes()));
    all.iter().take(GROUPS).map(|(name, sum)| NamespaceUse { name: key_text(name), sum: sum.into() }).collect()
}

impl<S: Source + ?Sized> View<'_, S> {
    pub(crate) fn usage(&self, prefix: &str) -> Result<UsageAnswer, Refusal> {
        let asked = key_bytes(prefix).filter(|_| !prefix.is_empty());
        if asked.is_none() && !prefix.is_empty() {
            return Err(format!("{prefix} is no key in quotes."));
        }
        let asked = asked.unwrap_or_default();
        let range = self.all.prefix(&self.index, &asked);
        let mut total = Usage::default();
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut namespaces: BTreeMap<&[u8], Usage> = BTreeMap::new();
        for key in range.clone().filter_map(|id| self.all.get(&self.index, id)) {
            total.add(&key);
            // Below the root of all resources namespaces are groups themselves.
            if let Some(name) = namespace(key.key).filter(|_| REGISTRY.starts_with(&asked)) {
                namespaces.entry(name).or_default().add(&key);
            }
            let part = group(key.key, asked.len(), 1);
            // A key with no slash behind the prefix is a group by itself.
            let folder = part.len() > asked.len().max(usize::from(asked.is_empty() && key.key.first() == Some(&b'/')));
            let prefix = if folder { part } else { key.key };
            match groups.last_mut().filter(|last| last.prefix == prefix) {
                Some(last) => last.sum.add(&key),
                None => {
                    let mut sum = Usage::default();
                    sum.add(&key);
                    groups.push(Group { prefix, folder, sum });
                }
            }
        }
        groups.sort_by(|a, b| b.sum.bytes().cmp(&a.sum.bytes()).then_with(|| a.prefix.cmp(b.prefix)));
        let others = groups.split_off(groups.len().min(GROUPS));
        let mut rest = Usage::default();
        others.iter().for_each(|other| rest.append(&other.sum));
        let keys = || range.clone().filter_map(|id| self.all.get(&self.index, id));
        Ok(UsageAnswer {
            prefix: prefix.to_owned(),
            total: (&total).into(),
            groups: groups
                .iter()
                .map(|found| UsageGroup {
                    prefix: key_text(found.prefix),
                    name: key_text(found.prefix.get(asked.len()..).unwrap_or_default()),
                    folder: found.folder,
                    sum: (&found.sum).into(),
                })
                .collect(),
            namespaces: largest(namespaces),
            rest: UsageSum::from(&rest),
            rest_count: narrow(others.len()),
            largest: self.top(keys(), |key| if key.deleted { 0 } else { key.value_len }),
            busiest: self.top(keys(), |key| if key.revisions > 1 { key.revisions } else { 0 }),
        })
    }

    /// The keys with the largest numbers, of equal ones those that were written first; those with 0 are none.
    fn top<'k>(&self, keys: impl Iterator<Item = Key<'k>>, number: impl Fn(&Key<'_>) -> u32) -> Vec<KeyRow> {
        let mut best: Vec<Key<'k>> = keys.filter(|key| number(key) > 0).collect();
        let order = |a: &Key<'_>, b: &Key<'_>| number(b).cmp(&number(a)).then(a.revision.cmp(&b.revision));
        if TOP < best.len() {
            best.select_nth_unstable_by(TOP, order);
            best.truncate(TOP);
        }
        best.sort_by(order);
        best.iter().filter_map(|key| self.row_of(key)).collect()
    }
}
