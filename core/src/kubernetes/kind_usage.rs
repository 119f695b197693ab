//! Computes the space used by each kind of Kubernetes objects, the largest first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::kubernetes::registry_keys::{Object, object_below};
use crate::store::{Index, Usage};

/// The space used by the objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindUsage<'i> {
    /// The group in their keys; empty for built-in types.
    pub group: &'i [u8],
    /// The resource, as kubectl names it.
    pub resource: &'i [u8],
    /// The common prefix of their keys below one API server's prefix, such as `/registry/pods/`.
    pub prefix: &'i [u8],
    /// Their usage.
    pub sum: Usage,
}

/// A group and a resource.
type GroupAndResource<'i> = (&'i [u8], &'i [u8]);

/// Returns the usage of each kind among the keys of `index`, the largest first; empty for a store without Kubernetes objects. `prefixes` are those of API servers.
#[must_use]
pub fn kind_usage<'i>(index: &'i Index, prefixes: &[Vec<u8>]) -> Vec<KindUsage<'i>> {
    let mut kinds: BTreeMap<GroupAndResource<'i>, (&'i [u8], Usage)> = BTreeMap::new();
    for key in index.iter() {
        if let Some(object) = object_below(key.key, prefixes) {
            let (prefix, sum) = kinds.entry((object.group, object.resource)).or_default();
            *prefix = prefix_of(key.key, &object);
            sum.add(&key);
        }
    }
    let mut kinds: Vec<_> = kinds
        .into_iter()
        .map(|((group, resource), (prefix, sum))| KindUsage { group, resource, prefix, sum })
        .collect();
    kinds.sort_by_key(|kind| Reverse(kind.sum.bytes()));
    kinds
}

/// Returns the part of an object's key before its namespace and name.
fn prefix_of<'i>(key: &'i [u8], object: &Object<'_>) -> &'i [u8] {
    let slash = usize::from(!object.namespace.is_empty());
    let behind = object.namespace.len().saturating_add(slash).saturating_add(object.name.len());
    key.get(..key.len().saturating_sub(behind)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::registry_keys::PREFIXES;

    #[test]
    fn a_prefix_ends_before_namespace_and_name() {
        for (key, prefix) in [
            ("/registry/pods/shop/web", "/registry/pods/"),
            ("/registry/services/specs/shop/web", "/registry/services/specs/"),
            ("/registry/minions/node-1", "/registry/minions/"),
            ("/registry/cert-manager.io/certificates/shop/a", "/registry/cert-manager.io/certificates/"),
        ] {
            let object = object_below(key.as_bytes(), PREFIXES).unwrap();
            assert_eq!(prefix_of(key.as_bytes(), &object), prefix.as_bytes(), "{key}");
        }
    }
}
