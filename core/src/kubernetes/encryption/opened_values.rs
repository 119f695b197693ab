//! Which encrypted values of a store some keys open, and which they do not.

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

/// All encrypted values that are kept, older ones too, counted by what opens them.
#[derive(Debug)]
pub struct OpenedValues {
    keyring: Arc<Keyring>,
    /// Those that open.
    pub opened: NeededKeyTally,
    /// Those that do not.
    pub unopened: Unopened,
}

impl OpenedValues {
    /// None yet, to be opened by these keys and by no plugin.
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
            // What is no message is counted by whoever looks for damage.
            let Some(pair) = KeyValue::parse(entry.value) else { return };
            let Some(encrypted) = Encrypted::of(pair.value) else { return };
            match self.keyring.open(pair.key, pair.value, &NoPlugins) {
                Ok(_) => self.opened.add(&self.keyring.needed_key(&encrypted, &NoPlugins), 1),
                Err(closed) => self.unopened.add(entry.place, closed),
            }
        })
    }
}
