//! Changes of a few entries on the way into a new file: what is put, deleted or emptied while a bucket is copied.

use std::collections::BTreeMap;

use crate::bolt::edit::{BucketEdit, IfMissing, OldEntries};
use crate::bolt::write::file_builder::{BuildError, FileBuilder, PageSink};
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;

/// The mark of the last compaction that was carried out, in bucket `meta`.
const FINISHED: &[u8] = b"finishedCompactRev";
/// The mark of the last one that was requested: etcd carries it out when it starts.
pub(super) const SCHEDULED: &[u8] = b"scheduledCompactRev";

/// What changes, by the names of buckets at the top.
#[derive(Debug, Default)]
pub(super) struct BucketChanges(BTreeMap<Vec<u8>, BucketEdit>);

impl BucketChanges {
    /// These changes, each of another bucket.
    pub fn new(changes: &[BucketEdit]) -> Self {
        Self(changes.iter().map(|change| (change.bucket.clone(), change.clone())).collect())
    }

    /// Raises both marks of compaction to a main revision, but for one that changes anyway.
    pub fn mark_compacted(&mut self, main: Revision) {
        [FINISHED, SCHEDULED].into_iter().for_each(|mark| self.mark(mark, main));
    }

    /// The same of the mark of the requested compaction alone: etcd carries it out when it starts.
    pub fn mark_scheduled(&mut self, main: Revision) {
        self.mark(SCHEDULED, main);
    }

    fn mark(&mut self, mark: &[u8], main: Revision) {
        let value = RevisionKey::first_put(main).to_vec();
        self.of(b"meta").entries.entry(mark.to_vec()).or_insert(Some(value));
    }

    /// What changes in a bucket, to be added to.
    pub fn of(&mut self, name: &[u8]) -> &mut BucketEdit {
        let new = || BucketEdit { bucket: name.to_vec(), ..BucketEdit::default() };
        self.0.entry(name.to_vec()).or_insert_with(new)
    }

    /// What changes in a bucket; nothing when it was taken before.
    pub fn take(&mut self, name: &[u8]) -> BucketEdit {
        self.0.remove(name).unwrap_or_default()
    }

    /// The name of the first bucket that is not among `present` and cannot be made.
    pub fn lacking(&self, present: &[&[u8]]) -> Option<&[u8]> {
        let lacks =
            |change: &&BucketEdit| change.if_missing == IfMissing::Fail && !present.contains(&change.bucket.as_slice());
        self.0.values().find(lacks).map(|change| change.bucket.as_slice())
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.keys().map(Vec::as_slice)
    }
}

/// Puts entries in order; those without a value are deleted ones.
///
/// # Errors
/// When the sink fails, or something behind them is there already.
pub(super) fn put_all<K: PageSink>(
    entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    builder: &mut FileBuilder<K>,
) -> Result<(), BuildError<K::Error>> {
    let there = entries.into_iter().filter_map(|(key, value)| Some((key, value?)));
    there.into_iter().try_for_each(|(key, value)| builder.put(&key, &value))
}

/// Puts what changes before an old entry, and then that entry, unless it is left out (`value` is none), or what replaces it; `left` are the changes from there on.
///
/// # Errors
/// When the sink fails.
pub(super) fn put_merged<K: PageSink>(
    key: &[u8],
    value: Option<&[u8]>,
    kept: OldEntries,
    left: &mut BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    builder: &mut FileBuilder<K>,
) -> Result<(), BuildError<K::Error>> {
    while let Some(next) = left.first_entry().filter(|next| next.key().as_slice() < key) {
        if let (next, Some(value)) = next.remove_entry() {
            builder.put(&next, &value)?;
        }
    }
    match left.remove(key) {
        Some(Some(new)) => builder.put(key, &new),
        Some(None) => Ok(()),
        None if kept == OldEntries::Remove => Ok(()),
        None => value.map_or(Ok(()), |value| builder.put(key, value)),
    }
}
