//! Turns a snapshot into the data directory of a member, atomically: it appears complete, or not at all.
//!
//! Everything is built in a directory beside the target, which is renamed in the last step ([`stage_directory`]). The bytes are hashed while they are
//! copied ([`copy`]), the structure is verified at the same time, and only changed pages are rewritten ([`etcdsnap_core::restore`]).

mod all_members;
mod auto_bump;
mod copy;
mod created_directories;
mod defaults;
mod deleted_keys;
mod destination;
mod direct_writer;
mod log_notes;
mod new_database;
mod new_member_files;
mod owner;
mod peers;
mod restore_config;
mod restore_error;
mod restore_job;
mod restore_space;
mod rewritten;
mod stage_directory;
mod staged_result;
mod stale_stages;
mod start_settings;
mod state_changes;
mod targets;

use std::path::{Path, PathBuf};

use etcdsnap_core::restore::membership::{Cluster, NewMember};
use etcdsnap_core::restore::{quota, start_urls, wal};
use etcdsnap_core::{Revision, Source};
use serde::{Serialize, Serializer};
use serde_json::Map;

pub use all_members::restore_all_members;
pub use auto_bump::{AutoBump, BumpBasis, auto_bump};
pub use restore_config::{RestoreConfig, RestoreVerify, Run};
pub use restore_error::RestoreError;
pub use state_changes::{LeasedKey, NewLease, StateChanges};

use crate::byte_text::put_path;
use crate::free_space::{self, Location};
use crate::input::Input;
use crate::progress::Progress;
use new_database::Database;
use new_member_files::MemberStages;
use restore_job::RestoreJob;
use restore_space::SpaceNeeds;
use staged_result::{ReplaceNeed, StageRequest};

/// The result of a restore, or of a dry run.
///
/// In JSON, a path that is not UTF-8 is also in base64: `dataDirBase64` beside `dataDir`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// The data directory.
    #[serde(flatten, serialize_with = "data_dir")]
    pub data_dir: PathBuf,
    /// The directory of the write-ahead log.
    #[serde(flatten, serialize_with = "wal_dir")]
    pub wal_dir: PathBuf,
    /// The file that says how to start it; `None` for a single member.
    #[serde(flatten, serialize_with = "start_file")]
    pub start_file: Option<PathBuf>,
    /// The member's name.
    pub name: String,
    /// The member's id in hexadecimal.
    pub member_id: String,
    /// The cluster's id in hexadecimal.
    pub cluster_id: String,
    /// The whole cluster, in the form of `--initial-cluster`.
    pub initial_cluster: String,
    /// The cluster's token.
    pub initial_cluster_token: String,
    /// The member's peer URLs.
    pub peer_urls: Vec<String>,
    /// The URLs on which etcd should listen for peers: the peer URLs with addresses instead of names.
    pub listen_peer_urls: Vec<String>,
    /// The client URLs that follow from the peer URLs: the same hosts with etcd's default port. Empty if unknown.
    pub advertise_client_urls: Vec<String>,
    /// The URLs on which etcd should listen for clients: the client URLs with addresses instead of names.
    pub listen_client_urls: Vec<String>,
    /// The latest revision in the snapshot.
    pub revision_before: Revision,
    /// The latest revision of the restored store.
    pub revision_after: Revision,
    /// Bytes of the restored database.
    pub database_size: u64,
    /// The `--quota-backend-bytes` that etcd needs to accept writes; `None` if its default suffices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_backend_bytes: Option<u64>,
    /// Pages of the database that were changed; all if it was rewritten entry by entry.
    pub pages_changed: u64,
    /// Whether the SHA-256 at the end of the snapshot was compared.
    pub sha256_checked: bool,
    /// Whether the database is damaged, and was restored all the same ([`RestoreConfig::force`]). What cannot be read of it is lost.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_damaged: bool,
    /// The oldest supported version of etcd that starts on it, such as `3.6`.
    pub oldest_etcd: String,
    /// Alarms in the snapshot that the new cluster keeps: `NOSPACE`, `CORRUPT`. It refuses writes until they are disarmed.
    pub alarms: Vec<String>,
    /// Whether the store has no keys.
    pub empty: bool,
    /// Whether there are leases: each gets its full time to live again when etcd starts, so keys that had nearly expired live longer.
    pub has_leases: bool,
    /// Differences from the latest state of the snapshot, if requested.
    #[serde(flatten)]
    pub changes: StateChanges,
    /// False for a dry run.
    pub written: bool,
}

