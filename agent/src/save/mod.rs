//! Saves a snapshot from a running server to a file: it is complete, verified and synced before it gets its name, or nothing is left.
//!
//! One thread hashes and writes the messages of the stream, another checks their pages ([`write`], [`page_check`]). At the end of the stream, length and SHA-256 are compared, the
//! file is verified as by `verify` ([`written`]), and renamed ([`PartFile`]).

mod compacted;
mod compare_members;
mod comparison;
mod failover;
mod failure_cause;
mod hash_and_write;
mod name_template;
mod origin;
mod page_check;
mod piece_queue;
mod reach_members;
mod received_stream;
mod relation;
mod retention;
mod same_history;
mod save_config;
mod save_error;
mod save_report;
mod snapshot_target;
mod stream_proof;
mod stream_target;
mod written_proof;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use etcdsnap_core::{Report, Revision, ScanProgress};
use tokio::time::Instant as Deadline;
use tokio_util::sync::CancellationToken;

pub use comparison::{ComparedMember, Comparison, Outcome};
pub use failover::save_any;
pub use failure_cause::FailureCause;
pub use name_template::names_directory;
pub use retention::Keep;
pub use save_config::{Compare, Compression, SaveConfig, SaveVerify};
pub use save_error::SaveError;
pub use save_report::{Compaction, Saved};
pub use stream_target::SaveStream;

use crate::client::{Client, ListedMember, Member, endpoints};
use crate::free_space::{self, Location};
use crate::fsx::directory::Directory;
use crate::fsx::output_error::OutputError;
use crate::fsx::part_file::PartFile;
use crate::progress::{Progress, Stage};
use compare_members::ComparisonInput;
use name_template::{PlaceholderValues, Template};
use origin::Origin;
use page_check::PageCheck;
use piece_queue::PieceReceiver;
use relation::NewSnapshot;
use retention::RetentionResult;
use same_history::last_write;
use stream_target::StreamTarget;

/// Takes a snapshot from the only endpoint in the configuration.
///
/// To `-` (standard output) or a FIFO, the snapshot is streamed: it is verified when this returns, and until then the output lacks its end.
/// Otherwise the last part of `path` may contain the placeholders `{cluster}`, `{member}`, `{revision}` and `{time}`; for a directory, the name contains all of them. The last step replaces
/// an existing file with that name. If the name has placeholders, the existing file is replaced only if it is proven to be an older snapshot of the same cluster; with a time in the
/// name it is never replaced: the time of a later second is used instead. If the save is cancelled, or the future is dropped, no file is left.
///
/// # Errors
/// - [`SaveError::Endpoints`]: there is not exactly one endpoint.
/// - [`SaveError::Name`], [`SaveError::Write`], [`SaveError::NoDirectory`], [`SaveError::Space`]: the file cannot be created, or does not fit.
/// - [`SaveError::Taken`]: another file has the name.
/// - [`SaveError::Client`], [`SaveError::Stalled`], [`SaveError::Incomplete`], [`SaveError::Sha256`]: the server or the network failed.
/// - [`SaveError::Damaged`]: the server's own database is damaged; [`SaveError::NotProven`]: a stream could not be fully checked.
/// - [`SaveError::CutShort`] with one of these inside, if a part was already streamed.
/// - [`SaveError::Deadline`], [`SaveError::Cancelled`].
pub async fn save(
    config: &SaveConfig,
    path: &Path,
    progress: Arc<dyn Progress + Send>,
    cancel: &CancellationToken,
) -> Result<Saved, SaveError> {
    let job = SaveJob::new(config, path, Keep::default(), progress, cancel)?;
    let work = async {
        let endpoints = endpoints(&config.client).await?;
        let [endpoint] = endpoints.as_slice() else { return Err(SaveError::Endpoints(endpoints.len())) };
        let client = Client::connect(endpoint, &config.client).await?;
        job.run(client, None).await
    };
    let published = within(config.timeout, cancel, work).await.map_err(|error| job.cut_short(error))?;
    Ok(job.finish(published, &[]).await)
}

