//! Why nothing was restored.

use std::io;
use std::path::PathBuf;

use etcdsnap_core::bolt::database::DatabaseError;
use etcdsnap_core::etcd::bucket_rules::MAX_LEASE_SECONDS;
use etcdsnap_core::key_syntax::key_text;
use etcdsnap_core::restore::membership_error::MembershipError;
use etcdsnap_core::restore::plan::PlanError;
use etcdsnap_core::store::Unavailable;
use etcdsnap_core::{Report, Revision};

use super::defaults::{DEFAULT_CLUSTER, DEFAULT_PEER_URL};
use crate::error::plain;
use crate::free_space::Lack;
use crate::fsx::output_error::write_advice;
use crate::grouped_number::{exact_bytes, grouped_positive, grouped_revision};
use crate::printable::{printable_path, typed_path};

/// Nothing was restored, and the target is as it was. Its text says what is wrong; [`RestoreError::advice`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The snapshot cannot be read, or the caller asked to stop.
    #[error(transparent)]
    Input(#[from] crate::Error),
    /// The members cannot be those that the flags name.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// No cluster was given, and the default one has no such member.
    #[error("--name: {name:?} is not in --initial-cluster, which was not given and is {DEFAULT_CLUSTER} by default")]
    NotInDefaultCluster {
        /// The name.
        name: String,
    },
    /// No peer URLs were given, and the cluster does not have the default one for the member.
    #[error(
        "--initial-advertise-peer-urls was not given and is {DEFAULT_PEER_URL} by default, but --initial-cluster has {listed} for {name:?}"
    )]
    DefaultPeerUrl {
        /// The member.
        name: String,
        /// Its URLs in the cluster, with commas between them.
        listed: String,
    },
    /// Only one of two flags that belong together.
    #[error("{given} is given without {lacking}")]
    Bump {
        /// The one.
        given: &'static str,
        /// The other.
        lacking: &'static str,
    },
    /// The database cannot become a member's.
    #[error("{}", of_plan(.0))]
    Plan(#[from] PlanError),
    /// The snapshot has no such revision any more, or not yet.
    #[error("--rev: {0}")]
    Revision(#[from] Unavailable),
    /// Keys that are to be deleted are not there.
    #[error("--delete: {} has no key {} at revision {}{}", printable_path(path), listed(keys), grouped_revision(*revision), if *unread == 0 { "" } else { ", as far as it can be read" })]
    NoSuchKeys {
        /// The snapshot.
        path: PathBuf,
        /// The keys.
        keys: Vec<Vec<u8>>,
        /// The revision that is restored.
        revision: Revision,
        /// Places that could not be read.
        unread: u64,
    },
    /// A lease cannot be granted for so long.
    #[error("--lease-ttl: etcd grants leases for 1 to {} seconds", grouped_positive(MAX_LEASE_SECONDS))]
    LeaseSeconds,
    /// What can be read of the database cannot be written entry by entry.
    #[error(
        "{} cannot be written entry by entry, as --rev, --at and --compact need it: {reason}",
        printable_path(path)
    )]
    NotWhole {
        /// The snapshot.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no SHA-256 behind the database.
    #[error(
        "{} has no SHA-256 behind the database ({}): snapshot missing hash but --skip-hash-check=false",
        printable_path(path),
        exact_bytes(*len)
    )]
    NoTrailer {
        /// The snapshot.
        path: PathBuf,
        /// Its length, unpacked.
        len: u64,
    },
    /// The SHA-256 is another one.
    #[error("{}: the SHA-256 behind the database is not that of its bytes", printable_path(path))]
    Sha256 {
        /// The snapshot.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error("{} is damaged: {}", printable_path(path), first(report))]
    Damaged {
        /// The snapshot.
        path: PathBuf,
        /// All findings.
        report: Box<Report>,
    },
    /// A member's name that no directory can have.
    #[error("--all-members: no directory and file of their own can be made for the member named {0:?}")]
    AllMembersName(String),
    /// Something is where the data directory is to be.
    #[error("--data-dir: {} {reason}", printable_path(path))]
    DataDir {
        /// The data directory.
        path: PathBuf,
        /// What is the matter with it.
        reason: String,
    },
    /// Whether the data directory that is there is empty cannot be seen.
    #[error("--data-dir: {} is there and cannot be read: {} (it belongs to {}, mode {mode:04o})", printable_path(path), plain(cause), user(*uid))]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// The user whom it belongs to.
        uid: u32,
        /// Its permissions.
        mode: u32,
        /// What the system said.
        cause: io::Error,
    },
    /// Something is where the directory of all members is to be.
    #[error("--all-members: {} {reason}", printable_path(path))]
    AllMembers {
        /// The directory.
        path: PathBuf,
        /// What is the matter with it.
        reason: String,
    },
    /// Something is where the log is to be.
    #[error("--wal-dir: {} {reason}", printable_path(path))]
    WalDir {
        /// The directory of the log.
        path: PathBuf,
        /// What is the matter with it.
        reason: String,
    },
    /// The disk has not enough room.
    #[error("{} has {} free, and {} are needed", printable_path(path), exact_bytes(*available), exact_bytes(*needed))]
    Space {
        /// A directory on it.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// The disk became full while it was written, though there had been room, or this user may not take so much of it.
    #[error("cannot write {}: {}; {} are needed in all", printable_path(path), plain(cause), exact_bytes(*needed))]
    Full {
        /// Which file or directory.
        path: PathBuf,
        /// Bytes that the whole restore needs.
        needed: u64,
        /// What the system said.
        cause: io::Error,
    },
    /// Nobody has that name or number.
    #[error("--owner: there is no {kind} {name:?}")]
    Owner {
        /// `user` or `group`.
        kind: &'static str,
        /// The name or number.
        name: String,
    },
    /// Only root may give files away.
    #[error("--owner: the files cannot be given away: {0}")]
    NotOurs(String),
    /// The data directory that is there belongs to a user who may have put it there for the database to become theirs.
    #[error(
        "{} belongs to user {owner}, and {} lets others than root put it there: the database would become theirs",
        printable_path(path),
        printable_path(around)
    )]
    Planted {
        /// The data directory.
        path: PathBuf,
        /// The number of the user.
        owner: u32,
        /// The directory around it that others may write to.
        around: PathBuf,
    },
    /// The result is in place and complete; only something after that went wrong.
    #[error("{} is restored and in place, but {what}: {}", printable_path(path), plain(cause))]
    InPlace {
        /// The data directory.
        path: PathBuf,
        /// What went wrong.
        what: String,
        /// What the system said.
        cause: io::Error,
    },
    /// What a killed run left cannot be removed.
    #[error("cannot remove {}, which a killed restore left: {}", printable_path(path), plain(cause))]
    Leftover {
        /// The leftover.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The snapshot lies in what a killed run left, which would be removed.
    #[error(
        "{} lies in {}, which a killed restore left and this one would remove",
        printable_path(snapshot),
        printable_path(stage)
    )]
    InLeftover {
        /// The snapshot.
        snapshot: PathBuf,
        /// The leftover.
        stage: PathBuf,
    },
    /// A file or directory cannot be written.
    #[error("cannot write {}: {}", printable_path(path), plain(cause))]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl From<Lack> for RestoreError {
    fn from(Lack { path, needed, available }: Lack) -> Self {
        Self::Space { path, needed, available }
    }
}

