//! A random valid life of an etcd store: what is written, deleted, leased and compacted away, and what is true of the rest.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::database_contents::Bucket;
use super::message::KeyValue;
use crate::seeded_random::Dice;

/// A revision: main and sub.
pub type Revision = (i64, i64);

/// How a history is to be.
#[derive(Debug, Clone)]
pub struct Life {
    /// Transactions that change something.
    pub transactions: usize,
    /// Different keys; few keys give many versions of each.
    pub keys: usize,
    /// The longest value in bytes.
    pub longest_value: usize,
    /// Percentage of operations that delete.
    pub deletions: usize,
    /// Whether leases are granted.
    pub leases: bool,
    /// Compaction up to about this percentage of the history; none at 0.
    pub compacted: usize,
    /// The last compaction was ordered and stopped on its way.
    pub interrupted: bool,
    /// A tombstone exactly at the compacted revision stays (etcd 3.5.16 and later, 3.4.34 and later).
    pub keeps_last_tombstone: bool,
}

impl Life {
    /// A life with a little of everything.
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

    /// Any life.
    #[must_use]
    pub fn random(dice: &mut Dice, transactions: usize) -> Self {
        let compacted = if dice.chance(30) { 0 } else { dice.between(1, 100) };
        Self {
            transactions,
            keys: dice.between(1, 1 + transactions),
            longest_value: *dice.pick(&[0, 20, 200, 3_000, 20_000]),
            deletions: dice.below(60),
            leases: dice.chance(60),
            compacted,
            interrupted: compacted > 0 && dice.chance(30),
            keeps_last_tombstone: dice.chance(50),
        }
    }
}

/// The revisions that a store holds, with the leases and marks of compaction that belong to them.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Every revision still there: the value, and whether it is a deletion.
    pub revisions: BTreeMap<Revision, Entry>,
    /// Leases granted, with their time to live.
    pub leases: BTreeMap<i64, i64>,
    /// `meta/finishedCompactRev`.
    pub finished: Option<i64>,
    /// `meta/scheduledCompactRev`.
    pub scheduled: Option<i64>,
    /// The store's revision: at least 1.
    pub current: i64,
}

/// An entry of bucket `key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// A deletion.
    pub tombstone: bool,
    /// Its message; of a deletion only the key is set.
    pub value: KeyValue,
}

/// What must be found in a store, worked out from its history and not from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// Keys alive at the end.
    pub live_keys: u64,
    /// Entries of bucket `key`.
    pub revisions: u64,
    /// Deletions among them.
    pub tombstones: u64,
    /// Main revision of the last entry; 0 when there is none.
    pub revision: i64,
}

impl History {
    /// Lives a life.
    #[must_use]
    pub fn live(life: &Life, dice: &mut Dice) -> Self {
        let mut history = Self { current: 1, ..Self::default() };
        let keys = key_names(life.keys, dice);
        let mut alive: BTreeMap<Vec<u8>, KeyValue> = BTreeMap::new();
        let compact_at = life.transactions * life.compacted / 100;
        for number in 0..life.transactions {
            history.step(life, &keys, &mut alive, dice);
            if life.compacted > 0 && (number + 1 == compact_at || dice.below(life.transactions) == 0) {
                history.compact(life, dice);
            }
        }
        if life.interrupted {
            history.interrupted_compaction(life, dice);
        }
        history
    }

    /// The same store after more transactions, on the keys that it knows and some new ones.
    #[must_use]
    pub fn lived_on(&self, life: &Life, dice: &mut Dice) -> Self {
        let mut history = self.clone();
        let mut alive = BTreeMap::new();
        for entry in self.revisions.values() {
            match entry.tombstone {
                true => drop(alive.remove(&entry.value.key)),
                false => drop(alive.insert(entry.value.key.clone(), entry.value.clone())),
            }
        }
        let known: BTreeSet<_> = self.revisions.values().map(|entry| entry.value.key.clone()).collect();
        let keys: Vec<_> = known.into_iter().chain(key_names(1 + life.keys / 10, dice)).collect();
        for _ in 0..life.transactions {
            history.step(life, &keys, &mut alive, dice);
        }
        if life.compacted > 0 && dice.chance(50) {
            history.compact(life, dice);
        }
        history
    }

