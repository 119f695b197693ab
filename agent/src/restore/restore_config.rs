//! The configuration of a restore.

use std::path::{Path, PathBuf};

use etcdsnap_core::Revision;
use etcdsnap_core::etcd::bucket_rules::MAX_LEASE_SECONDS;
use etcdsnap_core::restore::membership::{Cluster, NewMember};
use etcdsnap_core::restore::membership_error::MembershipError;

use super::defaults::{DEFAULT_CLUSTER, DEFAULT_LEASE_SECONDS, DEFAULT_PEER_URL};
use super::peers;
use super::restore_error::RestoreError;

/// The configuration of a restore: the fields of etcd's Go package `snapshot`, followed by our own.
#[derive(Debug, Clone)]
pub struct RestoreConfig {
    /// The snapshot; it may be compressed, and `-` is standard input.
    pub snapshot_path: PathBuf,
    /// The member's name.
    pub name: String,
    /// The data directory; `None` means `<name>.etcd`. It must be absent or empty.
    pub output_data_dir: Option<PathBuf>,
    /// The directory of the write-ahead log, which must be absent; `None` means `member/wal` in the data directory.
    pub output_wal_dir: Option<PathBuf>,
    /// The peer URLs that the member advertises; if empty, [`DEFAULT_PEER_URL`].
    pub peer_urls: Vec<String>,
    /// The members of the cluster: `name=url,…`; `None` means [`DEFAULT_CLUSTER`].
    pub initial_cluster: Option<String>,
    /// The token that makes this cluster's ids differ from those of another with the same URLs.
    pub initial_cluster_token: String,
    /// Whether to restore without a SHA-256, or with one that does not match.
    pub skip_hash_check: bool,
    /// The number to add to the latest revision; 0 leaves it unchanged.
    pub revision_bump: u64,
    /// Whether to mark everything up to the raised revision as compacted; requires the bump.
    pub mark_compacted: bool,
    /// The revision whose state is restored, 0 for the latest; `None` copies the whole history.
    pub as_of: Option<Revision>,
    /// The time to live, in seconds, of leases that are granted again because the state at `as_of` needs them and they no longer exist.
    pub new_lease_seconds: i64,
    /// Keys to delete before etcd starts. Each must exist in the restored state.
    pub delete: Vec<Vec<u8>>,
    /// Whether to leave out the history that a compaction at the restored revision removes.
    pub compact: bool,
    /// Which parts of the snapshot must be sound.
    pub verify: RestoreVerify,
    /// Whether to restore even a damaged database.
    pub force: bool,
    /// The owner of the files: `user` or `user:group`, as names or numbers.
    pub owner: Option<String>,
    /// Whether to write anything.
    pub run: Run,
}

/// Which checks a snapshot must pass before the data directory appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestoreVerify {
    /// Every page and every entry.
    #[default]
    Full,
    /// Pages, trees and buckets; damage in entries is accepted.
    Structure,
    /// Only the SHA-256 and the changed pages.
    None,
}

/// Whether to write anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Run {
    /// Restore.
    #[default]
    Write,
    /// Only check everything, and report what would be written.
    Dry,
}

impl Default for RestoreConfig {
    fn default() -> Self {
        Self {
            snapshot_path: PathBuf::new(),
            name: "default".into(),
            output_data_dir: None,
            output_wal_dir: None,
            peer_urls: Vec::new(),
            initial_cluster: None,
            initial_cluster_token: "etcd-cluster".into(),
            skip_hash_check: false,
            revision_bump: 0,
            mark_compacted: false,
            as_of: None,
            new_lease_seconds: DEFAULT_LEASE_SECONDS,
            delete: Vec::new(),
            compact: false,
            verify: RestoreVerify::Full,
            force: false,
            owner: None,
            run: Run::Write,
        }
    }
}

impl RestoreConfig {
    pub(super) fn bump(&self) -> Result<Option<u64>, RestoreError> {
        match (self.revision_bump, self.mark_compacted) {
            (0, false) => Ok(None),
            (0, true) => Err(RestoreError::Bump { given: "--mark-compacted", lacking: "--bump-revision" }),
            (_, false) => Err(RestoreError::Bump { given: "--bump-revision", lacking: "--mark-compacted" }),
            (by, true) => Ok(Some(by)),
        }
    }

    pub(super) fn check_lease_seconds(&self) -> Result<(), RestoreError> {
        if (1..=MAX_LEASE_SECONDS).contains(&self.new_lease_seconds) { Ok(()) } else { Err(RestoreError::LeaseSeconds) }
    }

    /// Whether the database is rewritten entry by entry instead of copied.
    pub(super) fn rewrites(&self) -> bool {
        self.compact || self.as_of.is_some()
    }

    /// Returns the new cluster.
    pub(super) fn cluster(&self) -> Result<Cluster, RestoreError> {
        let members = self.initial_cluster.as_deref().unwrap_or(DEFAULT_CLUSTER);
        Ok(Cluster::new(members, &self.initial_cluster_token)?)
    }

    /// Returns the member to restore; it must advertise the URLs that the cluster lists for it.
    pub(super) fn member<'c>(&self, cluster: &'c Cluster) -> Result<&'c NewMember, RestoreError> {
        let member = match cluster.member(&self.name) {
            Err(MembershipError::NoSuchName { name, .. }) if self.initial_cluster.is_none() => {
                return Err(RestoreError::NotInDefaultCluster { name });
            }
            outcome => outcome?,
        };
        let usual = [DEFAULT_PEER_URL.to_owned()];
        let advertised = if self.peer_urls.is_empty() { &usual[..] } else { &self.peer_urls };
        match cluster.check_advertised(member, advertised) {
            Err(MembershipError::Differ { .. }) if peers::have_same_addresses(advertised, &member.peer_urls) => {
                Ok(member)
            }
            Err(MembershipError::Differ { name, listed, .. }) if self.peer_urls.is_empty() => {
                Err(RestoreError::DefaultPeerUrl { name, listed })
            }
            outcome => Ok(outcome.map(|()| member)?),
        }
    }

    /// Returns the data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        let given = self.output_data_dir.clone().filter(|path| !path.as_os_str().is_empty());
        // `join` drops a trailing slash, after which no name could be appended.
        let path = given.unwrap_or_else(|| PathBuf::from(format!("{}.etcd", self.name.trim())));
        path.components().collect()
    }

    /// Returns the directory of the log if it is not in its default place.
    pub(super) fn separate_wal_dir(&self) -> Option<PathBuf> {
        let given = self.output_wal_dir.clone().filter(|path| !path.as_os_str().is_empty())?;
        let path: PathBuf = given.components().collect();
        (path != self.data_dir().join(Path::new("member/wal"))).then_some(path)
    }
}
