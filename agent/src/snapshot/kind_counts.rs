//! Counts the Kubernetes objects of a snapshot by kind and encoding.

use std::collections::BTreeMap;

use etcdsnap_core::kubernetes::encryption::needed_key::Encrypted;
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::kubernetes::stored_form::{Stored, StoredForm, form, stored};
use etcdsnap_core::store::{Key, Store};

use super::Snapshot;
use super::kubernetes_objects::Cluster;
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::Progress;

/// Objects of one kind with the same encoding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The stored API version; empty if it cannot be read, as for encrypted objects.
    pub version: String,
    /// The kind; if the value does not say it, the resource in the key.
    pub kind: String,
    /// The encoding.
    pub form: StoredForm,
    /// Group and resource in their keys.
    pub stored_under: (Vec<u8>, Vec<u8>),
}

/// The numbers of one group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindUsage {
    /// Number of objects.
    pub count: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Bytes of `managedFields` in them.
    pub managed_bytes: u64,
    /// Number of objects that cannot be decoded completely; encrypted ones are not counted.
    pub undecodable: u64,
}

impl Snapshot {
    /// Counts the wanted live objects by kind and encoding, largest first.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn kinds(
        &self,
        store: &Store<'_, FileSource>,
        cluster: &Cluster,
        wanted: impl Fn(&Object<'_>) -> bool,
        progress: &dyn Progress,
    ) -> Result<Vec<(ObjectKind, KindUsage)>, Error> {
        let mut objects = self.living(cluster)?;
        objects.retain(|(_, object)| wanted(object));
        let parts = self
            .by_pieces(&objects, progress, |kinds, _, objects| self.count(store, cluster, objects, progress, kinds))?;
        let mut kinds: BTreeMap<ObjectKind, KindUsage> = BTreeMap::new();
        for (kind, usage) in parts.into_iter().flatten() {
            kinds.entry(kind).or_default().add(usage);
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0)));
        Ok(kinds)
    }

    fn count(
        &self,
        store: &Store<'_, FileSource>,
        cluster: &Cluster,
        objects: &[(Key<'_>, Object<'_>)],
        progress: &dyn Progress,
        kinds: &mut BTreeMap<ObjectKind, KindUsage>,
    ) -> Result<(), Error> {
        let mut buffer = Vec::new();
        self.each_pair(store, objects.iter().map(|(key, _)| key.place), progress, &mut |number, place, pair| {
            let Some((_, object)) = objects.get(number) else { return };
            let mut found = stored(&self.decrypted_value(place, pair), &mut buffer);
            let usage = KindUsage {
                count: 1,
                bytes: pair.value.len() as u64,
                managed_bytes: found.managed_bytes,
                undecodable: u64::from(!found.is_decodable && !matches!(found.form, StoredForm::Encrypted(_))),
            };
            // The kind comes from the decrypted value, the encoding from the stored one.
            if Encrypted::of(pair.value).is_some() {
                found.form = form(pair.value);
            }
            kinds.entry(kind(found, object, cluster)).or_default().add(usage);
        })
    }
}

/// Determines the kind of an object, from its value or else from its key.
fn kind(found: Stored, object: &Object<'_>, cluster: &Cluster) -> ObjectKind {
    let stored_under = (object.group.to_vec(), object.resource.to_vec());
    if !found.kind.is_empty() {
        let (group, version) = found.api_version.split_once('/').unwrap_or(("", &found.api_version));
        return ObjectKind {
            group: group.into(),
            version: version.into(),
            kind: found.kind,
            form: found.form,
            stored_under,
        };
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (group, kind) = match cluster.resources.of(object) {
        Some(resource) if !resource.kind.is_empty() => (resource.group.clone(), resource.kind.clone()),
        _ => (text(object.group), text(object.resource)),
    };
    ObjectKind { group, version: String::new(), kind, form: found.form, stored_under }
}

impl KindUsage {
    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.managed_bytes = self.managed_bytes.saturating_add(other.managed_bytes);
        self.undecodable = self.undecodable.saturating_add(other.undecodable);
    }
}
