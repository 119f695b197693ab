//! A database that is written entry by entry instead of copied: as of a revision, or without the history that a compaction removes.
//!
//! The snapshot is hashed and judged on one thread while another writes; the result is read back and judged, too.

use etcdsnap_core::bolt::database::Database as Bolt;
use etcdsnap_core::bolt::write::file_builder::{BuildError, Built, PageSink};
use etcdsnap_core::restore::plan::{DatabaseChanges, KeyChanges, PlanError, changes};
use etcdsnap_core::rewrite::{self, Alterations, Counts, LapsedLeases, Plan, write_altered};
use etcdsnap_core::{Block, Report, Revision};

use super::copy::{self, Writers};
use super::direct_writer::Target;
use super::restore_job::Job;
use super::{RestoreError, deleted_keys};
use crate::error::{Error, Fault};
use crate::fsx::early_flush;
use crate::input::{Body, FileSource};
use crate::progress::{Progress, Stage};
use crate::rewrite::Aside;
use crate::sha256_stream::Copied;
use crate::snapshot::Snapshot;
use crate::threads;

/// Bytes that are written at once.
const BLOCK: usize = 1 << 20;

/// What was left out, and what had to be put in.
pub(super) struct RewriteFacts {
    /// The revision whose state it is, when one was asked for.
    pub as_of: Option<Revision>,
    /// The revision of the compaction, when one was asked for.
    pub compacted: Option<Revision>,
    /// Entries of the snapshot, and those that were kept.
    pub counts: Counts,
    /// Leases that were granted anew.
    pub lapsed: LapsedLeases,
}

/// What was written, or would be.
pub(super) struct Rewritten {
    pub facts: RewriteFacts,
    /// What changed besides the entries that are left out.
    pub changes: DatabaseChanges,
    /// The file.
    pub built: Built,
    /// Whether the snapshot's SHA-256 was compared.
    pub sha256_checked: bool,
}

/// Writes the database to all targets, but for the sync at the end.
pub(super) fn write(job: &Job<'_>, to: &[Target]) -> Result<Rewritten, RestoreError> {
    let flush = || to.iter().try_for_each(|target| target.file.sync_data().map_err(|cause| target.failed(cause)));
    let rewritten = judged_beside(job, |snapshot, progress| {
        early_flush::beside(flush, |unflushed| {
            let page_size = snapshot.store()?.page_size();
            let writers = Writers::new(to, unflushed).behind(u64::from(page_size).saturating_mul(2));
            let (rewritten, sink) = pages(job, snapshot, Sink::new(writers), progress)?;
            sink.finish()?;
            Ok(rewritten)
        })
    })?;
    for target in to {
        use std::os::unix::fs::FileExt;
        let metas = target.file.write_all_at(&rewritten.built.metas, 0);
        metas.and_then(|()| target.file.set_len(rewritten.built.len)).map_err(|cause| target.failed(cause))?;
    }
    Ok(rewritten)
}

/// The same without writing anything.
pub(super) fn rehearse(job: &Job<'_>) -> Result<Rewritten, RestoreError> {
    judged_beside(job, |snapshot, progress| Ok(pages(job, snapshot, Nowhere, progress)?.0))
}

/// Judges the snapshot beside `write`. What is wrong with the snapshot comes first.
fn judged_beside(
    job: &Job<'_>,
    write: impl FnOnce(&Snapshot, &dyn Progress) -> Result<Rewritten, RestoreError>,
) -> Result<Rewritten, RestoreError> {
    let path = &job.input.path;
    let (snapshot, unpacked) = opened(job)?;
    let aside = Aside::new(job.progress);
    let judge = || {
        let hashed = match &unpacked {
            None if !job.config.skip_hash_check => Some(copy::hash_only(snapshot.source(), &aside)?),
            _ => None,
        };
        // What is damaged is told first: a wrong SHA-256 follows from it.
        if job.judge() {
            job.accept(copy::judge(snapshot.source(), path, &aside)?)?;
        }
        hashed.as_ref().or(unpacked.as_ref()).map_or(Ok(false), |copied| job.compare(copied))
    };
    let (judged, written) = threads::both(judge, || {
        let written = write(&snapshot, job.progress);
        // What the snapshot holds may be why: its judgement says so then.
        aside.stop_if(matches!(&written, Err(error) if !matches!(error, RestoreError::NotWhole { .. })));
        written
    });
    match judged.unwrap_or_else(|payload| Err(Fault::panic(payload.as_ref()).at(path).into())) {
        // It was stopped because nothing could be written.
        Err(RestoreError::Input(Error::Cancelled)) => written.and(Err(Error::Cancelled.into())),
        Err(error) => Err(error),
        Ok(sha256_checked) => written.map(|written| Rewritten { sha256_checked, ..written }),
    }
}

