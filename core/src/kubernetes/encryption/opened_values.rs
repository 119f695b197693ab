//! Counts the encrypted values of a store that a keyring decrypts, and those that it does not.

use std::sync::Arc;

use super::keyring::{Keyring, NoPlugins};
use super::unopened::Unopened;
use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::key_tally::NeededKeyTally;
use crate::missing_parts::Lost;
use crate::needed_key::Encrypted;
use crate::pass::reading::Accumulator;
use crate::progress::Watch;
use crate::source::Source;
use crate::store::{Store, Work};

/// Counts of all encrypted values in the file, including older revisions, by the needed key.
#[derive(Debug)]
pub struct OpenedValues {
    keyring: Arc<Keyring>,
    /// Decrypted values.
    pub opened: NeededKeyTally,
    /// Values that could not be decrypted.
    pub unopened: Unopened,
}

impl OpenedValues {
    /// Creates empty counts; values are decrypted with these keys and without plugins.
    #[must_use]
    pub fn by(keyring: Arc<Keyring>) -> Self {
        Self { keyring, opened: NeededKeyTally::default(), unopened: Unopened::default() }
    }
}

impl Accumulator for OpenedValues {
    fn read<S: Source + ?Sized>(&mut self, store: &Store<'_, S>, work: Work, watch: &dyn Watch) -> Result<Lost, Error> {
        store.entries(work, watch, &mut |entry, _| {
            if entry.key.tombstone {
                return;
            }
            // The verdict counts malformed entries.
            let Some(pair) = KeyValue::parse(entry.value) else { return };
            let Some(encrypted) = Encrypted::of(pair.value) else { return };
            match self.keyring.open(pair.key, pair.value, &NoPlugins) {
                Ok(_) => self.opened.add(&self.keyring.needed_key(&encrypted, &NoPlugins), 1),
                Err(closed) => self.unopened.add(entry.place, closed),
            }
        })
    }
}
