//! Finds keys of an earlier state whose leases no longer exist, and grants the leases again. Without its lease, such a key would never expire.
//!
//! When a lease expires or is revoked, etcd deletes its keys. In the state before that, the keys exist, but the lease cannot be read, because leases have no history. When etcd starts and
//! does not find the lease of a key, it keeps the key (`restore` in its `server/storage/mvcc/kvstore.go` only logs that it could not attach the key).

use std::collections::{BTreeMap, HashSet};

use etcdsnap_proto::leasepb;
use prost::Message;

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::source::Source;
use crate::store::key_hash::{ByHash, Short, short};
use crate::store::{EntryPlace, KeyEntry, Store};

/// Maximum number of keys that are named.
const NAMED: usize = 1000;

/// Searches entries, in order, for keys whose leases no longer exist. Memory: 32 bytes for each such key.
#[derive(Debug)]
pub(super) struct LapsedLeaseSearch<'f> {
    present: &'f HashSet<i64>,
    attached: ByHash<Short, (i64, EntryPlace)>,
    exhausted: bool,
}

/// Leases that are granted again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LapsedLeases {
    /// Their ids, and the number of keys attached to each.
    pub keys_of: BTreeMap<i64, u64>,
    /// Names of the keys, in order, each with its lease: at most a thousand.
    pub named: Vec<(Vec<u8>, i64)>,
}

impl<'f> LapsedLeaseSearch<'f> {
    /// Starts a search for keys with leases that are not in `present`.
    pub fn new(present: &'f HashSet<i64>) -> Self {
        Self { present, attached: ByHash::default(), exhausted: false }
    }

    /// Adds the next kept entry.
    pub fn take(&mut self, entry: &KeyEntry<'_>) {
        let Some(pair) = KeyValue::parse(entry.value) else { return };
        let lapsed = !entry.key.tombstone && pair.lease != 0 && !self.present.contains(&pair.lease);
        if lapsed {
            self.exhausted |= self.attached.try_reserve(1).is_err();
            if !self.exhausted {
                self.attached.insert(short(pair.key), (pair.lease, entry.place));
            }
        } else if !self.attached.is_empty() {
            self.attached.remove(&short(pair.key));
        }
    }

    /// Forgets a key that is deleted after all entries.
    pub fn forget(&mut self, key: &[u8]) {
        self.attached.remove(&short(key));
    }

    /// Returns the leases after the last entry.
    ///
    /// # Errors
    /// When there is not enough memory, or the names cannot be read.
    pub fn finish<S: Source + ?Sized>(self, store: &Store<'_, S>) -> Result<LapsedLeases, Error> {
        let bytes = (self.attached.len() as u64).saturating_mul(size_of::<(Short, i64, EntryPlace)>() as u64);
        let memory = || Error::Memory { what: "the keys whose leases are gone", bytes };
        if self.exhausted {
            return Err(memory());
        }
        let mut found = LapsedLeases::default();
        let mut places = Vec::new();
        places.try_reserve_exact(self.attached.len()).map_err(|_| memory())?;
        for (lease, place) in self.attached.into_values() {
            let count = found.keys_of.entry(lease).or_default();
            *count = count.saturating_add(1);
            places.push(place);
        }
        places.sort_unstable();
        places.truncate(NAMED);
        store.entries_at(places, &mut |entry| {
            found.named.extend(KeyValue::parse(entry.value).map(|pair| (pair.key.to_vec(), pair.lease)));
        })?;
        found.named.sort_unstable();
        Ok(found)
    }
}

impl LapsedLeases {
    /// Whether there are no such leases.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys_of.is_empty()
    }

    /// Returns entries of bucket `lease` that grant each lease for `seconds`.
    pub(super) fn granted(&self, seconds: i64) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        let grant = move |id: &i64| {
            let lease = leasepb::Lease { id: *id, ttl: seconds, remaining_ttl: 0 };
            (id.to_be_bytes().to_vec(), Some(lease.encode_to_vec()))
        };
        self.keys_of.keys().map(grant)
    }
}
