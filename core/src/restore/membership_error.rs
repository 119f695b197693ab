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
    /// A member without a URL.
    #[error("--initial-cluster: {member:?} has no URL")]
    NoUrl {
        /// The text where NAME=URL belongs, without user and password.
        member: String,
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

impl MembershipError {
    /// Says what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Url { flag: "initial-cluster", .. } | Self::NoUrl { .. } | Self::Empty => {
                "Name every member of the new cluster with its peer URL: --initial-cluster m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380"
            }
            Self::Url { .. } => "Peer URLs are such as https://10.0.0.1:2380, with commas between them.",
            Self::NoSuchName { .. } => "Give --name one of these names, or add the member to --initial-cluster.",
            Self::Differ { .. } => "Give the same URLs in both flags.",
            Self::Duplicate { .. } => "Give each member a URL of its own.",
            Self::Id { .. } => "Give another --initial-cluster-token, from which the ids are computed.",
        }
    }
}
