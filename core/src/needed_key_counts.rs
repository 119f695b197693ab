//! Counts encrypted values by the encryption key that decrypts them.

use std::collections::BTreeMap;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::needed_key::NeededKey;

/// Maximum number of encryption keys listed: the first ones in their order. A cluster has a handful, but a forged file
/// could name another key in each value.
const MAX_KEYS: usize = 64;

/// The number of encrypted values for each encryption key that is needed to decrypt them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeededKeyCounts {
    keys: BTreeMap<NeededKey, u64>,
    /// All values, including those of keys that are not listed.
    total: u64,
}

impl NeededKeyCounts {
    /// Adds `count` values that need `key`.
    pub fn add(&mut self, key: &NeededKey, count: u64) {
        self.total = self.total.saturating_add(count);
        match self.keys.get_mut(key) {
            Some(known) => *known = known.saturating_add(count),
            None => {
                self.keys.insert(key.clone(), count);
                if self.keys.len() > MAX_KEYS {
                    self.keys.pop_last();
                }
            }
        }
    }

    /// Adds the counts of `other`. The order of additions does not matter: a key that is among the first ones of all
    /// values is also among the first ones of its part.
    pub fn append(&mut self, other: &Self) {
        let listed: u64 = other.keys.values().copied().fold(0, u64::saturating_add);
        for (key, count) in &other.keys {
            self.add(key, *count);
        }
        self.total = self.total.saturating_add(other.total.saturating_sub(listed));
    }

    /// Removes all counts.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.total = 0;
    }

    /// Approximate heap memory in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let names = self.keys.keys().map(|key| key.name.len().saturating_add(size_of::<NeededKey>()));
        names.fold(0, usize::saturating_add)
    }

    /// Whether no value was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The number of values.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Iterates over the listed keys with their counts, ordered by provider and name.
    pub fn iter(&self) -> impl Iterator<Item = (&NeededKey, u64)> {
        self.keys.iter().map(|(key, count)| (key, *count))
    }

    /// The number of values whose keys are not listed.
    #[must_use]
    pub fn unlisted(&self) -> u64 {
        let listed = self.keys.values().copied().fold(0, u64::saturating_add);
        self.total.saturating_sub(listed)
    }
}

#[derive(Serialize)]
struct KeyCount<'k> {
    provider: &'k str,
    name: &'k str,
    values: u64,
}

/// Serializes as a list of objects, one per key.
impl Serialize for NeededKeyCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let unlisted = self.unlisted();
        let mut list = serializer.serialize_seq(None)?;
        for (key, values) in self.iter() {
            list.serialize_element(&KeyCount { provider: key.provider.as_str(), name: &key.name, values })?;
        }
        if unlisted > 0 {
            list.serialize_element(&KeyCount { provider: "others", name: "", values: unlisted })?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needed_key::Provider;

    fn key(number: usize) -> NeededKey {
        NeededKey { provider: Provider::AesGcm, name: format!("{number:04}") }
    }

    #[test]
    fn the_listed_keys_do_not_depend_on_how_parts_are_added() {
        let names: Vec<usize> = (0..300).map(|number| (number * 7) % 150).collect();
        let tally = |numbers: &[usize]| {
            let mut tally = NeededKeyCounts::default();
            numbers.iter().for_each(|number| tally.add(&key(*number), 1));
            tally
        };
        let whole = tally(&names);
        for cut in [1, 100, 299] {
            let mut parts = tally(&names[..cut]);
            parts.append(&tally(&names[cut..]));
            assert_eq!(parts, whole);
            let mut reversed = tally(&names[cut..]);
            reversed.append(&tally(&names[..cut]));
            assert_eq!(reversed, whole);
        }
        assert_eq!((whole.total(), whole.iter().count(), whole.unlisted()), (300, MAX_KEYS, 300 - 2 * 64));
        assert!(whole.iter().all(|(_, count)| count == 2));
    }
}
