//! Writes the new file: every bucket of the old one, bucket `key` with only the kept entries, raised compaction revisions, and other changes.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use crate::bolt::database::{BoltDatabase, DatabaseError};
use crate::bolt::edit::BucketEdit;
use crate::bolt::write::file_builder::{BuildError, BuiltFile, FileBuilder, FileParams, PageSink};
use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;
use crate::finding::{Finding, excerpt};
use crate::int_readers::u64_le;
use crate::lost_parts::LostParts;
use crate::progress::ScanProgress;
use crate::rewrite::bucket_changes::{BucketChanges, put_all, put_merged};
use crate::rewrite::entry_filter::{EntryFilter, FilterError};
use crate::rewrite::lapsed_leases::{LapsedLeaseSearch, LapsedLeases};
use crate::scan::schema_buckets::ListedBucket;
use crate::source::Source;
use crate::store::{KeyEntry, Store, Survivors};

/// Which entries the new file contains.
pub enum Plan<'p> {
    /// Every entry of every bucket, as after a defragmentation.
    Everything,
    /// The entries that a compaction keeps; both compaction revisions are set to its revision.
    Compacted(&'p Survivors),
    /// The state at a revision: later entries are left out, and, if `survivors` is given, entries that a compaction at that revision removes, too.
    AsOf {
        /// The main revision.
        revision: Revision,
        /// The entries that the compaction keeps.
        survivors: Option<&'p Survivors>,
    },
    /// The entries that a filter keeps or changes.
    Filtered(&'p mut dyn EntryFilter),
}

impl Plan<'_> {
    /// Returns the value of an entry of bucket `key` in the new file; `None` leaves the entry out.
    fn revision<'v>(&mut self, entry: &KeyEntry<'v>) -> Result<Option<Cow<'v, [u8]>>, FilterError> {
        let keeps = match self {
            Self::Everything => true,
            Self::Compacted(survivors) => survivors.contains(entry.key),
            Self::AsOf { revision, survivors } => {
                entry.key.revision.main <= *revision && survivors.is_none_or(|survivors| survivors.contains(entry.key))
            }
            Self::Filtered(filter) => return filter.revision(entry),
        };
        Ok(keeps.then_some(Cow::Borrowed(entry.value)))
    }

    /// Returns the main revision of an empty entry to append to bucket `key`.
    fn end_of_revisions(&mut self) -> Result<Option<Revision>, FilterError> {
        match self {
            Self::Filtered(filter) => filter.end_of_revisions(),
            _ => Ok(None),
        }
    }

    /// Returns the value of an entry of another bucket in the new file; `None` leaves the entry out.
    fn pair<'v>(&mut self, bucket: &[u8], key: &[u8], value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        match self {
            Self::Filtered(filter) => filter.pair(bucket, key, value),
            _ => Some(Cow::Borrowed(value)),
        }
    }

    /// Returns the new value of both compaction revisions; `None` leaves them as they are.
    fn marks(&self) -> Option<Revision> {
        match self {
            Self::Everything | Self::Filtered(_) => None,
            Self::Compacted(survivors) => Some(survivors.revision()),
            Self::AsOf { survivors, .. } => survivors.map(Survivors::revision),
        }
    }

    /// Returns the new revision of the requested compaction alone. Called after bucket `key` was written.
    fn scheduled_mark(&self) -> Option<Revision> {
        match self {
            Self::Filtered(filter) => filter.scheduled_mark(),
            _ => None,
        }
    }
}

/// Changes besides the entries that the plan leaves out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alterations<'a> {
    /// Entries to put or delete, one edit per bucket. Entries that are put into bucket `key` must come after all kept entries.
    pub changes: &'a [BucketEdit],
    /// If kept keys are attached to leases that no longer exist: grants these leases again, for this many seconds. `None` does not grant them.
    pub new_lease_seconds: Option<i64>,
}

