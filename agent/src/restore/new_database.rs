//! Makes the database of the new members: copied and changed, or rewritten entry by entry.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;

use etcdsnap_core::Revision;
use etcdsnap_core::bolt::edit::EditWrites;
use etcdsnap_core::restore::inherited_state::InheritedState;
use etcdsnap_core::restore::membership_error::MembershipError;
use etcdsnap_core::restore::plan::{RestorePlan, plan};

use super::direct_writer::DatabaseTarget;
use super::restore_job::{Accepted, RestoreJob};
use super::rewritten::{self, RewriteFacts, RewrittenDatabase};
use super::{RestoreError, copy, deleted_keys};
use crate::error::PathlessError;
use crate::input::{Body, FileSource, Spool};
use crate::threads;

/// The database of the new cluster; all members get the same bytes.
pub(super) struct Database {
    /// The latest revision of the snapshot; 0 if it has none.
    pub revision_before: Revision,
    /// The latest revision of the restored store.
    pub revision_after: Revision,
    /// Data of the old cluster that the new one inherits.
    pub inherited: InheritedState,
    /// Its size in bytes.
    pub size: u64,
    /// Pages that differ from those of the snapshot.
    pub pages_changed: u64,
    /// Whether the SHA-256 of the snapshot was compared.
    pub sha256_checked: bool,
    /// How many keys it holds; `None` if they were not counted.
    pub keys: Option<u64>,
    /// Whether it is damaged, and was restored all the same (`force`).
    pub is_damaged: bool,
    /// Facts about the entries that were left out, if it was rewritten entry by entry.
    pub rewrite: Option<RewriteFacts>,
}

/// The result of copying the database.
struct CopyResult {
    size: u64,
    sha256_checked: bool,
    accepted: Accepted,
}

