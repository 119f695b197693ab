//! Counts the values of a snapshot that could not be decrypted.

use std::collections::{BTreeMap, HashSet};

use super::keyring::{Undecrypted, UndecryptedReason};
use crate::needed_key::NeededKey;
use crate::store::EntryPlace;

/// Maximum number of distinct reasons. A cluster has a few; a forged file could have one per value.
const MAX_REASONS: usize = 64;

/// Values that could not be decrypted, each counted once, grouped by the key they need and the reason. A plugin's message may differ from value to value; the first one
/// stands for all.
#[derive(Debug, Clone, Default)]
pub struct UndecryptedCounts {
    seen: HashSet<EntryPlace>,
    reasons: BTreeMap<(NeededKey, UndecryptedReason), u64>,
    others: u64,
}

impl UndecryptedCounts {
    /// Counts the value at a place.
    pub fn add(&mut self, place: EntryPlace, undecrypted: Undecrypted) {
        if !self.seen.insert(place) {
            return;
        }
        let Undecrypted { needs, why } = undecrypted;
        let known = self.reasons.keys().find(|(known, of)| *known == needs && is_alike(of, &why));
        let reason = known.cloned().unwrap_or((needs, why));
        let has_room = self.reasons.len() < MAX_REASONS || self.reasons.contains_key(&reason);
        let count = if has_room { self.reasons.entry(reason).or_default() } else { &mut self.others };
        *count = count.saturating_add(1);
    }

    /// Whether all values could be decrypted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Returns the needed key, the reason, and the number of values, for each group.
    pub fn reasons(&self) -> impl Iterator<Item = (&NeededKey, &UndecryptedReason, u64)> {
        self.reasons.iter().map(|((needs, why), count)| (needs, why, *count))
    }

    /// Returns the number of values beyond the groups that are counted.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.others
    }
}

/// Whether two reasons belong to the same group.
fn is_alike(a: &UndecryptedReason, b: &UndecryptedReason) -> bool {
    matches!(
        (a, b),
        (UndecryptedReason::Plugin(_), UndecryptedReason::Plugin(_))
            | (UndecryptedReason::PluginUnreachable(_), UndecryptedReason::PluginUnreachable(_))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needed_key::Provider;

    #[test]
    fn a_plugins_messages_count_as_one_reason() {
        let mut counts = UndecryptedCounts::default();
        for index in 0..100 {
            let place = EntryPlace { index, ..EntryPlace::default() };
            let needs = NeededKey { provider: Provider::KmsV2, name: "vault".into() };
            counts.add(place, Undecrypted { needs, why: UndecryptedReason::Plugin(format!("request {index} failed")) });
        }
        let reasons: Vec<_> = counts.reasons().map(|(_, why, count)| (why.clone(), count)).collect();
        assert_eq!(reasons, [(UndecryptedReason::Plugin("request 0 failed".into()), 100)]);
        assert_eq!(counts.others(), 0);
    }
}
