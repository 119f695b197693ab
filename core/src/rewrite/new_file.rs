//! The new file: every bucket of the old one, bucket `key` with the entries that are kept, and both marks of compaction where they are raised.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::bolt::database::{Database, DatabaseError};
use crate::bolt::write::file_builder::{BuildError, Built, FileBuilder, Form, PageSink};
use crate::error::Error;
use crate::etcd::revision::{Revision, RevisionKey};
use crate::fields::u64_le;
use crate::finding::{Finding, excerpt};
use crate::lost::Lost;
use crate::rewrite::entry_filter::{EntryFilter, FilterError};
use crate::scan::small::Listed;
use crate::source::Source;
use crate::store::{Entry, Store, Survivors};
use crate::watch::Watch;

/// The mark of the last compaction that was carried out, in bucket `meta`.
const FINISHED: &[u8] = b"finishedCompactRev";
/// The mark of the last one that was requested: etcd carries it out when it starts.
const SCHEDULED: &[u8] = b"scheduledCompactRev";

/// What the new file is to hold.
pub enum Plan<'p> {
    /// Every entry of every bucket, as a defragmentation has it.
    Everything,
    /// What a compaction leaves, with both marks at its revision.
    Compacted(&'p Survivors),
    /// What a filter makes of each entry.
    Filtered(&'p mut dyn EntryFilter),
}

impl Plan<'_> {
    /// The message that an entry of bucket `key` gets; none for one that is left out.
    fn revision<'v>(&mut self, entry: &Entry<'v>) -> Result<Option<Cow<'v, [u8]>>, FilterError> {
        let keeps = match self {
            Self::Everything => true,
            Self::Compacted(survivors) => survivors.contains(entry.key),
            Self::Filtered(filter) => return filter.revision(entry),
        };
        Ok(keeps.then_some(Cow::Borrowed(entry.value)))
    }

    /// The main revision of an empty entry behind the last one.
    fn end_of_revisions(&mut self) -> Result<Option<i64>, FilterError> {
        match self {
            Self::Filtered(filter) => filter.end_of_revisions(),
            _ => Ok(None),
        }
    }

    /// The value of an entry of another bucket; none for one that is left out.
    fn pair<'v>(&mut self, bucket: &[u8], key: &[u8], value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        match self {
            Self::Filtered(filter) => filter.pair(bucket, key, value),
            _ => Some(Cow::Borrowed(value)),
        }
    }

    /// The marks of compaction that get another value, in the order of their names.
    fn marks(&self) -> BTreeMap<&'static [u8], i64> {
        match self {
            Self::Everything => BTreeMap::new(),
            Self::Compacted(survivors) => {
                [FINISHED, SCHEDULED].into_iter().map(|name| (name, survivors.revision())).collect()
            }
            Self::Filtered(filter) => filter.scheduled_mark().map(|main| (SCHEDULED, main)).into_iter().collect(),
        }
    }
}

/// Entries of bucket `key`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that the old file holds.
    pub read: u64,
    /// Those that the new one holds.
    pub kept: u64,
}