/// The written pages, and what they contain.
#[derive(Debug)]
pub struct Written<K> {
    /// The file, of which only the meta pages remain to be written.
    pub built: BuiltFile,
    /// The sink that got its pages.
    pub sink: K,
    /// Numbers of entries of bucket `key`.
    pub counts: EntryTotals,
    /// Leases that were granted again.
    pub lapsed: LapsedLeases,
}

/// Numbers of entries of bucket `key`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntryTotals {
    /// In the old file.
    pub read: u64,
    /// In the new file.
    pub kept: u64,
}

/// Why no new file was written.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError<E> {
    /// The old file cannot be read, or the caller asked to stop.
    #[error(transparent)]
    Read(#[from] Error),
    /// The old file is damaged, so that the new one would lack something.
    #[error("{}", .0.message)]
    Damaged(Finding),
    /// A bucket contains nested buckets, which etcd never writes, and which would be lost.
    #[error("bucket `{0}` has buckets in it, which no etcd writes")]
    Nested(String),
    /// A bucket to be changed does not exist.
    #[error("there is no bucket `{0}`")]
    Missing(String),
    /// The new file cannot be written.
    #[error(transparent)]
    Build(#[from] BuildError<E>),
}

/// Writes the pages of a new file to `sink`; returns the meta pages.
///
/// # Errors
/// When the old file cannot be read or is damaged, or the sink fails. The pages written so far are then useless.
pub fn write<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    plan: Plan<'_>,
    sink: K,
    progress: &dyn ScanProgress,
) -> Result<(BuiltFile, K, EntryTotals), RewriteError<K::Error>> {
    let Written { built, sink, counts, .. } = write_altered(store, plan, Alterations::default(), sink, progress)?;
    Ok((built, sink, counts))
}

/// Writes the pages of a new file like [`write`], with further changes.
///
/// # Errors
/// The same errors as [`write`], and [`RewriteError::Missing`].
pub fn write_altered<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    mut plan: Plan<'_>,
    alterations: Alterations<'_>,
    sink: K,
    progress: &dyn ScanProgress,
) -> Result<Written<K>, RewriteError<K::Error>> {
    let all: Vec<&str> = store.listed.iter().filter_map(|entry| std::str::from_utf8(&entry.name).ok()).collect();
    whole(store.lost_of(&all))?;
    let meta = BoltDatabase::open(store.source).map_err(damaged)?.meta();
    let form = FileParams { page_size: meta.page_size, txid: meta.txid.saturating_add(1), sequence: 0 };
    let mut builder = FileBuilder::new(form, sink);
    let mut changes = BucketChanges::new(alterations.changes);
    plan.marks().into_iter().for_each(|main| changes.mark_compacted(main));
    let present: Vec<&[u8]> = store.listed.iter().map(|entry| &*entry.name).collect();
    if let Some(name) = changes.lacking(&present) {
        return Err(RewriteError::Missing(excerpt(name).to_string()));
    }
    let names: BTreeSet<Vec<u8>> = present.into_iter().chain(changes.names()).map(<[u8]>::to_vec).collect();
    let leases: HashSet<i64> = match alterations.new_lease_seconds {
        Some(_) => store.leases()?.into_iter().map(|lease| lease.id).collect(),
        None => HashSet::new(),
    };
    let (mut counts, mut lapsed) = (EntryTotals::default(), LapsedLeases::default());
    for name in names {
        let entry = store.listed.iter().find(|entry| *entry.name == *name);
        builder.begin_bucket(&name, entry.and_then(|entry| u64_le(&entry.value, 8)).unwrap_or(0))?;
        let change = changes.take(&name);
        if name == b"key" {
            let mut search = alterations.new_lease_seconds.map(|_| LapsedLeaseSearch::new(&leases));
            counts = revisions(store, &mut plan, search.as_mut(), &mut builder, progress)?;
            lapsed = put_revisions(store, change, search, &mut builder)?;
            plan.scheduled_mark().into_iter().for_each(|main| changes.mark_scheduled(main));
            // Bucket `lease` comes later.
            if let (Some(seconds), false) = (alterations.new_lease_seconds, lapsed.is_empty()) {
                changes.of(b"lease").entries.extend(lapsed.granted(seconds));
            }
        } else {
            let nested = copy_pairs(store, entry, &mut plan, change, &mut builder)?;
            flat(&name, nested)?;
        }
        builder.end_bucket()?;
    }
    let (built, sink) = builder.finish()?;
    Ok(Written { built, sink, counts, lapsed })
}

