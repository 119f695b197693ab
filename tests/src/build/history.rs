//! Generates a random valid history of an etcd store (puts, deletions, leases, compactions), and the numbers that a correct reader must find in it.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::database_contents::Bucket;
use super::message::KeyValue;
use crate::seeded_random::SeededRandom;

/// A revision: main and sub.
pub type Revision = (i64, i64);

/// Parameters of a generated history.
#[derive(Debug, Clone)]
pub struct HistoryParams {
    /// Transactions that write something.
    pub transactions: usize,
    /// Number of distinct keys; few keys give many versions of each.
    pub keys: usize,
    /// The longest value in bytes.
    pub longest_value: usize,
    /// Percentage of operations that delete.
    pub deletions: usize,
    /// Whether leases are granted.
    pub leases: bool,
    /// The percentage of the history that compactions cover at most; 0 for no compactions.
    pub compacted: usize,
    /// Whether the last compaction was scheduled and stopped half way.
    pub interrupted: bool,
    /// Whether a compaction keeps a tombstone exactly at its revision (etcd 3.5.16 and later, 3.4.34 and later).
    pub keeps_last_tombstone: bool,
}

impl HistoryParams {
    /// Parameters that produce every kind of entry.
    #[must_use]
    pub fn rich() -> Self {
        Self {
            transactions: 300,
            keys: 60,
            longest_value: 120,
            deletions: 20,
            leases: true,
            compacted: 40,
            interrupted: false,
            keeps_last_tombstone: true,
        }
    }

    /// Random parameters.
    #[must_use]
    pub fn random(rng: &mut SeededRandom, transactions: usize) -> Self {
        let compacted = if rng.chance(30) { 0 } else { rng.between(1, 100) };
        Self {
            transactions,
            keys: rng.between(1, 1 + transactions),
            longest_value: *rng.pick(&[0, 20, 200, 3_000, 20_000]),
            deletions: rng.below(60),
            leases: rng.chance(60),
            compacted,
            interrupted: compacted > 0 && rng.chance(30),
            keeps_last_tombstone: rng.chance(50),
        }
    }
}

/// The revisions that a store holds, with their leases and compaction marks.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Every revision that was not compacted away: its entry.
    pub revisions: BTreeMap<Revision, RevisionEntry>,
    /// Granted leases, with their time to live.
    pub leases: BTreeMap<i64, i64>,
    /// `meta/finishedCompactRev`.
    pub finished: Option<i64>,
    /// `meta/scheduledCompactRev`.
    pub scheduled: Option<i64>,
    /// The store's current revision: at least 1.
    pub current: i64,
}

/// An entry of bucket `key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionEntry {
    /// Whether it is a deletion.
    pub tombstone: bool,
    /// Its message; a deletion sets only the key.
    pub value: KeyValue,
}

/// The numbers that a reader must find in a store, computed from its history and not from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedCounts {
    /// Keys alive at the end.
    pub live_keys: u64,
    /// Entries of bucket `key`.
    pub revisions: u64,
    /// Deletions among them.
    pub tombstones: u64,
    /// Main revision of the last entry; 0 if there is no entry.
    pub revision: i64,
}

impl History {
    /// Generates a history.
    #[must_use]
    pub fn generate(params: &HistoryParams, rng: &mut SeededRandom) -> Self {
        let mut history = Self { current: 1, ..Self::default() };
        let keys = key_names(params.keys, rng);
        let mut alive: BTreeMap<Vec<u8>, KeyValue> = BTreeMap::new();
        let compact_at = params.transactions * params.compacted / 100;
        for number in 0..params.transactions {
            history.step(params, &keys, &mut alive, rng);
            if params.compacted > 0 && (number + 1 == compact_at || rng.below(params.transactions) == 0) {
                history.compact(params, rng);
            }
        }
        if params.interrupted {
            history.interrupted_compaction(params, rng);
        }
        history
    }

