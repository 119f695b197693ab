//! Makes a database entry by entry instead of copying it: as of a revision, or without the history that a compaction removes.
//!
//! One thread hashes and verifies the snapshot while another writes; the result is read back and verified, too.

use etcdsnap_core::bolt::database::BoltDatabase as Bolt;
use etcdsnap_core::bolt::write::file_builder::{BuildError, BuiltFile, PageSink};
use etcdsnap_core::restore::plan::{DatabaseChanges, KeyChanges, PlanError, changes};
use etcdsnap_core::rewrite::{self, Alterations, EntryTotals, LapsedLeases, Plan, write_altered};
use etcdsnap_core::{Report, Revision};

use super::copy::{self, TargetWriters};
use super::direct_writer::DatabaseTarget;
use super::restore_job::{Accepted, RestoreJob};
use super::{RestoreError, deleted_keys};
use crate::error::{Error, PathlessError};
use crate::fsx::early_flush;
use crate::input::{Body, FileSource};
use crate::progress::{Progress, Stage};
use crate::rewrite::{Aside, BlockSink};
use crate::sha256_stream::StreamDigest;
use crate::snapshot::Snapshot;
use crate::threads;

/// What was left out, and what was added.
pub(super) struct RewriteFacts {
    /// The revision whose state was chosen, if any.
    pub as_of: Option<Revision>,
    /// The revision of the compaction, if any.
    pub compacted: Option<Revision>,
    /// Numbers of entries in the snapshot, and of those that were kept.
    pub counts: EntryTotals,
    /// Leases that were granted again.
    pub lapsed: LapsedLeases,
}

/// The result, written or only computed.
pub(super) struct RewrittenDatabase {
    pub facts: RewriteFacts,
    /// Changes besides the entries that were left out.
    pub changes: DatabaseChanges,
    /// The file.
    pub built: BuiltFile,
    /// Whether the snapshot's SHA-256 was compared.
    pub sha256_checked: bool,
}

/// Writes the database to all targets; the caller does the final sync.
pub(super) fn write(job: &RestoreJob<'_>, to: &[DatabaseTarget]) -> Result<RewrittenDatabase, RestoreError> {
    let rewritten = write_and_verify(job, |snapshot, progress| {
        early_flush::with_early_flush(
            || copy::sync_data(to),
            |unflushed| {
                let page_size = snapshot.store()?.page_size();
                let mut writers = TargetWriters::new(to, unflushed).starting_at(u64::from(page_size).saturating_mul(2));
                let sink = BlockSink::new(|block| {
                    // Of a flush that failed, the flushing thread returns the error.
                    if writers.write(block)? { Ok(()) } else { Err(Error::Cancelled.into()) }
                });
                let (rewritten, sink) = pages(job, snapshot, sink, progress)?;
                sink.finish()?;
                Ok(rewritten)
            },
        )
    })?;
    for target in to {
        use std::os::unix::fs::FileExt;
        let metas = target.file.write_all_at(&rewritten.built.meta_pages, 0);
        metas.and_then(|()| target.file.set_len(rewritten.built.len)).map_err(|cause| target.failed(cause))?;
    }
    Ok(rewritten)
}

/// Does the same as [`write`] without writing anything.
pub(super) fn dry_run(job: &RestoreJob<'_>) -> Result<RewrittenDatabase, RestoreError> {
    write_and_verify(job, |snapshot, progress| Ok(pages(job, snapshot, BlockSink::new(|_| Ok(())), progress)?.0))
}

