//! Leases that are gone although keys of an earlier state hang on them: without its lease such a key would live for ever, so the lease is made anew.
//!
//! A lease ends, or is revoked, and takes its keys along. In the state before that the keys live, and the lease has no history to be taken from. When etcd starts, a key whose lease it does
//! not find keeps living (`restore` in its `server/storage/mvcc/kvstore.go` logs that it could not attach the key).

use std::collections::{BTreeMap, HashSet};

use etcdsnap_proto::leasepb;
use prost::Message;

use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::source::Source;
use crate::store::key_hash::{ByHash, Short, short};
use crate::store::{EntryPlace, KeyEntry, Store};

/// Keys that are named at most.
const NAMED: usize = 1000;

/// Finds them in entries that come in order. Memory: 32 bytes a key that hangs on such a lease.
#[derive(Debug)]
pub(super) struct LapsedLeaseSearch<'f> {
    present: &'f HashSet<i64>,
    attached: ByHash<Short, (i64, EntryPlace)>,
    exhausted: bool,
}

/// Leases that are made anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LapsedLeases {
    /// Their ids, and how many keys hang on each.
    pub keys_of: BTreeMap<i64, u64>,
    /// Names of the keys, in order, each with its lease: a thousand at most.
    pub named: Vec<(Vec<u8>, i64)>,
}

impl<'f> LapsedLeaseSearch<'f> {
    /// A search for leases that are not `present`.
    pub fn new(present: &'f HashSet<i64>) -> Self {
        Self { present, attached: ByHash::default(), exhausted: false }
    }

    /// Takes the next entry that is kept.
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

    /// Forgets a key that is deleted behind all entries.
    pub fn forget(&mut self, key: &[u8]) {
        self.attached.remove(&short(key));
    }

    /// What was found.
    ///
    /// # Errors
    /// When there is no memory for it, or the names cannot be read.
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
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys_of.is_empty()
    }

    /// The entries of bucket `lease` that grant each for so many seconds.
    pub(super) fn granted(&self, seconds: i64) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        let grant = move |id: &i64| {
            let lease = leasepb::Lease { id: *id, ttl: seconds, remaining_ttl: 0 };
            (id.to_be_bytes().to_vec(), Some(lease.encode_to_vec()))
        };
        self.keys_of.keys().map(grant)
    }
}
