//! The database of the new members: copied and changed, or written entry by entry.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;

use etcdsnap_core::Revision;
use etcdsnap_core::bolt::edit::Edited;
use etcdsnap_core::restore::carried::Carried;
use etcdsnap_core::restore::membership_error::MembershipError;
use etcdsnap_core::restore::plan::{Plan, plan};

use super::direct_writer::Target;
use super::restore_job::Job;
use super::rewritten::{self, RewriteFacts, Rewritten};
use super::{RestoreError, copy, deleted_keys};
use crate::error::Fault;
use crate::input::{Body, FileSource, Spool};
use crate::threads;

/// The database of the new cluster: that of every member is the same, byte for byte.
pub(super) struct Database {
    /// The latest revision of the snapshot; 0 when it has none.
    pub revision_before: Revision,
    /// The latest revision of the restored store.
    pub revision_after: Revision,
    /// What the new cluster takes over from the old one.
    pub carried: Carried,
    /// Its bytes.
    pub size: u64,
    /// Pages that differ from those of the snapshot.
    pub pages_changed: u64,
    /// Whether its SHA-256 was compared.
    pub sha256_checked: bool,
    /// How many keys it holds; none when that was not counted.
    pub keys: Option<u64>,
    /// What was left out, where it was written entry by entry.
    pub rewrite: Option<RewriteFacts>,
}

/// What came of copying the database.
struct Judged {
    size: u64,
    sha256_checked: bool,
    keys: Option<u64>,
}