/// Puts the kept entries of bucket `key`, and the empty entry that the plan appends.
fn revisions<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    plan: &mut Plan<'_>,
    mut search: Option<&mut LapsedLeaseSearch<'_>>,
    builder: &mut FileBuilder<K>,
    progress: &dyn ScanProgress,
) -> Result<EntryTotals, RewriteError<K::Error>> {
    let mut counts = EntryTotals::default();
    let mut outcome: Result<(), RewriteError<K::Error>> = Ok(());
    let lost = store.entries_in_order(progress, &mut |entry, _| {
        counts.read = counts.read.saturating_add(1);
        outcome = (|| {
            if let Some(value) = plan.revision(entry)? {
                counts.kept = counts.kept.saturating_add(1);
                search.iter_mut().for_each(|search| search.take(entry));
                let (key, len) = entry.key.to_bytes();
                builder.put(key.get(..len).unwrap_or_default(), &value)?;
            }
            Ok(())
        })();
        outcome.is_ok()
    })?;
    outcome?;
    whole(lost)?;
    if let Some(main) = plan.end_of_revisions()? {
        counts.kept = counts.kept.saturating_add(1);
        builder.put(&RevisionKey::first_put(main).to_vec(), &[])?;
    }
    Ok(counts)
}

/// Puts the entries that come after the kept ones; returns the leases to grant again.
fn put_revisions<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    change: BucketEdit,
    search: Option<LapsedLeaseSearch<'_>>,
    builder: &mut FileBuilder<K>,
) -> Result<LapsedLeases, RewriteError<K::Error>> {
    let lapsed = match search {
        Some(mut search) => {
            let values = change.entries.values().flatten();
            values.filter_map(|value| KeyValue::parse(value)).for_each(|pair| search.forget(pair.key));
            search.finish(store)?
        }
        None => LapsedLeases::default(),
    };
    put_all(change.entries, builder)?;
    Ok(lapsed)
}

/// Copies a bucket, or creates it if `bucket` is `None`, and applies its edit. Skips nested buckets; returns how many there were.
fn copy_pairs<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    bucket: Option<&ListedBucket>,
    plan: &mut Plan<'_>,
    change: BucketEdit,
    builder: &mut FileBuilder<K>,
) -> Result<u64, RewriteError<K::Error>> {
    let mut left = change.entries;
    let mut outcome = Ok(());
    let mut nested = 0;
    if let Some(bucket) = bucket {
        nested = store.pairs_of(bucket, &mut |key, value| {
            if outcome.is_ok() {
                let value = plan.pair(&bucket.name, key, value);
                outcome = put_merged(key, value.as_deref(), change.old_entries, &mut left, builder);
            }
        })?;
    }
    outcome?;
    put_all(left, builder)?;
    Ok(nested)
}

fn flat<E>(name: &[u8], nested: u64) -> Result<(), RewriteError<E>> {
    if nested == 0 { Ok(()) } else { Err(RewriteError::Nested(excerpt(name).to_string())) }
}

impl<E> From<FilterError> for RewriteError<E> {
    fn from(error: FilterError) -> Self {
        match error {
            FilterError::Damaged(finding) => Self::Damaged(finding),
            FilterError::Memory(error) => Self::Read(error),
        }
    }
}

fn whole<E>(lost: LostParts) -> Result<(), RewriteError<E>> {
    lost.first.map_or(Ok(()), |finding| Err(RewriteError::Damaged(finding)))
}

fn damaged<E>(error: DatabaseError) -> RewriteError<E> {
    match error {
        DatabaseError::Read(error) => RewriteError::Read(error),
        // A store was opened, so there is a meta page.
        error => RewriteError::Damaged(Finding::new(crate::finding_code::Code::NoValidMeta, error.to_string())),
    }
}