/// Makes a data directory from a snapshot.
///
/// The target appears complete or not at all; the input is only read. The next run removes leftovers of a killed run.
///
/// # Errors
/// [`RestoreError`]; then no files are left, except with [`RestoreError::InPlace`].
pub fn restore(config: &RestoreConfig, progress: &dyn Progress) -> Result<Restored, RestoreError> {
    let cluster = config.cluster()?;
    let member = config.member(&cluster)?;
    let bump = config.bump()?;
    config.check_lease_seconds()?;
    let owner = config.owner.as_deref().map(owner::parse).transpose()?;
    let data_dir = config.data_dir();
    let separate = config.separate_wal_dir();
    let input = Input::open(&config.snapshot_path, progress)?;
    input.expect_snapshot()?;
    let job = RestoreJob { config, cluster: &cluster, bump, input: &input, progress };
    job.check_bump()?;
    let wal_dir = separate.clone().unwrap_or_else(|| data_dir.join("member/wal"));
    let snapshot = (config.snapshot_path.as_path(), input.identity());
    let wanted =
        StageRequest { data_dir: &data_dir, wal_dir: separate.as_deref(), need: ReplaceNeed::Either, owner, snapshot };
    let described = |database: &Database| Restored::new(config, &cluster, member, &data_dir, &wal_dir, database);
    if config.run == Run::Dry {
        wanted.check()?;
        let database = job.dry_run()?;
        free_space::check([(Location::Path(&data_dir), database.size), (Location::Path(&wal_dir), wal::SEGMENT)])?;
        return Ok(described(&database));
    }
    let room = SpaceNeeds::before_writing(&[(&data_dir, job.estimated_size()), (&wal_dir, wal::SEGMENT)]);
    let write = || {
        let stage = wanted.begin()?;
        let database = job.write(&[(member, MemberStages { member: stage.member(), log: stage.log() })])?;
        if progress.cancelled() {
            return Err(crate::Error::Cancelled.into());
        }
        stage.publish()?;
        Ok(described(&database))
    };
    write().map_err(|error| room.explain(error))
}

impl Restored {
    fn new(
        config: &RestoreConfig,
        cluster: &Cluster,
        member: &NewMember,
        data_dir: &Path,
        wal_dir: &Path,
        database: &Database,
    ) -> Self {
        let client_urls = start_urls::client_urls(member, &cluster.members);
        Self {
            data_dir: data_dir.to_owned(),
            wal_dir: wal_dir.to_owned(),
            start_file: None,
            name: member.name.clone(),
            member_id: member.hex(),
            cluster_id: format!("{:x}", cluster.id),
            initial_cluster: cluster.initial_cluster(),
            initial_cluster_token: config.initial_cluster_token.clone(),
            listen_peer_urls: start_urls::listen_urls(&member.peer_urls, &cluster.members),
            listen_client_urls: start_urls::listen_urls(&client_urls, &cluster.members),
            advertise_client_urls: client_urls,
            peer_urls: member.peer_urls.clone(),
            revision_before: database.revision_before,
            revision_after: database.revision_after,
            database_size: database.size,
            quota_backend_bytes: quota::needed_quota(database.size),
            pages_changed: database.pages_changed,
            sha256_checked: database.sha256_checked,
            is_damaged: database.is_damaged,
            oldest_etcd: database.inherited.oldest_etcd.clone(),
            alarms: database.inherited.alarms.iter().map(ToString::to_string).collect(),
            empty: database.keys == Some(0) || database.revision_before == Revision::ZERO,
            has_leases: database.inherited.has_leases,
            changes: StateChanges::new(config, database),
            written: config.run == Run::Write,
        }
    }
}

fn data_dir<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    of_path("dataDir", Some(path), serializer)
}

fn wal_dir<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    of_path("walDir", Some(path), serializer)
}

fn start_file<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    of_path("startFile", path.as_deref(), serializer)
}

fn of_path<S: Serializer>(name: &str, path: Option<&Path>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = Map::new();
    if let Some(path) = path {
        put_path(&mut object, name, path);
    }
    object.serialize(serializer)
}

/// Returns the length of a source, for code that copies it.
fn len<S: Source>(source: &S) -> u64 {
    source.len()
}
