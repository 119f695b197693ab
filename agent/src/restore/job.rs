//! The work of a restore: copy and check the database, change it, write the log and the `.snap` file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread;

use etcdsnap_core::bolt::edit::Edited;
use etcdsnap_core::restore::membership::{Cluster, Member};
use etcdsnap_core::restore::membership_error::MembershipError;
use etcdsnap_core::restore::plan::{Plan, PlanError, plan};
use etcdsnap_core::restore::{snap, wal};
use etcdsnap_core::{Report, Severity, Verdict};
use rustix::io::Errno;

use super::files::failed;
use super::stage_directory::StageDirectory;
use super::target::Target;
use super::{RestoreConfig, RestoreError, RestoreVerify, copy};
use crate::error::Fault;
use crate::hasher::Copied;
use crate::input::{Body, FileSource, Input, Spool};
use crate::progress::Progress;
use crate::threads;

/// The database of the new cluster: that of every member is the same, byte for byte.
pub(super) struct Database {
    /// What was changed.
    pub plan: Plan,
    /// Its bytes.
    pub size: u64,
    /// Whether its SHA-256 was compared.
    pub sha256_checked: bool,
    /// How many keys it holds; none when nothing was judged.
    pub keys: Option<u64>,
}

/// What came of copying the database.
struct Judged {
    size: u64,
    sha256_checked: bool,
    keys: Option<u64>,
}

/// Where the files of one member are made: stages, and paths in them.
pub(super) struct Place<'s> {
    /// What becomes the member's directory, `member`.
    pub member: (&'s StageDirectory, PathBuf),
    /// What becomes the directory of the log.
    pub log: (&'s StageDirectory, PathBuf),
}

impl<'s> Place<'s> {
    /// The usual place of the log.
    pub fn whole(stage: &'s StageDirectory, member: PathBuf) -> Self {
        Self { log: (stage, member.join("wal")), member: (stage, member) }
    }

    fn snap(&self) -> PathBuf {
        self.member.1.join("snap")
    }

    fn database(&self) -> PathBuf {
        self.snap().join("db")
    }
}

/// One restore, with all that was validated.
pub(super) struct Job<'j> {
    pub config: &'j RestoreConfig,
    pub cluster: &'j Cluster,
    pub bump: Option<u64>,
    pub input: &'j Input,
    pub progress: &'j dyn Progress,
}

