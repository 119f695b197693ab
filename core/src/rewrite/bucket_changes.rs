//! Applies edits of buckets while the buckets are copied to a new file: puts and deletes entries, or leaves out all old ones.

use std::collections::BTreeMap;

use crate::bolt::edit::{BucketEdit, IfMissing, OldEntries};
use crate::bolt::write::file_builder::{BuildError, FileBuilder, PageSink};
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;

/// Key in bucket `meta` of the last compaction that was carried out.
const FINISHED: &[u8] = b"finishedCompactRev";
/// Key in bucket `meta` of the last compaction that was requested. etcd carries it out when it starts.
pub(super) const SCHEDULED: &[u8] = b"scheduledCompactRev";

/// The edits, by the names of the top-level buckets.
#[derive(Debug, Default)]
pub(super) struct BucketChanges(BTreeMap<Vec<u8>, BucketEdit>);

impl BucketChanges {
    /// Collects edits, each of a different bucket.
    pub fn new(changes: &[BucketEdit]) -> Self {
        Self(changes.iter().map(|change| (change.bucket.clone(), change.clone())).collect())
    }

    /// Sets both compaction revisions to a main revision. A compaction revision that an edit already changes is left to that edit.
    pub fn mark_compacted(&mut self, main: Revision) {
        [FINISHED, SCHEDULED].into_iter().for_each(|mark| self.mark(mark, main));
    }

    /// Sets only the revision of the requested compaction.
    pub fn mark_scheduled(&mut self, main: Revision) {
        self.mark(SCHEDULED, main);
    }

    fn mark(&mut self, mark: &[u8], main: Revision) {
        let value = RevisionKey::first_put(main).to_vec();
        self.of(b"meta").entries.entry(mark.to_vec()).or_insert(Some(value));
    }

    /// Returns the edit of a bucket, to add changes to; creates it if there is none.
    pub fn of(&mut self, name: &[u8]) -> &mut BucketEdit {
        let new = || BucketEdit { bucket: name.to_vec(), ..BucketEdit::default() };
        self.0.entry(name.to_vec()).or_insert_with(new)
    }

    /// Removes the edit of a bucket and returns it; an empty edit if there is none.
    pub fn take(&mut self, name: &[u8]) -> BucketEdit {
        self.0.remove(name).unwrap_or_default()
    }

    /// Returns the name of the first bucket that is not in `present` and that its edit does not allow to create.
    pub fn lacking(&self, present: &[&[u8]]) -> Option<&[u8]> {
        let lacks =
            |change: &&BucketEdit| change.if_missing == IfMissing::Fail && !present.contains(&change.bucket.as_slice());
        self.0.values().find(lacks).map(|change| change.bucket.as_slice())
    }

    /// Iterates over the names of the edited buckets.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.keys().map(Vec::as_slice)
    }
}

/// Puts entries in key order. Entries without a value are deletions, and are skipped.
///
/// # Errors
/// When the sink fails, or the builder already has an entry with the same or a later key.
pub(super) fn put_all<K: PageSink>(
    entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    builder: &mut FileBuilder<K>,
) -> Result<(), BuildError<K::Error>> {
    let there = entries.into_iter().filter_map(|(key, value)| Some((key, value?)));
    there.into_iter().try_for_each(|(key, value)| builder.put(&key, &value))
}

/// Puts the changes whose keys come before `key`, and then the old entry `key` or its change. `value` is the old value; `None` leaves the old entry out. Removes the changes from
/// `left` that were put.
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
