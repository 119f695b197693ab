//! Digests of the leaf pages of bucket `key`. A digest holds everything that a scan needs to know about a page.
//!
//! Only a page without irregularities has a digest. The walk examines all other pages element by element, once their
//! place in the tree is known, so that sweep and walk report the same findings in the same order.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Header, overflow_fits, table_end};
use crate::crc::PartialCrc;
use crate::etcd::gap::complete_from;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;
use crate::etcd::revision_record::RevisionRecord;
use crate::finding_code::Code;
use crate::needed_key::{Encrypted, NeededKey};
use crate::needed_key_counts::NeededKeyCounts;

/// The digest of a leaf page of bucket `key`.
#[derive(Debug, Clone, Default)]
pub struct LeafDigest {
    /// CRC-32C of all keys and values in order.
    pub run: PartialCrc,
    /// Number of pages it occupies, overflow pages included.
    pub pages: u32,
    /// Number of entries.
    pub entries: u32,
    /// Number of tombstones.
    pub tombstones: u32,
    /// First and last key; `None` only before the digest is filled.
    pub ends: Option<(RevisionKey, RevisionKey)>,
    /// One record per entry, in order. (A leaf with the empty value that `--bump-revision` writes has no digest.)
    pub records: Vec<RevisionRecord>,
    /// The main revision of each record minus that of the previous record (0 for the first), in LEB128: about a byte
    /// per record. Only a sweep keeps these steps. It needs them only for the page whose entries are partly above the
    /// compaction revision, but does not know yet which page that is.
    pub steps: Option<Vec<u8>>,
    /// Index and lease id of each record with a lease.
    pub leased: Vec<(u32, i64)>,
    /// Lowest revision above which no revision is missing within the page; 0 if no revision is missing at all.
    pub complete_from: Revision,
    /// Number of puts with version 1 and an earlier create revision, which only `etcdctl migrate` writes.
    pub migrated: u32,
    /// Puts with values that an API server encrypted, by encryption key.
    pub encrypted: NeededKeyCounts,
}

impl LeafDigest {
    /// Fills the digest from a leaf page; returns false, with unspecified contents, if the page has any irregularity.
    pub fn fill(&mut self, header: Header, bytes: &[u8], page_size: Option<u32>) -> bool {
        self.records.clear();
        self.leased.clear();
        self.encrypted.clear();
        if let Some(steps) = &mut self.steps {
            steps.clear();
        }
        let mut main = None;
        let leaf = Leaf::new(header, bytes);
        let start = table_end(leaf.count());
        let mut end = start;
        let mut entries = 0u32;
        let mut tombstones = 0u32;
        let mut gap = Revision::ZERO;
        let mut migrated = 0u32;
        let mut ends: Option<(RevisionKey, RevisionKey)> = None;
        for element in leaf.packed_pairs() {
            if element.flags != 0 {
                return false;
            }
            end = end.saturating_add(element.key.len()).saturating_add(element.value.len());
            let Some(key) = RevisionKey::parse(element.key) else { return false };
            ends = match ends {
                Some((_, last)) if last.revision >= key.revision => return false,
                Some((first, last)) => {
                    gap = gap.max(complete_from(Some(last.revision), key.revision));
                    Some((first, key))
                }
                None => Some((key, key)),
            };
            entries = entries.saturating_add(1);
            tombstones = tombstones.saturating_add(u32::from(key.tombstone));
            match decode_entry(key, element.value) {
                Ok(Some(DecodedEntry { record, lease, needed_key })) => {
                    if let Some(needed_key) = needed_key {
                        self.encrypted.add(&needed_key, 1);
                    }
                    if lease != 0 {
                        self.leased.push((u32::try_from(self.records.len()).unwrap_or(u32::MAX), lease));
                    }
                    migrated = migrated.saturating_add(u32::from(record.is_migrated(key.revision.main)));
                    self.records.push(record);
                    if let Some(steps) = &mut self.steps {
                        let before = main.or(ends.map(|(first, _)| first.revision.main)).unwrap_or_default();
                        push_leb128(steps, key.revision.main.since(before));
                    }
                    main = Some(key.revision.main);
                }
                // An empty value must be alone in its transaction, as `--bump-revision` writes it. The walk checks
                // that, because it knows the neighbouring pages.
                Ok(None) | Err(_) => return false,
            }
        }
        let is_complete = usize::try_from(entries) == Ok(leaf.count()) && entries > 0;
        if !is_complete || page_size.is_some_and(|size| !overflow_fits(header.overflow, end, size)) {
            return false;
        }
        let Some(pairs) = bytes.get(start..end) else { return false };
        self.run = PartialCrc::of(pairs);
        self.pages = header.overflow.saturating_add(1);
        self.entries = entries;
        self.tombstones = tombstones;
        self.ends = ends;
        self.complete_from = gap;
        self.migrated = migrated;
        true
    }