/// Why there is no new file.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError<E> {
    /// The old file cannot be read, or the caller asked to stop.
    #[error(transparent)]
    Read(#[from] Error),
    /// The old file is damaged, so that the new one would lack something.
    #[error("{}", .0.message)]
    Damaged(Finding),
    /// A bucket of another program has buckets within it, which would be lost.
    #[error("bucket `{0}` has buckets in it, which no etcd writes")]
    Nested(String),
    /// The new file cannot be written.
    #[error(transparent)]
    Build(#[from] BuildError<E>),
}

/// Writes the pages of a new file; the meta pages are in the answer.
///
/// # Errors
/// When the old file cannot be read or is damaged, or the sink fails: what was written by then is no file.
pub fn write<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    mut plan: Plan<'_>,
    sink: K,
    watch: &dyn Watch,
) -> Result<(Built, K, Counts), RewriteError<K::Error>> {
    let all: Vec<&str> = store.listed.iter().filter_map(|entry| std::str::from_utf8(&entry.name).ok()).collect();
    whole(store.lost_of(&all))?;
    let meta = Database::open(store.source).map_err(damaged)?.meta();
    let form = Form { page_size: meta.page_size, txid: meta.txid.saturating_add(1), sequence: 0 };
    let mut builder = FileBuilder::new(form, sink);
    let mut counts = Counts::default();
    let mut listed: Vec<&Listed> = store.listed.iter().collect();
    listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for entry in listed {
        builder.begin_bucket(&entry.name, u64_le(&entry.value, 8).unwrap_or(0))?;
        match &*entry.name {
            b"key" => counts = revisions(store, &mut plan, &mut builder, watch)?,
            _ => pairs(store, entry, &mut plan, &mut builder)?,
        }
        builder.end_bucket()?;
    }
    let (built, sink) = builder.finish()?;
    Ok((built, sink, counts))
}

/// Bucket `key`.
fn revisions<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    plan: &mut Plan<'_>,
    builder: &mut FileBuilder<K>,
    watch: &dyn Watch,
) -> Result<Counts, RewriteError<K::Error>> {
    let mut counts = Counts::default();
    let mut outcome: Result<(), RewriteError<K::Error>> = Ok(());
    let lost = store.entries_in_order(watch, &mut |entry, _| {
        counts.read = counts.read.saturating_add(1);
        outcome = (|| {
            if let Some(value) = plan.revision(entry)? {
                counts.kept = counts.kept.saturating_add(1);
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
        builder.put(&first_of(main), &[])?;
    }
    Ok(counts)
}

/// The key of the first put of a transaction; as a value it is a mark of compaction.
fn first_of(main: i64) -> Vec<u8> {
    RevisionKey { revision: Revision { main, sub: 0 }, tombstone: false }.to_vec()
}

/// Another bucket: what the plan makes of its entries, and in `meta` the marks of compaction that it sets.
fn pairs<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    entry: &Listed,
    plan: &mut Plan<'_>,
    builder: &mut FileBuilder<K>,
) -> Result<(), RewriteError<K::Error>> {
    let mut marks = if *entry.name == *b"meta" { plan.marks() } else { BTreeMap::new() };
    let mut outcome = Ok(());
    let nested = store.pairs_of(entry, &mut |key, value| {
        if outcome.is_err() {
            return;
        }
        outcome = (|| {
            while let Some((mark, main)) = marks.first_key_value().filter(|(mark, _)| **mark <= key) {
                let is_old = **mark == *key;
                builder.put(mark, &first_of(*main))?;
                marks.pop_first();
                if is_old {
                    return Ok(());
                }
            }
            match plan.pair(&entry.name, key, value) {
                Some(value) => builder.put(key, &value),
                None => Ok(()),
            }
        })();
    })?;
    outcome?;
    marks.into_iter().try_for_each(|(mark, main)| builder.put(mark, &first_of(main)))?;
    flat(entry, nested)
}

fn flat<E>(entry: &Listed, nested: u64) -> Result<(), RewriteError<E>> {
    if nested == 0 { Ok(()) } else { Err(RewriteError::Nested(excerpt(&entry.name).to_string())) }
}

impl<E> From<FilterError> for RewriteError<E> {
    fn from(error: FilterError) -> Self {
        match error {
            FilterError::Damaged(finding) => Self::Damaged(finding),
            FilterError::Memory(error) => Self::Read(error),
        }
    }
}

fn whole<E>(lost: Lost) -> Result<(), RewriteError<E>> {
    lost.first.map_or(Ok(()), |finding| Err(RewriteError::Damaged(finding)))
}

fn damaged<E>(error: DatabaseError) -> RewriteError<E> {
    match error {
        DatabaseError::Read(error) => RewriteError::Read(error),
        // A store was opened, so there is a meta page.
        error => RewriteError::Damaged(Finding::new(crate::code::Code::NoValidMeta, error.to_string())),
    }
}
