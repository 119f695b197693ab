//! Errors in the flags that describe the new cluster.

/// Why the flags do not describe a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// A URL that etcd would not accept.
    #[error("--{flag}: {url:?} is not a peer URL: {reason}")]
    Url {
        /// Name of the flag, without dashes.
        flag: &'static str,
        /// The given URL, without user and password.
        url: String,
        /// The problem.
        reason: &'static str,
    },
    /// The flag names no member.
    #[error("--initial-cluster names no member")]
    Empty,
    /// The member to restore is not part of the cluster.
    #[error("--name: {name:?} is not in --initial-cluster, which has {known}")]
    NoSuchName {
        /// The name.
        name: String,
        /// The known names.
        known: String,
    },
    /// The advertised URLs differ from those in `--initial-cluster`.
    #[error("--initial-advertise-peer-urls has {advertised}, but --initial-cluster has {listed} for {name:?}")]
    Differ {
        /// The member.
        name: String,
        /// URLs in `--initial-advertise-peer-urls`.
        advertised: String,
        /// URLs in `--initial-cluster`.
        listed: String,
    },
    /// A URL occurs twice.
    #[error("--initial-cluster has {url} twice")]
    Duplicate {
        /// The URL.
        url: String,
    },
    /// Two members get the same id, which takes a collision of SHA-1, or a member gets id 0.
    #[error("--initial-cluster: {name:?} cannot have the member id {id:x}")]
    Id {
        /// The member.
        name: String,
        /// The id.
        id: u64,
    },
}