/// Like [`save`], over an existing connection; the endpoints in the configuration are ignored.
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
    let job = SaveJob::new(config, path, Keep::default(), progress, cancel)?;
    let work = job.run(client, None);
    let published = within(config.timeout, cancel, work).await.map_err(|error| job.cut_short(error))?;
    Ok(job.finish(published, &[]).await)
}

/// Runs `work` until the time limit or cancellation.
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

/// A save in progress, from any of the servers.
struct SaveJob<'j> {
    config: &'j SaveConfig,
    template: Template,
    keep: Keep,
    progress: Arc<dyn Progress + Send>,
    /// Stops the threads of this save when it is dropped.
    stop: CancellationToken,
    /// The end of the time limit.
    deadline: Option<Deadline>,
    destination: SaveDestination,
}

/// The destination of a snapshot.
enum SaveDestination {
    /// To standard output or a FIFO.
    Stream(StreamTarget),
    /// A file in this directory, which is opened once: if the path later leads elsewhere, that has no effect.
    Directory(Directory),
}

impl Drop for SaveJob<'_> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Lists the files that a save reads.
fn inputs(config: &SaveConfig) -> impl Iterator<Item = &Path> {
    let tls = &config.client.tls;
    [&tls.cacert, &tls.cert, &tls.key].into_iter().flatten().chain(&config.inputs).map(PathBuf::as_path)
}

/// The file of a snapshot, open even if its name belongs to another file later.
struct SavedFile {
    opened: File,
    /// Its name in its directory.
    name: OsString,
}

/// A snapshot that has its final name. From here on the save cannot fail.
struct Published {
    saved: Saved,
    /// The file, unless it was streamed.
    file: Option<SavedFile>,
    /// The data that the server sent, if the file was rewritten: members are compared with that.
    received: Option<File>,
    member: Member,
    /// The connection to its server, for further requests.
    client: Client,
    /// The cluster's members; empty when the server did not list them.
    members: Vec<ListedMember>,
    taken: SystemTime,
}

impl<'j> SaveJob<'j> {
    fn new(
        config: &'j SaveConfig,
        path: &Path,
        keep: Keep,
        progress: Arc<dyn Progress + Send>,
        cancel: &CancellationToken,
    ) -> Result<Self, SaveError> {
        let stream_target = StreamTarget::of(path, &inputs(config).collect::<Vec<_>>())?;
        let template = match &stream_target {
            Some(_) => Template::for_stream(path),
            None => Template::parse(path, config.is_directory, config.compression.map(Compression::extension))?,
        };
        if stream_target.is_some() && !config.may_stream {
            return Err(
                OutputError::Kind { path: path.to_owned(), reason: "is a stream, but a file is required" }.into()
            );
        }
        if stream_target.is_some() && keep.removes_any() {
            let reason = "--keep and --keep-within remove old files, but a stream leaves none";
            return Err(SaveError::Name { path: path.to_owned(), reason: reason.into() });
        }
        if stream_target.is_some() && config.compact {
            let reason = "is a stream, but --compact must rewrite a complete file";
            return Err(OutputError::Kind { path: path.to_owned(), reason }.into());
        }
        keep.check(&template, path)?;
        let destination = match stream_target {
            Some(target) => SaveDestination::Stream(target),
            None => SaveDestination::Directory(template.open_directory()?),
        };
        let deadline = config.timeout.and_then(|limit| Deadline::now().checked_add(limit));
        let job = Self { config, template, keep, progress, stop: cancel.child_token(), deadline, destination };
        if let SaveDestination::Directory(directory) = &job.destination {
            job.check_place(directory)?;
        }
        Ok(job)
    }

    /// Whether bytes were output that cannot be taken back, so that no other server can be tried.
    fn has_output(&self) -> bool {
        matches!(&self.destination, SaveDestination::Stream(target) if target.has_output())
    }

