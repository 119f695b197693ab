//! A snapshot from a running server becomes a file: complete, verified and synced before it gets its name, or there is no trace of it.
//!
//! The pieces of the stream go to a thread that hashes and writes them ([`write`]). When the stream is over, its length and SHA-256 are compared, the file is judged
//! as `verify` would, and renamed ([`PartFile`]).

mod any;
mod config;
mod error;
mod keep;
mod name;
mod stream;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use etcdsnap_core::{Report, Verdict, Watch};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use any::save_any;
pub use config::{Compression, SaveConfig, SaveVerify};
pub use error::SaveError;
pub use keep::Keep;

use crate::client::{Client, Member, endpoints};
use crate::fsx::part_file::{PartFile, check_target};
use crate::options::{Sha256, VerifyOptions};
use crate::progress::{Progress, Stage};
use crate::space;
use name::{Facts, Place, Template};

/// What was saved.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    /// The file.
    pub file: PathBuf,
    /// The server that it is from.
    pub endpoint: String,
    /// The cluster's id, hexadecimal.
    pub cluster_id: String,
    /// The member's id, hexadecimal.
    pub member_id: String,
    /// The member's name, where it could be had.
    pub member: Option<String>,
    /// The version of the server's program.
    pub server_version: String,
    /// The storage version, which servers tell from 3.6 on; empty before.
    pub storage_version: String,
    /// The latest revision in the snapshot; none when its structure was not read.
    pub revision: Option<i64>,
    /// Keys that are alive; none when its structure was not read.
    pub total_key: Option<u64>,
    /// What `snapshot status` prints as the hash; none when its structure was not read.
    pub hash: Option<u32>,
    /// The SHA-256 of the database, hexadecimal.
    pub sha256: String,
    /// Whether it is the one that the server sent behind the database.
    pub sha256_matches: bool,
    /// Bytes of the snapshot, its SHA-256 counted.
    pub bytes: u64,
    /// Bytes of the file: fewer, if it is compressed.
    pub file_bytes: u64,
    /// Whether every page and entry was checked.
    pub verified: bool,
    /// What a person should know: doubts about the member, and findings that are warnings.
    pub warnings: Vec<String>,
    /// From the first word with the server until the file had its name, in seconds.
    pub seconds: f64,
    /// Old snapshots that were removed.
    pub removed: Vec<PathBuf>,
    /// Old snapshots that were to be removed and could not be, with the reason.
    pub not_removed: Vec<(PathBuf, String)>,
}

/// Takes a snapshot from the one endpoint of the configuration.
///
/// The last part of `path` may have places, `{cluster}`, `{member}`, `{revision}` and `{time}`; a directory stands for a name with all of them in it. A file of
/// that name is replaced as the last step. Cancelling, or dropping the future, leaves nothing.
///
/// # Errors
/// - [`SaveError::Endpoints`]: there is not exactly one endpoint.
/// - [`SaveError::Name`], [`SaveError::Write`], [`SaveError::Space`]: the file cannot be made, or does not fit.
/// - [`SaveError::Client`], [`SaveError::Stalled`], [`SaveError::Incomplete`], [`SaveError::Sha256`]: the server or the network is at fault.
/// - [`SaveError::Damaged`]: the server's own database is damaged.
/// - [`SaveError::Deadline`], [`SaveError::Cancelled`].
pub async fn save(
    config: &SaveConfig,
    path: &Path,
    progress: Arc<dyn Progress + Send>,
    cancel: &CancellationToken,
) -> Result<Saved, SaveError> {
    let work = async {
        let endpoints = endpoints(&config.client).await?;
        let [endpoint] = endpoints.as_slice() else { return Err(SaveError::Endpoints(endpoints.len())) };
        let job = Job::new(config, path, Keep::default(), progress, cancel)?;
        let client = Client::connect(endpoint, &config.client).await?;
        job.run(client, None).await
    };
    within(config.timeout, cancel, work).await
}

/// The same over a connection that is there already; the endpoints of the configuration do not count.
///
/// # Errors
/// As [`save`].
pub async fn save_with(
    client: Client,
    config: &SaveConfig,
    path: &Path,
    progress: Arc<dyn Progress + Send>,
    cancel: &CancellationToken,
) -> Result<Saved, SaveError> {
    let work = async { Job::new(config, path, Keep::default(), progress, cancel)?.run(client, None).await };
    within(config.timeout, cancel, work).await
}

