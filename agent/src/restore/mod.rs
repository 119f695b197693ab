//! A snapshot becomes the data directory of a member, in one act: it is there whole, or not at all.
//!
//! Everything is built in a directory beside the target and renamed as the last step ([`stage`]). The bytes are hashed as they are
//! copied ([`copy`]), the structure is judged beside it, and only the pages that change are written ([`etcdsnap_core::restore`]).

mod config;
mod copy;
mod error;
mod stage;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use etcdsnap_core::bolt::edit::Edited;
use etcdsnap_core::restore::membership::{Cluster, Member};
use etcdsnap_core::restore::plan::{Plan, plan};
use etcdsnap_core::restore::{snap, wal};
use etcdsnap_core::{Report, Severity, Source, Verdict};
use serde::Serialize;

pub use config::{RestoreConfig, RestoreVerify, Run};
pub use error::RestoreError;

use crate::input::{Body, FileSource, Input};
use crate::progress::Progress;
use stage::{Stage, fsync_directory};

/// What was written, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// The data directory.
    pub data_dir: PathBuf,
    /// The directory of the write-ahead log.
    pub wal_dir: PathBuf,
    /// The member's name.
    pub name: String,
    /// The member's id, hexadecimal.
    pub member_id: String,
    /// The cluster's id, hexadecimal.
    pub cluster_id: String,
    /// The whole cluster, as `--initial-cluster` has it.
    pub initial_cluster: String,
    /// The cluster's token.
    pub initial_cluster_token: String,
    /// The member's peer URLs.
    pub peer_urls: Vec<String>,
    /// The latest revision in the snapshot.
    pub revision_before: i64,
    /// The latest revision of the restored store.
    pub revision_after: i64,
    /// Bytes of the restored database.
    pub database_size: u64,
    /// Pages of the database that were written anew.
    pub pages_changed: u64,
    /// Whether the SHA-256 behind the database was compared.
    pub sha256_checked: bool,
    /// False for a dry run.
    pub written: bool,
}

/// Makes a data directory of a snapshot.
///
/// The target appears whole or not at all; an input is only read. What a killed run left is removed by the next.
///
/// # Errors
/// [`RestoreError`]; nothing is left behind then.
pub fn restore(config: &RestoreConfig, progress: &dyn Progress) -> Result<Restored, RestoreError> {
    let cluster = Cluster::new(&config.initial_cluster, &config.initial_cluster_token)?;
    let member = cluster.member(&config.name)?;
    cluster.check_advertised(member, &config.peer_urls)?;
    let bump = config.bump()?;
    let owner = config.owner.as_deref().map(stage::owner).transpose()?;
    let data_dir = config.data_dir();
    let wal_dir = config.separate_wal_dir();
    let input = Input::open(&config.snapshot_path, progress)?;
    let job = Job { config, cluster: &cluster, member, bump, input: &input, progress };
    let described = |plan: &Plan, size: u64, sha256_checked: bool| Restored {
        wal_dir: wal_dir.clone().unwrap_or_else(|| data_dir.join("member/wal")),
        data_dir: data_dir.clone(),
        name: member.name.clone(),
        member_id: member.hex(),
        cluster_id: format!("{:x}", cluster.id),
        initial_cluster: cluster.initial_cluster(),
        initial_cluster_token: config.initial_cluster_token.clone(),
        peer_urls: member.peer_urls.clone(),
        revision_before: plan.revision_before,
        revision_after: plan.revision_after,
        database_size: size,
        pages_changed: plan.edited.pages,
        sha256_checked,
        written: config.run == Run::Write,
    };
    if config.run == Run::Dry {
        Stage::check(&data_dir, wal_dir.as_deref())?;
        let (plan, size, checked) = job.rehearse()?;
        stage::check_space(&data_dir, size.saturating_add(wal::SEGMENT))?;
        return Ok(described(&plan, size, checked));
    }
    let stage = Stage::begin(&data_dir, wal_dir.as_deref())?;
    let (plan, size, checked) = job.write(&stage)?;
    if progress.cancelled() {
        return Err(crate::Error::Cancelled.into());
    }
    stage.publish(owner)?;
    Ok(described(&plan, size, checked))
}

/// One restore, with all that was validated.
struct Job<'j> {
    config: &'j RestoreConfig,
    cluster: &'j Cluster,
    member: &'j Member,
    bump: Option<u64>,
    input: &'j Input,
    progress: &'j dyn Progress,
}

