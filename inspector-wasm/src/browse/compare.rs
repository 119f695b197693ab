//! Comparison with another file, or with another revision of this one.

use etcdsnap_core::key_syntax::{is_secret, key_bytes, key_text};
use etcdsnap_core::store::changes::{ChangeKind, Changes};
use etcdsnap_core::store::{Index, Store};
use etcdsnap_core::{Revision, Source};

use super::answers::{ChangeRow, Differences, Side, narrow};
use super::comparison::{Comparison, Differing, word};
use super::purpose::{Purpose, Reading, query, unread};
use super::view::{Refusal, View, to_refusal, value_at};

impl<'s, S: Source + ?Sized> View<'s, S> {
    /// Starts a comparison with another store, or with another revision of this one; 0 is the latest.
    pub(crate) fn begin_compare(&mut self, other: Option<Store<'s, S>>, revision: Revision) -> Result<(), Refusal> {
        let of = other.as_ref().unwrap_or(&self.store);
        let revision = of.at(revision).map_err(|cause| format!("{cause}."))?;
        let lost = of.lost();
        let index = Index::new(query(of, revision));
        let purpose = Purpose::Other(other.map(Box::new), index);
        self.begin(lost, purpose);
        Ok(())
    }

    pub(crate) fn finish_compare(&mut self) -> Result<Differences, Refusal> {
        let Some(Reading { purpose: Purpose::Other(other, index), lost, .. }) = self.reading.take() else {
            return Err(unread());
        };
        let latest = other.as_deref().unwrap_or(&self.store).current();
        let revision = index.revision().min(latest);
        let changes = Changes::between(&self.index, &index).map_err(to_refusal)?;
        let [added, removed, changed] =
            [ChangeKind::Added, ChangeKind::Removed, ChangeKind::Changed].map(|kind| changes.count(kind));
        let differences = Differences {
            added: narrow(added),
            removed: narrow(removed),
            changed: narrow(changed),
            unchanged: narrow(self.live().saturating_sub(removed).saturating_sub(changed)),
            lost: lost.places,
            revision,
        };
        self.comparison = Some(Comparison { store: other.map(|store| *store), index, changes, shown: None });
        Ok(differences)
    }

    pub(crate) fn changes(&mut self, from: u32, count: u32, differing: Differing) -> Vec<ChangeRow> {
        let Some(comparison) = &mut self.comparison else { return Vec::new() };
        if comparison.shown.as_ref().is_none_or(|(shown, _)| *shown != differing) {
            let places = comparison.changes.ordered(&self.index, &comparison.index, &differing.order());
            comparison.shown = Some((differing, places));
        }
        let shown = comparison.shown.as_ref().map(|(_, places)| places.as_slice()).unwrap_or_default();
        let places = shown.iter().skip(from as usize).take(count as usize);
        let row = |place: &u32| {
            let change = comparison.changes.get(*place)?;
            let before = change.before.and_then(|at| self.index.at(at));
            let after = change.after.and_then(|at| comparison.index.at(at));
            let key = before.or(after)?.key;
            Some(ChangeRow {
                kind: word(change.kind()),
                key: key_text(key),
                secret: is_secret(key),
                before: before.map(Side::from),
                after: after.map(Side::from),
            })
        };
        places.filter_map(row).collect()
    }

    /// Returns both values of a key.
    pub(crate) fn sides(&self, key: &str) -> Result<[Option<Vec<u8>>; 2], Refusal> {
        let comparison = self.comparison.as_ref().ok_or("There is no comparison. Compare again.")?;
        let key = key_bytes(key).unwrap_or_default();
        let value = |index: &Index, store: &Store<'s, S>| {
            let state = index.get(&key).filter(|state| !state.deleted);
            state.map(|state| value_at(store, state.place)).transpose()
        };
        let other = comparison.store.as_ref().unwrap_or(&self.store);
        Ok([value(&self.index, &self.store)?, value(&comparison.index, other)?])
    }
}