impl Job<'_> {
    /// Whether the revision can be raised so far, before anything is written. What is packed tells that only later.
    pub fn check_bump(&self) -> Result<(), RestoreError> {
        let (Body::Plain(source), Some(_)) = (&self.input.body, self.bump) else { return Ok(()) };
        match plan(source, self.cluster, self.bump) {
            Err(error @ PlanError::Bump { .. }) => Err(error.into()),
            // What is wrong with the database itself is told better when all of it has been read.
            _ => Ok(()),
        }
    }

    /// Bytes that the database of one member is going to have, as far as that can be told before it is read.
    pub fn size_ahead(&self) -> u64 {
        match &self.input.body {
            Body::Plain(source) => {
                let database = self.input.extent().database().unwrap_or_else(|| super::len(source));
                plan(source, self.cluster, self.bump).map_or(database, |plan| database.max(plan.edited.size))
            }
            Body::Packed(packed) => packed.extent().database().unwrap_or_default(),
        }
    }

    /// Makes the directories, the databases and all other files of the members.
    pub fn write(&self, members: &[(&Member, Place<'_>)]) -> Result<Database, RestoreError> {
        for (_, place) in members {
            place.member.0.make_directory(&place.snap())?;
            place.log.0.make_directory(&place.log.1)?;
        }
        let targets = members.iter().map(|(_, place)| Target::create(place.member.0, &place.database()));
        let done = self.database(&targets.collect::<Result<Vec<_>, _>>()?)?;
        for (member, place) in members {
            self.files(member, place)?;
        }
        Ok(done)
    }

    /// The database, changed and synced in every target.
    fn database(&self, targets: &[Target]) -> Result<Database, RestoreError> {
        let Some(first) = targets.first() else { return Err(MembershipError::Empty.into()) };
        let Judged { size, sha256_checked, keys } = self.unless_changed(self.copy(targets))?;
        let source = first.file.try_clone().and_then(|file| FileSource::new(file, &first.path));
        let plan = plan(&source.map_err(|cause| first.failed(cause))?, self.cluster, self.bump)?;
        let finish = |target: &Target| {
            let changed = apply(&target.file, &plan.edited, size).and_then(|()| target.file.sync_all());
            changed.map_err(|cause| target.failed(cause))
        };
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
        })?;
        Ok(Database { size: size.max(plan.edited.size), plan, sha256_checked, keys })
    }

    /// The `.snap` file and the log of a member.
    fn files(&self, member: &Member, place: &Place<'_>) -> Result<(), RestoreError> {
        let (stage, path) = (place.member.0, place.snap().join(snap::file_name(self.cluster)));
        let write = |mut file: File| file.write_all(&snap::file(self.cluster)).and_then(|()| file.sync_all());
        stage.create(&path).and_then(write).map_err(|cause| failed(&stage.path_of(&path), cause))?;

        let (stage, path) = (place.log.0, place.log.1.join(wal::FILE));
        let records = wal::segment(self.cluster, member);
        let write = |mut file: File| {
            let whole = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&file, whole, 0, wal::SEGMENT) {
                Err(cause @ (Errno::NOSPC | Errno::FBIG | Errno::DQUOT)) => return Err(cause.into()),
                // Not every file system and sandbox has it.
                Err(_) => file.set_len(wal::SEGMENT)?,
                Ok(()) => {}
            }
            file.write_all(&records).and_then(|()| file.sync_all())
        };
        stage.create(&path).and_then(write).map_err(|cause| failed(&stage.path_of(&path), cause))
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
        let path = self.input.path.clone();
        let (source, copied) = match &self.input.body {
            Body::Plain(file) => (None, copy::hash_only(file, self.progress)?),
            Body::Packed(packed) => {
                // The pages that would change are looked for at any place of it.
                let failed = |cause| RestoreError::from(Spool::failed(cause));
                let target = Target::of(Spool::new(packed.extent().snapshot())?.into_file(), &path);
                let copied = copy::packed(packed, std::slice::from_ref(&target), self.progress);
                let copied = copied.map_err(|error| match error {
                    RestoreError::Write { cause, .. } => failed(cause),
                    other => other,
                })?;
                target.file.set_len(copied.database_len()).map_err(failed)?;
                (Some(FileSource::new(target.file, &path).map_err(failed)?), copied)
            }
        };
        let checked = self.compare(&copied)?;
        let source = match (&source, &self.input.body) {
            (Some(source), _) | (None, Body::Plain(source)) => source,
            (None, Body::Packed(packed)) => packed.source(),
        };
        let judged = self.judge().then(|| copy::judge(source, &path, self.progress)).transpose()?;
        let keys = judged.map_or(Ok(None), |report| self.accept(report))?;
        let plan = plan(source, self.cluster, self.bump)?;
        Ok(Database { size: copied.database_len().max(plan.edited.size), plan, sha256_checked: checked, keys })
    }

    /// What came of reading the input, unless it was written to meanwhile: then nothing that was found means anything.
    fn unless_changed<T>(&self, outcome: Result<T, RestoreError>) -> Result<T, RestoreError> {
        let source = match &self.input.body {
            Body::Plain(file) => file,
            Body::Packed(packed) => packed.source(),
        };
        match outcome {
            Err(RestoreError::Input(crate::Error::Cancelled)) => outcome,
            outcome => source.assert_unchanged().map_err(RestoreError::from).and(outcome),
        }
    }

    fn judge(&self) -> bool {
        self.config.verify != RestoreVerify::None
    }

    fn compare(&self, copied: &Copied) -> Result<bool, RestoreError> {
        let path = || self.input.path.clone();
        match copied.trailer {
            _ if self.config.skip_hash_check => Ok(false),
            None => Err(RestoreError::NoTrailer { path: path(), len: copied.len }),
            Some(expected) if expected == copied.sha256 => Ok(true),
            Some(_) => Err(RestoreError::Sha256 { path: path() }),
        }
    }

    /// Refuses a damaged database, unless that is forced; the SHA-256 has been judged apart. How many keys there are, if all of it could be read.
    fn accept(&self, report: Report) -> Result<Option<u64>, RestoreError> {
        let counts = |code: etcdsnap_core::Code| {
            let structure = !code.is_about_contents() || self.config.verify == RestoreVerify::Full;
            code.severity() == Severity::Damage && structure && code != etcdsnap_core::Code::Sha256Mismatch
        };
        let damaged = report.verdict == Verdict::Damaged && report.findings.counts().keys().any(|code| counts(*code));
        if damaged && !self.config.force {
            return Err(RestoreError::Damaged { path: self.input.path.clone(), report: Box::new(report) });
        }
        Ok(report.status.filter(|status| status.complete).map(|status| status.total_key))
    }
}

fn apply(file: &File, edited: &Edited, size: u64) -> io::Result<()> {
    file.set_len(size.max(edited.size))?;
    edited.writes.iter().try_for_each(|(at, bytes)| file.write_all_at(bytes, at.get()))
}