    /// Generates further transactions after this history, on its keys and some new ones.
    #[must_use]
    pub fn extended(&self, params: &HistoryParams, rng: &mut SeededRandom) -> Self {
        let mut history = self.clone();
        let mut alive = BTreeMap::new();
        for entry in self.revisions.values() {
            match entry.tombstone {
                true => drop(alive.remove(&entry.value.key)),
                false => drop(alive.insert(entry.value.key.clone(), entry.value.clone())),
            }
        }
        let known: BTreeSet<_> = self.revisions.values().map(|entry| entry.value.key.clone()).collect();
        let keys: Vec<_> = known.into_iter().chain(key_names(1 + params.keys / 10, rng)).collect();
        for _ in 0..params.transactions {
            history.step(params, &keys, &mut alive, rng);
        }
        if params.compacted > 0 && rng.chance(50) {
            history.compact(params, rng);
        }
        history
    }

    /// Generates one transaction: grants or revokes a lease, or puts and deletes some distinct keys.
    fn step(
        &mut self,
        params: &HistoryParams,
        keys: &[Vec<u8>],
        alive: &mut BTreeMap<Vec<u8>, KeyValue>,
        rng: &mut SeededRandom,
    ) {
        if params.leases && rng.chance(10) {
            self.leases.insert(1 + (rng.bits() >> 1) as i64, 10 + rng.below(1000) as i64);
        }
        let main = self.current + 1;
        if params.leases && rng.chance(5) && !self.leases.is_empty() {
            let ids: Vec<i64> = self.leases.keys().copied().collect();
            let lease = *rng.pick(&ids);
            self.leases.remove(&lease);
            let attached: Vec<Vec<u8>> =
                alive.iter().filter(|(_, value)| value.lease == lease).map(|(key, _)| key.clone()).collect();
            for (sub, key) in attached.iter().enumerate() {
                self.delete((main, sub as i64), key, alive);
            }
            if !attached.is_empty() {
                self.current = main;
            }
            return;
        }
        let operations = if rng.chance(20) { rng.between(2, 8) } else { 1 };
        let mut touched = BTreeSet::new();
        let mut sub = 0;
        for _ in 0..operations {
            let key = rng.pick(keys);
            if !touched.insert(key) {
                continue;
            }
            if rng.chance(params.deletions) {
                if alive.contains_key(key) {
                    self.delete((main, sub), key, alive);
                    sub += 1;
                }
                continue;
            }
            let before = alive.get(key);
            let leases: Vec<i64> = self.leases.keys().copied().collect();
            let lease = if !leases.is_empty() && rng.chance(20) { *rng.pick(&leases) } else { 0 };
            let value_len = rng.below(params.longest_value + 1);
            let value = KeyValue {
                key: key.clone(),
                create_revision: before.map_or(main, |b| b.create_revision),
                mod_revision: main,
                version: before.map_or(1, |b| b.version + 1),
                value: rng.bytes(value_len),
                lease,
            };
            alive.insert(key.clone(), value.clone());
            self.revisions.insert((main, sub), RevisionEntry { tombstone: false, value });
            sub += 1;
        }
        if sub > 0 {
            self.current = main;
        }
    }

    fn delete(&mut self, revision: Revision, key: &[u8], alive: &mut BTreeMap<Vec<u8>, KeyValue>) {
        alive.remove(key);
        let value = KeyValue { key: key.to_vec(), ..KeyValue::default() };
        self.revisions.insert(revision, RevisionEntry { tombstone: true, value });
    }

    fn compact(&mut self, params: &HistoryParams, rng: &mut SeededRandom) {
        let low = self.scheduled.unwrap_or(0) + 1;
        if low > self.current {
            return;
        }
        let at = low + rng.below((self.current - low + 1) as usize) as i64;
        let gone = self.superseded(at, params.keeps_last_tombstone);
        self.revisions.retain(|revision, _| !gone.contains(revision));
        self.scheduled = Some(at);
        self.finished = Some(at);
    }

