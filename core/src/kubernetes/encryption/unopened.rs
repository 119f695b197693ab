//! What of a snapshot stayed encrypted.

use std::collections::{BTreeMap, HashSet};

use super::keyring::{Undecrypted, Why};
use crate::needed_key::NeededKey;
use crate::store::Place;

/// Keys and reasons that are told apart. A cluster has a few; a forged file could have one for each value.
const MAX_REASONS: usize = 64;

/// Values that could not be opened, each counted once, by what they need and why that does not open them. What a plugin says may differ from value to value: the first of it
/// stands for all.
#[derive(Debug, Clone, Default)]
pub struct Unopened {
    seen: HashSet<Place>,
    reasons: BTreeMap<(NeededKey, Why), u64>,
    others: u64,
}

impl Unopened {
    /// Counts the value at a place.
    pub fn add(&mut self, place: Place, undecrypted: Undecrypted) {
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

    /// Whether all values could be opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// What is needed, why it does not open the values, and how many they are.
    pub fn reasons(&self) -> impl Iterator<Item = (&NeededKey, &Why, u64)> {
        self.reasons.iter().map(|((needs, why), count)| (needs, why, *count))
    }

    /// Values beyond those of the reasons that are told.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.others
    }
}

/// Whether two reasons are told as one.
fn is_alike(a: &Why, b: &Why) -> bool {
    matches!((a, b), (Why::Plugin(_), Why::Plugin(_)) | (Why::PluginUnreachable(_), Why::PluginUnreachable(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needed_key::Provider;

    #[test]
    fn what_a_plugin_says_of_each_value_is_one_reason() {
        let mut unopened = Unopened::default();
        for index in 0..100 {
            let place = Place { index, ..Place::default() };
            let needs = NeededKey { provider: Provider::KmsV2, name: "vault".into() };
            unopened.add(place, Undecrypted { needs, why: Why::Plugin(format!("request {index} failed")) });
        }
        let reasons: Vec<_> = unopened.reasons().map(|(_, why, count)| (why.clone(), count)).collect();
        assert_eq!(reasons, [(Why::Plugin("request 0 failed".into()), 100)]);
        assert_eq!(unopened.others(), 0);
    }
}