    /// One transaction: a lease granted or revoked, or some puts and deletions of different keys.
    fn step(&mut self, life: &Life, keys: &[Vec<u8>], alive: &mut BTreeMap<Vec<u8>, KeyValue>, dice: &mut Dice) {
        if life.leases && dice.chance(10) {
            self.leases.insert(1 + (dice.bits() >> 1) as i64, 10 + dice.below(1000) as i64);
        }
        let main = self.current + 1;
        if life.leases && dice.chance(5) && !self.leases.is_empty() {
            let ids: Vec<i64> = self.leases.keys().copied().collect();
            let lease = *dice.pick(&ids);
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
        let operations = if dice.chance(20) { dice.between(2, 8) } else { 1 };
        let mut touched = BTreeSet::new();
        let mut sub = 0;
        for _ in 0..operations {
            let key = dice.pick(keys);
            if !touched.insert(key) {
                continue;
            }
            if dice.chance(life.deletions) {
                if alive.contains_key(key) {
                    self.delete((main, sub), key, alive);
                    sub += 1;
                }
                continue;
            }
            let before = alive.get(key);
            let leases: Vec<i64> = self.leases.keys().copied().collect();
            let lease = if !leases.is_empty() && dice.chance(20) { *dice.pick(&leases) } else { 0 };
            let value_len = dice.below(life.longest_value + 1);
            let value = KeyValue {
                key: key.clone(),
                create_revision: before.map_or(main, |b| b.create_revision),
                mod_revision: main,
                version: before.map_or(1, |b| b.version + 1),
                value: dice.bytes(value_len),
                lease,
            };
            alive.insert(key.clone(), value.clone());
            self.revisions.insert((main, sub), Entry { tombstone: false, value });
            sub += 1;
        }
        if sub > 0 {
            self.current = main;
        }
    }

    fn delete(&mut self, revision: Revision, key: &[u8], alive: &mut BTreeMap<Vec<u8>, KeyValue>) {
        alive.remove(key);
        let value = KeyValue { key: key.to_vec(), ..KeyValue::default() };
        self.revisions.insert(revision, Entry { tombstone: true, value });
    }

    fn compact(&mut self, life: &Life, dice: &mut Dice) {
        let low = self.scheduled.unwrap_or(0) + 1;
        if low > self.current {
            return;
        }
        let at = low + dice.below((self.current - low + 1) as usize) as i64;
        let gone = self.superseded(at, life.keeps_last_tombstone);
        self.revisions.retain(|revision, _| !gone.contains(revision));
        self.scheduled = Some(at);
        self.finished = Some(at);
    }

    /// A compaction that a crash stopped: a first part of what it would have removed is gone.
    fn interrupted_compaction(&mut self, life: &Life, dice: &mut Dice) {
        let low = self.scheduled.unwrap_or(0) + 1;
        if low > self.current {
            return;
        }
        let at = low + dice.below((self.current - low + 1) as usize) as i64;
        let mut gone = self.superseded(at, life.keeps_last_tombstone);
        gone.truncate(dice.below(gone.len() + 1));
        self.revisions.retain(|revision, _| !gone.contains(revision));
        self.scheduled = Some(at);
    }

    /// The same after an interrupted compaction was carried to its end; none when there was nothing to finish.
    #[must_use]
    pub fn finish_compaction(&self, keeps_last_tombstone: bool) -> Option<Self> {
        let at = self.scheduled.filter(|_| self.scheduled != self.finished)?;
        let mut after = Self { finished: Some(at), ..self.clone() };
        for revision in self.superseded(at, keeps_last_tombstone) {
            after.revisions.remove(&revision);
        }
        Some(after)
    }

    /// What a compaction at `at` removes, lowest first.
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

    /// What must be found.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let mut alive = BTreeSet::new();
        for entry in self.revisions.values() {
            if entry.tombstone {
                alive.remove(&entry.value.key);
            } else {
                alive.insert(&entry.value.key);
            }
        }
        Truth {
            live_keys: alive.len() as u64,
            revisions: self.revisions.len() as u64,
            tombstones: self.revisions.values().filter(|entry| entry.tombstone).count() as u64,
            revision: self.revisions.last_key_value().map_or(0, |(revision, _)| revision.0),
        }
    }

    /// Puts the revisions into bucket `key`.
    pub fn fill(&self, bucket: &mut Bucket) {
        for (revision, entry) in &self.revisions {
            bucket.put(revision_key(*revision, entry.tombstone), entry.value.encode_to_vec());
        }
    }
}

/// The key of an entry of bucket `key`.
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

fn key_names(count: usize, dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut names = BTreeSet::new();
    while names.len() < count.max(1) {
        let binary = dice.below(40);
        let name = if dice.chance(80) {
            format!("/registry/{}/{:x}", dice.pick(&["pods", "leases", "events"]), dice.bits() >> 40).into_bytes()
        } else {
            dice.bytes(1 + binary)
        };
        names.insert(name);
    }
    names.into_iter().collect()
}
