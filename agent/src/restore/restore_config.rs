//! What to restore, and where to.

use std::path::{Path, PathBuf};

use etcdsnap_core::Revision;
use etcdsnap_core::etcd::bucket_rules::MAX_LEASE_SECONDS;
use etcdsnap_core::restore::membership::{Cluster, Member};
use etcdsnap_core::restore::membership_error::MembershipError;

use super::defaults::{DEFAULT_CLUSTER, DEFAULT_LEASE_SECONDS, DEFAULT_PEER_URL};
use super::peers;
use super::restore_error::RestoreError;

/// A restore; the fields are those of etcd's Go package `snapshot`, and ours behind them.
#[derive(Debug, Clone)]
pub struct RestoreConfig {
    /// The snapshot; it may be compressed, and `-` is the standard input.
    pub snapshot_path: PathBuf,
    /// The member's name.
    pub name: String,
    /// The data directory; `<name>.etcd` when none is given. It must be absent or empty.
    pub output_data_dir: Option<PathBuf>,
    /// The directory of the write-ahead log, which must be absent; `member/wal` in the data directory when none is given.
    pub output_wal_dir: Option<PathBuf>,
    /// The peer URLs that the member advertises; [`DEFAULT_PEER_URL`] when there are none.
    pub peer_urls: Vec<String>,
    /// The members of the cluster: `name=url,…`; [`DEFAULT_CLUSTER`] when it is not given.
    pub initial_cluster: Option<String>,
    /// The token that makes this cluster's ids differ from those of another with the same URLs.
    pub initial_cluster_token: String,
    /// Whether to go on without a SHA-256, or with a wrong one.
    pub skip_hash_check: bool,
    /// By how much to raise the latest revision; 0 for not at all.
    pub revision_bump: u64,
    /// Whether everything up to the raised revision is marked as compacted; goes together with the bump.
    pub mark_compacted: bool,
    /// The revision whose state is restored, 0 for the latest; none for a copy of the whole history.
    pub as_of: Option<Revision>,
    /// For how many seconds leases are granted anew that the state at `as_of` needs and that are gone since.
    pub new_lease_seconds: i64,
    /// Keys to delete before etcd starts. Each must live in the state that is restored.
    pub delete: Vec<Vec<u8>>,
    /// Whether history is left out as a compaction at the restored revision removes it.
    pub compact: bool,
    /// What must be sound.
    pub verify: RestoreVerify,
    /// Whether to restore a damaged database all the same.
    pub force: bool,
    /// `user` or `user:group`, names or numbers, to whom the files are to belong.
    pub owner: Option<String>,
    /// Whether anything is written.
    pub run: Run,
}

/// What is checked before a data directory appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestoreVerify {
    /// Every page and every entry.
    #[default]
    Full,
    /// Pages, trees and buckets; damage in entries is let pass.
    Structure,
    /// Nothing but the SHA-256 and the pages that change.
    None,
}

/// Whether to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Run {
    /// Yes.
    #[default]
    Write,
    /// No: check everything that can be checked, and say what would be written.
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

    /// Whether the database is written entry by entry, and not copied.
    pub(super) fn rewrites(&self) -> bool {
        self.compact || self.as_of.is_some()
    }

    /// The cluster to be.
    pub(super) fn cluster(&self) -> Result<Cluster, RestoreError> {
        let members = self.initial_cluster.as_deref().unwrap_or(DEFAULT_CLUSTER);
        Ok(Cluster::new(members, &self.initial_cluster_token)?)
    }

    /// The member of that cluster, which advertises what the cluster has for it.
    pub(super) fn member<'c>(&self, cluster: &'c Cluster) -> Result<&'c Member, RestoreError> {
        let member = match cluster.member(&self.name) {
            Err(MembershipError::NoSuchName { name, .. }) if self.initial_cluster.is_none() => {
                return Err(RestoreError::NotInDefaultCluster { name });
            }
            outcome => outcome?,
        };
        let usual = [DEFAULT_PEER_URL.to_owned()];
        let advertised = if self.peer_urls.is_empty() { &usual[..] } else { &self.peer_urls };
        match cluster.check_advertised(member, advertised) {
            Err(MembershipError::Differ { .. }) if peers::lead_alike(advertised, &member.peer_urls) => Ok(member),
            Err(MembershipError::Differ { name, listed, .. }) if self.peer_urls.is_empty() => {
                Err(RestoreError::DefaultPeerUrl { name, listed })
            }
            outcome => Ok(outcome.map(|()| member)?),
        }
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        let given = self.output_data_dir.clone().filter(|path| !path.as_os_str().is_empty());
        // Joining takes away a slash at the end, behind which no name could be put.
        let path = given.unwrap_or_else(|| PathBuf::from(format!("{}.etcd", self.name.trim())));
        path.components().collect()
    }

    /// The directory of the log when it lies elsewhere than in the data directory.
    pub(super) fn separate_wal_dir(&self) -> Option<PathBuf> {
        let given = self.output_wal_dir.clone().filter(|path| !path.as_os_str().is_empty())?;
        let path: PathBuf = given.components().collect();
        (path != self.data_dir().join(Path::new("member/wal"))).then_some(path)
    }
}