impl Job<'_> {
    /// Builds `snap` and `wal` in the stage.
    fn write(&self, stage: &Stage) -> Result<(Plan, u64, bool), RestoreError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |cause| RestoreError::Write { path, cause }
        };
        let (snap_dir, wal_dir) = (stage.snap_dir(), stage.wal_dir());
        stage::make_directory(&snap_dir)?;
        stage::make_directory(&wal_dir)?;
        let path = snap_dir.join("db");
        let database = create(&path).map_err(at(&path))?;
        let (size, checked) = self.copy(&database, &path)?;
        let source = FileSource::new(database.try_clone().map_err(at(&path))?, &path).map_err(at(&path))?;
        let plan = plan(&source, self.cluster, self.bump)?;
        apply(&database, &plan.edited, size).and_then(|()| database.sync_all()).map_err(at(&path))?;
        let size = size.max(plan.edited.size);

        let path = snap_dir.join(snap::file_name(self.cluster));
        let write = |mut file: File| file.write_all(&snap::file(self.cluster)).and_then(|()| file.sync_all());
        create(&path).and_then(write).map_err(at(&path))?;

        let path = wal_dir.join(wal::FILE);
        let records = wal::segment(self.cluster, self.member);
        let write = |mut file: File| {
            let whole = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&file, whole, 0, wal::SEGMENT) {
                Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(wal::SEGMENT)?,
                other => other?,
            }
            file.write_all(&records).and_then(|()| file.sync_all())
        };
        create(&path).and_then(write).map_err(at(&path))?;
        [snap_dir, wal_dir].iter().try_for_each(|directory| fsync_directory(directory))?;
        Ok((plan, size, checked))
    }

    /// Copies the database, compares its SHA-256 and judges its structure: its size, and whether there was a SHA-256 to compare.
    fn copy(&self, to: &File, path: &Path) -> Result<(u64, bool), RestoreError> {
        let copied = match &self.input.body {
            Body::Plain(file) => {
                let (copied, report) = copy::plain(file, to, path, self.judge(), self.progress)?;
                file.assert_unchanged()?;
                report.map_or(Ok(()), |report| self.accept(report))?;
                copied
            }
            Body::Packed(packed) => {
                let copied = copy::packed(packed, to, path, self.progress)?;
                packed.source().assert_unchanged()?;
                copied
            }
        };
        let size = copied.database_len();
        to.set_len(size).map_err(|cause| RestoreError::Write { path: path.to_owned(), cause })?;
        let checked = self.compare(&copied)?;
        if let (Body::Packed(_), true) = (&self.input.body, self.judge()) {
            let clone = to.try_clone().map_err(|cause| RestoreError::Write { path: path.to_owned(), cause })?;
            let source = FileSource::new(clone, &self.input.path)
                .map_err(|cause| RestoreError::Write { path: path.to_owned(), cause })?;
            self.accept(copy::judge(&source, &self.input.path, self.progress)?)?;
        }
        Ok((size, checked))
    }

    /// All checks and the plan, without writing; a compressed input is unpacked into a file without a name.
    fn rehearse(&self) -> Result<(Plan, u64, bool), RestoreError> {
        let path = self.input.path.clone();
        let failed = |cause| RestoreError::Write { path: std::env::temp_dir(), cause };
        let (source, copied) = match &self.input.body {
            Body::Plain(file) => (None, copy::hash_only(file, self.progress)?),
            Body::Packed(packed) => {
                let file = tempfile::tempfile().map_err(failed)?;
                let copied = copy::packed(packed, &file, &path, self.progress)?;
                file.set_len(copied.database_len()).map_err(failed)?;
                (Some(FileSource::new(file, &path).map_err(failed)?), copied)
            }
        };
        let checked = self.compare(&copied)?;
        let source = match (&source, &self.input.body) {
            (Some(source), _) | (None, Body::Plain(source)) => source,
            (None, Body::Packed(packed)) => packed.source(),
        };
        if self.judge() {
            self.accept(copy::judge(source, &path, self.progress)?)?;
        }
        let plan = plan(source, self.cluster, self.bump)?;
        let size = copied.database_len().max(plan.edited.size);
        Ok((plan, size, checked))
    }

    fn judge(&self) -> bool {
        self.config.verify != RestoreVerify::None
    }

    fn compare(&self, copied: &copy::Copied) -> Result<bool, RestoreError> {
        let path = || self.input.path.clone();
        match copied.trailer {
            _ if self.config.skip_hash_check => Ok(false),
            None => Err(RestoreError::NoTrailer { path: path(), len: copied.len }),
            Some(expected) if expected == copied.sha256 => Ok(true),
            Some(_) => Err(RestoreError::Sha256 { path: path() }),
        }
    }

    /// Refuses a damaged database, unless that is forced; the SHA-256 has been judged apart.
    fn accept(&self, report: Report) -> Result<(), RestoreError> {
        let counts = |code: etcdsnap_core::Code| {
            let structure = !code.is_about_contents() || self.config.verify == RestoreVerify::Full;
            code.severity() == Severity::Damage && structure && !code.as_str().starts_with("sha256")
        };
        let damaged = report.verdict == Verdict::Damaged && report.findings.counts().keys().any(|code| counts(*code));
        if damaged && !self.config.force {
            return Err(RestoreError::Damaged { path: self.input.path.clone(), report: Box::new(report) });
        }
        Ok(())
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn apply(file: &File, edited: &Edited, size: u64) -> std::io::Result<()> {
    file.set_len(size.max(edited.size))?;
    edited.writes.iter().try_for_each(|(at, bytes)| file.write_all_at(bytes, *at))
}

/// The length of a source, for those who copy it.
fn len<S: Source>(source: &S) -> u64 {
    source.len()
}
