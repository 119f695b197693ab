//! Groups the keys that damage affects by kind of object and namespace.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::key_syntax::{key_bytes, printable};
use crate::kubernetes::registry_keys::{PREFIXES, object_below};

/// The number of affected keys of one kind in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostKind {
    /// The resource, followed by a dot and its group if the keys contain a group; empty for keys that are not of Kubernetes.
    pub kind: String,
    /// The namespace; empty for cluster-wide objects.
    pub namespace: String,
    /// Number of keys.
    pub keys: u64,
}

/// Groups the keys of a [`LostHistory`](crate::LostHistory) by kind and namespace, the largest groups first.
#[must_use]
pub fn lost_kinds<'k>(keys: impl Iterator<Item = &'k str>) -> Vec<LostKind> {
    let mut sums: BTreeMap<(String, String), u64> = BTreeMap::new();
    for key in keys {
        let bytes = key_bytes(key).unwrap_or_else(|| key.as_bytes().to_vec());
        let text = |part: &[u8]| printable(&String::from_utf8_lossy(part));
        let name = object_below(&bytes, PREFIXES).map_or_else(Default::default, |object| {
            let point = if object.group.is_empty() { "" } else { "." };
            (format!("{}{point}{}", text(object.resource), text(object.group)), text(object.namespace))
        });
        let sum = sums.entry(name).or_default();
        *sum = sum.saturating_add(1);
    }
    let mut kinds: Vec<_> =
        sums.into_iter().map(|((kind, namespace), keys)| LostKind { kind, namespace, keys }).collect();
    kinds.sort_by_key(|kind| Reverse(kind.keys));
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_summed_up_by_kind_and_namespace() {
        let keys = [
            "/registry/pods/shop/web-1",
            "/registry/pods/shop/web-2",
            "/registry/cert-manager.io/certificates/shop/web-tls",
            "/registry/minions/node-1",
            "other",
        ];
        let found = lost_kinds(keys.into_iter());
        let rows: Vec<_> = found.iter().map(|one| (one.kind.as_str(), one.namespace.as_str(), one.keys)).collect();
        let expected =
            [("pods", "shop", 2), ("", "", 1), ("certificates.cert-manager.io", "shop", 1), ("nodes", "", 1)];
        assert_eq!(rows, expected);
    }
}
