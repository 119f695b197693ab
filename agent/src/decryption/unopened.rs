//! What of a snapshot stayed encrypted.

use std::collections::{BTreeMap, HashSet};

use etcdsnap_core::kubernetes::encryption::keyring::{Undecrypted, Why};
use etcdsnap_core::kubernetes::encryption::needed_key::NeededKey;
use etcdsnap_core::store::Place;

/// Keys and reasons that are told apart. A cluster has a few; a forged file could have one for each value.
const MAX_REASONS: usize = 64;

/// Values that could not be opened, each counted once, by what they need and why that does not open them.
#[derive(Debug, Clone, Default)]
pub struct Unopened {
    seen: HashSet<Place>,
    reasons: BTreeMap<(NeededKey, Why), u64>,
    others: u64,
}

impl Unopened {
    /// Counts the value at a place.
    pub(crate) fn add(&mut self, place: Place, undecrypted: Undecrypted) {
        if !self.seen.insert(place) {
            return;
        }
        let reason = (undecrypted.needs, undecrypted.why);
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