/// The snapshot; what is packed is unpacked into a file without a name, and hashed on the way.
fn opened(job: &Job<'_>) -> Result<(Snapshot, Option<Copied>), RestoreError> {
    let path = &job.input.path;
    match &job.input.body {
        Body::Plain(source) => Ok((Snapshot::of_source(source, path, job.progress)?, None)),
        Body::Packed(packed) => {
            let (file, copied) = copy::unpacked(packed, path, job.progress)?;
            Ok((Snapshot::of_file(file, path, job.progress)?, Some(copied)))
        }
    }
}

/// Hands the pages of the new database to `sink`.
fn pages<K: PageSink<Error = RestoreError>>(
    job: &Job<'_>,
    snapshot: &Snapshot,
    sink: K,
    progress: &dyn Progress,
) -> Result<(Rewritten, K), RestoreError> {
    let store = snapshot.store()?;
    let as_of = job.config.as_of.map(|revision| store.at(revision)).transpose()?;
    let revision = as_of.unwrap_or_else(|| store.current());
    deleted_keys::check(job, snapshot, &store, revision)?;
    let compacted = job.config.compact.then_some(revision);
    let survivors = match compacted {
        Some(revision) => {
            let (survivors, lost) = snapshot.survivors(&store, revision, progress)?;
            not_lost(job, lost.first)?;
            Some(survivors)
        }
        None => None,
    };
    let mut database = Bolt::open(snapshot.source()).map_err(PlanError::from)?;
    let changes = changes(&mut database, job.cluster, KeyChanges { as_of, ..job.keys() })?;
    let plan = Plan::AsOf { revision: as_of.unwrap_or(Revision::MAX), survivors: survivors.as_ref() };
    let new_lease_seconds = as_of.map(|_| job.config.new_lease_seconds);
    let alterations = Alterations { changes: &changes.changes, new_lease_seconds };
    progress.begin(Stage::Copy, Some(store.bytes()));
    let written = write_altered(&store, plan, alterations, sink, progress).map_err(|error| of_core(job, error))?;
    let rewrite::Written { built, sink, counts, lapsed } = written;
    let facts = RewriteFacts { as_of, compacted, counts, lapsed };
    Ok((Rewritten { facts, changes, built, sha256_checked: false }, sink))
}

fn not_lost(job: &Job<'_>, lost: Option<etcdsnap_core::Finding>) -> Result<(), RestoreError> {
    let Some(finding) = lost else { return Ok(()) };
    Err(RestoreError::NotWhole { path: job.input.path.clone(), reason: crate::printable(&finding.message) })
}

fn of_core(job: &Job<'_>, error: rewrite::RewriteError<RestoreError>) -> RestoreError {
    let path = &job.input.path;
    match error {
        rewrite::RewriteError::Read(cause) => Fault::Scan(cause).at(path).into(),
        rewrite::RewriteError::Build(BuildError::Sink(error)) => error,
        error => RestoreError::NotWhole { path: path.clone(), reason: crate::printable(&error.to_string()) },
    }
}

/// Judges what was written, by reading it back: how many keys it holds, if anything is judged at all.
///
/// # Errors
/// [`Error::Defect`] when it is not sound although the snapshot was.
pub(super) fn judge_result(job: &Job<'_>, target: &Target) -> Result<Option<u64>, RestoreError> {
    if !job.judge() {
        return Ok(None);
    }
    let source = target.file.try_clone().and_then(|file| FileSource::new(file, &target.path));
    let report: Report = copy::judge(&source.map_err(|cause| target.failed(cause))?, &target.path, job.progress)?;
    job.accept(report).map_err(|error| match error {
        RestoreError::Damaged { report, .. } => {
            let finding = report.findings.list().first().map(|finding| finding.message.clone()).unwrap_or_default();
            Error::Defect(format!("the new database is not sound and was removed: {finding}")).into()
        }
        error => error,
    })
}

/// Writes pages to all targets in blocks.
struct Sink<'t> {
    writers: Writers<'t>,
    block: Block,
    used: usize,
}

impl<'t> Sink<'t> {
    fn new(writers: Writers<'t>) -> Self {
        Self { writers, block: Block::new(BLOCK), used: 0 }
    }

    fn finish(mut self) -> Result<(), RestoreError> {
        self.write()
    }

    fn write(&mut self) -> Result<(), RestoreError> {
        let written = self.writers.write(self.block.get(..self.used).unwrap_or_default())?;
        self.used = 0;
        // The flush that failed is told by its thread.
        if written { Ok(()) } else { Err(Error::Cancelled.into()) }
    }
}

impl PageSink for Sink<'_> {
    type Error = RestoreError;

    fn append(&mut self, mut pages: &[u8]) -> Result<(), RestoreError> {
        while !pages.is_empty() {
            let free = self.block.get_mut(self.used..).unwrap_or_default();
            let (now, later) = pages.split_at(pages.len().min(free.len()));
            free.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.used = self.used.saturating_add(now.len());
            pages = later;
            if self.used >= BLOCK {
                self.write()?;
            }
        }
        Ok(())
    }
}

/// Takes pages and keeps none.
struct Nowhere;

impl PageSink for Nowhere {
    type Error = RestoreError;

    fn append(&mut self, _pages: &[u8]) -> Result<(), RestoreError> {
        Ok(())
    }
}
