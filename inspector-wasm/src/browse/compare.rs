//! Comparison with another file, or with another revision of this one.

use etcdsnap_core::key_syntax::key_bytes;
use etcdsnap_core::kubernetes::noisy_changes::NoisyChanges;
use etcdsnap_core::kubernetes::resources::Resources;
use etcdsnap_core::store::changes::Changes;
use etcdsnap_core::store::difference::ChangeCounts;
use etcdsnap_core::store::{Index, Store};
use etcdsnap_core::{Revision, Source};

use super::answers::narrow;
use super::change_answers::{ChangeNoise, Differences};
use super::comparison::{Comparison, ListedChanges};
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
        let other = other.map(|store| *store);
        let latest = other.as_ref().unwrap_or(&self.store).current();
        let revision = index.revision().min(latest);
        let changes = Changes::between(&self.index, &index).map_err(to_refusal)?;
        let noise = NoisyChanges::by_type(&changes, &self.index, &index, &self.prefixes).map_err(to_refusal)?;
        let ChangeCounts { added, removed, changed } = changes.counts();
        let differences = Differences {
            added: narrow(added),
            removed: narrow(removed),
            changed: narrow(changed),
            unchanged: narrow(self.live().saturating_sub(removed).saturating_sub(changed)),
            lost: lost.places,
            revision,
            noise: ChangeNoise::from(&noise),
            cluster: other.as_ref().map(|store| self.cluster_check(store, &index)),
        };
        self.comparison = Some(Comparison {
            store: other,
            index,
            changes,
            noise,
            requested: 0,
            resources: Resources::builtin(),
            listed: ListedChanges::Flat(Vec::new()),
            toggled: Vec::new(),
        });
        Ok(differences)
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