    /// Wraps an error if bytes may already have been output.
    fn cut_short(&self, error: SaveError) -> SaveError {
        if self.has_output() { SaveError::CutShort(Box::new(error)) } else { error }
    }

    /// Takes the snapshot and gives it its name; `member` is the server's status, if already known.
    async fn run(&self, mut client: Client, member: Option<Member>) -> Result<Published, SaveError> {
        let directory = match &self.destination {
            SaveDestination::Stream(target) => return self.run_streamed(target, client, member).await,
            SaveDestination::Directory(directory) => directory,
        };
        let begun = Instant::now();
        let taken = name_template::now()?;
        let mut member = match member {
            Some(member) => member,
            None => client.status().await?,
        };
        // If the file is to be rewritten, it is compressed then.
        let received_compression = self.config.compression.filter(|_| !self.config.compact);
        if received_compression.is_none() {
            free_space::check([(Location::of_directory(directory), member.database_size)])?;
        }
        let members = client.members().await.unwrap_or_default();
        let listed = members.iter().find(|listed| listed.id == member.member_id);
        member.name = listed.map(|listed| listed.name.clone()).filter(|name| !name.is_empty());
        let named = member.name.clone().unwrap_or_else(|| format!("{:x}", member.member_id));
        let mut facts =
            PlaceholderValues { cluster: member.cluster_id, member: named, revision: member.revision, time: taken };
        // Checked before the download, with the server's current revision, which has about as many digits.
        self.check_target(directory, &self.template.fill(&facts))?;
        let part = Arc::new(PartFile::new(directory)?);
        let start = |total| {
            let compression = received_compression;
            if compression.is_none() {
                free_space::check([(Location::of_directory(directory), total)])?;
            }
            // The thread has only a handle: the part file is removed as soon as this future is dropped.
            let (file, shown) = (part.handle()?, directory.display_path().to_owned());
            let is_structure_wanted = self.is_structure_wanted();
            Ok(move |pieces: PieceReceiver, _: &AtomicBool| {
                let mut check = is_structure_wanted.then(PageCheck::start).flatten();
                let copied = hash_and_write::write(&file, compression, pieces, check.as_mut());
                copied.map(|copied| (copied, check)).map_err(|cause| SaveError::Write { path: shown, cause })
            })
        };
        let (mut copied, check, storage_version) = self.receive(&mut client, start).await?;
        let mut report = self.verify_and_sync(&part, &copied, check, client.endpoint()).await?;
        let sha256_matches = copied.trailer == Some(copied.sha256);
        let mut warnings = member.doubts();
        warnings.extend(report.iter().flat_map(findings));
        let (mut part, mut received, mut compaction) = (part, None, None);
        if self.config.compact {
            let new = self.compacted(part, &copied, directory).await?;
            (part, copied, report) = (Arc::new(new.part), new.copied, Some(new.report));
            (received, compaction) = (Some(new.received), Some(new.compaction));
        }
        let file_bytes = part.len()?;
        let status = report.as_ref().and_then(|report| report.status.as_ref());
        facts.revision = status.map_or(Revision::ZERO, |status| status.revision);
        let part =
            Arc::into_inner(part).ok_or_else(|| crate::Error::Defect("the file is still being written".into()))?;
        let origin = (copied.trailer == Some(copied.sha256)).then(|| {
            // A compressed file would have to be unpacked again.
            let plain = part.handle().ok().filter(|_| self.config.compression.is_none());
            let plain = plain.and_then(|file| same_history::open(file, &part.display_path()));
            let last = plain.as_ref().and_then(|plain| last_write(&plain.store().ok()?));
            let revision = status.map(|status| status.revision).or(last.map(|last| last.revision));
            Origin { cluster: member.cluster_id, revision, last }
        });
        warnings.extend(part.leftover_warning());
        warnings.extend(self.template.extension_warning(self.config.compression.map(Compression::extension)));
        let ids: Vec<u64> = members.iter().map(|member| member.id).collect();
        let opened = part.handle()?;
        let (name, taken) = self.publish(directory, part, facts, origin, &ids, member.revision)?;
        let file = self.template.path_of(&name);
        let saved = Saved {
            storage_version,
            file_bytes,
            verified: self.config.verify == SaveVerify::Full || compaction.is_some(),
            sha256_matches,
            compaction,
            warnings,
            seconds: begun.elapsed().as_secs_f64(),
            ..Saved::of(&file, &member, &copied, report.as_ref())
        };
        Ok(Published { saved, file: Some(SavedFile { opened, name }), received, member, client, members, taken })
    }