impl RestoreError {
    /// What to do about it; empty where nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Input(error) => error.advice(),
            Self::NotInDefaultCluster { .. } => "Give --initial-cluster with every member of the new cluster: NAME=URL,…".into(),
            Self::DefaultPeerUrl { listed, .. } => format!("Give --initial-advertise-peer-urls {listed}"),
            Self::Bump { .. } => "The two belong together: --bump-revision N (or auto) --mark-compacted".into(),
            Self::NoTrailer { .. } => {
                "`snapshot save` writes one; a copy of member/snap/db has none. If this is such a copy of a stopped member, give --skip-hash-check.".into()
            }
            Self::Sha256 { .. } => {
                "Take another copy or another snapshot; `etcdsnap verify` says what is hurt. --skip-hash-check restores it all the same.".into()
            }
            Self::Damaged { .. } => {
                "`etcdsnap verify --all` lists everything. Use another snapshot; --force restores this one as far as it can be read; if its SHA-256 is wrong as well, that takes --skip-hash-check, too.".into()
            }
            Self::Revision(Unavailable::Compacted { .. }) => "What is older may be in an older snapshot.".into(),
            Self::Revision(Unavailable::Future { .. }) => {
                "Leave --rev out for the latest state, or take a newer snapshot.".into()
            }
            Self::NoSuchKeys { path, revision, .. } => format!(
                "Nothing was written. See which keys there are: etcdsnap keys {} --rev {revision}",
                typed_path(path)
            ),
            Self::NotWhole { path, .. } => format!(
                "Nothing was written. Get out what can be read, and restore that: etcdsnap salvage {} -o OUT",
                typed_path(path)
            ),
            Self::DataDir { .. } | Self::AllMembers { .. } | Self::WalDir { .. } => "Move it away, or name another place: what is to be made must not be there yet, and a directory in it will do.".into(),
            Self::Unreadable { uid, .. } => format!(
                "Nothing was written: whether it is empty, as it must be, cannot be seen. Run this as {} (as in `sudo etcdsnap restore …`), or name another place.",
                if *uid == 0 { "root".to_owned() } else { format!("root or {}", user(*uid)) }
            ),
            Self::Owner { name, .. } if name.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => {
                "The highest number is 4294967294: the next one means to the system that the owner stays as it is.".into()
            }
            Self::Owner { .. } => "Names are looked up in /etc/passwd and /etc/group; numbers always work.".into(),
            Self::NotOurs(_) => "Run as root, or leave --owner out and give them away later.".into(),
            Self::Planted { owner, .. } => format!(
                "Say whose the files are to be with --owner USER (--owner {owner} if that is right), or remove the directory. One that is a mount point or the working directory cannot be replaced: name a directory below one that only root may write to."
            ),
            Self::Write { cause, .. } => write_advice(cause).into(),
            Self::InPlace { .. } => "Nothing is to be restored again. Look after what failed before you start etcd: until the directory is synced, a power cut may undo its name.".into(),
            Self::Leftover { .. } => "Remove it by hand.".into(),
            Self::InLeftover { .. } => "Copy the snapshot elsewhere and restore from the copy.".into(),
            Self::Space { .. } | Self::Full { .. } => "Make room, or name another place.".into(),
            _ => String::new(),
        }
    }

    /// Whether the snapshot is at fault.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Input(error) => error.is_damage(),
            Self::Sha256 { .. } | Self::Damaged { .. } | Self::NotWhole { .. } => true,
            // A read that failed says nothing about the file.
            Self::Plan(error) => !matches!(
                error,
                PlanError::Bump { .. } | PlanError::Exhausted | PlanError::Edit(DatabaseError::Read(_))
            ),
            _ => false,
        }
    }
}

fn user(uid: u32) -> String {
    if uid == 0 { "root".into() } else { format!("user {uid}") }
}

fn of_plan(error: &PlanError) -> String {
    match error {
        // It names its flag.
        PlanError::Bump { .. } | PlanError::Exhausted => error.to_string(),
        _ => format!("the database cannot be changed: {error}"),
    }
}

/// The first of some keys, and how many more there are.
fn listed(keys: &[Vec<u8>]) -> String {
    let first = keys.first().map(|key| key_text(key)).unwrap_or_default();
    match keys.len() {
        0 | 1 => first,
        more => format!("{first} and {} more of those", more - 1),
    }
}

fn first(report: &Report) -> String {
    let damage = |finding: &&etcdsnap_core::Finding| {
        finding.severity == etcdsnap_core::Severity::Damage && finding.code != etcdsnap_core::Code::Sha256Mismatch
    };
    let first = report.findings.list().iter().find(damage);
    first.map(|finding| format!("{} [{}]", crate::printable(&finding.message), finding.code)).unwrap_or_default()
}
