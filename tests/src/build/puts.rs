//! Builds a small snapshot of given puts and deletions.

use std::collections::BTreeMap;

use super::cluster::{self, Version};
use super::history::{History, RevisionEntry};
use super::message::KeyValue;
use super::{Layout, with_trailer, write};
use crate::seeded_random::SeededRandom;

/// Key, value and lease; without a value it is a deletion.
pub type Put = (&'static [u8], Option<&'static [u8]>, i64);

/// Builds the snapshot of a store with these revisions, from 2 on. A lease has a time to live of 60 seconds.
#[must_use]
pub fn snapshot(puts: &[Put]) -> Vec<u8> {
    let mut history = History::default();
    let mut versions: BTreeMap<&[u8], (i64, i64)> = BTreeMap::new();
    for (number, (key, value, lease)) in puts.iter().enumerate() {
        let mod_revision = number as i64 + 2;
        let message = match value {
            None => {
                versions.remove(key);
                KeyValue { key: key.to_vec(), ..KeyValue::default() }
            }
            Some(value) => {
                let (create_revision, version) =
                    versions.get(key).map_or((mod_revision, 1), |(create, version)| (*create, version + 1));
                versions.insert(key, (create_revision, version));
                let (key, value, lease) = (key.to_vec(), value.to_vec(), *lease);
                KeyValue { key, create_revision, mod_revision, version, value, lease }
            }
        };
        history.revisions.insert((mod_revision, 0), RevisionEntry { tombstone: value.is_none(), value: message });
        history.current = mod_revision;
        if *lease != 0 {
            history.leases.insert(*lease, 60);
        }
    }
    let root = cluster::database(&history, Version::V36, &mut SeededRandom::new(1));
    with_trailer(&write(&root, &Layout::plain(4096, 1)).database)
}