    /// Compares the snapshot with the cluster, also at the other `endpoints` from the caller, and removes old snapshots.
    async fn finish(&self, published: Published, endpoints: &[String]) -> Saved {
        let Published { mut saved, file, received, member, mut client, members, taken } = published;
        // An empty store has revision 1, and a compaction may be later than the last entry.
        let revision = saved.revision.unwrap_or_default().max(member.revision).max(Revision::FIRST);
        let asked = ComparisonInput {
            saved: &saved,
            file: received.as_ref().or(file.as_ref().map(|file| &file.opened)),
            source: &member,
            listed: &members,
            endpoints,
            revision,
            deadline: self.deadline,
        };
        saved.comparison = self.compare(&mut client, &asked).await;
        saved.warnings.extend(saved.comparison.as_ref().and_then(Comparison::describe_divergence));
        let members = members.iter().map(|member| member.id).collect();
        let Some(file) = file else { return saved };
        let pruned = self.prune(&saved, file, member.cluster_id, members, revision, taken).await;
        saved.removed = pruned.removed;
        saved.not_removed = pruned.not_removed;
        saved.warnings.extend(pruned.notes);
        saved
    }

    async fn prune(
        &self,
        saved: &Saved,
        file: SavedFile,
        cluster: u64,
        members: Vec<u64>,
        revision: Revision,
        taken: SystemTime,
    ) -> RetentionResult {
        let none = |reason: &str| RetentionResult {
            notes: vec![format!("No old snapshot was removed, because {reason}.")],
            ..RetentionResult::default()
        };
        if !self.keep.removes_any() {
            return RetentionResult::default();
        }
        if self.config.verify == SaveVerify::None || !saved.sha256_matches {
            return none("the new one was not verified (--verify none)");
        }
        if saved.is_diverged() {
            return none("members of the cluster have diverged");
        }
        if self.stop.is_cancelled() {
            return none("this run was stopped");
        }
        let directory = match &self.destination {
            SaveDestination::Directory(directory) => directory.try_clone(),
            SaveDestination::Stream(_) => return RetentionResult::default(),
        };
        let directory = match directory {
            Ok(directory) => directory,
            Err(cause) => return none(&crate::error::plain(&cause)),
        };
        let (keep, template, path) = (self.keep, self.template.clone(), saved.file.clone());
        let pruning = tokio::task::spawn_blocking(move || {
            let removed = OnceCell::new();
            let SavedFile { opened, name } = &file;
            let newest = NewSnapshot::new((opened, name, &path), cluster, &members, revision, &removed);
            keep.apply(&directory, &template, &NewSnapshot { taken, ..newest })
        });
        pruning.await.unwrap_or_else(|cause| none(&format!("of a bug in etcdsnap itself: {cause}")))
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

/// The caller's progress, which the save itself can also cancel.
struct StoppableProgress {
    progress: Arc<dyn Progress + Send>,
    stop: CancellationToken,
}

impl ScanProgress for StoppableProgress {
    fn advance(&self, bytes: u64) {
        self.progress.advance(bytes);
    }

    fn cancelled(&self) -> bool {
        self.stop.is_cancelled() || self.progress.cancelled()
    }
}

impl Progress for StoppableProgress {
    fn begin(&self, stage: Stage, total: Option<u64>) {
        self.progress.begin(stage, total);
    }
}