impl RestoreJob<'_> {
    /// Writes the database to every target, changed and synced.
    pub fn database(&self, targets: &[DatabaseTarget]) -> Result<Database, RestoreError> {
        let Some(first) = targets.first() else { return Err(MembershipError::Empty.into()) };
        if self.config.rewrites() {
            let rewritten = self.unless_changed(rewritten::write(self, targets))?;
            self.on_each_target(targets, &|target| target.file.sync_all())?;
            let Accepted { keys, is_damaged } = rewritten::verify_result(self, first)?;
            return Ok(Database { keys, is_damaged, ..Database::of(rewritten) });
        }
        let copied = self.unless_changed(self.copy(targets))?;
        let source = first.file.try_clone().and_then(|file| FileSource::new(file, &first.path));
        let source = source.map_err(|cause| first.failed(cause))?;
        match &self.input.body {
            // Most of the copied bytes bypassed the page cache, so a sync has little left to do.
            Body::Plain(input) => self.unless_changed(deleted_keys::check_latest(self, input))?,
            Body::Packed(_) => deleted_keys::check_latest(self, &source)?,
        }
        let plan = plan(&source, self.cluster, self.keys())?;
        self.on_each_target(targets, &|target| {
            apply(&target.file, &plan.edit, copied.size).and_then(|()| target.file.sync_all())
        })?;
        Ok(Database::copied(plan, self, copied))
    }

    /// Runs a function for every target, each on its own thread.
    fn on_each_target(
        &self,
        targets: &[DatabaseTarget],
        change: &(dyn Fn(&DatabaseTarget) -> io::Result<()> + Sync),
    ) -> Result<(), RestoreError> {
        let finish = |target: &DatabaseTarget| change(target).map_err(|cause| target.failed(cause));
        let finish = &finish;
        thread::scope(|scope| {
            // The first target is handled here, as are those for which no thread can be started.
            let begin = |(number, target)| {
                let thread = if number == 0 { None } else { threads::start(scope, move || finish(target)) };
                (target, thread)
            };
            let finishing: Vec<_> = targets.iter().enumerate().map(begin).collect();
            finishing.into_iter().try_for_each(|(target, thread)| match thread {
                None => finish(target),
                Some(thread) => thread
                    .join()
                    .unwrap_or_else(|payload| Err(PathlessError::panic(payload.as_ref()).at(&self.input.path).into())),
            })
        })
    }

    /// Copies the database to all targets, compares its SHA-256 and verifies its structure.
    fn copy(&self, to: &[DatabaseTarget]) -> Result<CopyResult, RestoreError> {
        let mut accepted = Accepted::default();
        let copied = match &self.input.body {
            Body::Plain(file) => {
                let (copied, report) = copy::copy_file(file, to, self.verifies_structure(), self.progress)?;
                file.assert_unchanged()?;
                accepted = report.map_or(Ok(accepted), |report| self.accept(report))?;
                copied
            }
            Body::Packed(packed) => {
                let copied = copy::unpack_to_targets(packed, to, self.progress)?;
                packed.source().assert_unchanged()?;
                copied
            }
        };
        let size = copied.database_len();
        for target in to {
            target.file.set_len(size).map_err(|cause| target.failed(cause))?;
        }
        let checked = self.compare(&copied)?;
        if let (Body::Packed(_), true, Some(first)) = (&self.input.body, self.verifies_structure(), to.first()) {
            let source = first.file.try_clone().and_then(|file| FileSource::new(file, &self.input.path));
            let source = source.map_err(|cause| first.failed(cause))?;
            accepted = self.accept(copy::verify_structure(&source, &self.input.path, self.progress)?)?;
        }
        Ok(CopyResult { size, sha256_checked: checked, accepted })
    }

    /// Runs all checks and makes the plan, without writing; a compressed input is unpacked into a file without a name.
    pub fn dry_run(&self) -> Result<Database, RestoreError> {
        self.unless_changed(self.dry_run_of_copy())
    }

    fn dry_run_of_copy(&self) -> Result<Database, RestoreError> {
        if self.config.rewrites() {
            return Ok(Database::of(rewritten::dry_run(self)?));
        }
        let path = self.input.path.clone();
        let (source, copied) = match &self.input.body {
            Body::Plain(file) => (None, copy::hash_only(file, self.progress)?),
            Body::Packed(packed) => {
                // The plan needs random access to the pages that would change.
                let (file, copied) = copy::unpack_to_nameless_file(packed, &path, self.progress)?;
                file.set_len(copied.database_len()).map_err(Spool::failed)?;
                (Some(FileSource::new(file, &path).map_err(Spool::failed)?), copied)
            }
        };
        let sha256_checked = self.compare(&copied)?;
        let source = match (&source, &self.input.body) {
            (Some(source), _) | (None, Body::Plain(source)) => source,
            (None, Body::Packed(packed)) => packed.source(),
        };
        let judged =
            self.verifies_structure().then(|| copy::verify_structure(source, &path, self.progress)).transpose()?;
        let accepted = judged.map_or(Ok(Accepted::default()), |report| self.accept(report))?;
        deleted_keys::check_latest(self, source)?;
        let plan = plan(source, self.cluster, self.keys())?;
        Ok(Database::copied(plan, self, CopyResult { size: copied.database_len(), sha256_checked, accepted }))
    }
}

impl Database {
    /// Describes a copy with a few changed pages.
    fn copied(plan: RestorePlan, job: &RestoreJob<'_>, judged: CopyResult) -> Self {
        let RestorePlan { revision_before, revision_after, inherited, edit } = plan;
        let deleted = job.config.delete.iter().collect::<BTreeSet<_>>().len() as u64;
        Self {
            revision_before,
            revision_after,
            inherited,
            size: judged.size.max(edit.size),
            pages_changed: edit.pages,
            sha256_checked: judged.sha256_checked,
            keys: judged.accepted.keys.map(|keys| keys.saturating_sub(deleted)),
            is_damaged: judged.accepted.is_damaged,
            rewrite: None,
        }
    }

    /// Describes a database that was rewritten entry by entry. Its keys are not counted yet.
    fn of(rewritten: RewrittenDatabase) -> Self {
        let RewrittenDatabase { facts, changes, built, sha256_checked } = rewritten;
        Self {
            revision_before: changes.revision_before,
            revision_after: changes.revision_after,
            inherited: changes.inherited,
            size: built.len,
            pages_changed: built.pages,
            sha256_checked,
            keys: None,
            is_damaged: false,
            rewrite: Some(facts),
        }
    }
}

fn apply(file: &File, edit: &EditWrites, size: u64) -> io::Result<()> {
    file.set_len(size.max(edit.size))?;
    edit.writes.iter().try_for_each(|(at, bytes)| file.write_all_at(bytes, at.get()))
}
