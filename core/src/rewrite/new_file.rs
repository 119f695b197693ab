//! The new file: every bucket of the old one, bucket `key` with the entries that are kept, and both marks of compaction where they are raised.

use std::collections::BTreeMap;

use crate::bolt::database::{Database, DatabaseError};
use crate::bolt::write::file_builder::{BuildError, Built, FileBuilder, Form, PageSink};
use crate::error::Error;
use crate::etcd::revision::{Revision, RevisionKey};
use crate::fields::u64_le;
use crate::finding::{Finding, excerpt};
use crate::lost::Lost;
use crate::scan::small::Listed;
use crate::source::Source;
use crate::store::{Store, Survivors};
use crate::watch::Watch;

/// The two marks of compaction in bucket `meta`: etcd's `scheduledCompactRev` and `finishedCompactRev`.
const MARKS: [&[u8]; 2] = [b"finishedCompactRev", b"scheduledCompactRev"];

/// What the new file is to hold.
#[derive(Debug, Clone, Copy)]
pub enum Plan<'p> {
    /// Every entry of every bucket, as a defragmentation has it.
    Everything,
    /// What a compaction leaves, with both marks at its revision.
    Compacted(&'p Survivors),
}

impl Plan<'_> {
    fn keeps(&self, entry: RevisionKey) -> bool {
        match self {
            Self::Everything => true,
            Self::Compacted(survivors) => survivors.contains(entry),
        }
    }

    fn marks(&self) -> Option<i64> {
        match self {
            Self::Everything => None,
            Self::Compacted(survivors) => Some(survivors.revision()),
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
    plan: Plan<'_>,
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
            b"key" => counts = revisions(store, plan, &mut builder, watch)?,
            b"meta" => settings(store, entry, plan.marks(), &mut builder)?,
            _ => pairs(store, entry, &mut builder)?,
        }
        builder.end_bucket()?;
    }
    let (built, sink) = builder.finish()?;
    Ok((built, sink, counts))
}

/// Bucket `key`.
fn revisions<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    plan: Plan<'_>,
    builder: &mut FileBuilder<K>,
    watch: &dyn Watch,
) -> Result<Counts, RewriteError<K::Error>> {
    let mut counts = Counts::default();
    let mut outcome = Ok(());
    let lost = store.entries_in_order(watch, &mut |entry, _| {
        counts.read = counts.read.saturating_add(1);
        if plan.keeps(entry.key) {
            counts.kept = counts.kept.saturating_add(1);
            let (key, len) = entry.key.to_bytes();
            outcome = builder.put(key.get(..len).unwrap_or_default(), entry.value);
        }
        outcome.is_ok()
    })?;
    outcome?;
    whole(lost)?;
    Ok(counts)
}

/// Bucket `meta`, with both marks at a revision.
fn settings<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    entry: &Listed,
    marks: Option<i64>,
    builder: &mut FileBuilder<K>,
) -> Result<(), RewriteError<K::Error>> {
    let Some(main) = marks else { return pairs(store, entry, builder) };
    let (value, len) = RevisionKey { revision: Revision { main, sub: 0 }, tombstone: false }.to_bytes();
    let value = value.get(..len).unwrap_or_default();
    let mut left: BTreeMap<&[u8], &[u8]> = MARKS.into_iter().map(|name| (name, value)).collect();
    let mut outcome = Ok(());
    let nested = store.pairs_of(entry, &mut |key, old| {
        if outcome.is_err() {
            return;
        }
        outcome = (|| {
            while let Some((mark, value)) = left.first_key_value().filter(|(mark, _)| **mark <= key) {
                let is_old = **mark == *key;
                builder.put(mark, value)?;
                left.pop_first();
                if is_old {
                    return Ok(());
                }
            }
            builder.put(key, old)
        })();
    })?;
    outcome?;
    left.into_iter().try_for_each(|(mark, value)| builder.put(mark, value))?;
    flat(entry, nested)
}

/// A bucket as it is.
fn pairs<S: Source + ?Sized, K: PageSink>(
    store: &Store<'_, S>,
    entry: &Listed,
    builder: &mut FileBuilder<K>,
) -> Result<(), RewriteError<K::Error>> {
    let mut outcome = Ok(());
    let nested = store.pairs_of(entry, &mut |key, value| {
        if outcome.is_ok() {
            outcome = builder.put(key, value);
        }
    })?;
    outcome?;
    flat(entry, nested)
}

fn flat<E>(entry: &Listed, nested: u64) -> Result<(), RewriteError<E>> {
    if nested == 0 { Ok(()) } else { Err(RewriteError::Nested(excerpt(&entry.name).to_string())) }
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