/// Verifies the snapshot while `write` runs. Problems of the snapshot take precedence.
fn write_and_verify(
    job: &RestoreJob<'_>,
    write: impl FnOnce(&Snapshot, &dyn Progress) -> Result<RewrittenDatabase, RestoreError>,
) -> Result<RewrittenDatabase, RestoreError> {
    let path = &job.input.path;
    let (snapshot, unpacked) = opened(job)?;
    let aside = Aside::new(job.progress);
    let judge = || {
        let hashed = match &unpacked {
            None if !job.config.skip_hash_check => Some(copy::hash_only(snapshot.source(), &aside)?),
            _ => None,
        };
        // Damage is reported first: a wrong SHA-256 follows from it.
        if job.verifies_structure() {
            job.accept(copy::verify_structure(snapshot.source(), path, &aside)?)?;
        }
        hashed.as_ref().or(unpacked.as_ref()).map_or(Ok(false), |copied| job.compare(copied))
    };
    let (judged, written) = threads::run_both(judge, || {
        let written = write(&snapshot, job.progress);
        // Damage of the snapshot may be the cause, which its report would show.
        aside.stop_if(matches!(&written, Err(error) if !matches!(error, RestoreError::NotWhole { .. })));
        written
    });
    match judged.unwrap_or_else(|payload| Err(PathlessError::panic(payload.as_ref()).at(path).into())) {
        // Verification was stopped because writing failed.
        Err(RestoreError::Input(Error::Cancelled)) => written.and(Err(Error::Cancelled.into())),
        Err(error) => Err(error),
        Ok(sha256_checked) => written.map(|written| RewrittenDatabase { sha256_checked, ..written }),
    }
}

/// Opens the snapshot; a compressed one is unpacked into a file without a name, and hashed meanwhile.
fn opened(job: &RestoreJob<'_>) -> Result<(Snapshot, Option<StreamDigest>), RestoreError> {
    let path = &job.input.path;
    match &job.input.body {
        Body::Plain(source) => Ok((Snapshot::of_source(source, path, job.progress)?, None)),
        Body::Packed(packed) => {
            let (file, copied) = copy::unpack_to_nameless_file(packed, path, job.progress)?;
            Ok((Snapshot::of_file(file, path, job.progress)?, Some(copied)))
        }
    }
}

/// Passes the pages of the new database to `sink`.
fn pages<K: PageSink<Error = RestoreError>>(
    job: &RestoreJob<'_>,
    snapshot: &Snapshot,
    sink: K,
    progress: &dyn Progress,
) -> Result<(RewrittenDatabase, K), RestoreError> {
    let store = snapshot.store()?;
    let as_of = job.config.as_of.map(|revision| store.at(revision)).transpose()?;
    let revision = as_of.unwrap_or_else(|| store.current());
    deleted_keys::check(job, snapshot, &store, revision)?;
    let compacted = job.config.compact.then_some(revision);
    let survivors = match compacted {
        Some(revision) => {
            let (survivors, lost) = snapshot.survivors(&store, revision, progress)?;
            check_nothing_lost(job, lost.first)?;
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
    Ok((RewrittenDatabase { facts, changes, built, sha256_checked: false }, sink))
}

fn check_nothing_lost(job: &RestoreJob<'_>, lost: Option<etcdsnap_core::Finding>) -> Result<(), RestoreError> {
    let Some(finding) = lost else { return Ok(()) };
    Err(RestoreError::NotWhole { path: job.input.path.clone(), reason: crate::printable(&finding.message) })
}

fn of_core(job: &RestoreJob<'_>, error: rewrite::RewriteError<RestoreError>) -> RestoreError {
    let path = &job.input.path;
    match error {
        rewrite::RewriteError::Read(cause) => PathlessError::Scan(cause).at(path).into(),
        rewrite::RewriteError::Build(BuildError::Sink(error)) => error,
        error => RestoreError::NotWhole { path: path.clone(), reason: crate::printable(&error.to_string()) },
    }
}

/// Verifies the result by reading it back. Counts nothing if verification is disabled.
///
/// # Errors
/// [`Error::Defect`] if it is not sound although the snapshot was.
pub(super) fn verify_result(job: &RestoreJob<'_>, target: &DatabaseTarget) -> Result<Accepted, RestoreError> {
    if !job.verifies_structure() {
        return Ok(Accepted::default());
    }
    let source = target.file.try_clone().and_then(|file| FileSource::new(file, &target.path));
    let report: Report =
        copy::verify_structure(&source.map_err(|cause| target.failed(cause))?, &target.path, job.progress)?;
    job.accept(report).map_err(|error| match error {
        RestoreError::Damaged { report, .. } => {
            let finding = report.findings.list().first().map(|finding| finding.message.clone()).unwrap_or_default();
            Error::Defect(format!("the new database is not sound and was removed: {finding}")).into()
        }
        error => error,
    })
}
