//! The digest of a leaf page of revisions: all that a scan wants to know of it, whoever has its bytes.
//!
//! Only a page without any oddity has a digest. Every other page is examined element by element where its place in the tree is known, so that the sweep and the
//! walk report the same findings in the same order.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Header, overflow_fits, table_end};
use crate::crc::Run;
use crate::etcd::gap::complete_from;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;
use crate::etcd::revision_record::Record;
use crate::finding_code::Code;
use crate::key_tally::KeyTally;
use crate::needed_key::{Encrypted, NeededKey};

/// A leaf page of bucket `key` in short.
#[derive(Debug, Clone, Default)]
pub struct LeafDigest {
    /// CRC-32C of all its pairs in order.
    pub run: Run,
    /// Pages it occupies, overflow pages counted.
    pub pages: u32,
    /// Entries.
    pub entries: u32,
    /// Tombstones among them.
    pub tombstones: u32,
    /// First and last key; none only in a digest that was never filled.
    pub ends: Option<(RevisionKey, RevisionKey)>,
    /// One record an entry, in order: a leaf with the empty value of a revision bump has no digest.
    pub records: Vec<Record>,
    /// By how much the main revision of each record exceeds the one before it (the first entry's for the first), LEB128: about a byte a record. Only a
    /// sweep keeps them, for the one page of a file in which a mark of compaction falls between two entries.
    pub steps: Option<Vec<u8>>,
    /// Index of each record that has a lease, and the lease's id.
    pub leased: Vec<(u32, i64)>,
    /// No revision is missing within the page if history is complete only above this revision; 0 when none is missing at all.
    pub complete_from: Revision,
    /// Puts of version 1 that name an earlier creation, which only `etcdctl migrate` writes.
    pub migrated: u32,
    /// Puts whose values an API server encrypted, by the key that they need.
    pub encrypted: KeyTally,
}

impl LeafDigest {
    /// Fills the digest from a leaf page; false, with nothing to be relied on, when anything about the page is odd.
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
            match inspect(key, element.value) {
                Ok(Some(Inspected { record, lease, needs })) => {
                    if let Some(needs) = needs {
                        self.encrypted.add(&needs, 1);
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
                // Whether it stands alone in its transaction, as a bump writes it, is looked at where its neighbours are known.
                Ok(None) | Err(_) => return false,
            }
        }
        let whole = usize::try_from(entries) == Ok(leaf.count()) && entries > 0;
        if !whole || page_size.is_some_and(|size| !overflow_fits(header.overflow, end, size)) {
            return false;
        }
        let Some(pairs) = bytes.get(start..end) else { return false };
        self.run = Run::of(pairs);
        self.pages = header.overflow.saturating_add(1);
        self.entries = entries;
        self.tombstones = tombstones;
        self.ends = ends;
        self.complete_from = gap;
        self.migrated = migrated;
        true
    }

    /// The main revision of each record in order; none when the digest does not have them.
    pub fn mains(&self) -> Option<impl Iterator<Item = Revision>> {
        let mut steps = self.steps.as_deref()?;
        let mut main = self.ends?.0.revision.main;
        Some(std::iter::from_fn(move || {
            main = main.plus(take_leb128(&mut steps)?);
            Some(main)
        }))
    }

    /// Bytes it occupies in memory.
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
        // Truncation is meant: the low seven bits, and the mark that more follow.
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

/// What is to be known of an entry of bucket `key`.
pub struct Inspected {
    /// Its record.
    pub record: Record,
    /// Its lease; 0 for none.
    pub lease: i64,
    /// The key that its value needs, when an API server encrypted it.
    pub needs: Option<NeededKey>,
}

/// What is to be known of an entry of bucket `key`; none for the empty value that a revision bump writes.
///
/// # Errors
/// What is wrong with the entry by itself, as a code and a sentence.
pub fn inspect(key: RevisionKey, value: &[u8]) -> Result<Option<Inspected>, (Code, String)> {
    let Some(message) = KeyValue::parse(value) else {
        return Err((Code::KeyvalueMalformed, format!("the {} bytes under it are no KeyValue", value.len())));
    };
    if value.is_empty() && !key.tombstone {
        return Ok(None);
    }
    if message.key.is_empty() {
        return Err((Code::KeyvalueMalformed, "the KeyValue names no key".into()));
    }
    if key.tombstone {
        if !message.is_bare() {
            let text = "the tombstone carries more than its key";
            return Err((Code::TombstoneBody, text.into()));
        }
        return Ok(Some(Inspected { record: Record::new(&message, true), lease: 0, needs: None }));
    }
    if message.mod_revision != key.revision.main {
        let text = format!("the value names the mod revision {}", message.mod_revision);
        return Err((Code::KeyvalueRevision, text));
    }
    let KeyValue { create_revision: create, mod_revision: modified, version, .. } = message;
    let has_room = u64::try_from(version).is_ok_and(|puts| puts <= create.count_to(modified));
    // `etcdctl migrate` gives a v2 key that had been updated its first creation and yet version 1, as operation 0 of its revision.
    let not_created_now = version == 1 && create < modified && key.revision.sub > 0;
    let not_updated = version > 1 && create == modified;
    if create < Revision::FIRST || version < 1 || create > modified || !has_room || not_created_now || not_updated {
        let text =
            format!("create revision {create}, mod revision {modified} and version {version} contradict each other");
        return Err((Code::KeyvalueHistory, text));
    }
    let needs = Encrypted::of(message.value).map(|encrypted| encrypted.needed_key());
    Ok(Some(Inspected { record: Record::new(&message, false), lease: message.lease, needs }))
}