/// Ends `work` when the time is over or the caller cancels.
async fn within<T>(
    limit: Option<Duration>,
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, SaveError>>,
) -> Result<T, SaveError> {
    let late = async {
        match limit {
            Some(limit) => {
                tokio::time::sleep(limit).await;
                limit
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(SaveError::Cancelled),
        outcome = work => outcome,
        limit = late => Err(SaveError::Deadline(limit)),
    }
}

/// One snapshot to be saved, from whichever server.
struct Job<'j> {
    config: &'j SaveConfig,
    template: Template,
    keep: Keep,
    progress: Arc<dyn Progress + Send>,
    /// Stops the threads of this job when it is dropped.
    stop: CancellationToken,
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl<'j> Job<'j> {
    fn new(
        config: &'j SaveConfig,
        path: &Path,
        keep: Keep,
        progress: Arc<dyn Progress + Send>,
        cancel: &CancellationToken,
    ) -> Result<Self, SaveError> {
        let template = Template::parse(path, config.compression.map(Compression::extension))?;
        keep.check(&template, path)?;
        // A name without places is known before anything is fetched.
        if let Some(file) = template.fixed() {
            check_target(&file)?;
        }
        Ok(Self { config, template, keep, progress, stop: cancel.child_token() })
    }

    /// Takes the snapshot; `member` is what the server said of itself, if it was asked already.
    async fn run(&self, mut client: Client, member: Option<Member>) -> Result<Saved, SaveError> {
        let begun = Instant::now();
        let taken = name::now();
        let mut member = match member {
            Some(member) => member,
            None => client.status().await?,
        };
        if self.config.compression.is_none() {
            space::check(&[(self.template.directory(), member.database_size)])?;
        }
        member.name = client.name_of(member.member_id).await;
        let part = Arc::new(PartFile::new(self.template.directory())?);
        let (copied, storage_version) = self.receive(&mut client, &part).await?;
        let report = self.judged_and_synced(&part, client.endpoint()).await?;
        let file_bytes = part.len()?;
        let file = self.template.fill(&Facts {
            cluster: member.cluster_id,
            member: member.name.clone().unwrap_or_else(|| format!("{:x}", member.member_id)),
            revision: report.as_ref().and_then(|report| report.status.as_ref()).map_or(0, |status| status.revision),
            time: taken,
        });
        let part =
            Arc::into_inner(part).ok_or_else(|| crate::Error::Defect("the file is still being written".into()))?;
        part.publish(&file)?;
        let removed = self.keep.apply(&self.template, member.cluster_id, &file, taken);
        let status = report.as_ref().and_then(|report| report.status.as_ref());
        let mut warnings = member.doubts();
        warnings.extend(report.iter().flat_map(findings));
        Ok(Saved {
            file,
            endpoint: member.endpoint,
            cluster_id: format!("{:x}", member.cluster_id),
            member_id: format!("{:x}", member.member_id),
            member: member.name,
            server_version: member.version,
            storage_version,
            revision: status.map(|status| status.revision),
            total_key: status.map(|status| status.total_key),
            hash: status.map(|status| status.hash),
            sha256: copied.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            sha256_matches: copied.trailer == Some(copied.sha256),
            bytes: copied.len,
            file_bytes,
            verified: self.config.verify == SaveVerify::Full,
            warnings,
            seconds: begun.elapsed().as_secs_f64(),
            removed: removed.removed,
            not_removed: removed.left,
        })
    }

    /// Waits until the file is on the disk, and judges it meanwhile as far as that was asked for.
    async fn judged_and_synced(&self, part: &Arc<PartFile>, endpoint: &str) -> Result<Option<Report>, SaveError> {
        let full = self.config.verify == SaveVerify::Full;
        let syncing = {
            let part = Arc::clone(part);
            tokio::task::spawn_blocking(move || part.sync())
        };
        let judging = (full || self.template.has(Place::Revision)).then(|| {
            let path = part.path().to_owned();
            let watched = Watched { progress: Arc::clone(&self.progress), stop: self.stop.clone() };
            // What is compressed is read back whole; of a plain file the SHA-256 was computed on the way.
            let again = self.config.compression.is_some() && self.config.verify != SaveVerify::None;
            let sha256 = if again { Sha256::Check } else { Sha256::Skip };
            tokio::task::spawn_blocking(move || {
                crate::verify(&path, VerifyOptions { sha256, progress: &watched, ..VerifyOptions::default() })
            })
        });
        let report = match judging {
            Some(judging) => Some(judging.await.map_err(stream::defect)??),
            None => None,
        };
        syncing.await.map_err(stream::defect)??;
        match report {
            Some(report) if full && report.verdict == Verdict::Damaged => {
                Err(SaveError::Damaged { endpoint: endpoint.to_owned(), report: Box::new(report) })
            }
            report => Ok(report),
        }
    }
}

fn findings(report: &Report) -> Vec<String> {
    report
        .findings
        .list()
        .iter()
        .map(|finding| format!("{} [{}]", crate::printable(&finding.message), finding.code))
        .collect()
}

/// The caller's progress, which the job can stop too.
struct Watched {
    progress: Arc<dyn Progress + Send>,
    stop: CancellationToken,
}

impl Watch for Watched {
    fn advance(&self, bytes: u64) {
        self.progress.advance(bytes);
    }

    fn cancelled(&self) -> bool {
        self.stop.is_cancelled() || self.progress.cancelled()
    }
}

impl Progress for Watched {
    fn begin(&self, stage: Stage, total: Option<u64>) {
        self.progress.begin(stage, total);
    }
}
