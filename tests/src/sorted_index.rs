//! Lists the keys of an index in order.

use etcdsnap_core::store::{Index, Key};

/// Returns the keys for which `wanted` is true, in key order.
pub fn sorted_keys(index: &Index, wanted: impl Fn(&Key<'_>) -> bool) -> Vec<Key<'_>> {
    let mut keys: Vec<_> = index.iter().filter(wanted).collect();
    keys.sort_unstable_by(|a, b| a.key.cmp(b.key));
    keys
}
