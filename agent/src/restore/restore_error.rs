//! Why a restore failed.

use std::io;
use std::path::{Path, PathBuf};

use etcdsnap_core::bolt::database::DatabaseError;
use etcdsnap_core::etcd::bucket_rules::MAX_LEASE_SECONDS;
use etcdsnap_core::key_syntax::key_text;
use etcdsnap_core::restore::membership_error::MembershipError;
use etcdsnap_core::restore::plan::PlanError;
use etcdsnap_core::store::RevisionUnavailable;
use etcdsnap_core::{Code, Offset, Report, Revision};

use super::defaults::{DEFAULT_CLUSTER, DEFAULT_PEER_URL};
use crate::error::plain;
use crate::free_space::NotEnoughSpace;
use crate::fsx::output_error::write_advice;
use crate::grouped_number::{exact_bytes, grouped, grouped_positive, grouped_revision};
use crate::printable::{printable_path, typed_path};

/// Why nothing was restored; the target is unchanged. The text says what is wrong; [`RestoreError::advice`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The snapshot cannot be read, or the caller asked to stop.
    #[error(transparent)]
    Input(#[from] crate::Error),
    /// The flags do not describe a valid membership.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// No cluster was given, and the default cluster has no such member.
    #[error("--name: {name:?} is not in --initial-cluster, which was not given and is {DEFAULT_CLUSTER} by default")]
    NotInDefaultCluster {
        /// The name.
        name: String,
    },
    /// No peer URLs were given, and the cluster lists other URLs than the default for the member.
    #[error(
        "--initial-advertise-peer-urls was not given and is {DEFAULT_PEER_URL} by default, but --initial-cluster has {listed} for {name:?}"
    )]
    DefaultPeerUrl {
        /// The member.
        name: String,
        /// Its URLs in the cluster, separated by commas.
        listed: String,
    },
    /// Only one of two flags was given that require each other.
    #[error("{given} is given without {lacking}")]
    Bump {
        /// The given flag.
        given: &'static str,
        /// The missing flag.
        lacking: &'static str,
    },
    /// The database cannot be turned into a member's.
    #[error("{}", of_plan(.0))]
    Plan(#[from] PlanError),
    /// The snapshot does not contain the revision.
    #[error("--rev: {0}")]
    Revision(#[from] RevisionUnavailable),
    /// Keys to delete do not exist.
    #[error("--delete: {} has no key {} at revision {}{}", printable_path(path), listed(keys), grouped_revision(*revision), if *unread == 0 { "" } else { " in the readable part" })]
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
    /// The time to live of leases is out of range.
    #[error("--lease-ttl: etcd grants leases for 1 to {} seconds", grouped_positive(MAX_LEASE_SECONDS))]
    LeaseSeconds,
    /// The readable part of the database cannot be rewritten entry by entry.
    #[error(
        "{} cannot be rewritten entry by entry, which --rev, --at and --compact require: {reason}",
        printable_path(path)
    )]
    NotWhole {
        /// The snapshot.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// There is no SHA-256 after the database.
    #[error(
        "{} has no SHA-256 after the database ({}): snapshot missing hash but --skip-hash-check=false",
        printable_path(path),
        exact_bytes(*len)
    )]
    NoTrailer {
        /// The snapshot.
        path: PathBuf,
        /// Its length, unpacked.
        len: u64,
    },
    /// The SHA-256 does not match.
    #[error("{}: the SHA-256 after the database does not match its bytes", printable_path(path))]
    Sha256 {
        /// The snapshot.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error("{} is damaged: {}", printable_path(path), first(report))]
    Damaged {
        /// The snapshot.
        path: PathBuf,
        /// The report with all findings.
        report: Box<Report>,
    },
    /// A member's name cannot be a directory name.
    #[error("--all-members: the name {0:?} of a member cannot be used for a directory and a file")]
    AllMembersName(String),
    /// The data directory cannot be created at its path.
    #[error("--data-dir: {} {reason}", printable_path(path))]
    DataDir {
        /// The data directory.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// An existing data directory cannot be read, so it is unknown whether it is empty.
    #[error("--data-dir: {} exists and cannot be read: {} (it belongs to {}, mode {mode:04o})", printable_path(path), plain(cause), user(*uid))]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// The user id of its owner.
        uid: u32,
        /// Its permissions.
        mode: u32,
        /// The error of the system.
        cause: io::Error,
    },
    /// The directory for all members cannot be created at its path.
    #[error("--all-members: {} {reason}", printable_path(path))]
    AllMembers {
        /// The directory.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// The directory of the log cannot be created at its path.
    #[error("--wal-dir: {} {reason}", printable_path(path))]
    WalDir {
        /// The directory of the log.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// The disk has too little free space.
    #[error("{} has {} free, but {} are needed", printable_path(path), exact_bytes(*available), exact_bytes(*needed))]
    Space {
        /// A directory on that disk.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// The disk became full during writing although there had been enough space, or this user's quota is exhausted.
    #[error("cannot write to {}: {}; {} are needed in all", printable_path(path), plain(cause), exact_bytes(*needed))]
    Full {
        /// The file or directory.
        path: PathBuf,
        /// Bytes that the whole restore needs.
        needed: u64,
        /// The error of the system.
        cause: io::Error,
    },
    /// The user or group does not exist.
    #[error("--owner: there is no {kind} {name:?}")]
    Owner {
        /// `user` or `group`.
        kind: &'static str,
        /// The name or number.
        name: String,
    },
    /// Only root may change the owner of files.
    #[error("--owner: the owner of the files cannot be changed: {0}")]
    NotOurs(String),
    /// An existing data directory belongs to a user who may have created it to get hold of the database.
    #[error(
        "{} belongs to user {owner}, and users other than root can create entries in {}: that user would own the database",
        printable_path(path),
        printable_path(around)
    )]
    Planted {
        /// The data directory.
        path: PathBuf,
        /// The id of the user.
        owner: u32,
        /// The parent directory that others may write to.
        around: PathBuf,
    },
    /// The result is complete and in place, but a later step failed.
    #[error("{} is restored and in place, but {what}: {}", printable_path(path), plain(cause))]
    InPlace {
        /// The data directory.
        path: PathBuf,
        /// The step that failed.
        what: String,
        /// The error of the system.
        cause: io::Error,
    },
    /// A leftover of a killed run cannot be removed.
    #[error("cannot remove {}, which a killed restore left: {}", printable_path(path), plain(cause))]
    Leftover {
        /// The leftover.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// The snapshot is inside a leftover of a killed run, which would be removed.
    #[error(
        "{} is inside {}, which a killed restore left and this one would remove",
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
    #[error("cannot write to {}: {}", printable_path(path), plain(cause))]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
}

impl From<NotEnoughSpace> for RestoreError {
    fn from(NotEnoughSpace { path, needed, available }: NotEnoughSpace) -> Self {
        Self::Space { path, needed, available }
    }
}

impl RestoreError {
    /// Says what to do; empty if nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Input(error) => error.advice(),
            Self::Membership(error) => error.advice().into(),
            Self::NotInDefaultCluster { .. } => "Give --initial-cluster with every member of the new cluster: NAME=URL,…".into(),
            Self::DefaultPeerUrl { listed, .. } => format!("Give --initial-advertise-peer-urls {listed}"),
            Self::Bump { .. } => "These flags require each other: --bump-revision N (or auto) --mark-compacted".into(),
            Self::NoTrailer { .. } => {
                "`snapshot save` writes one; a copy of member/snap/db has none. If this is such a copy of a stopped member, give --skip-hash-check.".into()
            }
            Self::Sha256 { .. } => {
                "Copy the file again from where it was saved, or use an earlier backup; `etcdsnap verify` shows the damage. --skip-hash-check restores it all the same.".into()
            }
            Self::Damaged { path, report } if report.findings.counts().contains_key(&Code::FileTruncated) => format!(
                "The end of the file is missing. Copy it again from where it was saved, or use another snapshot. --force cannot restore it; this recovers the readable part into a file that can be restored: etcdsnap salvage {} -o OUT",
                typed_path(path)
            ),
            Self::Damaged { path, report } if report.findings.has(Code::FileLengthened) => {
                lengthened_advice(path, report)
            }
            Self::Damaged { .. } => {
                "`etcdsnap verify --all` lists everything. Use another snapshot; --force restores the readable part of this one; if its SHA-256 does not match, add --skip-hash-check.".into()
            }
            Self::Revision(RevisionUnavailable::Compacted { .. }) => "Look for older states in an older snapshot.".into(),
            Self::Revision(RevisionUnavailable::Future { .. }) => {
                "Leave --rev out for the latest state, or use a newer snapshot.".into()
            }
            Self::NoSuchKeys { path, revision, .. } => format!(
                "Nothing was written. List the keys: etcdsnap keys {} --rev {revision}",
                typed_path(path)
            ),
            Self::NotWhole { path, .. } => format!(
                "Nothing was written. Recover the readable part, and restore that: etcdsnap salvage {} -o OUT",
                typed_path(path)
            ),
            Self::DataDir { .. } | Self::AllMembers { .. } | Self::WalDir { .. } => "Move it away, or give another path, for example of a new directory in it.".into(),
            Self::Unreadable { uid, .. } => format!(
                "Nothing was written: the directory must be empty, but its contents cannot be listed. Run this as {} (as in `sudo etcdsnap restore …`), or give another path.",
                if *uid == 0 { "root".to_owned() } else { format!("root or {}", user(*uid)) }
            ),
            Self::Owner { name, .. } if name.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => {
                "The highest number is 4294967294; the next one means that the owner does not change.".into()
            }
            Self::Owner { .. } => "Names are looked up in /etc/passwd and /etc/group; numbers always work.".into(),
            Self::NotOurs(_) => "Run this as root, or leave --owner out and change the owner later.".into(),
            Self::Planted { owner, .. } => format!(
                "Name the owner of the files with --owner USER (--owner {owner} if that is right), or remove the directory. If it is a mount point or the working directory, it cannot be replaced: give a directory inside one that only root may write to."
            ),
            Self::Write { cause, .. } => write_advice(cause).into(),
            Self::InPlace { .. } => "Do not restore again. Solve this problem before you start etcd: until the directory is synced, a power failure may undo its name.".into(),
            Self::Leftover { .. } => "Remove it by hand.".into(),
            Self::InLeftover { .. } => "Copy the snapshot elsewhere and restore from the copy.".into(),
            Self::Space { .. } | Self::Full { .. } => "Free some space, or give another path.".into(),
            _ => String::new(),
        }
    }

    /// Whether the snapshot is the cause.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Input(error) => error.is_damage(),
            Self::Sha256 { .. } | Self::Damaged { .. } | Self::NotWhole { .. } => true,
            // A failed read does not mean that the file is damaged.
            Self::Plan(error) => !matches!(
                error,
                PlanError::Bump { .. } | PlanError::Exhausted | PlanError::Edit(DatabaseError::Read(_))
            ),
            _ => false,
        }
    }
}