    /// Creates the state after a crash in the middle of a compaction: the first part of the superseded entries is removed.
    fn interrupted_compaction(&mut self, params: &HistoryParams, rng: &mut SeededRandom) {
        let low = self.scheduled.unwrap_or(0) + 1;
        if low > self.current {
            return;
        }
        let at = low + rng.below((self.current - low + 1) as usize) as i64;
        let mut gone = self.superseded(at, params.keeps_last_tombstone);
        gone.truncate(rng.below(gone.len() + 1));
        self.revisions.retain(|revision, _| !gone.contains(revision));
        self.scheduled = Some(at);
    }

    /// Finishes an interrupted compaction; `None` if there is nothing to finish.
    #[must_use]
    pub fn finish_compaction(&self, keeps_last_tombstone: bool) -> Option<Self> {
        let at = self.scheduled.filter(|_| self.scheduled != self.finished)?;
        let mut after = Self { finished: Some(at), ..self.clone() };
        for revision in self.superseded(at, keeps_last_tombstone) {
            after.revisions.remove(&revision);
        }
        Some(after)
    }

    /// Returns the revisions that a compaction at `at` removes, lowest first.
    fn superseded(&self, at: i64, keeps_last_tombstone: bool) -> Vec<Revision> {
        let mut newest: BTreeMap<&[u8], (Revision, bool)> = BTreeMap::new();
        for (revision, entry) in self.revisions.range(..(at + 1, 0)) {
            newest.insert(&entry.value.key, (*revision, entry.tombstone));
        }
        let keep: BTreeSet<Revision> = newest
            .values()
            .filter(|(revision, tombstone)| !tombstone || (keeps_last_tombstone && revision.0 == at))
            .map(|(revision, _)| *revision)
            .collect();
        self.revisions.range(..(at + 1, 0)).map(|(revision, _)| *revision).filter(|r| !keep.contains(r)).collect()
    }

    /// Computes the numbers that a reader must find.
    #[must_use]
    pub fn expected_counts(&self) -> ExpectedCounts {
        let mut alive = BTreeSet::new();
        for entry in self.revisions.values() {
            if entry.tombstone {
                alive.remove(&entry.value.key);
            } else {
                alive.insert(&entry.value.key);
            }
        }
        ExpectedCounts {
            live_keys: alive.len() as u64,
            revisions: self.revisions.len() as u64,
            tombstones: self.revisions.values().filter(|entry| entry.tombstone).count() as u64,
            revision: self.revisions.last_key_value().map_or(0, |(revision, _)| revision.0),
        }
    }

    /// Writes the revisions into bucket `key`.
    pub fn fill(&self, bucket: &mut Bucket) {
        for (revision, entry) in &self.revisions {
            bucket.put(revision_key(*revision, entry.tombstone), entry.value.encode_to_vec());
        }
    }
}

/// Returns the main revision in a key of bucket `key`.
///
/// # Panics
/// Panics if the key is too short.
#[must_use]
pub fn main_revision(key: &[u8]) -> i64 {
    i64::from_be_bytes(key[..8].try_into().expect("8 bytes"))
}

/// Encodes a revision as a key of bucket `key`.
#[must_use]
pub fn revision_key((main, sub): Revision, tombstone: bool) -> Vec<u8> {
    let mut key = main.to_be_bytes().to_vec();
    key.push(b'_');
    key.extend_from_slice(&sub.to_be_bytes());
    if tombstone {
        key.push(b't');
    }
    key
}

fn key_names(count: usize, rng: &mut SeededRandom) -> Vec<Vec<u8>> {
    let mut names = BTreeSet::new();
    while names.len() < count.max(1) {
        let binary = rng.below(40);
        let name = if rng.chance(80) {
            format!("/registry/{}/{:x}", rng.pick(&["pods", "leases", "events"]), rng.bits() >> 40).into_bytes()
        } else {
            rng.bytes(1 + binary)
        };
        names.insert(name);
    }
    names.into_iter().collect()
}
