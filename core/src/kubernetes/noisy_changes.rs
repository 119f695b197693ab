//! Which of the changes between two snapshots are noise: some by their type, others once both values were compared.

use super::change_noise::{Noise, NoiseCounts};
use super::registry_keys::object_below;
use crate::error::Error;
use crate::store::changes::Changes;
use crate::store::difference::{ChangeCounts, ChangeKind};
use crate::store::{EntryPlace, Index, KeyDifference};

/// The noise among some changes. Memory: 5 bytes per change.
#[derive(Debug, Default)]
pub struct NoisyChanges {
    /// The noise of each change, by its number.
    noise: Vec<Option<Noise>>,
    /// Numbers of the changed objects whose values were not compared yet, the next one last.
    uncompared: Vec<u32>,
    reasons: NoiseCounts,
    counts: ChangeCounts,
}

/// A changed object whose values are to be compared.
#[derive(Debug, Clone, Copy)]
pub struct UncomparedValues {
    /// The number of the change.
    pub number: u32,
    /// The place of the value in the first store, and its bytes.
    pub old: (EntryPlace, u32),
    /// The same in the second store.
    pub new: (EntryPlace, u32),
}

impl NoisyChanges {
    /// Finds the noise that is known by the type of an object. `a` and `b` are the compared indexes, `prefixes` those of API servers.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory runs out.
    pub fn by_type(changes: &Changes, a: &Index, b: &Index, prefixes: &[Vec<u8>]) -> Result<Self, Error> {
        let bytes = (changes.len() as u64).saturating_mul(size_of::<Option<Noise>>() as u64);
        let memory = |_| Error::Memory { what: "the noise among the differences", bytes };
        let mut found = Self::default();
        found.noise.try_reserve_exact(changes.len()).map_err(memory)?;
        found.noise.resize(changes.len(), None);
        let mut places = Vec::new();
        for number in (0..).take(changes.len()) {
            let Some(change) = changes.difference(number, a, b) else { continue };
            let Some(object) = object_below(change.key(), prefixes) else { continue };
            match (Noise::of_type(&object), change) {
                (Some(noise), _) => found.put(number, change.kind(), noise),
                (None, KeyDifference::Changed(_, new)) => {
                    places.try_reserve(1).map_err(memory)?;
                    places.push((i64::try_from(new.place.page.get()).unwrap_or(i64::MAX), number));
                }
                _ => {}
            }
        }
        // In the order of the second file, so that neighbouring values are read together.
        places.sort_unstable();
        found.uncompared = places.into_iter().rev().map(|(_, number)| number).collect();
        Ok(found)
    }

    fn put(&mut self, number: u32, kind: ChangeKind, noise: Noise) {
        if let Some(known) = self.noise.get_mut(number as usize) {
            *known = Some(noise);
            self.reasons.add(noise);
            self.counts.add(kind);
        }
    }

    /// Returns the next changed objects whose values are to be compared.
    pub fn next_uncompared<'n>(
        &'n self,
        changes: &'n Changes,
        a: &'n Index,
        b: &'n Index,
    ) -> impl Iterator<Item = UncomparedValues> + 'n {
        self.uncompared.iter().rev().filter_map(|number| match changes.difference(*number, a, b)? {
            KeyDifference::Changed(old, new) => Some(UncomparedValues {
                number: *number,
                old: (old.place, old.value_len),
                new: (new.place, new.value_len),
            }),
            _ => None,
        })
    }

    /// Takes in the noise that a comparison of values found.
    pub fn found(&mut self, values: &UncomparedValues, noise: Noise) {
        self.put(values.number, ChangeKind::Changed, noise);
    }

    /// Takes in that the values of the next `count` changed objects were compared.
    pub fn advance(&mut self, count: usize) {
        self.uncompared.truncate(self.uncompared.len().saturating_sub(count));
    }

    /// The number of changed objects whose values were not compared yet.
    #[must_use]
    pub fn uncompared(&self) -> usize {
        self.uncompared.len()
    }

    /// Whether a change is noise, as far as known.
    #[must_use]
    pub fn is_noise(&self, number: u32) -> bool {
        self.noise.get(number as usize).is_some_and(Option::is_some)
    }

    /// Numbers of noisy changes by reason.
    #[must_use]
    pub fn reasons(&self) -> NoiseCounts {
        self.reasons
    }

    /// Numbers of noisy changes by kind of change.
    #[must_use]
    pub fn counts(&self) -> ChangeCounts {
        self.counts
    }
}