    /// Iterates over the main revisions of the records; `None` if the digest lacks them.
    pub fn mains(&self) -> Option<impl Iterator<Item = Revision>> {
        let mut steps = self.steps.as_deref()?;
        let mut main = self.ends?.0.revision.main;
        Some(std::iter::from_fn(move || {
            main = main.plus(take_leb128(&mut steps)?);
            Some(main)
        }))
    }

    /// Memory it occupies, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>()
            .saturating_add(size_of_val(self.records.as_slice()))
            .saturating_add(size_of_val(self.leased.as_slice()))
            .saturating_add(self.steps.as_ref().map_or(0, Vec::len))
            .saturating_add(self.encrypted.size())
    }
}

fn push_leb128(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The truncation is intended: the low seven bits, and the bit that says that more follow.
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_leb128(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    let mut shift = 0u32;
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if *byte < 0x80 {
            return Some(value);
        }
        shift = shift.saturating_add(7);
    }
}

/// A decoded entry of bucket `key`.
pub struct DecodedEntry {
    /// Its record.
    pub record: RevisionRecord,
    /// Its lease; 0 for none.
    pub lease: i64,
    /// Encryption key that its value needs, if an API server encrypted it.
    pub needed_key: Option<NeededKey>,
}

/// Decodes an entry of bucket `key`; `None` for the empty value that a restore with `--bump-revision` writes.
///
/// # Errors
/// The entry's problem: its code, and a clause that describes it.
pub fn decode_entry(key: RevisionKey, value: &[u8]) -> Result<Option<DecodedEntry>, (Code, String)> {
    let Some(message) = KeyValue::parse(value) else {
        return Err((Code::KeyvalueMalformed, format!("its value of {} bytes is not a KeyValue message", value.len())));
    };
    if value.is_empty() && !key.tombstone {
        return Ok(None);
    }
    if message.key.is_empty() {
        return Err((Code::KeyvalueMalformed, "its KeyValue message has no key".into()));
    }
    if key.tombstone {
        if !message.has_only_key() {
            let text = "the tombstone holds more than its key";
            return Err((Code::TombstoneBody, text.into()));
        }
        return Ok(Some(DecodedEntry { record: RevisionRecord::new(&message, true), lease: 0, needed_key: None }));
    }
    if message.mod_revision != key.revision.main {
        let text = format!("its KeyValue message has the mod revision {}", message.mod_revision);
        return Err((Code::KeyvalueRevision, text));
    }
    let KeyValue { create_revision: create, mod_revision: modified, version, .. } = message;
    let version_is_possible = u64::try_from(version).is_ok_and(|puts| puts <= create.count_to(modified));
    // `etcdctl migrate` writes an updated v2 key with its old create revision, but version 1, as operation 0 of the new
    // revision.
    let is_impossible_creation = version == 1 && create < modified && key.revision.sub > 0;
    let is_impossible_update = version > 1 && create == modified;
    if create < Revision::FIRST
        || version < 1
        || create > modified
        || !version_is_possible
        || is_impossible_creation
        || is_impossible_update
    {
        let text =
            format!("create revision {create}, mod revision {modified} and version {version} contradict each other");
        return Err((Code::KeyvalueHistory, text));
    }
    let needed_key = Encrypted::of(message.value).map(|encrypted| encrypted.needed_key());
    Ok(Some(DecodedEntry { record: RevisionRecord::new(&message, false), lease: message.lease, needed_key }))
}
