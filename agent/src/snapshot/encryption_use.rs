//! Counts the Kubernetes objects of a snapshot by encryption key.

use std::collections::BTreeMap;

use etcdsnap_core::key_syntax::is_secret;
use etcdsnap_core::kubernetes::encryption::kms_v2::Sealed;
use etcdsnap_core::kubernetes::encryption::needed_key::{Encrypted, NeededKey, Provider};
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::store::{Key, Store};

use super::Snapshot;
use super::kubernetes_objects::Cluster;
use super::verify_values::not_whole;
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::Progress;

/// Objects of one resource that are encrypted with the same key, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EncryptionGroup {
    /// The API group; empty for built-in resources, whose keys in etcd have none.
    pub group: String,
    /// The resource, as kubectl names it.
    pub resource: String,
    /// The key that decrypts them; `None` if they are unencrypted.
    pub key: Option<NeededKey>,
    /// The KMS plugin's own key id; empty without a plugin.
    pub key_id: String,
    /// Whether their etcd keys are those of secrets.
    pub secret: bool,
}

/// The numbers of one group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncryptionUsage {
    /// Number of objects.
    pub count: u64,
    /// Bytes of their values as stored.
    pub bytes: u64,
    /// Number of objects that decrypt to something that is not a complete object.
    pub not_whole: u64,
}

impl Snapshot {
    /// Counts the live objects by resource and key, in this order. If any means of decryption are given, all are decrypted; failures are added
    /// to [`Snapshot::undecrypted`].
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn encryption(
        &self,
        store: &Store<'_, FileSource>,
        cluster: &Cluster,
        progress: &dyn Progress,
    ) -> Result<Vec<(EncryptionGroup, EncryptionUsage)>, Error> {
        let parts = self.by_pieces(&self.living(cluster)?, progress, |groups, _, objects| {
            self.group(store, objects, progress, groups)
        })?;
        let mut groups: BTreeMap<EncryptionGroup, EncryptionUsage> = BTreeMap::new();
        for (group, usage) in parts.into_iter().flatten() {
            let sum = groups.entry(group).or_default();
            sum.count = sum.count.saturating_add(usage.count);
            sum.bytes = sum.bytes.saturating_add(usage.bytes);
            sum.not_whole = sum.not_whole.saturating_add(usage.not_whole);
        }
        Ok(groups.into_iter().collect())
    }

    fn group(
        &self,
        store: &Store<'_, FileSource>,
        objects: &[(Key<'_>, Object<'_>)],
        progress: &dyn Progress,
        groups: &mut BTreeMap<EncryptionGroup, EncryptionUsage>,
    ) -> Result<(), Error> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.each_pair(store, objects.iter().map(|(key, _)| key.place), progress, &mut |number, place, pair| {
            let Some((key, object)) = objects.get(number) else { return };
            let value = pair.value;
            let encrypted = Encrypted::of(value);
            let needs = encrypted.map(|encrypted| self.decryption().needed_key(&encrypted));
            let sealed = encrypted.zip(needs.as_ref()).and_then(|(encrypted, needs)| {
                let is_kms = needs.provider == Provider::KmsV2;
                Sealed::parse(encrypted.data_after(&needs.name).filter(|_| is_kms)?).ok()
            });
            let group = EncryptionGroup {
                group: text(object.group),
                resource: text(object.resource),
                key_id: sealed.map(|sealed| sealed.key_id.to_owned()).unwrap_or_default(),
                key: needs,
                secret: is_secret(key.key),
            };
            let usage = groups.entry(group).or_default();
            usage.count = usage.count.saturating_add(1);
            usage.bytes = usage.bytes.saturating_add(value.len() as u64);
            if encrypted.is_some() && self.decryption().can_decrypt() {
                let opened = self.decrypted_value(place, pair);
                let is_open = Encrypted::of(&opened).is_none();
                usage.not_whole = usage.not_whole.saturating_add(u64::from(is_open && not_whole(&opened).is_some()));
            }
        })
    }
}
