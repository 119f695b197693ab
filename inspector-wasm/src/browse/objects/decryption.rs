//! Decryption of values with an EncryptionConfiguration. Its keys stay in the memory of the worker.

use std::sync::Arc;

use etcdsnap_core::Source;
use etcdsnap_core::kubernetes::encryption::configuration::Configuration;
use etcdsnap_core::kubernetes::encryption::decryption_counts::DecryptionCounts;
use etcdsnap_core::kubernetes::encryption::keyring::Keyring;
use etcdsnap_core::kubernetes::encryption::needed_key::NeededKey;
use etcdsnap_core::sentence::sentence;

use super::object_answers::{EncryptionCount, EncryptionKey, EncryptionState};
use crate::browse::purpose::{Purpose, Reading, unread};
use crate::browse::view::{Refusal, View};

impl<'s, S: Source + ?Sized> View<'s, S> {
    /// Starts trying a configuration on all values; `None` removes the current one.
    pub(crate) fn begin_decryption(&mut self, configuration: Option<&str>) -> Result<(), Refusal> {
        let keyring = match configuration {
            None => Keyring::default(),
            Some(text) => Configuration::parse(text)
                .map(Keyring::from)
                .map_err(|cause| format!("This EncryptionConfiguration cannot be read: {}", sentence(&cause)))?,
        };
        self.objects.keyring = Arc::new(keyring);
        // CustomResourceDefinitions can be encrypted, too.
        self.objects.forget_keys();
        let values = DecryptionCounts::by(self.objects.keyring.clone());
        self.begin(self.store.lost(), Purpose::Decryption(Box::new(values)));
        Ok(())
    }

    pub(crate) fn finish_decryption(&mut self) -> Result<EncryptionState, Refusal> {
        let Some(Reading { purpose: Purpose::Decryption(values), .. }) = self.reading.take() else {
            return Err(unread());
        };
        let count = |needs: &NeededKey, values, why| EncryptionCount {
            provider: needs.provider.as_str(),
            name: needs.name.clone(),
            values,
            why,
        };
        let keys = self.objects.keyring.keys();
        Ok(EncryptionState {
            keys: keys
                .map(|(provider, name)| EncryptionKey { provider: provider.as_str(), name: name.into() })
                .collect(),
            opened: values.decrypted.iter().map(|(needs, values)| count(needs, values, None)).collect(),
            unopened: values
                .undecrypted
                .reasons()
                .map(|(needs, why, values)| count(needs, values, Some(why.to_string())))
                .collect(),
            others: values.decrypted.unlisted().saturating_add(values.undecrypted.others()),
        })
    }
}