/// Advises on a file that continues after its SHA-256.
fn lengthened_advice(path: &Path, report: &Report) -> String {
    let lengthened = report.findings.list().iter().find(|finding| finding.code == Code::FileLengthened);
    // The offset of the finding is that of the first extra byte.
    let length = lengthened.and_then(|finding| finding.offset).map_or(0, Offset::get);
    format!(
        "If the message says that its SHA-256 matches, restore a copy without the extra bytes: head -c {length} {} > COPY. Otherwise use another snapshot.",
        typed_path(path)
    )
}

fn user(uid: u32) -> String {
    if uid == 0 { "root".into() } else { format!("user {uid}") }
}

fn of_plan(error: &PlanError) -> String {
    match error {
        // This error already names its flag.
        PlanError::Bump { .. } | PlanError::Exhausted => error.to_string(),
        _ => format!("the database cannot be changed: {error}"),
    }
}

/// Formats the first of some keys, and the number of others.
fn listed(keys: &[Vec<u8>]) -> String {
    let first = keys.first().map(|key| key_text(key)).unwrap_or_default();
    match keys.len() {
        0 | 1 => first,
        more => format!("{first} and {} more", grouped((more as u64).saturating_sub(1))),
    }
}

fn first(report: &Report) -> String {
    let damage = |finding: &&etcdsnap_core::Finding| {
        finding.severity == etcdsnap_core::Severity::Damage && finding.code != etcdsnap_core::Code::Sha256Mismatch
    };
    let first = report.findings.list().iter().find(damage);
    first.map(|finding| format!("{} [{}]", crate::printable(&finding.message), finding.code)).unwrap_or_default()
}
