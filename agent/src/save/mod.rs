//! A snapshot from a running server becomes a file: complete, verified and synced before it gets its name, or there is no trace of it.
//!
//! The pieces of the stream go to a thread that hashes and writes them, and on to one that looks at their pages ([`write`], [`page_check`]). When the stream is over, its length and SHA-256 are compared, the
//! file is judged as `verify` would ([`written`]), and renamed ([`PartFile`]).

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

use etcdsnap_core::{Report, Revision, Watch};
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
use compare_members::Compared;
use name_template::{Facts, Template};
use origin::Origin;
use page_check::PageCheck;
use piece_queue::PieceReceiver;
use relation::Newest;
use retention::Pruned;
use same_history::last_write;
use stream_target::StreamTarget;

/// Takes a snapshot from the one endpoint of the configuration.
///
/// `-` (standard output) and a FIFO are streamed to: the snapshot is proven when this returns, and until then what is out lacks its end.
/// Otherwise the last part of `path` may have places, `{cluster}`, `{member}`, `{revision}` and `{time}`; a directory stands for a name with all of them in it. A file of
/// that name is replaced as the last step; under a name with places only one that is proven to be an older snapshot of the same cluster is, and never with a time in the
/// name, which is that of the next second then. Cancelling, or dropping the future, leaves nothing.
///
/// # Errors
/// - [`SaveError::Endpoints`]: there is not exactly one endpoint.
/// - [`SaveError::Name`], [`SaveError::Write`], [`SaveError::NoDirectory`], [`SaveError::Space`]: the file cannot be made, or does not fit.
/// - [`SaveError::Taken`]: a name with places is that of another file.
/// - [`SaveError::Client`], [`SaveError::Stalled`], [`SaveError::Incomplete`], [`SaveError::Sha256`]: the server or the network is at fault.
/// - [`SaveError::Damaged`]: the server's own database is damaged; [`SaveError::NotProven`]: whether it is a stream could not tell.
/// - [`SaveError::CutShort`] around any of them when a part was streamed already.
/// - [`SaveError::Deadline`], [`SaveError::Cancelled`].
pub async fn save(
    config: &SaveConfig,
    path: &Path,
    progress: Arc<dyn Progress + Send>,
    cancel: &CancellationToken,
) -> Result<Saved, SaveError> {
    let job = Job::new(config, path, Keep::default(), progress, cancel)?;
    let work = async {
        let endpoints = endpoints(&config.client).await?;
        let [endpoint] = endpoints.as_slice() else { return Err(SaveError::Endpoints(endpoints.len())) };
        let client = Client::connect(endpoint, &config.client).await?;
        job.run(client, None).await
    };
    let published = within(config.timeout, cancel, work).await.map_err(|error| job.cut_short(error))?;
    Ok(job.finish(published, &[]).await)
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
    let job = Job::new(config, path, Keep::default(), progress, cancel)?;
    let work = job.run(client, None);
    let published = within(config.timeout, cancel, work).await.map_err(|error| job.cut_short(error))?;
    Ok(job.finish(published, &[]).await)
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
    /// When all must be over.
    deadline: Option<Deadline>,
    destination: Destination,
}

/// Where a snapshot goes.
enum Destination {
    /// To standard output or a FIFO.
    Stream(StreamTarget),
    /// Into a file of this directory. It is opened once: what its path leads to later does not count.
    Directory(Directory),
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The files that a save reads.
fn inputs(config: &SaveConfig) -> impl Iterator<Item = &Path> {
    let tls = &config.client.tls;
    [&tls.cacert, &tls.cert, &tls.key].into_iter().flatten().chain(&config.inputs).map(PathBuf::as_path)
}

/// A snapshot's file, whatever becomes of its name.
struct SavedFile {
    opened: File,
    /// Its name in its directory.
    name: OsString,
}

/// A snapshot that has its name. Nothing that happens from here on makes a failure of it.
struct Published {
    saved: Saved,
    /// The file, if it is not a stream.
    file: Option<SavedFile>,
    /// What the server sent, where the file was written anew: members are compared with that.
    received: Option<File>,
    member: Member,
    /// Of the server that it is from, for further questions.
    client: Client,
    /// The cluster's members; empty when the server did not list them.
    members: Vec<ListedMember>,
    taken: SystemTime,
}

impl<'j> Job<'j> {
    fn new(
        config: &'j SaveConfig,
        path: &Path,
        keep: Keep,
        progress: Arc<dyn Progress + Send>,
        cancel: &CancellationToken,
    ) -> Result<Self, SaveError> {
        let stream_target = StreamTarget::of(path, &inputs(config).collect::<Vec<_>>())?;
        let template = match &stream_target {
            Some(_) => Template::without_places(path),
            None => Template::parse(path, config.is_directory, config.compression.map(Compression::extension))?,
        };
        if stream_target.is_some() && !config.may_stream {
            return Err(OutputError::Kind { path: path.to_owned(), reason: "is a stream, and a file is wanted" }.into());
        }
        if stream_target.is_some() && keep.is_asked_for() {
            let reason = "--keep and --keep-within remove old files, and a stream leaves none";
            return Err(SaveError::Name { path: path.to_owned(), reason: reason.into() });
        }
        if stream_target.is_some() && config.compact {
            let reason = "is a stream, and --compact writes a file anew once all of it is there";
            return Err(OutputError::Kind { path: path.to_owned(), reason }.into());
        }
        keep.check(&template, path)?;
        let destination = match stream_target {
            Some(target) => Destination::Stream(target),
            None => Destination::Directory(template.open_directory()?),
        };
        let deadline = config.timeout.and_then(|limit| Deadline::now().checked_add(limit));
        let job = Self { config, template, keep, progress, stop: cancel.child_token(), deadline, destination };
        if let Destination::Directory(directory) = &job.destination {
            job.judge_place(directory)?;
        }
        Ok(job)
    }

