//! Compares the values of changed objects, some at a time, to find out which changes are noise.

use etcdsnap_core::Source;
use etcdsnap_core::kubernetes::change_noise::Noise;
use etcdsnap_core::store::{EntryPlace, Store};

use super::change_answers::ChangeNoise;
use super::comparison::Comparison;
use super::joined_spans::joined;
use super::view::{Refusal, View, value_at};

/// Most objects compared at a time: other calls wait meanwhile.
const OBJECTS: usize = 256;
/// Bytes of the file after which no more objects are added.
const BYTES: u64 = 4 << 20;

/// Returns the range of the file that probably contains a value: its page, and as many bytes as the value has.
fn span<S: Source + ?Sized>(store: &Store<'_, S>, (place, bytes): (EntryPlace, u32)) -> (u64, u64) {
    let page_size = u64::from(store.page_size());
    let from = place.page.get().saturating_mul(page_size);
    let to = from.saturating_add(page_size).saturating_add(bytes.into());
    (from, to.min(store.database_bytes()))
}

impl<S: Source + ?Sized> View<'_, S> {
    /// Chooses the objects to compare next; returns the ranges of both files with their values. Those of two revisions of one file are all in the first list.
    pub(crate) fn wanted_values(&mut self) -> [Vec<(u64, u64)>; 2] {
        let Some(comparison) = &mut self.comparison else { return Default::default() };
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let (mut objects, mut bytes) = (0, 0_u64);
        for values in comparison.noise.next_uncompared(&comparison.changes, &self.index, &comparison.index) {
            if objects == OBJECTS || bytes > BYTES {
                break;
            }
            let old = span(&self.store, values.old);
            let new = span(comparison.store.as_ref().unwrap_or(&self.store), values.new);
            here.push(old);
            if comparison.store.is_some() { &mut there } else { &mut here }.push(new);
            objects += 1;
            bytes = [old, new].iter().fold(bytes, |sum, (from, to)| sum.saturating_add(to.saturating_sub(*from)));
        }
        comparison.requested = objects;
        [joined(here), joined(there)]
    }

    /// Compares the chosen objects.
    pub(crate) fn compare_values(&mut self) -> Result<ChangeNoise, Refusal> {
        let mut comparison = self.comparison.take().ok_or("There is no comparison. Compare again.")?;
        let Comparison { store, index, changes, noise, requested, .. } = &mut comparison;
        let chosen: Vec<_> = noise.next_uncompared(changes, &self.index, index).take(*requested).collect();
        for values in chosen {
            let Some(change) = changes.difference(values.number, &self.index, index) else { continue };
            let old = value_at(&self.store, values.old.0);
            let new = value_at(store.as_ref().unwrap_or(&self.store), values.new.0);
            // A value that cannot be read or decrypted may differ, so the change is listed.
            let found = old.ok().zip(new.ok()).and_then(|(old, new)| {
                let (old, new) = (self.opened(change.key(), &old).ok()?, self.opened(change.key(), &new).ok()?);
                Noise::of_values(change.key(), &old, &new)
            });
            if let Some(found) = found {
                noise.found(&values, found);
            }
        }
        // At least one, so that the page comes to an end.
        noise.advance((*requested).max(1));
        *requested = 0;
        let answer = ChangeNoise::from(&*noise);
        self.comparison = Some(comparison);
        Ok(answer)
    }
}
