//! Counts the encrypted values of a store that a keyring decrypts, and those that it does not.

use std::sync::Arc;

use super::keyring::{Keyring, NoPlugins};
use super::undecrypted_counts::UndecryptedCounts;
use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::lost_parts::LostParts;
use crate::needed_key::Encrypted;
use crate::needed_key_counts::NeededKeyCounts;
use crate::pass::reading::Accumulator;
use crate::progress::ScanProgress;
use crate::source::Source;
use crate::store::{Store, Work};

/// Counts of all encrypted values in the file, including older revisions, by the needed key.
#[derive(Debug)]
pub struct DecryptionCounts {
    keyring: Arc<Keyring>,
    /// Decrypted values.
    pub decrypted: NeededKeyCounts,
    /// Values that could not be decrypted.
    pub undecrypted: UndecryptedCounts,
}

impl DecryptionCounts {
    /// Creates empty counts; values are decrypted with these keys and without plugins.
    #[must_use]
    pub fn by(keyring: Arc<Keyring>) -> Self {
        Self { keyring, decrypted: NeededKeyCounts::default(), undecrypted: UndecryptedCounts::default() }
    }
}

impl Accumulator for DecryptionCounts {
    fn read<S: Source + ?Sized>(
        &mut self,
        store: &Store<'_, S>,
        work: Work,
        progress: &dyn ScanProgress,
    ) -> Result<LostParts, Error> {
        store.entries(work, progress, &mut |entry, _| {
            if entry.key.tombstone {
                return;
            }
            // The verdict counts malformed entries.
            let Some(pair) = KeyValue::parse(entry.value) else { return };
            let Some(encrypted) = Encrypted::of(pair.value) else { return };
            match self.keyring.open(pair.key, pair.value, &NoPlugins) {
                Ok(_) => self.decrypted.add(&self.keyring.needed_key(&encrypted, &NoPlugins), 1),
                Err(failure) => self.undecrypted.add(entry.place, failure),
            }
        })
    }
}