impl Job<'_> {
    /// The database, changed and synced in every target.
    pub fn database(&self, targets: &[Target]) -> Result<Database, RestoreError> {
        let Some(first) = targets.first() else { return Err(MembershipError::Empty.into()) };
        if self.config.rewrites() {
            let rewritten = self.unless_changed(rewritten::write(self, targets))?;
            self.on_each(targets, &|target| target.file.sync_all())?;
            let keys = rewritten::judge_result(self, first)?;
            return Ok(Database { keys, ..Database::of(rewritten) });
        }
        let Judged { size, sha256_checked, keys } = self.unless_changed(self.copy(targets))?;
        let source = first.file.try_clone().and_then(|file| FileSource::new(file, &first.path));
        let source = source.map_err(|cause| first.failed(cause))?;
        match &self.input.body {
            // Most of what was copied went past the page cache.
            Body::Plain(input) => self.unless_changed(deleted_keys::check_latest(self, input))?,
            Body::Packed(_) => deleted_keys::check_latest(self, &source)?,
        }
        let plan = plan(&source, self.cluster, self.keys())?;
        self.on_each(targets, &|target| apply(&target.file, &plan.edited, size).and_then(|()| target.file.sync_all()))?;
        Ok(Database::copied(plan, self, Judged { size, sha256_checked, keys }))
    }

    /// Does the same to every target, on as many threads.
    fn on_each(
        &self,
        targets: &[Target],
        change: &(dyn Fn(&Target) -> io::Result<()> + Sync),
    ) -> Result<(), RestoreError> {
        let finish = |target: &Target| change(target).map_err(|cause| target.failed(cause));
        let finish = &finish;
        thread::scope(|scope| {
            // The first is done here, and others that there are no threads for.
            let begin = |(number, target)| {
                let thread = if number == 0 { None } else { threads::start(scope, move || finish(target)) };
                (target, thread)
            };
            let finishing: Vec<_> = targets.iter().enumerate().map(begin).collect();
            finishing.into_iter().try_for_each(|(target, thread)| match thread {
                None => finish(target),
                Some(thread) => thread
                    .join()
                    .unwrap_or_else(|payload| Err(Fault::panic(payload.as_ref()).at(&self.input.path).into())),
            })
        })
    }

    /// Copies the database to all targets, compares its SHA-256 and judges its structure.
    fn copy(&self, to: &[Target]) -> Result<Judged, RestoreError> {
        let mut keys = None;
        let copied = match &self.input.body {
            Body::Plain(file) => {
                let (copied, report) = copy::plain(file, to, self.judge(), self.progress)?;
                file.assert_unchanged()?;
                keys = report.map_or(Ok(None), |report| self.accept(report))?;
                copied
            }
            Body::Packed(packed) => {
                let copied = copy::packed(packed, to, self.progress)?;
                packed.source().assert_unchanged()?;
                copied
            }
        };
        let size = copied.database_len();
        for target in to {
            target.file.set_len(size).map_err(|cause| target.failed(cause))?;
        }
        let checked = self.compare(&copied)?;
        if let (Body::Packed(_), true, Some(first)) = (&self.input.body, self.judge(), to.first()) {
            let source = first.file.try_clone().and_then(|file| FileSource::new(file, &self.input.path));
            let source = source.map_err(|cause| first.failed(cause))?;
            keys = self.accept(copy::judge(&source, &self.input.path, self.progress)?)?;
        }
        Ok(Judged { size, sha256_checked: checked, keys })
    }

    /// All checks and the plan, without writing; a compressed input is unpacked into a file without a name.
    pub fn rehearse(&self) -> Result<Database, RestoreError> {
        self.unless_changed(self.rehearse_as_it_is())
    }

    fn rehearse_as_it_is(&self) -> Result<Database, RestoreError> {
        if self.config.rewrites() {
            return Ok(Database::of(rewritten::rehearse(self)?));
        }
        let path = self.input.path.clone();
        let (source, copied) = match &self.input.body {
            Body::Plain(file) => (None, copy::hash_only(file, self.progress)?),
            Body::Packed(packed) => {
                // The pages that would change are looked for at any place of it.
                let (file, copied) = copy::unpacked(packed, &path, self.progress)?;
                file.set_len(copied.database_len()).map_err(Spool::failed)?;
                (Some(FileSource::new(file, &path).map_err(Spool::failed)?), copied)
            }
        };
        let sha256_checked = self.compare(&copied)?;
        let source = match (&source, &self.input.body) {
            (Some(source), _) | (None, Body::Plain(source)) => source,
            (None, Body::Packed(packed)) => packed.source(),
        };
        let judged = self.judge().then(|| copy::judge(source, &path, self.progress)).transpose()?;
        let keys = judged.map_or(Ok(None), |report| self.accept(report))?;
        deleted_keys::check_latest(self, source)?;
        let plan = plan(source, self.cluster, self.keys())?;
        Ok(Database::copied(plan, self, Judged { size: copied.database_len(), sha256_checked, keys }))
    }
}

impl Database {
    /// One that was copied, with a few pages changed.
    fn copied(plan: Plan, job: &Job<'_>, judged: Judged) -> Self {
        let Plan { revision_before, revision_after, carried, edited } = plan;
        let deleted = job.config.delete.iter().collect::<BTreeSet<_>>().len() as u64;
        Self {
            revision_before,
            revision_after,
            carried,
            size: judged.size.max(edited.size),
            pages_changed: edited.pages,
            sha256_checked: judged.sha256_checked,
            keys: judged.keys.map(|keys| keys.saturating_sub(deleted)),
            rewrite: None,
        }
    }

    /// One that was written entry by entry. Its keys are not counted yet.
    fn of(rewritten: Rewritten) -> Self {
        let Rewritten { facts, changes, built, sha256_checked } = rewritten;
        Self {
            revision_before: changes.revision_before,
            revision_after: changes.revision_after,
            carried: changes.carried,
            size: built.len,
            pages_changed: built.pages,
            sha256_checked,
            keys: None,
            rewrite: Some(facts),
        }
    }
}

fn apply(file: &File, edited: &Edited, size: u64) -> io::Result<()> {
    file.set_len(size.max(edited.size))?;
    edited.writes.iter().try_for_each(|(at, bytes)| file.write_all_at(bytes, at.get()))
}