    /// Whether bytes are out that cannot be taken back, so that no other server can be asked.
    fn is_spent(&self) -> bool {
        matches!(&self.destination, Destination::Stream(target) if target.is_spent())
    }

    /// What an error of this job means, when bytes may be out already.
    fn cut_short(&self, error: SaveError) -> SaveError {
        if self.is_spent() { SaveError::CutShort(Box::new(error)) } else { error }
    }

    /// Takes the snapshot and gives it its name; `member` is what the server said of itself, if it was asked already.
    async fn run(&self, mut client: Client, member: Option<Member>) -> Result<Published, SaveError> {
        let directory = match &self.destination {
            Destination::Stream(target) => return self.run_streamed(target, client, member).await,
            Destination::Directory(directory) => directory,
        };
        let begun = Instant::now();
        let taken = name_template::now()?;
        let mut member = match member {
            Some(member) => member,
            None => client.status().await?,
        };
        if self.config.compression.is_none() {
            free_space::check([(Location::of_directory(directory), member.database_size)])?;
        }
        let members = client.members().await.unwrap_or_default();
        let listed = members.iter().find(|listed| listed.id == member.member_id);
        member.name = listed.map(|listed| listed.name.clone()).filter(|name| !name.is_empty());
        let named = member.name.clone().unwrap_or_else(|| format!("{:x}", member.member_id));
        let mut facts = Facts { cluster: member.cluster_id, member: named, revision: member.revision, time: taken };
        // Before the download, with a revision of about as many digits.
        self.judge_target(directory, &self.template.fill(&facts))?;
        let part = Arc::new(PartFile::new(directory)?);
        let start = |total| {
            // What is written anew is compressed then.
            let compression = self.config.compression.filter(|_| !self.config.compact);
            if compression.is_none() {
                free_space::check([(Location::of_directory(directory), total)])?;
            }
            // The thread has no more than a handle: the part file goes as soon as this future does.
            let (file, shown) = (part.handle()?, directory.shown().to_owned());
            let is_structure_wanted = self.is_structure_wanted();
            Ok(move |pieces: PieceReceiver, _: &AtomicBool| {
                let mut check = is_structure_wanted.then(PageCheck::start).flatten();
                let copied = hash_and_write::write(&file, compression, pieces, check.as_mut());
                copied.map(|copied| (copied, check)).map_err(|cause| SaveError::Write { path: shown, cause })
            })
        };
        let (mut copied, check, storage_version) = self.receive(&mut client, start).await?;
        let mut report = self.judged_and_synced(&part, &copied, check, client.endpoint()).await?;
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
            // A compressed file would have to be unpacked once more.
            let plain = part.handle().ok().filter(|_| self.config.compression.is_none());
            let plain = plain.and_then(|file| same_history::open(file, &part.shown()));
            let last = plain.as_ref().and_then(|plain| last_write(&plain.store().ok()?));
            let revision = status.map(|status| status.revision).or(last.map(|last| last.revision));
            Origin { cluster: member.cluster_id, revision, last }
        });
        warnings.extend(part.leftover_warning());
        warnings.extend(self.template.mislabel(self.config.compression.map(Compression::extension)));
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

    /// Compares the snapshot with the cluster, also at the other `endpoints` that the caller named, and removes old ones.
    async fn finish(&self, published: Published, endpoints: &[String]) -> Saved {
        let Published { mut saved, file, received, member, mut client, members, taken } = published;
        // An empty store has the revision 1, and a compaction may be ahead of the last entry.
        let revision = saved.revision.unwrap_or_default().max(member.revision).max(Revision::FIRST);
        let asked = Compared {
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
    ) -> Pruned {
        let none = |reason: &str| Pruned {
            notes: vec![format!("No old snapshot was removed, because {reason}.")],
            ..Pruned::default()
        };
        if !self.keep.is_asked_for() {
            return Pruned::default();
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
            Destination::Directory(directory) => directory.again(),
            Destination::Stream(_) => return Pruned::default(),
        };
        let directory = match directory {
            Ok(directory) => directory,
            Err(cause) => return none(&crate::error::plain(&cause)),
        };
        let (keep, template, path) = (self.keep, self.template.clone(), saved.file.clone());
        let pruning = tokio::task::spawn_blocking(move || {
            let removed = OnceCell::new();
            let SavedFile { opened, name } = &file;
            let newest = Newest::new((opened, name, &path), cluster, &members, revision, &removed);
            keep.apply(&directory, &template, &Newest { taken, ..newest })
        });
        pruning.await.unwrap_or_else(|cause| none(&format!("of a defect in etcdsnap itself: {cause}")))
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
